"""Which way up a person is and which way the person faces, computed from the surface alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...core.arrays import F64
from ...geometry.mesh import PosedMesh

# Shares of the box's diagonal: up to which height a surface is on the ground, and how far down the top part reaches.
GROUND_BAND, TOP_BAND = 0.02, 0.10
LEVEL_COSINE = 0.85
# Soles and seats are about 1 to 2 % of a person's surface; more flat area on the ground is a belly or a back.
MOST_FLAT, LEAST_FLAT = 0.02, 0.003
# Sitting people are up to 1.4 times as deep as high; an axis that is even longer is the height, whatever the pose of
# the hands.
LONG_RATIO, LONG_WEIGHT = 1.45, 4.0

# Bands of the height of feet and of ankles, and the distance between their centres for two feet on the ground.
FOOT_BAND, ANKLE_BAND = 0.035, (0.055, 0.095)
FOOT_SHIFT = (0.025, 0.060)
FACING_TOLERANCE_DEG = 25.0


@dataclass(frozen=True)
class UpScore:
    """Evidence that a direction is up; the greater `total`, the likelier.

    Attributes:
        flat: share of the surface that lies level on the ground.
        height: extent along the direction, divided by the box's diagonal.
        top: width of the topmost part, divided by the diagonal; a head is narrow, a back or a belly wide.
    """

    flat: float
    height: float
    top: float

    @property
    def total(self) -> float:
        """The score, with weights found together with `LONG_RATIO`; see `up_margin`."""
        return float(np.log(min(self.flat, MOST_FLAT) + LEAST_FLAT) + 1.5 * np.log(self.height) - 6.0 * self.top)


def up_margin(one: UpScore, other: UpScore) -> float:
    """How much likelier `one` is up than `other`; negative where it is less likely.

    Of 193 poses of people from two sources (standing, walking, squatting, jumping, reaching, sitting) and of figures
    made of boxes, none is judged wrongly; the least margin is 0.17 (sitting upright, legs straight out).
    """
    ratio = float(np.log(one.height / other.height))
    beyond = np.sign(ratio) * max(abs(ratio) - np.log(LONG_RATIO), 0.0)
    return one.total - other.total + LONG_WEIGHT * float(beyond)


def score_up(mesh: PosedMesh, up: F64) -> UpScore:
    """Compute the evidence that `up` (3,), one of the axes, points to the head."""
    diagonal = float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))
    area = mesh.face_areas
    centre = mesh.corners.mean(axis=1) @ up
    level = np.abs(mesh.face_normals @ up) > LEVEL_COSINE
    used = mesh.vertices  # readers keep none that no face uses
    height = used @ up
    low, high = float(height.min()), float(height.max())
    ground = level & (centre < low + GROUND_BAND * diagonal)
    top = used[height > high - TOP_BAND * diagonal][:, np.abs(up) < 0.5]
    return UpScore(
        flat=float(area[ground].sum() / area.sum()),
        height=max(high - low, 1e-9) / diagonal,
        top=float(np.ptp(top, axis=0).max() / diagonal),
    )


def feet_facing(mesh: PosedMesh, up: F64) -> F64 | None:
    """The direction in which the toes point; None unless both feet seem to stand on the ground.

    Feet reach forward of the ankles by a known share of the height. A larger or smaller shift means that one foot is
    lifted or far ahead, or that these are not feet, and is not used.

    Args:
        mesh: a person.
        up: (3,) unit.

    Returns:
        (3,) float64, unit, perpendicular to `up`.
    """
    centre = mesh.corners.mean(axis=1)
    height = centre @ up
    low, high = mesh.bounds @ up
    low, high = min(low, high), max(low, high)
    share = (height - low) / max(high - low, 1e-9)
    foot, ankle = share < FOOT_BAND, (share > ANKLE_BAND[0]) & (share < ANKLE_BAND[1])
    if foot.sum() < 20 or ankle.sum() < 20:
        return None
    area = mesh.face_areas
    if area[foot].sum() <= 0 or area[ankle].sum() <= 0:
        return None
    toes = np.average(centre[foot], axis=0, weights=area[foot])
    shift = (toes - np.average(centre[ankle], axis=0, weights=area[ankle])) / max(high - low, 1e-9)
    shift = shift - (shift @ up) * up
    length = float(np.linalg.norm(shift))
    if not FOOT_SHIFT[0] <= length <= FOOT_SHIFT[1]:
        return None
    unit: F64 = shift / length
    return unit
