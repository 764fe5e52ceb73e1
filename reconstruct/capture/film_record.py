"""Which frames of a film are reconstructed, so that a stopped `mpc reconstruct` goes on where it was.

A finished film has FILM/film.json: what it was made from, its frames with their times, and those that failed. Until
then the folder FILM/.unfinished holds what it is made from, and for each finished frame its panel of the result's film
and a JSON file. That JSON file is written last of all files of a frame, so a frame that has it is whole.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...core.arrays import U8
from ...core.errors import InputError
from ...core.files import read_json_object, write_json
from ...core.folders import refuse_changes
from ...formats.png import read_png, write_png
from .results import Captured, Failure

FORMAT, VERSION = "mpc-film", 1


@dataclass(frozen=True, kw_only=True)
class FrameRecord:
    """A finished frame.

    Attributes:
        name: name of its files, without suffix.
        seconds: its time in the film.
        vertices: number of vertices of the mesh.
        faces: number of faces of the mesh.
        evaluations: number of points at which the surface network was evaluated.
        assumption: what was assumed about size, in words.
    """

    name: str
    seconds: float
    vertices: int
    faces: int
    evaluations: int
    assumption: str

    @classmethod
    def read(cls, table: dict[str, Any], path: Path) -> FrameRecord:
        """The frame that an entry describes.

        Raises:
            InputError: entries are missing, or there are others; `path` is named.
        """
        try:
            return cls(**table)
        except TypeError:
            raise InputError(path, "does not read as the record of a frame; remove its folder to start anew") from None

    @property
    def captured(self) -> Captured:
        """What is reported of a frame that is kept."""
        return Captured(
            name=self.name, assumption=self.assumption, vertices=self.vertices, faces=self.faces,
            evaluations=self.evaluations, seconds=0.0, kept=True,
        )  # fmt: skip


class FilmRecord:
    """The finished frames of one film.

    Args:
        folder: of the film's frames; it exists.
        film: the film of the input beside the result.
        source: name of the film that is reconstructed.
        made_from: from `film_settings`.
        suffixes: of the files that each finished frame has, such as ".glb".

    Raises:
        SettingsError: the folder holds frames that were made from something else.
        InputError: a record does not read.

    Attributes:
        frames: the finished frames so far, in order.
    """

    def __init__(
        self, folder: Path, film: Path, source: str, made_from: dict[str, Any], suffixes: Sequence[str]
    ) -> None:
        self._folder, self._film, self._source, self._made_from = folder, film, source, made_from
        self._suffixes = tuple(suffixes)
        self._path, self._open = folder / "film.json", folder / ".unfinished"
        self.frames: list[FrameRecord] = []
        self._sequence: tuple[str, ...] = ()
        for path in (self._path, self._claim):
            if path.is_file():
                refuse_changes(folder, _read(path)["made_from"], made_from)

    @property
    def _claim(self) -> Path:
        return self._open / "film.json"

    def finished(self) -> list[Captured | Failure] | None:
        """What became of the frames of a film that is finished; None where it is not."""
        if not (self._path.is_file() and self._film.is_file()):
            return None
        content = _read(self._path)
        frames = [FrameRecord.read(entry, self._path) for entry in content["frames"]]
        if not all(self._is_whole(frame.name) for frame in frames):
            return None
        shutil.rmtree(self._open, ignore_errors=True)  # of a run that was stopped at the very end
        self.frames, self._sequence = frames, tuple(content.get("sequence", ()))
        return [*(frame.captured for frame in frames), *(Failure(*pair) for pair in content["failures"])]

    def kept(self, name: str) -> FrameRecord | None:
        """The record of a frame that an earlier run finished; None where it did not."""
        path = self._open / f"{name}.json"
        if not (path.is_file() and self.panel_path(name).is_file() and self._is_whole(name)):
            return None
        return FrameRecord.read(read_json_object(path), path)

    def panel_path(self, name: str) -> Path:
        """Where the panel of a finished frame lies until the film is finished."""
        return self._open / f"{name}.png"

    def panel(self, name: str) -> U8:
        """The panel of a finished frame, (H, W, 3) uint8."""
        return np.ascontiguousarray(read_png(self.panel_path(name))[..., :3])

    def add(self, frame: FrameRecord, panel: U8) -> None:
        """Record a frame whose other files are written.

        Args:
            frame: what is known of it.
            panel: (H, W, 3) uint8, its picture in the result's film.
        """
        if not self._claim.is_file():
            write_json(self._claim, self._content(made_from=self._made_from), sort_keys=False)
        write_png(self.panel_path(frame.name), panel)
        write_json(self._open / f"{frame.name}.json", asdict(frame), sort_keys=False)
        self.frames.append(frame)

    def keep(self, frame: FrameRecord) -> None:
        """Take over a frame of an earlier run."""
        self.frames.append(frame)

    def has_sequence(self, files: Sequence[str]) -> bool:
        """Whether an earlier run wrote these files of the whole film, see sequences.py."""
        return all(file in self._sequence and (self._film.parent / file).is_file() for file in files)

    def finish(self, failures: Sequence[Failure], sequence: Sequence[str] = ()) -> None:
        """Record that the film is finished; its file is there.

        Args:
            failures: the frames that failed.
            sequence: names of the files of the whole film that were written beside it.
        """
        content = self._content(
            made_from=self._made_from, frames=[asdict(frame) for frame in self.frames],
            failures=[list(failure) for failure in failures], **({"sequence": list(sequence)} if sequence else {}),
        )  # fmt: skip
        write_json(self._path, content, sort_keys=False)
        shutil.rmtree(self._open, ignore_errors=True)

    def _content(self, **more: Any) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, "source": self._source, **more}

    def _is_whole(self, name: str) -> bool:
        return all((self._folder / f"{name}{suffix}").is_file() for suffix in self._suffixes)


def _read(path: Path) -> dict[str, Any]:
    content = read_json_object(path)
    if (content.get("format"), content.get("version")) != (FORMAT, VERSION):
        raise InputError(path, f"is not {FORMAT} version {VERSION}; choose another --out")
    return content
