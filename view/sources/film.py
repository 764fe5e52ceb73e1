"""The result of a film: the surface of each frame, played at the film's rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...core.errors import InputError
from ...core.files import legible, read_json_object
from ...formats.mesh_files import WRITE_FORMATS, read_mesh
from ..content import Body, Content, Control, Draw
from .facts import describe_mesh

RECORD, UNFINISHED = "film.json", ".unfinished"
FASTEST = 30.0


class Film:
    """The folder of a film that `mpc reconstruct` wrote, finished or not.

    Args:
        folder: with film.json, or with the records of a film that is not finished yet.
    """

    draws: Sequence[Draw] = ()

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def title(self) -> str:
        """See Source."""
        return f"film {self.folder}"

    def names(self) -> Sequence[str]:
        """See Source."""
        return (legible(self.folder.resolve().name),)

    def controls(self, name: str, chosen: Mapping[str, str]) -> Sequence[Control]:
        """See Source."""
        frames = self._frames()
        times = [float(frame["seconds"]) for frame in frames.values()]
        gaps = np.diff(times)
        rate = float(np.clip(1.0 / np.median(gaps), 1.0, FASTEST)) if len(gaps) and np.median(gaps) > 0 else 10.0
        return (Control("frame", tuple(frames), slider=True, rate=rate),)

    def show(self, name: str, chosen: Mapping[str, str]) -> Content:
        """See Source."""
        frames, record = self._frames(), self._record()
        frame = chosen["frame"]
        path = next((p for s in WRITE_FORMATS if (p := self.folder / f"{frame}.{s}").is_file()), None)
        if path is None:
            raise InputError(self.folder / frame, "the mesh of the frame is gone; `mpc reconstruct` makes it again")
        mesh = read_mesh(path)
        facts = {
            "film": str(record.get("source", "")),
            "frame": f"{frame} at {float(frames[frame]['seconds']):.2f} s",
            "assumed": str(frames[frame].get("assumption", "")),
            **describe_mesh(mesh),
        }
        remarks = [f"{one}: {reason}" for one, reason in record.get("failures", [])]
        if not (self.folder / RECORD).is_file():
            remarks.append("the film is not finished; these are the frames so far")
        return Content(facts=facts, remarks=remarks, bodies=(Body("frame", mesh, lit=False),))

    def _record(self) -> dict[str, Any]:
        path = self.folder / RECORD
        return read_json_object(path if path.is_file() else self.folder / UNFINISHED / RECORD)

    def _frames(self) -> dict[str, dict[str, Any]]:
        """The records of finished frames by name, in the order of the film."""
        record = self._record()
        entries = record.get("frames")
        if entries is None:
            places = sorted((self.folder / UNFINISHED).glob("*.json"))
            entries = [read_json_object(path) for path in places if path.name != RECORD]
        if not entries:
            raise InputError(self.folder, "no frame of the film is finished yet")
        frames = {str(entry["name"]): entry for entry in sorted(entries, key=lambda entry: float(entry["seconds"]))}
        if any(Path(name).name != name for name in frames):
            raise InputError(self.folder, "names frames that lie elsewhere")
        return frames
