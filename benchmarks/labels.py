"""Labels: wrong ones and points a second, beside trimesh, libigl, Open3D and the nearest vertex's normal.

    python benchmarks/labels.py [--points N] [--exact M]

One thread where the library allows it; seconds are of processor time, so that other work on the machine counts less.
The reference is the sum of solid angles over all triangles in float64, for the first M points that lie 1e-5 m or more
from the surface. Shapes are made here: nested shells, overlapping limbs, open clothes, holes, flipped patches.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import trimesh
from scipy.spatial import cKDTree

from mpc.geometry.closest import ClosestSurface
from mpc.geometry.mesh import PosedMesh
from mpc.geometry.orientation import orient
from mpc.geometry.surface import sample_surface
from mpc.geometry.winding import winding_number
from mpc.sampling.inside import InsideOracle

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Labeller = Callable[[F64], Bools]


def limb(start: tuple[float, float, float], end: tuple[float, float, float], radius: float) -> trimesh.Trimesh:
    """A closed capsule between two points."""
    axis = np.subtract(end, start)
    mesh = trimesh.creation.capsule(height=float(np.linalg.norm(axis)), radius=radius, count=[48, 48])
    matrix = trimesh.geometry.align_vectors([0, 0, 1], axis)
    matrix[:3, 3] = np.add(start, end) / 2
    return mesh.apply_transform(matrix)


def body() -> list[trimesh.Trimesh]:
    """Limbs that overlap at every joint, one arm inside the torso."""
    return [
        limb((0, 0.9, 0), (0, 1.35, 0), 0.16),
        limb((-0.1, 0.1, 0), (-0.08, 0.85, 0), 0.08),
        limb((0.1, 0.1, 0.05), (0.08, 0.85, 0), 0.08),
        limb((-0.2, 1.35, 0), (-0.1, 0.95, 0.05), 0.05),
        limb((0.2, 1.35, 0), (0.5, 1.0, 0.1), 0.05),
        limb((0, 1.5, 0), (0, 1.62, 0.02), 0.11),
    ]


def kept(mesh: trimesh.Trimesh, keep: Callable[[F64], Bools]) -> trimesh.Trimesh:
    """The faces for whose centres `keep` holds."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces[keep(mesh.triangles_center)], process=False)


def shapes() -> dict[str, trimesh.Trimesh]:
    """Name to mesh."""
    skirt = kept(trimesh.creation.cylinder(0.3, 0.6, sections=96), lambda c: np.abs(c[:, 2]) < 0.29)
    skirt.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [0, 1, 0]))
    skirt.apply_translation([0, 0.75, 0])
    ball = trimesh.creation.icosphere(subdivisions=5, radius=0.5)
    turned = ball.faces.copy()
    patch = np.abs(ball.triangles_center[:, 0]) < 0.1
    turned[patch] = turned[patch, ::-1]
    return {
        "nested shells": trimesh.util.concatenate(
            [trimesh.creation.icosphere(subdivisions=4, radius=radius) for radius in (0.5, 0.45, 0.3)]
        ),
        "overlapping limbs": trimesh.util.concatenate(body()),
        "limbs and open skirt": trimesh.util.concatenate([*body(), skirt.subdivide().subdivide()]),
        "ball with holes": kept(ball, lambda c: (c[:, 0] < 0.42) & (c[:, 1] > -0.45)),
        "flipped patches": trimesh.Trimesh(ball.vertices, turned, process=False),
    }


def labellers(mesh: trimesh.Trimesh, posed: PosedMesh) -> dict[str, Callable[[], Labeller]]:
    """Name to a function that prepares the mesh and returns the labelling function."""

    def ours() -> Labeller:
        return InsideOracle(posed).inside

    def igl_winding() -> Labeller:
        import igl

        faces = posed.faces.astype(np.int64)
        return lambda points: igl.fast_winding_number(posed.vertices, faces, points) > 0.5

    def open3d_occupancy() -> Labeller:
        import open3d

        scene = open3d.t.geometry.RaycastingScene(nthreads=1)
        scene.add_triangles(posed.vertices.astype(np.float32), posed.faces.astype(np.uint32))
        return lambda points: scene.compute_occupancy(points.astype(np.float32), nthreads=1).numpy() > 0.5

    def nearest_normal() -> Labeller:
        tree = cKDTree(posed.vertices)

        def work(points: F64) -> Bools:
            nearest = tree.query(points)[1]
            return np.asarray(((points - posed.vertices[nearest]) * posed.vertex_normals[nearest]).sum(axis=1) < 0)

        return work

    return {
        "mpc": ours,
        "trimesh contains": lambda: mesh.contains,
        "libigl fast winding": igl_winding,
        "Open3D occupancy": open3d_occupancy,
        "nearest vertex normal": nearest_normal,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--exact", type=int, default=2_000)
    options = parser.parse_args()
    for name, mesh in shapes().items():
        posed = PosedMesh(np.asarray(mesh.vertices, np.float64), mesh.faces.astype(np.int32))
        rng = np.random.default_rng(0)
        near = sample_surface(posed, options.points * 16 // 17, rng).positions
        near = near + rng.normal(0.0, 0.05, near.shape)
        low, high = posed.bounds
        points = rng.permutation(np.concatenate([near, rng.uniform(low, high, (options.points - len(near), 3))]))
        sample = points[: options.exact]
        oriented = orient(posed)
        exact = winding_number(oriented.vertices[oriented.faces], sample)
        judged = ClosestSurface(posed.vertices, posed.faces).query(sample).distances > 1e-5
        print(f"\n{name}: {len(posed.faces)} faces, {len(oriented.boundary.edges)} open edges, "
              f"{judged.sum()} points judged")  # fmt: skip
        for label, prepare in labellers(mesh, posed).items():
            try:
                start = time.process_time()
                labeller = prepare()
                built = time.process_time() - start
                labeller(points[:10])  # compiles, builds lazily
                start = time.process_time()
                found = labeller(points)
                took = time.process_time() - start
            except ImportError as error:
                print(f"  {label:24s} not installed ({error})")
                continue
            wrong = ((found[: options.exact] != (exact > 0.5)) & judged).sum()
            print(f"  {label:24s} {wrong / judged.sum():8.3%} wrong   {len(points) / took / 1e6:6.2f} M points/s   "
                  f"prepared in {built:.2f} s")  # fmt: skip


if __name__ == "__main__":
    main()
