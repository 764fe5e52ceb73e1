"""Find unit, up axis and facing of a person: from the user, else from the file, else from size and shape."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from ..core.arrays import F64
from ..core.errors import SettingsError
from ..geometry.mesh import PosedMesh
from .axes import AXES, UNITS_M
from .body_shape import feet_facing, score_up, up_margin
from .doubt_up import doubt_up
from .layouts.layout import Fit

# Heights of people in any pose, metres: from a sitting child to a tall adult with an arm raised.
LEAST_HEIGHT_M, GREATEST_HEIGHT_M = 0.45, 2.6
LEAST_STANDING_M = 0.85
STANDING_SHARE = 0.85  # height over the box's diagonal
UNSURE_MARGIN = 0.3
# People who lie farther from the file's origin are moved to the world's: float32, which renderers compute with, has
# steps of 8 micrometres there, and of 3 cm at 400 km (projected coordinates of maps).
FAR_M = 100.0
# A direction more upright than this (of somebody who lies or bends over) says little about where the person faces.
LEAST_LEVEL = 0.3
CONVENTION = "the convention for this up axis"


@dataclass(frozen=True, kw_only=True)
class PlacementOptions:
    """What the user knows better than detection; what is None is detected.

    Attributes:
        unit: one of `UNITS_M`.
        up: up direction in the file's axes, one of `AXES`.
        facing: direction that the person faces in the file's axes, one of `AXES`.
        height_m: the person is scaled to this height at rest, metres.
        keep_parts: what is no part of the person (subjects/bystanders.py) stays in the surface, though it decides
            nothing; None and False leave it out.
    """

    unit: str | None = None
    up: str | None = None
    facing: str | None = None
    height_m: float | None = None
    keep_parts: bool | None = None

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

    def with_given(self, given: PlacementOptions) -> PlacementOptions:
        """These options for all people, overruled by what the user says of one person.

        A unit for one person also overrules the height that is given for all.

        Raises:
            SettingsError: the two contradict each other.
        """
        height_m = given.height_m if given.unit is not None else given.height_m or self.height_m
        return PlacementOptions(
            unit=given.unit or self.unit, up=given.up or self.up, facing=given.facing or self.facing, height_m=height_m,
            keep_parts=self.keep_parts if given.keep_parts is None else given.keep_parts,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Placement:
    """How file coordinates become metres, y up, facing +z.

    Attributes:
        matrix: (4, 4) float64, rotation and scale; for files whose coordinates lie far from 0 also a translation.
        unit: the file's unit; "scaled" to a given height and "fit" to a body fit are possible, too.
        up: up direction in the file's axes.
        facing: the axis of the file that becomes +z: the nearest to the direction that the person faces.
        height_m: the person's height after conversion, metres.
        reasons: how "unit", "up" and "facing" were found.
        warnings: doubts that the user should know of.
        unsure: those of "unit", "up" and "facing" that are a guess.
        facing_world: the horizontal unit vector that the person faces, in world axes; None where nobody knows.
        moved_m: the world's origin as a place of the file's own coordinates, scaled to metres and turned to y up, where
            the person was moved to it; None where the file's origin is kept.
    """

    matrix: F64
    unit: str
    up: str
    facing: str
    height_m: float
    reasons: dict[str, str]
    warnings: tuple[str, ...]
    unsure: tuple[str, ...] = ()
    facing_world: tuple[float, float, float] | None = None
    moved_m: tuple[float, float, float] | None = None

    def as_dict(self) -> dict[str, Any]:
        """The placement without matrix and warnings, JSON-ready."""
        table: dict[str, Any] = {
            "unit": self.unit,
            "up": self.up,
            "facing": self.facing,
            "height_m": round(self.height_m, 4),
            "reasons": dict(self.reasons),
        }
        return table if self.moved_m is None else {**table, "moved_m": list(self.moved_m)}


class _Choice(NamedTuple):
    """A unit or an axis.

    Attributes:
        value: its name.
        reason: how it was found.
        warnings: doubts.
    """

    value: str
    reason: str
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, kw_only=True)
class Hints:
    """What a file, its format or its data set say of unit and axes; the user's word goes first.

    Attributes:
        unit: used unless the size would be absurd.
        up: the up axis.
        fit: the fit of a body to the scan; its scale is used before `unit`, unless the size would be absurd.
        facing: (3,) direction that a rig faces by its limbs, in the file's coordinates.
    """

    unit: str | None = None
    up: str | None = None
    fit: Fit | None = None
    facing: F64 | None = None


def place_person(mesh: PosedMesh, options: PlacementOptions, hints: Hints | None = None) -> Placement:
    """Decide unit, up axis and facing.

    Args:
        mesh: the surface in the file's coordinates (of a rig the rest pose).
        options: what the user said; it wins.
        hints: what the file says; it is used second. None for nothing.
    """
    hints = hints or Hints()
    fit = hints.fit
    up = _choose_up(mesh, options.up, hints)
    size = mesh.bounds[1] - mesh.bounds[0]
    height = float(size[_axis_index(up.value)])
    scale, unit = _choose_scale(height, size, options, hints.unit, fit)
    hint, source = hints.facing, "the rig's left and right limbs"
    if hint is None and fit is not None:
        hint, source = fit.facing, "the body fit"
    facing, direction = _choose_facing(mesh, up.value, options.facing, hint, source)
    matrix = np.eye(4)
    rows = np.cross(AXES[up.value], AXES[facing.value]), AXES[up.value], AXES[facing.value]
    matrix[:3, :3] = scale * np.stack(rows)
    facing_world = None if direction is None else _level(np.stack(rows) @ direction)
    height_m = height * scale
    moved = _far_origin(mesh.bounds @ matrix[:3, :3].T)
    warnings = [*up.warnings, *unit.warnings]
    if moved is not None:
        matrix[:3, 3] = -np.array(moved)
        warnings.append(f"lies {np.linalg.norm(moved):,.0f} m from the file's origin; moved to the world's")
    if not _is_person(height_m):
        warnings.append(f"{height_m:.3g} m high: not a person's size; give the unit or the height")
    return Placement(
        matrix=matrix,
        unit=unit.value,
        up=up.value,
        facing=facing.value,
        height_m=height_m,
        reasons={"up": up.reason, "unit": unit.reason, "facing": facing.reason},
        warnings=tuple(warnings),
        unsure=(
            *(name for name, choice in (("unit", unit), ("up", up)) if choice.warnings),
            *(["facing"] if facing_world is None else []),
        ),
        facing_world=facing_world,
        moved_m=moved,
    )


def _far_origin(bounds: F64) -> tuple[float, float, float] | None:
    """The middle of the ground below a person who lies so far from 0 that float32 would show it, whole metres.

    Args:
        bounds: (2, 3) corners of the person's box in any order, metres, y up.
    """
    low, high = bounds.min(axis=0), bounds.max(axis=0)
    ground = np.array([0.5 * (low[0] + high[0]), low[1], 0.5 * (low[2] + high[2])])
    if np.linalg.norm(ground) < FAR_M:
        return None
    x, y, z = np.rint(ground).tolist()
    return x, y, z


def _axis_index(axis: str) -> int:
    return "xyz".index(axis[1])


def _is_person(height_m: float) -> bool:
    return LEAST_HEIGHT_M <= height_m <= GREATEST_HEIGHT_M


def _choose_up(mesh: PosedMesh, wanted: str | None, hints: Hints) -> _Choice:
    if wanted is not None:
        return _Choice(wanted, "given")
    if hints.up is not None:
        # A rig's rest pose is upright in the file's axes whatever its shape; a scan may have been stored as it lay.
        doubts = () if hints.facing is not None else doubt_up(mesh, hints.up)
        return _Choice(hints.up, "the file or its format says so", doubts)
    up, reason, margin = guess_up(mesh)
    if margin >= UNSURE_MARGIN:
        return _Choice(up, reason, doubt_up(mesh, up))
    doubt = f"up axis {up} is a close guess; give it where the person lies down in the pictures"
    return _Choice(up, reason, (doubt, *doubt_up(mesh, up)))


def guess_up(mesh: PosedMesh) -> tuple[str, str, float]:
    """Guess which of +y and +z is up from the shape, see `body_shape.UpScore`.

    Returns:
        The axis, the reason, and the margin, at least 0; the smaller it is, the less sure is the guess.
    """
    scores = {axis: score_up(mesh, np.array(AXES[axis])) for axis in ("+y", "+z")}
    margin = up_margin(scores["+y"], scores["+z"])
    up, margin = ("+y", margin) if margin >= 0 else ("+z", -margin)
    best = scores[up]
    reason = f"body shape: {best.flat:.1%} of the surface level on the ground, {best.top:.0%} wide at the top"
    return up, f"{reason}, margin {margin:.1f}", margin


def _choose_scale(
    height: float, size: F64, options: PlacementOptions, file_unit: str | None, fit: Fit | None
) -> tuple[float, _Choice]:
    """Metres for one unit of the file, and how they were found; height and size (3,) in the file's units."""
    if options.height_m is not None:
        reason = f"scaled to the given height of {options.height_m} m"
        return options.height_m / height, _Choice("scaled", reason)
    doubts: tuple[str, ...] = ()
    if options.unit is None and fit is not None:
        if _is_person(height * fit.scale_m):
            return fit.scale_m, _Choice("fit", f"the body fit says 1 unit is {fit.scale_m:.4g} m")
        doubts = (f"the body fit says {height * fit.scale_m:.3g} m high, nobody's size; not used",)
    unit = _choose_unit(height, size, options.unit, file_unit)
    return UNITS_M[unit.value], unit._replace(warnings=(*doubts, *unit.warnings))


