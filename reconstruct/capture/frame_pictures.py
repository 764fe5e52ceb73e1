"""From files to framed pictures, one by one; what cannot be read or framed is recorded and left out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...core.arrays import U8
from ...core.errors import MpcError
from ...core.progress import Progress
from ...models.runs import LoadedRun
from .framing import Framing, frame_person, keep_frame
from .pictures import Source, read_frames, read_rgba
from .settings import CaptureSettings

# Of runs older than the record of it.
UNTOLD_EXTENT_M = 2.4


@dataclass(frozen=True, eq=False)
class Job:
    """A picture or a frame to reconstruct.

    Attributes:
        name: of its files, without suffix. folder: of its files.
        picture: (H, W, 4) uint8 RGBA, whole.
        framing: the part that the networks see.
    """

    name: str
    folder: Path
    picture: U8
    framing: Framing


def picture_jobs(
    run: LoadedRun,
    pictures: Sequence[tuple[Source, str]],
    out: Path,
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
) -> Iterator[Job]:
    """A job for each picture and the name of its files."""
    for source, name in pictures:
        try:
            picture = read_rgba(source.path, source.mask)
            framing = _frame(run, picture, settings, None)
        except MpcError as error:
            failures.append((source.path.name, str(error)))
            progress.advance(note=f"{source.path.name} failed")
            continue
        progress.message(f"{source.path.name}: {framing.assumption}")
        yield Job(name, out, picture, framing)


def film_jobs(
    run: LoadedRun,
    source: Source,
    name: str,
    folder: Path,
    settings: CaptureSettings,
    failures: list[tuple[str, str]],
    progress: Progress,
) -> Iterator[Job]:
    """All frames at the scale of the first in which somebody is seen."""
    first: Framing | None = None
    for number, _, picture in read_frames(source, settings.every):
        try:
            framing = _frame(run, picture, settings, first)
        except MpcError as error:
            failures.append((f"{source.path.name} frame {number}", str(error)))
            progress.advance()
            continue
        if first is None:
            first = framing
            progress.message(f"{source.path.name}: {framing.assumption}; this scale for all frames")
        yield Job(f"{name}_{number:06d}", folder, picture, framing)


def _frame(run: LoadedRun, picture: U8, settings: CaptureSettings, like: Framing | None) -> Framing:
    told = settings.extent_m if settings.extent_m is not None else run.extent_m
    extent_m = UNTOLD_EXTENT_M if told is None else told
    if settings.framing == "keep":
        framing = keep_frame(picture, extent_m=extent_m)
    else:
        framing = frame_person(picture, extent_m=extent_m, height_m=settings.height_m, like=like)
    return replace(framing, fov_deg=run.fov_deg)


def unique_names(sources: Sequence[Source]) -> list[str]:
    """File names without suffix; a name met before gets a number."""
    names: list[str] = []
    for source in sources:
        name, number = source.path.stem, 2
        while name in names:
            name, number = f"{source.path.stem}_{number}", number + 1
        names.append(name)
    return names
