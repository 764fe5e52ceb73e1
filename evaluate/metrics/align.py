"""Moving a prediction onto the truth before measuring: along z, rigidly, or rigidly with one scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ...core.arrays import F64
from ...core.errors import SettingsError
from ...core.messages import unknown_name
from ...geometry.closest import ClosestSurface
from ...geometry.device_mesh import DeviceMesh

ALIGNMENTS = ("none", "z", "icp", "icp-scale")
_POINTS, _ROUNDS, _STILL = 2000, 100, 1e-6


def align(
    predicted_vertices: npt.ArrayLike,  # (V, 3)
    predicted_faces: npt.ArrayLike,  # (F, 3)
    true_vertices: npt.ArrayLike,
    true_faces: npt.ArrayLike,
    how: str,
    *,
    depth: npt.ArrayLike = (0.0, 0.0, 1.0),
    rng: np.random.Generator,
    device: str = "auto",
) -> F64:
    """The (4, 4) matrix that moves the prediction onto the truth.

    Iterated closest points on the surfaces themselves, from points drawn on both, so that neither a missing part nor a
    surplus one pulls alone; it finds the nearest agreement, not a turn by half a circle.

    Args:
        how: "none"; "z", a shift along `depth` alone; "icp", rotation and translation; "icp-scale", and one scale.
        depth: (3,) the direction of "z": the camera's, for a view.
        rng: of the points.
        device: see `DeviceMesh`.

    Raises:
        SettingsError: an unknown way.
        SurfaceError: meshes without area, empty or NaN.
    """
    if how not in ALIGNMENTS:
        raise SettingsError(unknown_name("alignment", how, ALIGNMENTS))
    matrix = np.eye(4)
    if how == "none":
        return matrix
    meshes = (
        DeviceMesh(predicted_vertices, predicted_faces, device=device),
        DeviceMesh(true_vertices, true_faces, device=device),
    )
    (own, _), (other, _) = (mesh.draw(_POINTS, rng=rng) for mesh in meshes)
    predicted, true = (ClosestSurface.of(mesh) for mesh in meshes)
    size = true.scale
    axis = np.asarray(depth, np.float64) / np.linalg.norm(np.asarray(depth, np.float64))
    for _ in range(_ROUNDS):
        moved = _apply(matrix, own)
        back = _apply(np.linalg.inv(matrix).astype(np.float64), other)
        start = np.concatenate([moved, _apply(matrix, predicted.query(back).points)])
        goal = np.concatenate([true.query(moved).points, other])
        if how == "z":
            step = np.eye(4)
            step[:3, 3] = axis * float(((goal - start) @ axis).mean())
        else:
            step = _best_motion(start, goal, scaled=how == "icp-scale")
        matrix = step @ matrix
        if np.abs(_apply(step, start) - start).max() < _STILL * size:
            break
    return matrix


def _best_motion(start: F64, goal: F64, *, scaled: bool) -> F64:
    """Least squares over rotation, translation and, if wanted, scale (Umeyama, PAMI 1991)."""
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


def _apply(matrix: F64, points: F64) -> F64:
    moved: F64 = points @ matrix[:3, :3].T + matrix[:3, 3]
    return moved
