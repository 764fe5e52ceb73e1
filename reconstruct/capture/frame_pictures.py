"""From files to framed pictures, one after the other. A picture that cannot be read or framed becomes a `Failure`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.arrays import F32, U8
from ...core.errors import InputError, MpcError
from ...core.files import read_json_object, write_json
from ...core.settings import to_table
from ...formats.png import read_png, write_png
from ...geometry.camera import DEFAULT_EXTENT_M
from ...models.person.finder import Person, PersonFinder
from ...models.runs import LoadedRun
from .body import Body, measure_body
from .film_reader import read_frames
from .film_record import FilmRecord
from .framing import Framing, FramingError, frame_person, keep_frame
from .given_landmarks import LandmarkGiver
from .masks import clean_mask
from .one_euro import OneEuroFilter
from .overlays import draw_people, draw_seen
from .people import (
    FilmTracker,
    NobodyError,
    choose_people,
    film_person,
    find_people,
    landmark_record,
    lazy_finder,
    mask_bytes,
    opaque,
    recorded_person,
    summary,
)
from .pictures import Source, read_noted_picture
from .results import Failure
from .settings import CaptureSettings

# The square of a person who stands still is steady within a second; one who walks is followed within a frame or two.
STEADY_HZ, STEADY_PER_SPEED = 0.5, 4.0


@dataclass(frozen=True, eq=False)
class FramedPicture:
    """A picture, or a frame of a film, that is ready to be reconstructed.

    Attributes:
        name: name of its files, without suffix.
        folder: folder of its files.
        picture: (H, W, 4) uint8 RGBA, the whole picture.
        framing: the part of the picture that the networks see.
        remark: one line for the user about the assumed size; "" for frames that share an earlier frame's.
        seconds: time of a frame in its film; 0 for pictures.
        landmarks: (33, 7) float32 in the frame of that part (models/person/landmarks.py); None where they are not
            known, or where the networks do not read them.
    """

    name: str
    folder: Path
    picture: U8
    framing: Framing
    remark: str = ""
    seconds: float = 0.0
    landmarks: F32 | None = None


def frame_stills(
    run: LoadedRun, pictures: Sequence[tuple[Source, str]], out: Path, settings: CaptureSettings
) -> Iterator[FramedPicture | Failure]:
    """Read and frame pictures. Where there is no mask, the person is found; mask and landmarks are written.

    Args:
        run: gives the extent and the angle of view that the networks were trained with.
        pictures: each with the name of its files.
        out: folder of the files.
        settings: how to frame.
    """
    finder = lazy_finder()
    giver = LandmarkGiver(run, finder)
    for source, name in pictures:
        try:
            picture, mask_note = read_noted_picture(source.path, source.mask)
            if picture.shape[2] == 3 and not source.whole:
                yield from _frame_found(run, finder(), source, picture, (out, name), settings, giver)
                continue
            picture, note = _masked(picture, source)
            note += f"{mask_note}; " if mask_note else ""
            framing = frame_picture(run, picture, settings)
        except MpcError as error:
            yield Failure(source.path.name, str(error))
            continue
        landmarks = giver.of_mask(picture, framing)
        note = "; ".join(part for part in (f"{note}{framing.assumption}", giver.note) if part)
        yield FramedPicture(name, out, picture, framing, f"{source.path.name}: {note}", landmarks=landmarks)


def _masked(picture: U8, source: Source) -> tuple[U8, str]:
    """A picture with its mask; the whole picture where the source asks for that, which the remark says."""
    if not source.whole:
        return picture, ""
    picture = opaque(picture)
    return with_alpha(picture, np.full(picture.shape[:2], 255, np.uint8)), "the whole picture is taken for the person; "


def with_alpha(picture: U8, alpha: U8) -> U8:
    """A picture (H, W, 3) with a mask (H, W) as its alpha channel."""
    joined = np.empty((*alpha.shape, 4), np.uint8)
    joined[..., :3], joined[..., 3] = picture[..., :3], alpha
    return joined


def _frame_found(
    run: LoadedRun,
    finder: PersonFinder,
    source: Source,
    picture: U8,
    place: tuple[Path, str],
    settings: CaptureSettings,
    giver: LandmarkGiver,
) -> Iterator[FramedPicture | Failure]:
    """Find and frame the person, or the people, in a picture without a mask."""
    out, name = place
    try:
        people = find_people(finder, picture)
    except NobodyError as error:
        seen = out / f"{name}_seen.png"
        write_png(seen, draw_seen(picture, error.doubtful))
        raise InputError(source.path, f"{error}; what was seen: {seen}") from error
    shown = f" ({name}_people.png)" if len(people) > 1 else ""
    if shown:
        write_png(out / f"{name}_people.png", draw_people(picture, people))
    chosen = choose_people(people, settings.person)
    for number, person in chosen:
        own = name if len(chosen) == 1 else f"{name}_{number}"
        cut_out = with_alpha(picture, mask_bytes(person))
        try:
            framing = frame_picture(run, cut_out, settings, body=measure_body(person))
        except MpcError as error:
            yield Failure(own, str(error))
            continue
        _write_found(source, person, framing, out / own)
        found = f"{summary(person, len(people) - len(chosen))}{shown}"
        landmarks = giver.of_person(person, framing)
        remark = f"{own}: {found}; mask {own}_mask.png; {framing.assumption}"
        remark = "; ".join(part for part in (remark, giver.note) if part)
        yield FramedPicture(own, out, cut_out, framing, remark, landmarks=landmarks)


def _write_found(source: Source, person: Person, framing: Framing, path: Path) -> None:
    """Write mask and landmarks of a person that was found; `path` is that of the result, without suffix."""
    mask = mask_bytes(person)
    write_png(path.with_name(f"{path.name}_mask.png"), mask)
    record = landmark_record(source.path.name, mask, [person], framing=to_table(framing))
    write_json(path.with_name(f"{path.name}.json"), record, sort_keys=False)


def _read_found(path: Path) -> Person | None:
    """The person that `_write_found` wrote; None where its files are not there."""
    mask, record = path.with_name(f"{path.name}_mask.png"), path.with_name(f"{path.name}.json")
    if not (mask.is_file() and record.is_file()):
        return None
    return recorded_person(read_json_object(record)["people"][0], read_png(mask)[..., 0])


def frame_film(
    run: LoadedRun,
    source: Source,
    name: str,
    folder: Path,
    settings: CaptureSettings,
    record: FilmRecord | None = None,
) -> Iterator[FramedPicture | Failure]:
    """Read and frame a film. All frames have the scale of the first one that shows somebody.

    Where the film has no mask, one person is found and followed; masks and landmarks are written.

    Args:
        run: gives the extent and the angle of view that the networks were trained with.
        source: the film.
        name: name of the film's files; each frame appends its number.
        folder: folder of the frames' files.
        settings: how to frame, and which frames to keep.
        record: the frames that an earlier run finished; the person is not looked for in them again.

    Raises:
        MpcError: the film cannot be read, or the networks that find a person were not fetched.
    """
    first: Framing | None = None
    tracker: FilmTracker | None = None
    steady = OneEuroFilter(STEADY_HZ, STEADY_PER_SPEED)
    finder = lazy_finder()
    giver = LandmarkGiver(run, finder)
    told = False
    for number, seconds, picture in read_frames(source, settings.every):
        frame, mask_note, person, known = f"{name}_{number:06d}", "", None, None
        try:
            if picture.shape[2] == 3 and not source.whole:
                if tracker is None:
                    tracker = FilmTracker(finder(), film_person(source.path, settings.person))
                known = None if record is None or record.kept(frame) is None else _read_found(folder / frame)
                person = tracker.find(picture) if known is None else tracker.follow(known)
                picture, found = with_alpha(picture, mask_bytes(person)), f"{summary(person)}; "
            else:
                picture, found = _masked(picture, source)
                alpha, mask_note = clean_mask(picture[..., 3])
                picture = with_alpha(picture, alpha)
            body = None if person is None else measure_body(person)
            framing = frame_picture(run, picture, settings, first, body)
        except (NobodyError, FramingError) as error:
            yield Failure(f"{source.path.name} frame {number}", str(error))
            continue
        remark = "" if first else f"{source.path.name}: {found}{framing.assumption}; this scale for all frames"
        first = first or framing
        framing = _steadied(framing, steady, seconds, settings)
        if person is not None and known is None:
            _write_found(source, person, framing, folder / frame)
        landmarks = giver.of_mask(picture, framing) if person is None else giver.of_person(person, framing)
        notes = [note for note in (mask_note, giver.note) if note]
        if notes and not told:  # once for a film: the next frames have the same
            words = f"from frame {number} on, {'; '.join(notes)}"
            remark, told = "; ".join(part for part in (remark, words) if part), True
        yield FramedPicture(frame, folder, picture, framing, remark, seconds, landmarks)


def _steadied(framing: Framing, steady: OneEuroFilter, seconds: float, settings: CaptureSettings) -> Framing:
    """The framing with the place of its square smoothed over time, where the settings ask for it.

    The square and the cube move together, so the person stays where it is in the world.
    """
    if not settings.smooth:
        return framing
    x, y, z = framing.centre_world
    smooth_x, smooth_y = steady.smooth(np.array([x, y]), seconds).tolist()
    scale = framing.pixels_per_metre
    column, row = framing.column + (smooth_x - x) * scale, framing.row - (smooth_y - y) * scale
    return replace(framing, column=column, row=row, centre_world=(smooth_x, smooth_y, z))


def frame_picture(
    run: LoadedRun, picture: U8, settings: CaptureSettings, like: Framing | None = None, body: Body | None = None
) -> Framing:
    """Frame a picture as the settings say; `like` is an earlier frame of the same film, `body` from landmarks."""
    known = settings.extent_m if settings.extent_m is not None else run.extent_m
    # Runs of older versions did not record their extent.
    extent_m = DEFAULT_EXTENT_M if known is None else known
    if settings.framing == "keep":
        framing = keep_frame(picture, extent_m=extent_m)
    else:
        framing = frame_person(picture, extent_m=extent_m, height_m=settings.height_m, like=like, body=body)
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
