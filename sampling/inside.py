"""Inside or outside: the union of a mesh's solid parts, by the generalized winding number.

A point is inside where the winding number (Jacobson et al., "Robust inside-outside segmentation using generalized
winding numbers", SIGGRAPH 2013) exceeds one half. It is found in two steps:

1. Parallel rays count signed crossings without error (sampling/winding/crossings.py). On a closed surface this is all.
2. An open surface adds a term of its boundary (sampling/winding/boundary_term.py): approximated, with a proven bound of
   the error, where the result is far from one half, and exact near it.

Faces count as they are turned. Subjects are read with faces that face outward (geometry/orientation.py), so that light
and labels agree on what is outside; `label_inside` turns them itself, for meshes of unknown origin.
"""

from __future__ import annotations

import numpy as np

from ..core.arrays import F32, F64, Bools, Floats
from ..core.randomness import derive_rng
from ..geometry.doubles import drop_doubles
from ..geometry.mesh import PosedMesh
from ..geometry.orientation import orient_mesh
from ..geometry.topology import find_boundary, weld
from .winding.boundary_term import boundary_term
from .winding.boundary_tree import build_boundary_tree
from .winding.crossings import count_crossings, index_crossings

# Errors allowed for a run of boundary edges, in winding numbers. The first, rough one decides most points. Points that
# may lie on either side of one half are evaluated again with the next, at last with every edge by itself.
TOLERANCES = (1e-2, 1e-3, 1e-4, 3e-6, 0.0)
# A winding number this near to one half is ambiguous: the surface is open there (confidence below one half).
DOUBT_BAND = 0.25
# Points at which `ambiguous_share` evaluates the mesh's box: two digits of the share, in a tenth of a second.
AMBIGUITY_POINTS = 20_000
# Rounding error of a sum of thousands of angles, with a margin.
ROUNDING = 1e-9


class InsideOracle:
    """A mesh prepared once for inside/outside queries at many points.

    Args:
        mesh: any mesh whose faces face outward, see `orient_mesh`.

    Attributes:
        method: "signed crossings" for a closed surface, "winding number" for an open one.
        open_edges: number of boundary edges.
    """

    def __init__(self, mesh: PosedMesh) -> None:
        vertices, faces, _ = weld(mesh)
        edges = find_boundary(faces).edges
        self.open_edges = len(edges)
        self.method = "winding number" if len(edges) else "signed crossings"
        self._index = index_crossings(vertices[faces])
        self._tree = build_boundary_tree(vertices, edges, self._index.axis) if len(edges) else None

    def winding(self, points: Floats) -> F64:
        """Evaluate the winding number.

        Args:
            points: (N, 3), world metres.

        Returns:
            (N,) float64. Whole numbers for a closed mesh. For an open one always on the correct side of one half, exact
            near it and accurate to a few hundredths elsewhere.
        """
        places: F64 = np.ascontiguousarray(points, np.float64)
        crossings: F64 = count_crossings(self._index, places).astype(np.float64)
        if self._tree is None:
            return crossings
        winding, undecided = crossings.copy(), np.arange(len(places))
        for tolerance in TOLERANCES:
            part, error = boundary_term(self._tree, places[undecided], tolerance)
            winding[undecided] = crossings[undecided] + part
            undecided = undecided[(np.abs(winding[undecided] - 0.5) <= error + ROUNDING) & (error > 0)]
            if not len(undecided):
                break
        return winding

    def inside(self, points: Floats) -> Bools:
        """Whether points (N, 3), world metres, are in the union of the solid parts: (N,) bool."""
        return is_inside(self.winding(points))

    def judge(self, points: Floats) -> tuple[Bools, F32 | None]:
        """Label points and give the confidence of each label.

        Args:
            points: (N, 3), world metres.

        Returns:
            (N,) bool labels, as `inside` gives them.
            (N,) float32 confidence: twice the winding number's distance from one half, at most 1. None for a closed
            surface, whose labels are all certain.
        """
        winding = self.winding(points)
        confidence = None if self._tree is None else np.minimum(2.0 * np.abs(winding - 0.5), 1.0).astype(np.float32)
        return is_inside(winding), confidence


def is_inside(winding: F64) -> Bools:
    """Decide which points are inside: those whose generalized winding number (N,) exceeds one half.

    Jacobson et al., "Robust Inside-Outside Segmentation using Generalized Winding Numbers", SIGGRAPH 2013. Every label
    of a shard, a metric or a mask is decided by this line.
    """
    inside: Bools = winding > 0.5
    return inside


def label_inside(mesh: PosedMesh, points: Floats) -> Bools:
    """Label points inside or outside the union of the mesh's solid parts.

    Args:
        mesh: any mesh. Closed parts may nest, overlap and face inward; open parts count by their winding number.
        points: (N, 3), world metres.

    Returns:
        (N,) bool. Within about 1e-12 m of the surface either label may appear.
    """
    return InsideOracle(orient_mesh(drop_doubles(mesh).mesh).mesh).inside(points)


def ambiguous_share(mesh: PosedMesh, oracle: InsideOracle | None = None) -> float:
    """The share of a mesh's volume whose label is ambiguous.

    That is the volume in which the winding number lies within DOUBT_BAND of one half, divided by the sum of that volume
    and the volume that is certainly inside. It is measured at the same points of the mesh's box each time.

    Args:
        mesh: any mesh whose faces face outward, see `orient_mesh`.
        oracle: of the mesh, where one was built already.

    Returns:
        0 for a closed surface, 1 where no point is certainly inside.
    """
    oracle = InsideOracle(mesh) if oracle is None else oracle
    if not oracle.open_edges:
        return 0.0
    low, high = mesh.bounds
    points = derive_rng(0, "ambiguous share").uniform(low, high, (AMBIGUITY_POINTS, 3))
    winding = oracle.winding(points)
    ambiguous = int((np.abs(winding - 0.5) < DOUBT_BAND).sum())
    certain = int((winding >= 0.5 + DOUBT_BAND).sum())
    return ambiguous / (ambiguous + certain) if certain else 1.0