def _choose_unit(height: float, size: F64, wanted: str | None, file_unit: str | None) -> _Choice:
    if wanted is not None:
        return _Choice(wanted, "given")
    if file_unit is not None and LEAST_HEIGHT_M / 1.5 <= height * UNITS_M[file_unit] <= GREATEST_HEIGHT_M * 1.5:
        return _Choice(file_unit, "the file or its format says so")
    fitting = [
        unit for unit in ("m", "cm", "mm", "dm") if LEAST_HEIGHT_M <= height * UNITS_M[unit] <= GREATEST_HEIGHT_M
    ]
    if not fitting:
        return _Choice(file_unit or "m", "no unit makes this a person's size")
    unit, warnings = fitting[0], []
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
    return _Choice(unit, f"a height of {height:.4g} units", tuple(warnings))


def _choose_facing(
    mesh: PosedMesh, up: str, wanted: str | None, hint: F64 | None, source: str
) -> tuple[_Choice, F64 | None]:
    """The axis of the facing, and the direction (3,) itself, None where nobody knows.

    `hint` (3,) is a direction that `source` gives, None where it gives none.
    """
    if wanted is not None and wanted[1] != up[1]:
        return _Choice(wanted, "given"), np.array(AXES[wanted])
    level = {axis: np.array(vector) for axis, vector in AXES.items() if axis[1] != up[1]}
    if hint is None:
        hint, source = feet_facing(mesh, np.array(AXES[up])), "the direction of the feet"
    if hint is not None:
        return _Choice(max(level, key=lambda axis: float(level[axis] @ hint)), source), hint
    convention = {"+y": "+z", "+z": "-y", "-y": "-z", "-z": "+y", "+x": "+z", "-x": "+z"}[up]
    return _Choice(convention, CONVENTION), None


def _level(direction: F64) -> tuple[float, float, float] | None:
    """The horizontal part of a direction (3,) in world axes, a unit vector; None for one that is nearly upright."""
    length = float(np.hypot(direction[0], direction[2]))
    if length < LEAST_LEVEL * float(np.linalg.norm(direction)):
        return None
    return round(float(direction[0]) / length, 6), 0.0, round(float(direction[2]) / length, 6)
