"""Chamfer and P2S as other codes compute them: recipes of points, distances, squaring, space and scale."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from ...core.arrays import F64, Ints
from ...geometry.closest import ClosestSurface
from ...geometry.device_mesh import DeviceMesh
from ...geometry.mesh import PosedMesh
from .pair import MeshPair, Side, once_per_pair
from .score import MetricError, Score, mean_of_two, mean_score
from .surface import harmonic_share

Surface = tuple[F64, Ints]

# Height of a body in ICON's and ECON's [-1, 1] cube: they scale scans to 180 units, then by 1 / 0.4 / 256.
CUBE_HEIGHT = 180.0 / 0.4 / 256.0
# PyTorch3D's `min_triangle_area`, and the threshold of SiTH's F-score.
P3D_MIN_AREA, SITH_TAU = 5e-3, 1e-2


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a code draws points and measures from them.

    Attributes:
        name: name of the protocol.
        points: number of points drawn on each surface.
        sampler: "area" (independent, uniform by area) or "even" (trimesh's sample_surface_even, which may give fewer).
        distance: to the "surface"; to the nearest of the "points" drawn on it; or "edges": to the surface, but of
            triangles below PyTorch3D's least area only the edges count.
        squared: square distances before they are averaged.
        space: "world" (metres), "cube" (ICON's, in which the true body is 1.758 high), or "unit" (either mesh for
            itself: the middle of its box at the origin, the longest edge of the box 1).
        factor: multiplies each distance before it is squared.
        largest: keep only the component with the most vertices of both meshes.
        icp: first move the prediction's vertices onto the truth's by trimesh's ICP.
    """

    name: str
    points: int
    sampler: Literal["area", "even"] = "area"
    distance: Literal["surface", "points", "edges"] = "surface"
    squared: bool = False
    space: Literal["world", "cube", "unit"] = "world"
    factor: float = 1.0
    largest: bool = False
    icp: bool = False

    @property
    def leaves_size_aside(self) -> bool:
        """Whether the sizes of both meshes are made equal before they are measured."""
        return self.icp or self.space == "unit"


@dataclass(frozen=True, eq=False)
class Sides:
    """Both surfaces as a recipe changes them, points on them, and distances both ways.

    Attributes:
        surfaces: vertices (V, 3) and faces (F, 3) of the prediction and of the truth.
        points: (N, 3) points on the prediction and on the truth.
        faces: (N,) face of each of these points.
        there: (N,) distances from the predicted points to the truth, scaled and squared as the recipe says.
        back: (N,) distances from the true points to the prediction.
        nearest: for the distance to "points": (N,) index of the nearest point of the other surface, both ways.
        opposite: (N,) face of the other surface that the nearest point lies on, both ways; None for "edges".
    """

    surfaces: tuple[Surface, Surface]
    points: tuple[F64, F64]
    faces: tuple[Ints, Ints]
    there: F64
    back: F64
    nearest: tuple[Ints, Ints] | None = None
    opposite: tuple[Ints, Ints] | None = None


@once_per_pair
def take_sides(pair: MeshPair, recipe: Recipe) -> Sides:
    """Draw points on both surfaces and measure their distances as a recipe says; once for all metrics of a pair."""
    predicted: Surface = (pair.predicted.mesh.positions, pair.predicted.mesh.triangles)
    true: Surface = (pair.true.mesh.positions, pair.true.mesh.triangles)
    if recipe.largest:
        predicted, true = _largest(*predicted), _largest(*true)
    if recipe.icp:
        predicted = (_icp(predicted[0], true[0]), predicted[1])
    if recipe.space == "unit":
        predicted, true = ((_to_unit(vertices), faces) for vertices, faces in (predicted, true))
    scale = recipe.factor
    if recipe.space == "cube":
        scale *= CUBE_HEIGHT / true_height(true[0])
    surfaces = ((predicted[0] * scale, predicted[1]), (true[0] * scale, true[1]))
    drawn = _draw(pair, recipe, surfaces[0], "predicted"), _draw(pair, recipe, surfaces[1], "true")
    nearest: tuple[Ints, Ints] | None = None
    opposite: tuple[Ints, Ints] | None = None
    if recipe.distance == "points":
        (there, first), (back, second) = (
            cKDTree(other[0]).query(own[0]) for own, other in ((drawn[0], drawn[1]), (drawn[1], drawn[0]))
        )
        nearest, opposite = (first, second), (drawn[1][1][first], drawn[0][1][second])
    else:
        # PyTorch3D's least area is in units of the cube, not in hundredths of it.
        area = P3D_MIN_AREA * recipe.factor**2 if recipe.distance == "edges" else 0.0
        found = [
            ClosestSurface(*_edges_of_small(*surface, area), device=pair.device).query(own[0])
            for own, surface in ((drawn[0], surfaces[1]), (drawn[1], surfaces[0]))
        ]
        there, back = found[0].distances, found[1].distances
        if not area:
            opposite = (found[0].faces, found[1].faces)
    if recipe.squared:
        there, back = there**2, back**2
    points, faces = ((drawn[0][part], drawn[1][part]) for part in (0, 1))
    return Sides(surfaces, points, faces, there, back, nearest, opposite)  # type: ignore[arg-type]  # mypy sees a wider union


