"""`mpc reconstruct`: pictures and films of people to meshes, turntables and pictures of the input beside the result."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from ...core.arrays import U8
from ...core.errors import MpcError
from ...core.locks import one_writer
from ...core.pictures import side_by_side
from ...core.progress import NoProgress, Progress
from ...models.runs import LoadedRun
from .batches import Drawn, reconstruct_framed
from .film_reader import read_film_head
from .film_record import FilmRecord, FrameRecord
from .films import FilmWriter
from .frame_pictures import FramedPicture, frame_film, frame_stills, unique_names
from .made_from import StillDigest, film_settings
from .pictures import Source
from .results import Captured, CaptureSummary, Failure
from .sequences import sequence_files, write_sequence
from .settings import CaptureSettings
from .still_record import StillRecord


@one_writer("out")
def capture(
    run: LoadedRun,
    sources: Sequence[Source],
    out: Path,
    settings: CaptureSettings | None = None,
    *,
    progress: Progress | None = None,
) -> CaptureSummary:
    """Reconstruct every picture and every frame. A failure does not keep the others from being reconstructed.

    Writes NAME.glb (and other formats), NAME.png (the input beside the result) and NAME.gif (a turntable) for
    a picture; for a film the folder NAME with one mesh for each frame, and NAME.mp4, the input beside the result, with
    `sequence` also NAME.glb and NAME_turntable.mp4.

    Args:
        run: from `load_run`.
        sources: pictures and films, from `find_sources`.
        out: folder to write to.
        settings: None: the defaults.
        progress: receives pictures, frames and remarks for the user.
    """
    settings, progress = settings or CaptureSettings(), progress or NoProgress()
    out.mkdir(parents=True, exist_ok=True)
    names = unique_names(sources)
    pictures = [(source, name) for source, name in zip(sources, names, strict=True) if not source.is_film]
    films = [(source, name) for source, name in zip(sources, names, strict=True) if source.is_film]
    outcomes: list[Captured | Failure] = []
    if pictures:
        suffixes = [*settings.formats, *([] if settings.turntable == "none" else [settings.turntable])]
        stills = StillRecord(StillDigest(run, settings), [f".{suffix}" for suffix in suffixes])
        progress.start("pictures", len(pictures))
        framed = _show_remarks(frame_stills(run, pictures, out, settings), progress)
        for outcome in reconstruct_framed(run, framed, settings, stills):
            outcomes.append(_report(outcome, progress))
        progress.finish()
    for source, name in films:
        try:
            for one in _film(run, source, name, out, settings, progress):
                outcomes.append(one)
        except MpcError as error:
            outcomes.append(Failure(source.path.name, str(error)))
    return CaptureSummary(
        tuple(one for one in outcomes if isinstance(one, Captured)),
        tuple(one for one in outcomes if isinstance(one, Failure)),
    )


def _film(
    run: LoadedRun, source: Source, name: str, out: Path, settings: CaptureSettings, progress: Progress
) -> Iterator[Captured | Failure]:
    """Reconstruct a film: the meshes of its frames, and the film of the input beside the result.

    Frames that an earlier run of the same command finished are kept.
    """
    head = read_film_head(source.path)
    total = -(-head.frames // settings.every)
    folder, path = out / name, out / f"{name}.mp4"
    suffixes = [f".{suffix}" for suffix in settings.formats]
    record = FilmRecord(folder, path, source.path.name, film_settings(run, source, settings), suffixes)
    folder.mkdir(exist_ok=True)
    progress.start(source.path.name, total)
    try:
        before = record.finished()
        if before is not None:
            progress.message(f"{source.path.name}: all frames were reconstructed before")
            progress.skip(total)
            yield from before
            failures = [one for one in before if isinstance(one, Failure)]
            _write_sequence(record, (out, name), settings.every / head.rate, settings, progress, failures)
            return
        failures = []
        with FilmWriter(path, head.rate / settings.every) as film:
            framed = _show_remarks(frame_film(run, source, name, folder, settings, record), progress)
            for outcome in reconstruct_framed(run, framed, settings, record):
                if isinstance(outcome, Failure):
                    failures.append(outcome)
                else:
                    film.add(_recorded(outcome, record), outcome.seconds)
                yield _report(outcome, progress)
        record.finish(failures)
        _write_sequence(record, (out, name), settings.every / head.rate, settings, progress, failures)
    finally:
        progress.finish()


def _write_sequence(
    record: FilmRecord,
    place: tuple[Path, str],
    step: float,
    settings: CaptureSettings,
    progress: Progress,
    failures: Sequence[Failure],
) -> None:
    """Write the files of the whole film, where they are asked for and not there yet, and record them.

    Args:
        record: of the film, whose frames are finished.
        place: folder of the results, and name of the film.
        step: seconds from frame to frame.
        settings: how to reconstruct.
        progress: is told.
        failures: the frames that failed.
    """
    name = place[1]
    files = sequence_files(name, turntable=settings.turntable != "none")
    if not settings.sequence or not record.frames or record.has_sequence(files):
        return
    progress.message(f"{name}: writing {' and '.join(files)}")
    write_sequence(place, record.frames, step, settings.size, turntable=settings.turntable != "none")
    record.finish(failures, files)


def _recorded(drawn: Drawn, record: FilmRecord) -> U8:
    """The frame's picture for the film; what is new is recorded as finished."""
    one = drawn.captured
    frame = FrameRecord(
        name=one.name, seconds=drawn.seconds, vertices=one.vertices, faces=one.faces, evaluations=one.evaluations,
        assumption=one.assumption,
    )  # fmt: skip
    if one.kept:
        record.keep(frame)
        return record.panel(one.name)
    panel = side_by_side(drawn.panels)
    record.add(frame, panel)
    return panel


def _show_remarks(framed: Iterator[FramedPicture | Failure], progress: Progress) -> Iterator[FramedPicture | Failure]:
    """Pass pictures on; show the user what is assumed about each before its reconstruction begins."""
    for one in framed:
        if isinstance(one, FramedPicture) and one.remark:
            progress.message(one.remark)
        yield one


def _report(outcome: Drawn | Failure, progress: Progress) -> Captured | Failure:
    """Count one outcome in the progress, and strip the panels."""
    if isinstance(outcome, Failure):
        progress.advance(note=f"{outcome.name} failed")
        return outcome
    if outcome.captured.kept:
        progress.skip(1)
    else:
        progress.advance(note=outcome.captured.name)
    return outcome.captured
