"""From files to framed pictures, one after the other. A picture that cannot be read or framed becomes a `Failure`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from ...core.arrays import U8
from ...core.errors import MpcError
from ...geometry.camera import DEFAULT_EXTENT_M
from ...models.runs import LoadedRun
from .framing import Framing, frame_person, keep_frame
from .pictures import Source, read_frames, read_rgba
from .settings import CaptureSettings


@dataclass(frozen=True, eq=False)
class FramedPicture:
    """A picture, or a frame of a film, that is ready to be reconstructed.

    Attributes:
        name: name of its files, without suffix.
        folder: folder of its files.
        picture: (H, W, 4) uint8 RGBA, the whole picture.
        framing: the part of the picture that the networks see.
        remark: one line for the user about the assumed size; "" for frames that share an earlier frame's.
    """

    name: str
    folder: Path
    picture: U8
    framing: Framing
    remark: str = ""


class Failure(NamedTuple):
    """A picture, a frame or a film that was not reconstructed.

    Attributes:
        name: of the file, or of the frame.
        reason: one line for the user.
    """

    name: str
    reason: str


def frame_stills(
    run: LoadedRun, pictures: Sequence[tuple[Source, str]], out: Path, settings: CaptureSettings
) -> Iterator[FramedPicture | Failure]:
    """Read and frame pictures.

    Args:
        run: gives the extent and the angle of view that the networks were trained with.
        pictures: each with the name of its files.
        out: folder of the files.
        settings: how to frame.
    """
    for source, name in pictures:
        try:
            picture = read_rgba(source.path, source.mask)
            framing = frame_picture(run, picture, settings)
        except MpcError as error:
            yield Failure(source.path.name, str(error))
            continue
        yield FramedPicture(name, out, picture, framing, f"{source.path.name}: {framing.assumption}")


def frame_film(
    run: LoadedRun, source: Source, name: str, folder: Path, settings: CaptureSettings
) -> Iterator[FramedPicture | Failure]:
    """Read and frame a film. All frames have the scale of the first one that shows somebody.

    Args:
        run: gives the extent and the angle of view that the networks were trained with.
        source: the film.
        name: name of the film's files; each frame appends its number.
        folder: folder of the frames' files.
        settings: how to frame, and which frames to keep.

    Raises:
        MpcError: the film cannot be read.
    """
    first: Framing | None = None
    for number, _, picture in read_frames(source, settings.every):
        try:
            framing = frame_picture(run, picture, settings, first)
        except MpcError as error:
            yield Failure(f"{source.path.name} frame {number}", str(error))
            continue
        remark = "" if first else f"{source.path.name}: {framing.assumption}; this scale for all frames"
        first = first or framing
        yield FramedPicture(f"{name}_{number:06d}", folder, picture, framing, remark)


def frame_picture(run: LoadedRun, picture: U8, settings: CaptureSettings, like: Framing | None = None) -> Framing:
    """Frame a picture as the settings say; `like` is an earlier frame of the same film."""
    known = settings.extent_m if settings.extent_m is not None else run.extent_m
    # Runs of older versions did not record their extent.
    extent_m = DEFAULT_EXTENT_M if known is None else known
    if settings.framing == "keep":
        framing = keep_frame(picture, extent_m=extent_m)
    else:
        framing = frame_person(picture, extent_m=extent_m, height_m=settings.height_m, like=like)
    return replace(framing, fov_deg=run.fov_deg)


def unique_names(sources: Sequence[Source]) -> list[str]:
    """A name without suffix for the files of each source; a number is appended to a name that is taken already."""
    names: list[str] = []
    for source in sources:
        name, number = source.path.stem, 2
        while name in names:
            name, number = f"{source.path.stem}_{number}", number + 1
        names.append(name)
    return names