def peer_chamfer(recipe: Recipe, *, halved: bool = True) -> Callable[[MeshPair], Score]:
    """Return the metric: half the sum (or the sum) of the mean distances from predicted and from true points."""

    def measure(pair: MeshPair) -> Score:
        sides = take_sides(pair, recipe)
        return mean_of_two((mean_score(sides.there), mean_score(sides.back)), 0.5 if halved else 1.0)

    return measure


def peer_one_way(recipe: Recipe, *, start: Literal["predicted", "true"]) -> Callable[[MeshPair], Score]:
    """Return the metric: the mean distance from the points of one surface to the other."""

    def measure(pair: MeshPair) -> Score:
        sides = take_sides(pair, recipe)
        return mean_score(sides.there if start == "predicted" else sides.back)

    return measure


def sith_fscore(recipe: Recipe) -> Callable[[MeshPair], Score]:
    """Return the metric: harmonic mean of the shares of points with a point of the other surface within 0.01 units."""

    def measure(pair: MeshPair) -> Score:
        sides = take_sides(pair, recipe)
        return harmonic_share(sides.there, sides.back, SITH_TAU * recipe.factor)

    return measure


def peer_normals(recipe: Recipe) -> Callable[[MeshPair], Score]:
    """Return the metric: mean absolute cosine of the face normals at a point and at the nearest other point."""

    def measure(pair: MeshPair) -> Score:
        sides = take_sides(pair, recipe)
        assert sides.opposite is not None
        normals = [
            PosedMesh(vertices, np.ascontiguousarray(triangles, np.int32)).face_normals
            for vertices, triangles in sides.surfaces
        ]
        means = [
            mean_score(np.abs(np.einsum("ij,ij->i", own[faces], other[opposite])))
            for own, other, faces, opposite in zip(normals, normals[::-1], sides.faces, sides.opposite, strict=True)
        ]
        return mean_of_two(means)

    return measure


def true_height(vertices: F64) -> float:
    """Extent along y, which the cube's scale is taken from."""
    height = float(np.ptp(vertices[:, 1]))
    if not height > 0:
        raise MetricError("the true mesh has no height to scale by")
    return height


def _to_unit(vertices: F64) -> F64:
    """Vertices with the middle of their box at the origin, in units of the longest edge of the box."""
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    moved: F64 = (vertices - (low + high) / 2) / (high - low).max()
    return moved


def _draw(pair: MeshPair, recipe: Recipe, surface: Surface, side: Side) -> tuple[F64, Ints]:
    rng = pair.sampling.rng(recipe.name, side)
    if recipe.sampler == "area":
        return DeviceMesh(*surface, device=pair.device).draw(recipe.points, rng=rng)
    mesh = trimesh.Trimesh(*surface, process=False)
    points, faces = trimesh.sample.sample_surface_even(mesh, recipe.points, seed=int(rng.integers(2**31)))
    return np.asarray(points, np.float64), np.asarray(faces)


def _icp(predicted: F64, true: F64) -> F64:
    """Move vertices by trimesh's ICP between vertices at its defaults, as SiTH's benchmark does."""
    _, moved, _ = trimesh.registration.icp(predicted, true)  # type: ignore[no-untyped-call]
    return np.asarray(moved, np.float64)


def _largest(vertices: F64, faces: Ints) -> Surface:
    """Keep the component (faces joined by edges) with the most vertices, as trimesh's split finds it."""
    adjacency = trimesh.Trimesh(vertices, faces, process=False).face_adjacency
    parts = trimesh.graph.connected_components(adjacency, nodes=np.arange(len(faces)), min_len=1)
    return vertices, faces[max(parts, key=lambda part: len(np.unique(faces[part])))]


def _edges_of_small(vertices: F64, faces: Ints, least_area: float) -> Surface:
    """Replace triangles below an area by their edges, written as triangles without area."""
    if not least_area:
        return vertices, faces
    corners = vertices[faces]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    small = faces[areas < least_area]
    edges = np.unique(np.sort(np.concatenate([small[:, [0, 1]], small[:, [1, 2]], small[:, [2, 0]]]), axis=1), axis=0)
    return vertices, np.concatenate([faces[areas >= least_area], edges[:, [0, 1, 1]]])
