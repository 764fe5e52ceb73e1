"""From a localised occupancy to triangles: marching cubes in view space, and the way to world space."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...core.arrays import F64, I32, I64
from ...core.errors import MpcError
from ...geometry.camera import unproject
from ...geometry.mesh import PosedMesh
from ..localise.blocks import EDGE
from ..localise.grid import LocalisedGrid
from .march_cubes import march_blocks, marching_cubes_of_warp


class NoSurfaceError(MpcError):
    """A field without a surface: every node is inside, or none is."""


def extract_mesh(grid: LocalisedGrid, *, largest_component: bool = False) -> PosedMesh:
    """Run marching cubes on a localised grid.

    On a CPU, the algorithm of Lewiner et al. (2003, scikit-image) runs block by block; on another device, warp's runs
    on all blocks at once. The occupancy is known at all corners of every cell that the surface passes, so the mesh is
    that of the dense grid: the same faces in another order, on vertices that differ by the rounding of float32. The
    mesh is open where the body leaves the cube.

    Args:
        grid: from `localise`.
        largest_component: keep only the connected part with the greatest area.

    Returns:
        The mesh in view space, faces outward.

    Raises:
        NoSurfaceError: every node is inside, or none is.
    """
    if grid.surface_box is None:
        inside = bool(grid.values[0] > grid.threshold)
        where = "everywhere: the field is whole" if inside else "nowhere: the field is empty"
        raise NoSurfaceError(
            f"no surface at {grid.resolution} nodes a side: inside {where} "
            f"(values {grid.values.min():.3g} to {grid.values.max():.3g}, threshold {grid.threshold:g})"
        )
    if grid.device != "cpu" and marching_cubes_of_warp() is not None:
        vertices, faces = march_blocks(grid.blocks, grid.threshold)
    else:
        vertices, faces = _march_one_by_one(grid)
    if not len(faces):
        raise NoSurfaceError(f"the surface has no area at {grid.resolution} nodes a side")
    mesh = PosedMesh(vertices * (2.0 / (grid.resolution - 1)) - 1.0, faces)
    return keep_largest_component(mesh) if largest_component else mesh


def _march_one_by_one(grid: LocalisedGrid) -> tuple[F64, I32]:
    """Vertices (V, 3) in nodes and faces (F, 3), computed block by block, so that memory holds one block at a time."""
    from skimage import measure  # slow to import

    # "ascent" makes the faces look outward in right-handed view space, for fields that are greater inside.
    marching_cubes: Any = measure.marching_cubes
    points, triangles, count = [], [], 0
    for low, values in grid.blocks.each():
        vertices, faces, _, _ = marching_cubes(
            values, grid.threshold, gradient_direction="ascent", allow_degenerate=False
        )
        points.append(vertices.astype(np.float64) + low)
        triangles.append(faces.astype(np.int64) + count)
        count += len(vertices)
    return weld(np.concatenate(points), np.concatenate(triangles))


def weld(vertices: F64, faces: I64) -> tuple[F64, I32]:
    """Merge the vertices that two blocks share; both compute them from the same values, so they are equal bit by bit.

    Args:
        vertices: (V, 3) in nodes.
        faces: (F, 3).

    Returns:
        The merged vertices and the faces, without those that have lost their area.
    """
    shared = np.flatnonzero((vertices % EDGE == 0).any(axis=1))
    _, first, inverse = np.unique(vertices[shared], axis=0, return_index=True, return_inverse=True)
    renamed = np.arange(len(vertices))
    renamed[shared] = shared[first[inverse.reshape(-1)]]
    used, compact = np.unique(renamed, return_inverse=True)
    corners = compact[faces]
    whole = (corners != corners[:, [1, 2, 0]]).all(axis=1)
    return vertices[used], corners[whole].astype(np.int32)


def to_world(mesh: PosedMesh, calibration: F64) -> PosedMesh:
    """Take a view-space mesh to world metres; faces stay outward even where the calibration mirrors.

    Args:
        mesh: vertices in view space.
        calibration: (4, 4) world metres to view space, orthographic or perspective.
    """
    mirrored = np.linalg.det(calibration) < 0  # holds for perspective maps as well
    faces = np.ascontiguousarray(mesh.faces[:, ::-1]) if mirrored else mesh.faces
    return PosedMesh(unproject(mesh.vertices, np.asarray(calibration, np.float64)), faces)


def keep_largest_component(mesh: PosedMesh) -> PosedMesh:
    """The connected part with the greatest area, without the vertices of the other parts."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count, faces = len(mesh.vertices), mesh.faces
    starts, ends = faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel()
    _, labels = connected_components(
        coo_matrix((np.ones(len(starts), np.bool_), (starts, ends)), (count, count)), False
    )
    corners = mesh.vertices[faces]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    kept = labels[faces[:, 0]] == np.argmax(np.bincount(labels[faces[:, 0]], areas))
    used, renamed = np.unique(faces[kept], return_inverse=True)
    return PosedMesh(mesh.vertices[used], renamed.reshape(-1, 3).astype(np.int32))


def signed_volume(mesh: PosedMesh) -> float:
    """Volume that the mesh encloses, in the cubed unit of the vertices; positive where faces look outward."""
    a, b, c = (mesh.vertices[mesh.faces[:, corner]] for corner in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)
