"""`mpc verify`: check a folder of renders or of shards, whichever it is, and report what is damaged."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from ..core.errors import InputError, SettingsError
from ..core.files import read_json_object, write_json
from ..core.folders import NAME
from ..core.progress import Progress
from .renders.format import RENDERS
from .renders.verify import verify_renders
from .shards.index import read_index
from .shards.verify import verify_shards


@dataclass(frozen=True, kw_only=True)
class VerifyReport:
    """What was found in a folder.

    Attributes:
        folder: the folder.
        kind: what it holds.
        deep: whether the content of every file was compared, and not only its size.
        scenes: number of scenes that were checked.
        problems: what is wrong: "file", "dataset", "scene" (None where not just one is concerned) and "reason".
        aside: scenes of a renders folder that do not belong to its last finished run, by key, with the reason.
    """

    folder: Path
    kind: Literal["renders", "shards"]
    deep: bool
    scenes: int
    problems: tuple[dict[str, str | None], ...]
    aside: dict[str, str] = field(default_factory=dict)

    def lines(self) -> list[str]:
        """One line for each problem, one for what is set aside, and the sum."""
        told = []
        for problem in self.problems:
            place = [str(problem["file"]), *([f"dataset {problem['dataset']}"] if problem["dataset"] else [])]
            scene = problem["scene"] if self.kind == "shards" else None  # there the file's name holds it
            told.append(", ".join([*place, *([f"scene {scene}"] if scene else [])]) + f": {problem['reason']}")
        if self.aside:
            told.append(f"set aside, not checked: {len(self.aside)} scenes, e.g. {min(self.aside)}")
        how = "" if self.deep else " (sizes compared; --deep compares checksums)"
        return [*told, f"{len(self.problems)} problems in {self.folder}/, {self.scenes} scenes{how}"]

    def as_json(self) -> dict[str, Any]:
        """The report as JSON holds it."""
        return {
            "folder": str(self.folder),
            "kind": self.kind,
            "deep": self.deep,
            "scenes": self.scenes,
            "problems": list(self.problems),
            "aside": self.aside,
        }


def verify_folder(folder: Path, *, deep: bool = False, jobs: int = 0, progress: Progress | None = None) -> VerifyReport:
    """Check a folder of renders or of shards.

    Args:
        folder: written by `mpc render`, `mpc import` or `mpc sample`.
        deep: of renders, compare checksums and not only sizes; the content of shards is always compared.
        jobs: worker processes, see core/units.py.
        progress: receives what is checked.

    Raises:
        InputError: it is neither, or too damaged to tell.
        SettingsError: `deep` for shards.
    """
    if _is_renders(folder):
        found = verify_renders(folder, deep=deep, jobs=jobs, progress=progress)
        problems = [{"file": p.file, "dataset": None, "scene": p.scene, "reason": p.reason} for p in found.problems]
        return VerifyReport(
            folder=folder, kind="renders", deep=deep, scenes=found.scenes, problems=tuple(problems), aside=found.aside
        )
    if deep:
        raise SettingsError(f"--deep: no effect on {folder}: the checksums of shards are always compared")
    wrong = verify_shards(folder, jobs=jobs, progress=progress)
    return VerifyReport(
        folder=folder,
        kind="shards",
        deep=True,
        scenes=_count_scenes(folder),
        problems=tuple({"file": p.shard, "dataset": p.dataset, "scene": p.scene, "reason": p.reason} for p in wrong),
    )


def write_verify_json(path: Path, report: VerifyReport) -> None:
    """Write a report as JSON, for other programs; the folder is made."""
    write_json(path, report.as_json(), sort_keys=False)


def _is_renders(folder: Path) -> bool:
    try:
        return read_json_object(folder / NAME).get("format") == RENDERS.name
    except InputError:  # `verify_shards` tells what is wrong, unless it is plainly a folder of scenes
        return (folder / "manifest.jsonl").is_file()


def _count_scenes(folder: Path) -> int:
    try:
        return sum(len(entry.scenes) for entry in read_index(folder).shards)
    except InputError:
        return 0
