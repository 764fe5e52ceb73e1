"""Find a floor or a wall that is one surface with the person who stands on it: photogrammetry joins the two."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import ConvexHull

from ..core.arrays import F64, I64, Bools
from ..core.randomness import derive_rng

# Lengths are shares of the size of what is left without the floor: the diagonal of the box that holds the middle 90 %
# of its surface along each axis.
LEAST_SIDE = 0.25
# A floor has the person on one side, but for soles that sink in.
SINKING = 0.02
THICKNESS = 0.015  # faces so near to a plane are on it, if they are level with it as well
LEVEL_COSINE = 0.9
# What stands within REACH of a floor covers less than half of it; the hem of a long dress is covered whole.
REACH, LEAST_OUTSIDE = 0.1, 0.5
LEAST_SHARE = 0.08  # of the surface
BELOW_SHARE = 0.02  # of the rest, on the other side
SAMPLES, PLANES, TRIES, MOST = 4000, 64, 4, 3


def size_of(points: F64, weights: F64) -> float:
    """Diagonal of the box that holds the middle 90 % of a surface along each axis.

    Args:
        points: (N, 3) places on the surface.
        weights: (N,) their areas.
    """
    sides = []
    for axis in range(3):
        order = np.argsort(points[:, axis])
        share = np.cumsum(weights[order]) / weights.sum()
        low, high = np.searchsorted(share, (0.05, 0.95)).clip(max=len(order) - 1).tolist()
        sides.append(float(points[order[high], axis] - points[order[low], axis]))
    return float(np.linalg.norm(sides))


def sides_of(points: F64) -> tuple[F64, F64]:
    """Extents of points (N, 3) along their principal axes, and these axes (3, 3), one a row; the longest first."""
    middle = points.mean(axis=0)
    axes = np.linalg.svd((points - middle).T @ (points - middle))[2]
    return np.ptp(points @ axes.T, axis=0), axes


def find_floor(corners: F64, areas: F64) -> Bools:
    """Find the faces of floors and walls of a surface that is in one piece.

    A floor is a large even area that has all else on one side of it and reaches far beyond what stands on it; what
    lies behind it (its lower side) belongs to it.

    Args:
        corners: (F, 3, 3) of a scan, any unit.
        areas: (F,) of its faces.

    Returns:
        (F,) bool; all False where there is none.
    """
    found = np.zeros(len(areas), bool)
    for _ in range(MOST):  # a floor, and two walls of a corner
        rest = np.flatnonzero(~found)
        more = _find_one(corners[rest], areas[rest])
        if not more.any():
            break
        found[rest[more]] = True
    return found


def _find_one(corners: F64, areas: F64) -> Bools:
    none = np.zeros(len(areas), bool)
    if len(areas) < 4 or not areas.sum() > 0:
        return none
    middle = corners.mean(axis=1)
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normal = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
    rng = derive_rng(0, "floors")
    drawn = np.searchsorted(np.cumsum(areas) / areas.sum(), rng.random(SAMPLES)).clip(max=len(areas) - 1)
    on = _near(middle[drawn], normal[drawn], drawn[:PLANES], middle, normal, 0.01 * size_of(middle, areas))
    tried: list[Bools] = []
    for best in np.argsort(-on.sum(axis=0), kind="stable").tolist():
        hits = on[:, best]
        if hits.mean() < LEAST_SHARE or hits.all() or len(tried) == TRIES:
            break
        if any((hits & other).sum() > 0.5 * hits.sum() for other in tried):
            continue  # the same plane again
        tried.append(hits)
        turned = normal[drawn[hits]] * np.sign(normal[drawn[hits]] @ normal[drawn[best]])[:, None]
        size = size_of(middle[drawn[~hits]], np.ones(int((~hits).sum())))
        floor = _floor_on(corners, areas, middle, normal, _Plane(turned.mean(axis=0), middle[drawn[hits]], size))
        if floor is not None:
            return floor
    return none


@dataclass(frozen=True)
class _Plane:
    """An even area.

    Attributes:
        across: (3,) along its normal, any length.
        points: (N, 3) on it.
        size: of what is not on it, see above.
    """

    across: F64
    points: F64
    size: float


def _floor_on(corners: F64, areas: F64, middle: F64, normal: F64, plane: _Plane) -> Bools | None:
    """The faces of the floor on a plane and behind it; None where it is no floor."""
    up = plane.across / max(float(np.linalg.norm(plane.across)), 1e-300)
    height = middle @ up - float(np.median(plane.points @ up))
    thickness = THICKNESS * plane.size
    # A floor may be a slab: what lies right behind it is its other side, and no part of what stands on it.
    if areas[height < -3 * thickness].sum() > areas[height > 3 * thickness].sum():
        up, height = -up, -height
    floor = (np.abs(height) < thickness) & (np.abs(normal @ up) > LEVEL_COSINE)
    standing = ~floor & (height > 0)
    total = float(areas[standing].sum())
    if not total > 0 or areas[~floor & (height < -3 * thickness)].sum() > BELOW_SHARE * total:
        return None
    if areas[floor].sum() < LEAST_SHARE * areas.sum():
        return None
    if sides_of(middle[floor])[0][1] < LEAST_SIDE * plane.size:
        return None
    near = corners[standing & (height < REACH * plane.size)].reshape(-1, 3)
    outside = _share_outside(middle[floor], areas[floor], near, up)
    return floor | (height < 0) if outside >= LEAST_OUTSIDE else None


def _near(points: F64, normals: F64, planes: I64, middle: F64, normal: F64, tolerance: float) -> Bools:
    """(N, P) bool: whether points with normals (N, 3) lie on the planes of faces numbered (P,)."""
    distance = points @ normal[planes].T - np.einsum("pi,pi->p", middle[planes], normal[planes])
    on: Bools = (np.abs(distance) < tolerance) & (np.abs(normals @ normal[planes].T) > LEVEL_COSINE)
    return on


def _share_outside(points: F64, areas: F64, standing: F64, up: F64) -> float:
    """The share of a floor (N, 3) beyond the convex hull of what stands on it (M, 3), both seen from above."""
    if len(standing) < 4:
        return 1.0
    first = np.cross(up, np.eye(3)[int(np.abs(up).argmin())])
    first /= np.linalg.norm(first)
    level = np.stack([first, np.cross(up, first)], axis=1)
    hull = ConvexHull(standing @ level, qhull_options="QJ").equations  # joggled: points of a line are no error
    inside = ((points @ level) @ hull[:, :2].T + hull[:, 2] <= 0).all(axis=1)
    return float(areas[~inside].sum() / areas.sum())
