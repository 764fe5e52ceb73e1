"""Where somebody is: which thing is shown, and how. A place is part of a link, which opens the same thing again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

KEPT = re.compile(r"[A-Za-z0-9._/-]")


@dataclass(frozen=True)
class Place:
    """What is shown.

    Attributes:
        name: of the thing, one of the source's names; "" for the first.
        chosen: the chosen value of each control, by the control's name; controls that are missing have their first.
    """

    name: str = ""
    chosen: Mapping[str, str] = field(default_factory=dict)


def write_place(place: Place) -> str:
    """A place as the path of an address, such as "/at/scan_000,view=090".

    Browsers decode the path once more than they encode it, so letters that mean something in an address are written
    with a tilde: "a b" is "a~20b".
    """
    words = [_escape(place.name), *(f"{_escape(key)}={_escape(value)}" for key, value in place.chosen.items())]
    return "/at/" + ",".join(words)


def read_place(path: str) -> Place:
    """The place of a path; the first one where the path holds none, and without what does not read."""
    if not path.startswith("/at/"):
        return Place()
    name, *rest = path.removeprefix("/at/").split(",")
    pairs = (word.partition("=") for word in rest if "=" in word)
    return Place(_unescape(name), {_unescape(key): _unescape(value) for key, _, value in pairs})


def link(place: Place, origin: str) -> str:
    """The address that opens a place.

    viser's page connects to the websocket that its address names, and the server sees that websocket's path.

    Args:
        place: what is to be shown.
        origin: of the page, such as "http://127.0.0.1:8080".
    """
    scheme, _, host = origin.partition("://")
    socket = f"{'wss' if scheme == 'https' else 'ws'}://{host}{write_place(place)}"
    return f"{origin}/?websocket={socket}"


def _escape(text: str) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if KEPT.fullmatch(chr(byte)) else f"~{byte:02X}" for byte in data)


def _unescape(text: str) -> str:
    pieces = re.split(r"~([0-9A-Fa-f]{2})", text)
    data = b"".join(
        bytes.fromhex(piece) if number % 2 else piece.encode("utf-8", "surrogateescape")
        for number, piece in enumerate(pieces)
    )
    return data.decode("utf-8", "surrogateescape")
