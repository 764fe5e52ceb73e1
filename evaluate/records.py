"""What was measured, view by view, on disk as it happens, so that an evaluation can be resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import write_text
from .metrics.pair import Score

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class ViewScores:
    """The outcome for one view.

    Attributes:
        key: "<scene>/<view>".
        scene, subject, view, yaw_deg: which view.
        failure: why there is no mesh to measure; "" when there is.
        scores: by metric name; empty after a failure.
        iou: of the field at the split's pool points, in [0, 1]; None where the network returned NaN.
        baseline_iou: of the training set's mean occupancy at the same points; None without a training split.
        vertices, faces: of the reconstruction.
        evaluations: points the network was asked about.
        seconds: by stage.
        notes: what else is worth keeping: heights, file hashes, how a prediction was moved.
    """

    key: str
    scene: str
    subject: str
    view: str
    yaw_deg: float
    failure: str
    scores: dict[str, Score]
    iou: float | None
    baseline_iou: float | None = None
    vertices: int = 0
    faces: int = 0
    evaluations: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def append_record(path: Path, record: ViewScores) -> None:
    """Add one line; whoever reads it later skips a line cut short."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read_records(path: Path) -> dict[str, ViewScores]:
    """All whole records by key; the last of a key counts. An unfinished last line (a stopped run) is left out.

    Raises:
        InputError: a line in the middle does not read.
    """
    if not path.is_file():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    records = {}
    for number, line in enumerate(lines, 1):
        try:
            content = json.loads(line)
            record = from_json(content)
        except (ValueError, TypeError, KeyError) as error:
            if number == len(lines):
                break
            raise InputError(path, f"line {number} is damaged ({error}); remove the file to measure anew") from error
        records[record.key] = record
    return records


def rewrite_records(path: Path, records: Iterable[ViewScores]) -> None:
    """Replace the file by these records (drops a line cut short, after which nothing may be appended)."""
    write_text(path, "".join(json.dumps(asdict(record)) + "\n" for record in records))


def from_json(content: dict[str, Any]) -> ViewScores:
    """The inverse of `asdict`."""
    scores = {
        name: Score(float(score["value"]), float(score["standard_error"])) for name, score in content["scores"].items()
    }
    return ViewScores(**{**content, "scores": scores})
