"""Move a prediction onto the truth before it is measured: along one direction, rigidly, or rigidly with one scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...core.messages import unknown_name
from ...geometry.closest import ClosestSurface
from ...geometry.device_mesh import DeviceMesh

ALIGNMENTS = ("none", "z", "icp", "icp-scale")
# Points drawn on each surface, greatest number of rounds, and the greatest step, as a share of the truth's size, at
# which the search ends.
_POINTS, _ROUNDS, _STILL = 2000, 100, 1e-6


def align(
    predicted: DeviceMesh,
    true: DeviceMesh,
    alignment: str,
    *,
    depth: npt.ArrayLike = (0.0, 0.0, 1.0),
    rng: np.random.Generator,
) -> F64:
    """Find the matrix that moves the prediction onto the truth by iterated closest points.

    The closest points lie on the surfaces themselves and are found from points drawn on both, so that neither a missing
    nor a surplus part dominates. The search finds the nearest agreement: it does not turn a person by half a circle.

    Args:
        predicted: surface of the prediction, metres.
        true: surface of the truth, on the same device.
        alignment: "none"; "z", a shift along `depth`; "icp", rotation and translation; "icp-scale", also one scale.
        depth: (3,) direction of the shift "z"; for a view, the direction of its camera.
        rng: random stream of the points.

    Returns:
        (4, 4) float64.

    Raises:
        SettingsError: the alignment does not exist.
        SurfaceError: a mesh has no area.
    """
    if alignment not in ALIGNMENTS:
        raise SettingsError(unknown_name("alignment", alignment, ALIGNMENTS))
    matrix = np.eye(4)
    if alignment == "none":
        return matrix
    (own, _), (other, _) = (mesh.draw(_POINTS, rng=rng) for mesh in (predicted, true))
    to_predicted, to_true = (ClosestSurface.of(mesh) for mesh in (predicted, true))
    axis = np.asarray(depth, np.float64) / np.linalg.norm(np.asarray(depth, np.float64))
    for _ in range(_ROUNDS):
        moved = transform(matrix, own)
        back = transform(np.linalg.inv(matrix).astype(np.float64), other)
        start = np.concatenate([moved, transform(matrix, to_predicted.query(back).points)])
        goal = np.concatenate([to_true.query(moved).points, other])
        if alignment == "z":
            step = np.eye(4)
            step[:3, 3] = axis * float(((goal - start) @ axis).mean())
        else:
            step = _best_motion(start, goal, scaled=alignment == "icp-scale")
        matrix = step @ matrix
        if np.abs(transform(step, start) - start).max() < _STILL * to_true.scale:
            break
    return matrix


def transform(matrix: F64, points: F64) -> F64:
    """Apply a (4, 4) affine matrix to points (N, 3)."""
    moved: F64 = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved


def _best_motion(start: F64, goal: F64, *, scaled: bool) -> F64:
    """Return the least-squares motion from points `start` (N, 3) to `goal`, after Umeyama, PAMI 1991, eq. 39-42."""
    from_middle, to_middle = start.mean(axis=0), goal.mean(axis=0)
    a, b = start - from_middle, goal - to_middle
    left, values, right = np.linalg.svd(b.T @ a)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left @ right))])
    rotation = (left * signs) @ right
    scale = float((values * signs).sum() / (a**2).sum()) if scaled else 1.0
    matrix = np.eye(4)
    matrix[:3, :3] = scale * rotation
    matrix[:3, 3] = to_middle - scale * rotation @ from_middle
    return matrix
