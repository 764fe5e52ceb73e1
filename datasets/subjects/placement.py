"""Unit, up axis and facing of a person: from what the file says, else from size and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...geometry.mesh import PosedMesh
from .body_shape import FACING_TOLERANCE_DEG, feet_facing, score_up, up_margin
from .layouts.layout import Fit

UNITS_M = {"m": 1.0, "dm": 0.1, "cm": 0.01, "mm": 0.001, "in": 0.0254, "ft": 0.3048}
AXES = {
    "+x": (1.0, 0.0, 0.0), "-x": (-1.0, 0.0, 0.0), "+y": (0.0, 1.0, 0.0),
    "-y": (0.0, -1.0, 0.0), "+z": (0.0, 0.0, 1.0), "-z": (0.0, 0.0, -1.0),
}  # fmt: skip

# Heights of people in this pose: from a sitting child to a tall adult with an arm raised, metres.
LEAST_HEIGHT_M, GREATEST_HEIGHT_M = 0.45, 2.6
LEAST_STANDING_M = 0.85
STANDING_SHARE = 0.85  # height over the box's diagonal
UNSURE_MARGIN = 0.3


@dataclass(frozen=True, kw_only=True)
class LoadOptions:
    """What the user knows better than detection; None detects.

    Attributes:
        unit: one of `UNITS_M`.
        up, facing: one of `AXES`, in the file's axes.
        height_m: scale so that the person is this high at rest, metres.
    """

    unit: str | None = None
    up: str | None = None
    facing: str | None = None
    height_m: float | None = None

    def __post_init__(self) -> None:
        if self.unit is not None and self.unit not in UNITS_M:
            raise SettingsError(f"unit {self.unit!r} is none of {', '.join(UNITS_M)}")
        for name, axis in (("up", self.up), ("facing", self.facing)):
            if axis is not None and axis not in AXES:
                raise SettingsError(f"{name} {axis!r} is none of {', '.join(AXES)}")
        if self.up and self.facing and self.up[1] == self.facing[1]:
            raise SettingsError(f"facing {self.facing} cannot be along up {self.up}")
        if self.height_m is not None and not 0.1 <= self.height_m <= 10.0:
            raise SettingsError(f"height {self.height_m} m is outside 0.1 to 10 m")


@dataclass(frozen=True, eq=False)
class Placement:
    """How file coordinates become metres, y up, facing +z.

    Attributes:
        matrix: (4, 4) float64, rotation and scale alone.
        unit, up, facing: of the file; how each was found is in `reasons`.
        height_m: after conversion.
        reasons: {"unit": ..., "up": ..., "facing": ...}.
        warnings: doubts worth telling.
    """

    matrix: F64
    unit: str
    up: str
    facing: str
    height_m: float
    reasons: dict[str, str]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "unit": self.unit,
            "up": self.up,
            "facing": self.facing,
            "height_m": round(self.height_m, 4),
            "reasons": dict(self.reasons),
        }


def place_person(
    mesh: PosedMesh,
    options: LoadOptions,
    *,
    file_unit: str | None = None,
    file_up: str | None = None,
    fit: Fit | None = None,
    facing_hint: F64 | None = None,
) -> Placement:
    """Decide unit, up axis and facing.

    Args:
        mesh: in the file's coordinates (a rig's rest pose).
        options: the user's word, which wins.
        file_unit, file_up: the file's word, which comes second (and is overruled for the unit only by an absurd size).
        fit: of a body to the scan; its scale goes before `file_unit`, and is overruled by an absurd size, too.
        facing_hint: (3,) direction a rig's limbs say it faces, in the file's coordinates.
    """
    reasons: dict[str, str] = {}
    warnings: list[str] = []
    up = _choose_up(mesh, options.up, file_up, reasons, warnings)
    size = mesh.bounds[1] - mesh.bounds[0]
    height = float(size[_axis_index(up)])
    if options.height_m is not None:
        scale, unit = options.height_m / height, "scaled"
        reasons["unit"] = f"scaled to the given height of {options.height_m} m"
    elif options.unit is None and fit is not None and _is_person(height * fit.scale_m):
        scale, unit = fit.scale_m, "fit"
        reasons["unit"] = f"the body fit says 1 unit is {fit.scale_m:.4g} m"
    else:
        if options.unit is None and fit is not None:
            warnings.append(f"the body fit says {height * fit.scale_m:.3g} m high, nobody's size; not used")
        unit = _choose_unit(height, size, options.unit, file_unit, reasons, warnings)
        scale = UNITS_M[unit]
    hint, source = facing_hint, "the rig's left and right limbs"
    if hint is None and fit is not None:
        hint, source = fit.facing, "the body fit"
    facing = _choose_facing(mesh, up, options.facing, hint, source, reasons)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * np.stack([np.cross(AXES[up], AXES[facing]), AXES[up], AXES[facing]])
    height_m = height * scale
    if not _is_person(height_m):
        warnings.append(f"{height_m:.3g} m high: not a person's size; give the unit or the height")
    return Placement(matrix, unit, up, facing, height_m, reasons, tuple(warnings))


def _axis_index(axis: str) -> int:
    return "xyz".index(axis[1])


def _is_person(height_m: float) -> bool:
    return LEAST_HEIGHT_M <= height_m <= GREATEST_HEIGHT_M


def _choose_up(
    mesh: PosedMesh, wanted: str | None, file_up: str | None, reasons: dict[str, str], warnings: list[str]
) -> str:
    if wanted is not None:
        reasons["up"] = "given"
        return wanted
    if file_up is not None:
        reasons["up"] = "the file or its format says so"
        return file_up
    up, reason, margin = guess_up(mesh)
    reasons["up"] = reason
    if margin < UNSURE_MARGIN:
        warnings.append(f"up axis {up} is a close guess; give it where the person lies down in the pictures")
    return up


def guess_up(mesh: PosedMesh) -> tuple[str, str, float]:
    """Up axis, why, and by what margin (0: a toss-up) of +y and +z; see `body_shape.UpScore`."""
    scores = {axis: score_up(mesh, np.array(AXES[axis])) for axis in ("+y", "+z")}
    margin = up_margin(scores["+y"], scores["+z"])
    up, margin = ("+y", margin) if margin >= 0 else ("+z", -margin)
    best = scores[up]
    reason = f"body shape: {best.flat:.1%} of the surface level on the ground, {best.top:.0%} wide at the top"
    return up, f"{reason}, margin {margin:.1f}", margin


def _choose_unit(
    height: float,
    size: F64,
    wanted: str | None,
    file_unit: str | None,
    reasons: dict[str, str],
    warnings: list[str],
) -> str:
    if wanted is not None:
        reasons["unit"] = "given"
        return wanted
    if file_unit is not None and LEAST_HEIGHT_M / 1.5 <= height * UNITS_M[file_unit] <= GREATEST_HEIGHT_M * 1.5:
        reasons["unit"] = "the file or its format says so"
        return file_unit
    fitting = [
        unit for unit in ("m", "cm", "mm", "dm") if LEAST_HEIGHT_M <= height * UNITS_M[unit] <= GREATEST_HEIGHT_M
    ]
    if not fitting:
        reasons["unit"] = "no unit makes this a person's size"
        return file_unit or "m"
    unit = fitting[0]
    standing = height > STANDING_SHARE * float(np.linalg.norm(size))
    if standing and height * UNITS_M[unit] < LEAST_STANDING_M:
        imperial = {"cm": "in", "dm": "ft"}.get(unit)
        if imperial is not None:
            warnings.append(f"a standing height of {height:.4g} units is taken for {imperial}; give the unit if not")
            unit = imperial
        else:
            warnings.append(
                f"standing and {height * UNITS_M[unit]:.3g} m high: the scale may be arbitrary; give the height"
            )
    if file_unit is not None:
        warnings.append(f"the file says {file_unit}, a height of {height:.4g} says {unit}")
    reasons["unit"] = f"a height of {height:.4g} units"
    return unit


def _choose_facing(
    mesh: PosedMesh, up: str, wanted: str | None, hint: F64 | None, source: str, reasons: dict[str, str]
) -> str:
    if wanted is not None and wanted[1] != up[1]:
        reasons["facing"] = "given"
        return wanted
    level = {axis: np.array(vector) for axis, vector in AXES.items() if axis[1] != up[1]}
    if hint is not None:
        reasons["facing"] = source
        return max(level, key=lambda axis: float(level[axis] @ hint))
    convention = {"+y": "+z", "+z": "-y", "-y": "-z", "-z": "+y", "+x": "+z", "-x": "+z"}[up]
    reasons["facing"] = "the convention for this up axis"
    toes = feet_facing(mesh, np.array(AXES[up]))
    if toes is not None:
        seen = max(level, key=lambda axis: float(level[axis] @ toes))
        if float(level[seen] @ toes) > np.cos(np.radians(FACING_TOLERANCE_DEG)):
            reasons["facing"] = "the direction of the feet"
            return seen
    return convention
