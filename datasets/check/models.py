"""`mpc check`: examine all subjects of a model directory before anything is rendered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...core.checks import check_range
from ...core.files import write_json
from ...core.guard import Limits, Lost, run_guarded
from ...core.progress import NoProgress, Progress
from ...subjects.axes import UNITS_M
from ...subjects.fixes import Suggestion
from ...subjects.loose_frames import doubt_numbers
from ...subjects.placement import PlacementOptions
from ...subjects.selection import Selection, find_people
from .subject import CheckUnit, SubjectReport, check_subject, report_failure

COLUMNS = ("subject", "kind", "format", "unit", "up", "height", "faces", "parts", "closed", "doubt", "textures",
           "clips", "state")  # fmt: skip


@dataclass(frozen=True)
class CheckSummary:
    """The rows of a check.

    Attributes:
        models: the model directory.
        reports: one for each subject, ordered by path.
        failures: folders that could not be looked into: (path, reason).
    """

    models: Path
    reports: tuple[SubjectReport, ...]
    failures: tuple[tuple[str, str], ...] = ()

    def count(self, state: str) -> int:
        """Number of subjects in a state: "ok", "warning" or "failed"."""
        return sum(report.state == state for report in self.reports)

    def as_json(self) -> list[dict[str, Any]]:
        """JSON-ready rows, without pictures."""
        return [
            {name: value for name, value in asdict(report).items() if name != "picture"} | {"state": report.state}
            for report in self.reports
        ]


def check_models(
    models: Path,
    load: PlacementOptions | None = None,
    *,
    extent_m: float | None = None,
    jobs: int = 0,
    backend: str = "loky",
    limits: Limits | None = None,
    selection: Selection | None = None,
    progress: Progress | None = None,
) -> CheckSummary:
    """Examine every subject below a folder.

    Args:
        models: searched as `mpc render` does.
        load: what the user knows of units and axes; None to detect all of it.
        extent_m: edge of the view cube of `mpc render`, metres: who does not fit it gets a warning. None to leave that
            aside.
        jobs: worker processes, see core/units.py.
        backend: joblib backend, see core/units.py.
        limits: time and memory of a subject (core/guard.py); None for no bound and no process of its own.
        selection: whom to examine, and what the user says of single subjects; None for everybody as they are found.
        progress: receives each subject.

    Raises:
        InputError: no subject below `models`.
        SettingsError: a selected subject is unknown, or the file of fixes holds an unknown subject, key or value.
    """
    progress = progress or NoProgress()
    if extent_m is not None:
        check_range("extent_m", extent_m, 0.1, 100.0)
    selection = selection or Selection()
    people = find_people(models, selection)
    subjects = selection.choose(people.subjects)
    units = [CheckUnit(subject, models, load or PlacementOptions(), extent_m) for subject in subjects]
    found: dict[str, SubjectReport] = {}
    progress.start("check", len(units))
    for result in run_guarded(check_subject, units, limits=limits, jobs=jobs, backend=backend):
        report = report_failure(result.unit, result.reason) if isinstance(result, Lost) else result
        found[report.id] = report
        progress.advance(1, report.id)
    progress.finish()
    reports = _warn_of_copies([found[subject.id] for subject in subjects])
    doubts = doubt_numbers(models, [subject.path for subject in subjects if subject.layout is None])
    told = {subject.id: doubts[subject.path] for subject in subjects if subject.path in doubts}
    reports = [
        replace(report, warnings=(*report.warnings, told[report.id])) if report.id in told else report
        for report in reports
    ]
    return CheckSummary(models, tuple(reports), people.failures)


def _warn_of_copies(reports: Sequence[SubjectReport]) -> list[SubjectReport]:
    """Add a warning to copies of an earlier file: a person who is there twice could be in two splits at once."""
    first: dict[str, str] = {}
    warned = []
    for report in reports:
        twin = first.setdefault(report.sha256, report.id) if report.sha256 else report.id
        if twin != report.id:
            warning = f"the same file as {twin}: a person in two splits spoils the test"
            report = replace(report, warnings=(*report.warnings, warning))
        warned.append(report)
    return warned


def row(report: SubjectReport) -> tuple[str, ...]:
    """The cells of a report, one for each of `COLUMNS`."""
    textures = [f"{width}x{height}" if width != height else str(width) for width, height in report.textures]
    kind = f"rig {report.joints}" if report.joints else report.kind
    return (
        report.id,
        kind,
        report.layout or Path(report.source).suffix[1:].lower(),
        report.unit or "-",
        report.up or "-",
        "-" if report.height_m is None else f"{report.height_m:.2f} m",
        str(report.faces) if report.faces else "-",
        str(report.components) if report.components else "-",
        "-" if report.open_edges is None else "yes" if report.open_edges == 0 else "no",
        "-" if report.ambiguous is None else f"{report.ambiguous:.1%}",
        " ".join(textures) or "-",
        " ".join(f"{name}:{frames}" for name, frames in report.clips.items()) or "-",
        report.state,
    )


def table(reports: Sequence[SubjectReport]) -> str:
    """The reports as a table of text with aligned columns."""
    rows = [COLUMNS, *(row(report) for report in reports)]
    widths = [min(40, max(len(cells[column]) for cells in rows)) for column in range(len(COLUMNS))]
    lines = ["  ".join(_fit(cell, width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows]
    return "\n".join(lines)


def _fit(cell: str, width: int) -> str:
    return cell.ljust(width) if len(cell) <= width else cell[: width - 1] + "…"


def write_check_json(path: Path, summary: CheckSummary) -> None:
    """Write the reports as JSON, for other programs; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, summary.as_json(), sort_keys=False)


def suggest_fixes(summary: CheckSummary) -> list[Suggestion]:
    """What was found, as a file of fixes: guesses to be confirmed, and what cannot be used to be left out."""
    return [_suggest(report) for report in summary.reports]


def _suggest(report: SubjectReport) -> Suggestion:
    found: dict[str, tuple[str | float, str]] = {}
    for name, value in (("unit", report.unit), ("up", report.up), ("facing", report.facing)):
        if value is not None and (name != "unit" or value in UNITS_M):  # a body fit's scale is no unit
            found[name] = value, report.reasons.get(name, "")
    if report.height_m is not None:
        found["height"] = round(report.height_m, 3), "metres; as found"
    # A height of the user's own is written so that it holds; one that was found only says what the unit makes of it.
    unsure = frozenset(report.unsure) | (frozenset() if report.unit == "scaled" else {"height"})
    return Suggestion(subject=report.id, found=found, unsure=unsure, exclude=report.error, remarks=report.warnings)
