"""Fits the body to the 33 landmarks and the mask of a person: Levenberg and Marquardt's method on joint angles.

The landmarks' places in the picture are good to a few centimetres and weigh most. How far away each landmark is, the
landmark network guesses badly (docs/training.md has figures), so its metres only say which way a limb leans. The ranges
of joints, a preference for usual angles and the mask decide the rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.ndimage import distance_transform_edt, map_coordinates

from ...core.arrays import F32, F64, Bools
from ...geometry.mesh import PosedMesh
from .model import SHAPES, BodyModel, body_model
from .pose import FACING, BodyNumbers, place_points, pose_bones, skin_body

# Standard deviations: of places in the picture, of metres away, and in the first round of metres in all directions; of
# points of the body outside of the mask; metres. Beyond three of them a landmark counts less and less.
_PLACE_M, _AWAY_M, _FIRST_M, _MASK_M = 0.02, 0.10, 0.06, 0.03
_OUTLIER = 3.0
# Of the size, as a share, and of the shapes, steps; and how far beyond its range a joint may be, degrees.
_SIZE, _SHAPE, _BEYOND_DEG = 0.08, 0.7, 3.0
# Landmarks that the network does not see count this little, and hidden ones between this and 1.
_LEAST_WEIGHT = 0.15
_FIRST_ROUNDS, _ROUNDS = 15, 20
# Landmarks of the trunk, which say where a person faces: shoulders and hips.
_TRUNK = (11, 12, 23, 24)


@dataclass(frozen=True, eq=False)
class FittedBody:
    """A body that was fitted to a picture.

    Attributes:
        numbers: its pose and shape.
        vertices: (V, 3) float64 of the skin, view space.
        joints: (K, 3) float64, the landmarks that are points of the body (`BodyModel.landmarks`), view space.
        error_m: mean distance in the picture between them and the landmarks that are visible, metres.
    """

    numbers: BodyNumbers
    vertices: F64
    joints: F64
    error_m: float


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is known of a picture, for the body's K landmarks; metres in the axes of the view, from the cube's middle.

    Attributes:
        places: (K, 2) in the picture.
        metres: (K, 3) relative to the hips.
        weights: (K,) in (0, 1].
        beyond: (S, S) how far each pixel is from the mask, metres; None: there is no mask.
        extent_m: edge of the picture.
    """

    places: F64
    metres: F64
    weights: F64
    beyond: F64 | None
    extent_m: float


def fit_body(landmarks: F32, mask: Bools | None, extent_m: float) -> FittedBody | None:
    """Fit a body.

    Args:
        landmarks: (33, 7) in the frame of the picture, see models/person/landmarks.py.
        mask: (S, S) bool, the person in the picture; None: not known.
        extent_m: edge of the view cube, metres.

    Returns:
        The body, whose surface has its middle in the middle of the cube as far as depth goes; None where the landmarks
        are not known.

    Raises:
        PeopleUnavailable: the package that holds the body is not installed.
    """
    if not np.isfinite(landmarks).all():
        return None
    model, half = body_model(), extent_m / 2
    own = landmarks[model.landmarks].astype(np.float64)
    beyond = None
    if mask is not None and mask.any():
        beyond = distance_transform_edt(~mask) * extent_m / len(mask)
    weights = np.clip(own[:, 3], _LEAST_WEIGHT, 1.0)
    seen = _Seen(own[:, :2] * half, own[:, 4:7], weights, beyond, extent_m)
    numbers = _begin(model, landmarks, half)
    for rounds, first in ((_FIRST_ROUNDS, True), (_ROUNDS, False)):
        numbers = _descend(model, seen, numbers, rounds, first=first)
    numbers, vertices = _centred(model, numbers)
    points = place_points(model, numbers, pose_bones(model, numbers))[0][: len(own)]
    apart = np.linalg.norm(points[:, :2] - seen.places, axis=1)
    shown = weights >= min(0.5, float(weights.max()))
    return FittedBody(numbers, vertices / half, points / half, float(apart[shown].mean()))


def _begin(model: BodyModel, landmarks: F32, half: float) -> BodyNumbers:
    """A standing body that faces as the shoulders and hips do, where they are."""
    places, metres = landmarks[:, :2].astype(np.float64) * half, landmarks[:, 4:7].astype(np.float64)
    left_shoulder, right_shoulder, left_hip, right_hip = metres[list(_TRUNK)]
    left = (left_shoulder - right_shoulder) + (left_hip - right_hip)
    up = (left_shoulder + right_shoulder) - (left_hip + right_hip)
    up = up / max(float(np.linalg.norm(up)), 1e-6)
    left = left - up * (left @ up)
    left = left / max(float(np.linalg.norm(left)), 1e-6)
    turn = np.stack([left, up, np.cross(left, up)], axis=1)
    if not abs(np.linalg.det(turn) - 1.0) < 1e-3:  # all four in one place
        turn = FACING
    middle = places[[23, 24]].mean(axis=0)
    usual = np.radians([axis.usual for axis in model.axes])
    return BodyNumbers(turn, np.array([middle[0], middle[1], 0.0]), 1.0, np.zeros(SHAPES), usual)


