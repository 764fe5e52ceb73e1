"""What the user says of single subjects, in a TOML file: unit, up, facing, height, or that nobody wants them.

    [person_h]          # a table for each subject, by its id
    unit = "cm"
    up = "+z"
    facing = "-y"
    height = 1.72       # metres at rest; scales the person, whatever the unit
    keep_parts = true   # what is no part of the person (floor, wall, second person) stays in the surface
    exclude = true      # as if the subject were not there

What is left out is detected. An unknown subject, key or value is an error.
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError, SettingsError
from ..core.files import write_text
from ..core.messages import first_few
from ..core.settings import override
from .placement import PlacementOptions


@dataclass(frozen=True, kw_only=True)
class Fix:
    """What the user says of one subject; what is None is detected.

    Attributes:
        unit: see PlacementOptions.
        up: see PlacementOptions.
        facing: see PlacementOptions.
        height: height at rest, metres.
        keep_parts: see PlacementOptions.
        exclude: whether the subject is left out.
    """

    unit: str | None = None
    up: str | None = None
    facing: str | None = None
    height: float | None = None
    keep_parts: bool | None = None
    exclude: bool = False

    @property
    def placement(self) -> PlacementOptions:
        """Unit, axes, height and parts.

        Raises:
            SettingsError: one of them is none that there is.
        """
        return PlacementOptions(
            unit=self.unit, up=self.up, facing=self.facing, height_m=self.height, keep_parts=self.keep_parts
        )


def read_fixes(path: Path, subjects: Sequence[str]) -> dict[str, Fix]:
    """Read a file of fixes.

    Args:
        path: the TOML file.
        subjects: ids of all people of the model directory.

    Returns:
        Fix by the subject's id.

    Raises:
        InputError: the file cannot be read, or is no TOML.
        SettingsError: it holds an unknown subject, key or value; the message names the file and the nearest name.
    """
    try:
        with path.open("rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise InputError(path, f"cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"does not read as TOML ({error})") from error
    fixes = {}
    for name, table in content.items():
        if name not in subjects:
            near = difflib.get_close_matches(name, subjects, n=1)
            hint = f" (did you mean {near[0]}?)" if near else ""
            raise SettingsError(f"{path}: unknown subject {name!r}{hint}; there are {first_few(subjects)}")
        if not isinstance(table, dict):
            raise SettingsError(f"{path}: {name} is {table!r}, expected a table: [{name}]")
        try:
            fixes[name] = override(Fix(), table, name)
            _ = fixes[name].placement
        except SettingsError as error:
            raise SettingsError(f"{path}: {name}: {error}") from error
    return fixes


@dataclass(frozen=True, kw_only=True)
class Suggestion:
    """What a check found out about a subject, to be written for the user to correct.

    Attributes:
        subject: its id.
        found: unit, up, facing or height by the names of `Fix`, each with the reason why.
        unsure: those of `found` that are a guess: they are written as a comment.
        exclude: why the subject cannot be used; None where it can.
        remarks: warnings.
    """

    subject: str
    found: dict[str, tuple[str | float, str]]
    unsure: frozenset[str] = frozenset()
    exclude: str | None = None
    remarks: tuple[str, ...] = ()


HEAD = """\
# What `mpc check` found; correct it, and give it to `mpc check` and `mpc render` as --fixes. A line without # holds,
# whatever the files say; what is left out or behind a # is detected. Keys: unit ("m", "dm", "cm", "mm", "in", "ft"), up
# and facing ("+x", "-x", "+y", "-y", "+z", "-z", in the file's own axes), height (metres; scales the person),
# keep_parts (true keeps what is no part of the person), exclude.
"""


def write_fixes(path: Path, suggestions: Iterable[Suggestion]) -> None:
    """Write a file of fixes that leaves everything as it is found, except that it excludes what cannot be used.

    Args:
        path: the TOML file; its folder is made.
        suggestions: one for each subject.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, HEAD + "".join(_table(one) for one in suggestions))


def _table(one: Suggestion) -> str:
    name = one.subject if re.fullmatch(r"[A-Za-z0-9_-]+", one.subject) else json.dumps(one.subject, ensure_ascii=False)
    lines = ["", *(_comment(text) for text in one.remarks), f"[{name}]"]
    for key, (value, reason) in one.found.items():
        guess = "# " if key in one.unsure else ""
        lines.append(f"{guess}{key} = {json.dumps(value)}  {_comment(reason)}")
    if one.exclude is not None:
        lines.append(f"exclude = true  {_comment(one.exclude)}")
    return "\n".join(lines) + "\n"


def _comment(text: str) -> str:
    return "# " + "".join(letter if letter.isprintable() else "?" for letter in text)
