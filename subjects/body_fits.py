"""Fits of SMPL-X (Pavlakos et al., CVPR 2019) that come with scans: THuman2.x, CustomHumans and X-Humans.

The parameters are passed on as they are, with the transform that brings the fitted body into the world beside them.
What they mean needs the model itself, which is its owners' to give (subjects/body_model.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import F64
from ..core.errors import InputError
from ..formats.array_pickle import read_arrays
from ..formats.limits import note_file, read_bytes
from ..formats.named_files import lies_inside
from .find import Subject
from .layouts import customhumans, thuman, xhumans

PARAMETERS = (
    "betas", "expression", "transl", "global_orient", "body_pose", "jaw_pose", "leye_pose", "reye_pose",
    "left_hand_pose", "right_hand_pose",
)  # fmt: skip
MAX_NUMBERS = 1000
_PELVIS = np.array([0.0, -0.35, 0.01])  # where SMPL-X's is at rest, to a few centimetres, metres
_MAX_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class BodyFit:
    """The fit of a body to one scan.

    Attributes:
        parameters: of SMPL-X by their names there, each a row of numbers; those that the file has.
        to_file: (4, 4) the fitted body's coordinates, `transl` included, to those of the mesh file.
        or_to_file: (4, 4) how else the file may be meant, see `to_scan`; None where there is no doubt.
        flat_hands: whether the hands' numbers count from flat hands instead of from the model's mean ones.
        at_pelvis: whether the fit has no `transl`, and the body's pelvis is at the origin instead.
    """

    parameters: dict[str, F64]
    to_file: F64
    or_to_file: F64 | None = None
    flat_hands: bool = False
    at_pelvis: bool = False

    def to_scan(self, vertices: F64) -> F64:
        """(4, 4) the fitted body's coordinates to those of the mesh file, whose vertices are (V, 3).

        Where the file may be meant in two ways, the second is taken where it puts the pelvis at least twice as near to
        the middle of the scan.
        """
        if self.or_to_file is None:
            return self.to_file
        pelvis = np.append(_PELVIS + self.parameters.get("transl", np.zeros(3)), 1.0)
        middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
        ways = (self.to_file, self.or_to_file)
        off = [float(np.linalg.norm((way @ pelvis)[:3] - middle)) for way in ways]
        return ways[2 * off[1] < off[0]]


def fit_path(subject: Subject, mesh: Path) -> Path | None:
    """Where the fit of a scan is, by the layout of its data set; None where that has none, or the file is missing.

    Args:
        subject: whose scan it is.
        mesh: the scan's file: of a person of many scans the frame's.
    """
    if subject.layout == thuman.LAYOUT.name:
        return subject.fit
    if subject.layout == customhumans.LAYOUT.name:
        path = mesh.with_suffix(".json")
    elif subject.layout == xhumans.LAYOUT.name:
        path = mesh.parent.parent / "SMPLX" / f"{mesh.stem}_smplx.pkl"
    else:
        return None
    note_file(path)  # also where it is missing: a scene is drawn anew when it comes
    return path if path.is_file() and lies_inside(path, subject.root) else None


def read_body_fit(subject: Subject, mesh: Path) -> BodyFit | None:
    """Read the fit of a scan; None where there is none.

    In THuman2.0 the fitted body times `scale` plus `translation` is inside the scan; in a part of THuman2.1 the
    translation is in the body's unit, and times `scale`, too (github.com/ytrock/THuman2.0-Dataset, issue 23). In the
    other sets the body is there as it is. CustomHumans' own example takes flat hands and puts the pelvis at the origin.

    Raises:
        InputError: the file is damaged, or holds something else than numbers.
    """
    path = fit_path(subject, mesh)
    if path is None:
        return None
    content = _read_json(path) if path.suffix == ".json" else read_arrays(path, _MAX_BYTES)
    if not isinstance(content, dict):
        raise InputError(path, "is not a fit of SMPL-X (a table of parameters by name)")
    parameters = {name: _numbers(path, name, content[name]) for name in PARAMETERS if name in content}
    if not parameters:
        return None
    if subject.layout == thuman.LAYOUT.name:
        scale = _numbers(path, "scale", content["scale"], 1)[0] if "scale" in content else 1.0
        to_file, other = np.diag([scale, scale, scale, 1.0]), np.diag([scale, scale, scale, 1.0])
        if "translation" not in content:
            return BodyFit(parameters, to_file)
        to_file[:3, 3] = _numbers(path, "translation", content["translation"], 3)
        other[:3, 3] = scale * to_file[:3, 3]
        return BodyFit(parameters, to_file, other)
    of_humans = subject.layout == customhumans.LAYOUT.name
    at_pelvis = of_humans and "transl" not in parameters
    return BodyFit(parameters, np.eye(4), flat_hands=of_humans, at_pelvis=at_pelvis)


def _numbers(path: Path, name: str, value: Any, count: int | None = None) -> F64:
    """A parameter as a row of numbers.

    Raises:
        InputError: it is something else, or not `count` numbers.
    """
    try:
        array = np.asarray(value, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise InputError(path, f'"{name}" is not a row of numbers') from error
    if len(array) > MAX_NUMBERS or (count is not None and len(array) != count) or not np.isfinite(array).all():
        expected = f"{count}" if count is not None else f"at most {MAX_NUMBERS}"
        raise InputError(path, f'"{name}" has {len(array)} numbers, expected {expected} finite ones')
    return array


def _read_json(path: Path) -> Any:
    try:
        return json.loads(read_bytes(path, _MAX_BYTES))
    except (ValueError, RecursionError) as error:
        raise InputError(path, f"does not read as JSON ({error})") from error
