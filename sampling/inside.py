"""Inside or outside: the union of a mesh's solid parts, by the generalized winding number.

A point is inside where the winding number (Jacobson et al., "Robust inside-outside segmentation using generalized
winding numbers", SIGGRAPH 2013) exceeds one half. It is found in three steps:

1. Faces are turned to face outward where they do not (sampling/winding/orientation.py).
2. Parallel rays count signed crossings without error (sampling/winding/crossings.py). On a closed surface this is all.
3. An open surface adds a term of its boundary (sampling/winding/boundary_term.py), approximated with a proven bound
   far from one half, exact near it.
"""

from __future__ import annotations

import numpy as np

from ..core.arrays import F32, F64, Bools, Floats
from ..core.randomness import derive_rng
from ..geometry.mesh import PosedMesh
from .winding.boundary_term import boundary_term
from .winding.boundary_tree import build_boundary_tree
from .winding.crossings import count_crossings, index_crossings
from .winding.orientation import orient

# Errors allowed a run of boundary edges, in winding numbers: most points are settled by the first, rough one; those
# whose summed bound leaves one half within reach are asked again with the next, at last with every edge by itself.
TOLERANCES = (1e-2, 1e-3, 1e-4, 3e-6, 0.0)
# A winding number this near to one half settles little: the surface is open there (confidence below one half).
DOUBT_BAND = 0.25
# Points that `ambiguous_share` spreads over the mesh's box: two digits of the share, a tenth of a second.
AMBIGUITY_POINTS = 20_000
# Rounding of a sum of thousands of angles, with room.
ROUNDING = 1e-9


class InsideOracle:
    """Built once for a mesh, asked for many points.

    Attributes:
        method: how it answers: "signed crossings" of a closed surface, "winding number" of an open one.
        open_edges: length of the boundary, in edges.
        notices: what was repaired, in words for the user.
    """

    def __init__(self, mesh: PosedMesh) -> None:
        oriented = orient(mesh)
        edges = oriented.boundary.edges
        self.notices = oriented.notices
        self.open_edges = len(edges)
        self.method = "winding number" if len(edges) else "signed crossings"
        self._index = index_crossings(oriented.vertices[oriented.faces])
        self._tree = build_boundary_tree(oriented.vertices, edges, self._index.axis) if len(edges) else None

    def winding(self, points: Floats) -> F64:
        """Winding numbers (N,) float64 at (N, 3) points, world metres.

        Whole numbers for a closed mesh. For an open one, always on the right side of one half, exact near it and
        otherwise to a few hundredths.
        """
        places: F64 = np.ascontiguousarray(points, np.float64)
        crossings: F64 = count_crossings(self._index, places).astype(np.float64)
        if self._tree is None:
            return crossings
        winding, asked = crossings.copy(), np.arange(len(places))
        for tolerance in TOLERANCES:
            part, error = boundary_term(self._tree, places[asked], tolerance)
            winding[asked] = crossings[asked] + part
            asked = asked[(np.abs(winding[asked] - 0.5) <= error + ROUNDING) & (error > 0)]
            if not len(asked):
                break
        return winding

    def inside(self, points: Floats) -> Bools:
        """(N,) bool: in the union of the solid parts, at (N, 3) points, world metres."""
        return self.winding(points) > 0.5

    def judge(self, points: Floats) -> tuple[Bools, F32 | None]:
        """`inside`, and how sure it is.

        Returns:
            (N,) bool, and (N,) float32 confidence: twice the winding number's distance from one half, at most 1; None
            for a closed surface, where all labels are certain.
        """
        winding = self.winding(points)
        sure = None if self._tree is None else np.minimum(2.0 * np.abs(winding - 0.5), 1.0).astype(np.float32)
        return winding > 0.5, sure


def label_inside(mesh: PosedMesh, points: Floats) -> Bools:
    """Whether each point lies in the union of the mesh's solid parts.

    Args:
        mesh: any; closed parts may nest, overlap and face inward, open ones count by their winding number.
        points: (N, 3), world metres.

    Returns:
        (N,) bool; within about 1e-12 m of the surface either answer may appear.
    """
    return InsideOracle(mesh).inside(points)


def ambiguous_share(mesh: PosedMesh, oracle: InsideOracle | None = None) -> float:
    """How much of a person is a matter of opinion: 0 for a closed surface, 1 where nothing is certainly inside.

    The volume in which the winding number lies within DOUBT_BAND of one half, as a share of that volume and the volume
    inside for certain together. Measured at the same points of the mesh's box each time.

    Args:
        mesh: any.
        oracle: the mesh's, where one was built already.
    """
    oracle = InsideOracle(mesh) if oracle is None else oracle
    if not oracle.open_edges:
        return 0.0
    low, high = mesh.bounds
    points = derive_rng(0, "ambiguous share").uniform(low, high, (AMBIGUITY_POINTS, 3))
    winding = oracle.winding(points)
    doubtful = int((np.abs(winding - 0.5) < DOUBT_BAND).sum())
    certain = int((winding >= 0.5 + DOUBT_BAND).sum())
    return doubtful / (doubtful + certain) if certain else 1.0
