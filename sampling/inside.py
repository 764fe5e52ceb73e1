"""Inside or outside: the union of a mesh's solid parts, by the generalized winding number.

A point is inside where the winding number (Jacobson et al., "Robust inside-outside segmentation using generalized winding
numbers", SIGGRAPH 2013) exceeds one half. It is found exactly, in three steps:

1. Faces are turned to face outward where they do not (geometry/orientation.py).
2. What is open is closed by fans over its boundary. The closed surface's winding number is a whole number, counted by
   parallel rays without error (geometry/crossings.py).
3. The fans' own winding number is subtracted again: of a few hundred triangles instead of the whole mesh. Barill et al.'s
   fast approximation (SIGGRAPH 2018, libigl) decides far from one half, the sum of solid angles in float64 near it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..geometry.crossings import count_crossings, index_crossings
from ..geometry.mesh import PosedMesh
from ..geometry.orientation import orient
from ..geometry.solid_angles import winding_number_compiled

F64 = npt.NDArray[np.float64]
I64 = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# The approximation's error on fans stays below a tenth of this (tests/test_inside.py); nearer to one half is summed.
EXACT_BAND = 0.05
# Points whose winding number is this near to one half are called doubtful: an open surface does not settle them.
DOUBT_BAND = 0.25


class InsideOracle:
    """Built once for a mesh, asked for many points.

    Attributes:
        method: how it answers: "signed crossings" of a closed surface, "winding number" of an open one.
        open_edges: length of the boundary, in edges.
        notices: what was repaired, in words for the user.
    """

    def __init__(self, mesh: PosedMesh) -> None:
        oriented = orient(mesh)
        self.notices = oriented.notices
        self.open_edges = len(oriented.boundary.edges)
        self.method = "winding number" if self.open_edges else "signed crossings"
        corners = oriented.vertices[oriented.faces]
        self._fans = boundary_fans(oriented.vertices, oriented.boundary.edges)
        self._index = index_crossings(np.concatenate([corners, self._fans]))

    def winding(self, points: npt.NDArray[np.floating]) -> F64:
        """Winding numbers (N,) float64 at (N, 3) points, world metres.

        Whole numbers for a closed mesh. For an open one, exact within EXACT_BAND of one half, elsewhere within 0.005.
        """
        points = np.ascontiguousarray(points, np.float64)
        winding = count_crossings(self._index, points).astype(np.float64)
        if not self.open_edges or not len(points):
            return winding
        approximate = winding - _fast_winding(self._fans, points)
        close = np.flatnonzero(np.abs(approximate - 0.5) < EXACT_BAND)
        approximate[close] = winding[close] - winding_number_compiled(self._fans, points[close])
        return approximate

    def inside(self, points: npt.NDArray[np.floating]) -> Bools:
        """(N,) bool: in the union of the solid parts, at (N, 3) points, world metres."""
        return self.winding(points) > 0.5


def label_inside(mesh: PosedMesh, points: npt.NDArray[np.floating]) -> Bools:
    """Whether each point lies in the union of the mesh's solid parts.

    Args:
        mesh: any; closed parts may nest, overlap and face inward, open ones count by their winding number.
        points: (N, 3), world metres.

    Returns:
        (N,) bool; within about 1e-12 m of the surface either answer may appear.
    """
    return InsideOracle(mesh).inside(points)


def boundary_fans(vertices: F64, edges: I64) -> F64:
    """Triangles that close a surface: over each connected run of boundary edges, a fan from its middle.

    Args:
        vertices: (W, 3) float64.
        edges: (B, 2) int64, in the direction of the faces they bound.

    Returns:
        (B, 3, 3) float64 corners.
    """
    if not len(edges):
        return np.zeros((0, 3, 3))
    names, local = np.unique(edges, return_inverse=True)
    local = local.reshape(-1, 2)
    graph = coo_array((np.ones(len(local), np.int8), (local[:, 0], local[:, 1])), shape=(len(names), len(names)))
    loops, loop = connected_components(graph, directed=False)
    members = np.bincount(loop, minlength=loops)
    middle = np.stack([np.bincount(loop, vertices[names, axis], minlength=loops) for axis in range(3)], axis=1)
    apex = (middle / members[:, None])[loop[local[:, 0]]]
    return np.stack([vertices[edges[:, 1]], vertices[edges[:, 0]], apex], axis=1)


def _fast_winding(corners: F64, points: F64) -> F64:
    import igl

    faces = np.arange(3 * len(corners), dtype=np.int64).reshape(-1, 3)
    return np.asarray(igl.fast_winding_number(np.ascontiguousarray(corners.reshape(-1, 3)), faces, points))
