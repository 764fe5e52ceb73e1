"""Which pictures are reconstructed, so that `mpc reconstruct` of many pictures goes on where it was stopped.

The result's picture NAME.png is written last of all files of a picture. A text in it (chunk tEXt, keyword "mpc") holds
a digest of what it was made from, so a picture whose NAME.png has that digest is finished.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from ...core.arrays import U8
from ...core.files import write_bytes
from ...formats.png import encode_png
from ...formats.png_rows import SIGNATURE, chunk
from .frame_pictures import FramedPicture
from .made_from import StillDigest
from .results import Captured

KEYWORD = "mpc"
# A PNG begins with its signature and the chunk IHDR of 25 bytes; texts may follow.
_HEAD = len(SIGNATURE) + 25


class StillRecord:
    """The finished pictures.

    Args:
        digest: of what they are made from.
        suffixes: of the files that each finished picture has beside NAME.png, such as ".glb".
    """

    def __init__(self, digest: StillDigest, suffixes: Sequence[str]) -> None:
        self._digest, self._suffixes = digest, tuple(suffixes)

    def kept(self, framed: FramedPicture) -> Captured | None:
        """What an earlier run made of the same picture; None where it did not finish it."""
        path = framed.folder / framed.name
        if not all(path.with_name(path.name + suffix).is_file() for suffix in (".png", *self._suffixes)):
            return None
        entry = _read(path.with_name(path.name + ".png"))
        if entry.pop("made_from", None) != self._digest.of(framed):
            return None
        return Captured(name=framed.name, assumption=framed.framing.assumption, seconds=0.0, kept=True, **entry)

    def write(self, framed: FramedPicture, result: U8, **counts: int) -> None:
        """Write NAME.png; all other files of the picture are there.

        Args:
            framed: the picture.
            result: (H, W, 3) uint8.
            counts: entries of `Captured`.
        """
        entry = json.dumps({"made_from": self._digest.of(framed), **counts})
        png, text = encode_png(result), chunk(b"tEXt", f"{KEYWORD}\0{entry}".encode("latin-1"))
        write_bytes(framed.folder / f"{framed.name}.png", png[:_HEAD] + text + png[_HEAD:])


def _read(path: Path) -> dict[str, Any]:
    """What the text of a result says; empty for another picture of that name."""
    try:
        with Image.open(path) as picture:
            entry = json.loads(picture.info.get(KEYWORD, "{}"))
    except (OSError, SyntaxError, ValueError, TypeError):
        return {}
    known = {"made_from", "vertices", "faces", "evaluations"}
    return entry if isinstance(entry, dict) and set(entry) == known else {}
