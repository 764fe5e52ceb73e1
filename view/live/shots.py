"""What goes through the pipeline: a frame as it comes in, the person in it, and the person's surface."""

from __future__ import annotations

import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ...core.arrays import F32, U8
from ...core.errors import MpcError
from ...models.person.finder import Person
from ...reconstruct.capture.framing import Framing
from ...reconstruct.localise.grid import LocalisedGrid
from ...reconstruct.view_field import ViewField

# Larger frames are reduced: masks are no better for them, and cost by their pixels.
MOST_SIDE = 640
# A browser's frame may hold so many pixels; it is not decoded otherwise.
MOST_PIXELS = 4096 * 2304
QUALITY = 80


class BrokenFrameError(MpcError):
    """A frame that cannot be decoded."""


@dataclass(frozen=True, eq=False)
class Shot:
    """A frame as it comes in.

    Attributes:
        number: counts the frames of this server.
        taken: when it came, seconds of `time.monotonic`.
        content: (H, W, 3) uint8, (H, W, 4) with a mask, or the bytes of a JPEG, PNG or WebP.
        stamp: the sender's own time, which is sent back with the result; 0 without.
    """

    number: int
    taken: float
    content: U8 | bytes
    stamp: float = 0.0


@dataclass(frozen=True, eq=False)
class Seen:
    """A frame and the person in it.

    Attributes:
        shot: the frame.
        picture: (H, W, 4) uint8; alpha is the person's mask.
        person: as the networks found it; None where the frame brought its mask along.
        note: what the viewers should know, such as that several people are in sight.
    """

    shot: Shot
    picture: U8
    person: Person | None
    note: str = ""


@dataclass(frozen=True, eq=False)
class Surface:
    """The person's surface in one frame.

    Attributes:
        seen: the frame and the person.
        square: (S, S, 4) uint8, what the networks saw of it.
        framing: where that square lies.
        landmarks: what the networks were told, or None.
        view: the encoded square.
        grid: the localised surface; None in the mode "visible", in which each viewer has its own.
        resolution: nodes along each side of the view cube.
    """

    seen: Seen
    square: U8
    framing: Framing
    landmarks: F32 | None
    view: ViewField
    grid: LocalisedGrid | None
    resolution: int


def decode(content: U8 | bytes) -> U8:
    """The pixels (H, W, 3 or 4) of a frame, at most MOST_SIDE along each side.

    Raises:
        BrokenFrameError: the bytes are no picture, or one of too many pixels.
    """
    if isinstance(content, bytes):
        try:
            with Image.open(io.BytesIO(content), formats=("JPEG", "PNG", "WEBP")) as opened:
                if opened.width * opened.height > MOST_PIXELS:
                    raise BrokenFrameError(f"a frame of {opened.width} x {opened.height} pixels is too large")
                opened.draft("RGB", (MOST_SIDE, MOST_SIDE))  # a JPEG is decoded at half its size where that suffices
                picture = opened.convert("RGB")
        except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
            raise BrokenFrameError("a frame came that is no picture (JPEG, PNG or WebP)") from error
    else:
        if max(content.shape[:2]) <= MOST_SIDE:
            return content
        picture = Image.fromarray(content)
    if max(picture.size) > MOST_SIDE:
        share = MOST_SIDE / max(picture.size)
        smaller = max(round(picture.width * share), 1), max(round(picture.height * share), 1)
        picture = picture.resize(smaller, Image.Resampling.BILINEAR, reducing_gap=2.0)
    pixels: U8 = np.asarray(picture)
    return pixels


def encode_jpeg(picture: U8) -> bytes:
    """A picture (H, W, 3) uint8 as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture).save(stream, "JPEG", quality=QUALITY)
    return stream.getvalue()
