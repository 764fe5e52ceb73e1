"""The record of each measured view, appended to a file at once, so that an evaluation can be resumed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..core.errors import InputError
from ..core.files import write_text
from .metrics.score import Score

RECORDS = "records.jsonl"


@dataclass(frozen=True)
class Measured:
    """What measuring one pair of meshes gave.

    Attributes:
        failure: why there are no scores; "" where there are.
        scores: by metric name; empty after a failure.
        vertices: number of vertices of the prediction; 0 where it could not be read or measured.
        faces: number of faces of the prediction; 0 likewise.
        seconds: by stage.
        notes: what else is worth keeping, for example the height of the truth.
    """

    failure: str = ""
    scores: dict[str, Score] = field(default_factory=dict)
    vertices: int = 0
    faces: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ViewScores:
    """The record of one view.

    Attributes:
        key: "<scene>/<view>".
        scene: key of the scene.
        subject: id of the subject.
        view: name of the view.
        yaw_deg: yaw of the view's camera, degrees.
        failure: why there are no scores; "" where there are.
        scores: by metric name; empty after a failure.
        iou: of the network's occupancy at the points of the view's pool, in [0, 1]; None where it returned NaN.
        baseline_iou: of the training set's mean occupancy at the same points; None without a training split.
        vertices: number of vertices of the reconstruction.
        faces: number of faces of the reconstruction.
        evaluations: number of points at which the network was evaluated.
        seconds: by stage.
        notes: what else is worth keeping, for example the height of the truth.
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
    """Append one line to the records; a later reader skips a line that was cut short."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(asdict(record)) + "\n")


def read_records(path: Path) -> dict[str, ViewScores]:
    """Read all complete records by key; of several records of one key the last counts.

    An incomplete last line, which an interrupted evaluation leaves, is skipped.

    Raises:
        InputError: another line is damaged.
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
    """Replace the file by these records; this removes an incomplete last line, to which nothing may be appended."""
    write_text(path, "".join(json.dumps(asdict(record)) + "\n" for record in records))


def from_json(content: dict[str, Any]) -> ViewScores:
    """Rebuild a record from what `dataclasses.asdict` made of it.

    Raises:
        KeyError, TypeError, ValueError: something is missing or has another type.
    """
    scores = {
        name: Score(float(score["value"]), float(score["standard_error"])) for name, score in content["scores"].items()
    }
    return ViewScores(**{**content, "scores": scores})