def _descend(model: BodyModel, seen: _Seen, numbers: BodyNumbers, rounds: int, *, first: bool) -> BodyNumbers:
    """Lower the sum of squares by damped Gauss-Newton steps."""
    damping = 1e-2
    residuals, slopes = _residuals(model, seen, numbers, first=first)
    cost = float(residuals @ residuals)
    for _ in range(rounds):
        normal, gradient = slopes @ slopes.T, slopes @ residuals
        moved, lower = numbers, False
        for _ in range(4):
            step = np.linalg.solve(normal + damping * np.diag(np.diag(normal) + 1e-3), -gradient)
            length = float(np.abs(step).max())
            moved = numbers.moved(np.asarray(step * min(1.0, 0.6 / max(length, 1e-9)), np.float64))
            trial = _residuals(model, seen, moved, first=first)
            if lower := float(trial[0] @ trial[0]) < cost:
                break
            damping *= 6.0
        if not lower:
            break
        gain = cost - float(trial[0] @ trial[0])
        numbers, (residuals, slopes) = moved, trial
        cost -= gain
        damping = max(damping / 4.0, 1e-5)
        if gain < 1e-3 * cost:
            break
    return numbers


def _residuals(model: BodyModel, seen: _Seen, numbers: BodyNumbers, *, first: bool) -> tuple[F64, F64]:
    """The residuals (R,) and how they change with each number (M, R)."""
    points, changes = place_points(model, numbers, pose_bones(model, numbers))
    count = len(seen.places)
    marks, moves = points[:count], changes[:, :count]
    away = np.sqrt(seen.weights)
    hips = _hips(model)
    near, near_moves = marks - marks[hips].mean(axis=0), moves - moves[:, hips].mean(axis=1, keepdims=True)
    scale = numbers.size
    parts: list[tuple[F64, F64]] = []
    if first:
        weight = (away / _FIRST_M)[:, None]
        parts.append((((near - scale * seen.metres) * weight).ravel(), (near_moves * weight).reshape(len(moves), -1)))
    else:
        apart = marks[:, :2] - seen.places
        trust = away / (1.0 + (np.linalg.norm(apart, axis=1) / (_OUTLIER * _PLACE_M)) ** 2) ** 0.5 / _PLACE_M
        parts.append(((apart * trust[:, None]).ravel(), (moves[..., :2] * trust[:, None]).reshape(len(moves), -1)))
        apart_z = near[:, 2] - scale * seen.metres[:, 2]
        trust = away / (1.0 + (apart_z / (_OUTLIER * _AWAY_M)) ** 2) ** 0.5 / _AWAY_M
        parts.append((apart_z * trust, near_moves[..., 2] * trust))
        if seen.beyond is not None:
            parts.append(_outside(seen, points, changes))
    parts.append(_preferences(model, numbers))
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts], axis=1)


def _outside(seen: _Seen, points: F64, changes: F64) -> tuple[F64, F64]:
    """How far points of the body are outside of the mask."""
    assert seen.beyond is not None
    size = len(seen.beyond)
    pixels = (points[:, :2] / seen.extent_m + 0.5) * size - 0.5
    step = 0.5

    def far(columns: F64, rows: F64) -> F64:
        found = map_coordinates(seen.beyond, np.stack([rows, columns]), order=1, mode="nearest")
        return np.asarray(found, np.float64)

    column, row = pixels.T
    slope = np.stack(
        [far(column + step, row) - far(column - step, row), far(column, row + step) - far(column, row - step)], axis=1
    ) * (size / seen.extent_m / (2 * step))  # fmt: skip
    return far(column, row) / _MASK_M, np.einsum("mki,ki->mk", changes[..., :2], slope) / _MASK_M


def _preferences(model: BodyModel, numbers: BodyNumbers) -> tuple[F64, F64]:
    """Usual sizes, shapes and angles, and the ranges of joints."""
    least, most, usual, spread = _ranges(model)
    angles = numbers.angles
    beyond = np.minimum(angles - least, 0.0) + np.maximum(angles - most, 0.0)
    limit = np.radians(_BEYOND_DEG)
    residuals = np.concatenate(
        [[np.log(numbers.size) / _SIZE], numbers.shapes / _SHAPE, (angles - usual) / spread, beyond / limit]
    )
    count = len(angles)
    slopes = np.zeros((7 + SHAPES + count, len(residuals)))
    slopes[6, 0] = 1.0 / _SIZE
    slopes[7 : 7 + SHAPES, 1 : 1 + SHAPES] = np.eye(SHAPES) / _SHAPE
    start = 1 + SHAPES
    slopes[7 + SHAPES :, start : start + count] = np.diag(1.0 / spread)
    slopes[7 + SHAPES :, start + count :] = np.diag((beyond != 0) / limit)
    return residuals, slopes


@lru_cache(maxsize=2)
def _ranges(model: BodyModel) -> tuple[F64, F64, F64, F64]:
    """Least, greatest and usual angle of each axis, and its spread, radians."""
    rows = np.radians([(axis.least, axis.most, axis.usual, axis.spread) for axis in model.axes])
    return rows[:, 0], rows[:, 1], rows[:, 2], rows[:, 3]


@lru_cache(maxsize=2)
def _hips(model: BodyModel) -> list[int]:
    """The places of both hips among the body's landmarks."""
    marks = model.landmarks.tolist()
    return [marks.index(23), marks.index(24)]


def _centred(model: BodyModel, numbers: BodyNumbers) -> tuple[BodyNumbers, F64]:
    """The body with the centroid of its surface in the middle of the cube along the view, and its skin."""
    vertices = skin_body(model, numbers)
    away = np.array([0.0, 0.0, PosedMesh(vertices, model.faces).centroid[2]])
    return numbers.moved(np.concatenate([np.zeros(3), -away, np.zeros(1 + SHAPES + len(model.axes))])), vertices - away
