"""`mpc segment`: masks, landmarks and overlays of the people in pictures and films."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ...core.arrays import U8
from ...core.checks import check_choice, check_ranges
from ...core.errors import InputError, MpcError
from ...core.files import file_sha256, read_json_object, write_json
from ...core.folders import FolderFormat, claim_folder
from ...core.progress import NoProgress, Progress
from ...core.settings import to_table
from ...formats.png import write_png
from ...models.person.engines import ENGINES
from ...models.person.finder import Person, PersonFinder
from .body import measure_body
from .film_reader import read_film_head, read_frames
from .films import FilmWriter
from .frame_pictures import unique_names
from .overlays import draw_overlay, draw_people, draw_seen
from .people import (
    FilmTracker,
    NobodyError,
    check_person,
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
from .pictures import Source, read_picture
from .results import Failure

FORMAT = FolderFormat("mpc-segments", 1, "segments")


@dataclass(frozen=True, kw_only=True)
class SegmentSettings:
    """How to find people; `mpc segment` has an option for each field, with the same default.

    Attributes:
        person: number of the person in a picture with several, by falling score of the detector, or "all".
        every: keep every n-th frame of a film.
        engine: "torch", "litert", or "auto": LiteRT where it is installed.
    """

    person: str = "1"
    every: int = 1
    engine: str = "auto"

    def __post_init__(self) -> None:
        check_person(self.person)
        check_choice("engine", self.engine, ENGINES)
        check_ranges(self, every=(1, None))


@dataclass(frozen=True)
class SegmentSummary:
    """The outcome of `segment`.

    Attributes:
        done: names of the pictures and films of which masks were written, or were there already.
        failures: pictures, frames and films that failed, in order.
    """

    done: tuple[str, ...]
    failures: tuple[Failure, ...]


def segment(
    sources: Sequence[Source], out: Path, settings: SegmentSettings | None = None, *, progress: Progress | None = None
) -> SegmentSummary:
    """Find the people in pictures and films, and write their masks and landmarks.

    Writes masks/NAME.png (white is the person), landmarks/NAME.json and overlays/NAME.png; for a film folders NAME of
    masks and landmarks, a file for each frame, and overlays/NAME.mp4. What was written by an earlier run from the same
    file is kept.

    Args:
        sources: pictures and films, from `find_sources`; their masks are not used.
        out: folder to write to.
        settings: None: the defaults.
        progress: receives pictures, frames and remarks for the user.

    Raises:
        InputError: `out` holds something else.
        SettingsError: `out` was made with other settings.
        MpcError: the networks were not fetched.
    """
    settings, progress = settings or SegmentSettings(), progress or NoProgress()
    finder = lazy_finder(settings.engine)
    finder()  # without the networks nothing can be done for any picture
    claim_folder(out, FORMAT, to_table(settings))
    done: list[str] = []
    failures: list[Failure] = []
    stills = sum(not source.is_film for source in sources)
    if stills:
        progress.start("pictures", stills)
    for source, name in sorted(zip(sources, unique_names(sources), strict=True), key=lambda one: one[0].is_film):
        if source.is_film and stills:
            progress.finish()
            stills = 0
        try:
            if source.is_film:
                failures += _segment_film(finder(), source.path, name, out, settings, progress)
            else:
                progress.message(f"{source.path.name}: {_segment_still(finder(), source.path, name, out, settings)}")
            done.append(name)
        except MpcError as error:
            failures.append(Failure(source.path.name, str(error)))
        if not source.is_film:
            progress.advance(note=name)
    if stills:
        progress.finish()
    return SegmentSummary(tuple(done), tuple(failures))


def _segment_still(finder: PersonFinder, path: Path, name: str, out: Path, settings: SegmentSettings) -> str:
    """Write the files of one picture; the JSON comes last. Returns a remark for the user."""
    record, digest = out / "landmarks" / f"{name}.json", file_sha256(path)
    if _written(record, digest) is not None:
        return "there already"
    picture = opaque(read_picture(path))
    overlay = out / "overlays" / f"{name}.png"
    try:
        people = find_people(finder, picture)
    except NobodyError as error:
        write_png(overlay, draw_seen(picture, error.doubtful))
        raise InputError(path, f"{error}; what was seen: {overlay}") from error
    if len(people) > 1:
        write_png(out / "overlays" / f"{name}_people.png", draw_people(picture, people))
    chosen = choose_people(people, settings.person)
    for number, person in chosen:
        write_png(out / "masks" / (f"{name}.png" if len(chosen) == 1 else f"{name}_{number}.png"), mask_bytes(person))
    shown = [person for _, person in chosen]
    write_png(overlay, draw_overlay(picture, shown))
    write_json(record, landmark_record(path.name, picture, shown, sha256=digest), sort_keys=False)
    if len(shown) > 1:
        return f"{len(shown)} people found"
    cut = measure_body(shown[0]).cut
    return summary(shown[0], len(people) - 1) + (f"; the person {cut}" if cut else "")


def _segment_film(
    finder: PersonFinder, path: Path, name: str, out: Path, settings: SegmentSettings, progress: Progress
) -> Iterator[Failure]:
    """Write the files of one film. Frames that an earlier run finished are read back."""
    wanted = film_person(path, settings.person)
    head = read_film_head(path)
    digest = file_sha256(path)
    progress.start(path.name, -(-head.frames // settings.every))
    tracker = FilmTracker(finder, wanted)
    try:
        overlay = out / "overlays" / f"{name}.mp4"
        overlay.parent.mkdir(parents=True, exist_ok=True)
        with FilmWriter(overlay, head.rate / settings.every) as film:
            for number, seconds, picture in read_frames(Source(path), settings.every):
                frame = _Frame(out, name, number, path.name, digest)
                people, reason = frame.people(tracker, opaque(picture))
                film.add(draw_overlay(opaque(picture), people), seconds)
                progress.advance(note=frame.name)
                if reason:
                    yield Failure(f"{path.name} frame {number}", reason)
    finally:
        progress.finish()


@dataclass(frozen=True)
class _Frame:
    """Places of the files of one frame.

    Attributes:
        out: folder of the command.
        film: name of the film's files.
        number: of the frame.
        source: name of the film.
        digest: SHA-256 of the film.
    """

    out: Path
    film: str
    number: int
    source: str
    digest: str

    @property
    def name(self) -> str:
        """Name of the files, without suffix."""
        return f"{self.number:06d}"

    def people(self, tracker: FilmTracker, picture: U8) -> tuple[list[Person], str]:
        """Find the person, or read what an earlier run found; nobody is an empty mask, and a reason."""
        place, record = (self.out / kind / self.film for kind in ("masks", "landmarks"))
        mask_path, record_path = place / f"{self.name}.png", record / f"{self.name}.json"
        written = _written(record_path, self.digest)
        if written is not None and mask_path.is_file():
            people = [recorded_person(entry, np.asarray(Image.open(mask_path))) for entry in written["people"]]
            if people:
                tracker.follow(people[0])
            else:
                tracker.lose()
            return people, written["refused"]
        reason = ""
        try:
            people = [tracker.find(picture)]
        except NobodyError as error:
            people, reason = [], str(error)
        mask = mask_bytes(people[0]) if people else np.zeros(picture.shape[:2], np.uint8)
        write_png(mask_path, mask)
        more = {"sha256": self.digest, "frame": self.number, "refused": reason}
        write_json(record_path, landmark_record(self.source, picture, people, **more), sort_keys=False)
        return people, reason


def _written(path: Path, digest: str) -> dict[str, Any] | None:
    """What an earlier run wrote about the same file; None where it did not."""
    if not path.is_file():
        return None
    record = read_json_object(path)
    return record if record.get("sha256") == digest else None
