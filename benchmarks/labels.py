"""Count wrong labels and points a second, beside trimesh, libigl, Open3D and the nearest vertex's normal.

    python benchmarks/labels.py [MODELS ...] [--points N] [--exact M [--faces F]]

Each library runs on one thread where it allows that, and seconds are of the processor, so that other work on the
machine counts less. The reference is the sum of solid angles over all triangles in float64 (exact_winding.py), for M
points in all; points within 1e-5 m of the surface are left out. The shapes are made here: nested shells, overlapping
limbs, open clothes, holes, flipped patches. Where folders of people are given, each scan is taken as it is, and each
rig is posed crouching and with its arms in its torso. With --faces, people are simplified to F faces, so that a million
exact sums take minutes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import numpy.typing as npt
import trimesh
from exact_winding import exact_winding
from label_shapes import made_shapes, shapes_of_people
from scipy.spatial import cKDTree

from mpc.geometry.closest import ClosestSurface
from mpc.geometry.mesh import PosedMesh
from mpc.geometry.orientation import orient_mesh
from mpc.geometry.surface import sample_surface
from mpc.sampling.inside import InsideOracle

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Labeller = Callable[[F64], Bools]


def labellers(posed: PosedMesh) -> dict[str, Callable[[], Labeller]]:
    """Name to a function that prepares the mesh and returns the labelling function."""

    def ours() -> Labeller:
        return InsideOracle(orient_mesh(posed).mesh).inside

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
        "trimesh contains": lambda: trimesh.Trimesh(posed.vertices, posed.faces, process=False).contains,
        "libigl fast winding": igl_winding,
        "Open3D occupancy": open3d_occupancy,
        "nearest vertex normal": nearest_normal,
    }


def reference(truth: F64, points: F64, keep: Path | None) -> F64:
    """Exact winding numbers, found again where they were kept."""
    if keep is None:
        return exact_winding(truth, points)
    digest = hashlib.sha256(np.ascontiguousarray(truth).tobytes() + np.ascontiguousarray(points).tobytes()).hexdigest()
    path = keep / f"{digest[:16]}.npy"
    if not path.is_file():
        keep.mkdir(parents=True, exist_ok=True)
        np.save(path, exact_winding(truth, points))
    return np.asarray(np.load(path), np.float64)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="*")
    parser.add_argument("--points", type=int, default=200_000)
    parser.add_argument("--exact", type=int, default=10_000)
    parser.add_argument("--faces", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder where the exact sums are kept, and found by the next run")
    options = parser.parse_args()
    shapes = made_shapes(coarse=options.faces > 0)
    for folder in options.models:
        shapes |= shapes_of_people(folder, options.faces)
    each = -(-options.exact // len(shapes))
    sums: dict[str, list[int]] = {}
    for name, shape in shapes.items():
        posed, count = shape.mesh, max(options.points, each)
        rng = np.random.default_rng(0)
        near = sample_surface(posed, count * 16 // 17, rng).positions
        near = near + rng.normal(0.0, 0.05, near.shape)
        low, high = posed.bounds
        points = rng.permutation(np.concatenate([near, rng.uniform(low, high, (count - len(near), 3))]))
        sample = points[:each]
        exact = reference(shape.truth, sample, options.keep)
        judged = ClosestSurface(posed.vertices, posed.faces).query(sample).distances > 1e-5
        print(f"\n{name}: {len(posed.faces)} faces, {InsideOracle(posed).open_edges} open edges, "
              f"{judged.sum()} points judged {shape.told}", flush=True)  # fmt: skip
        for label, prepare in labellers(posed).items():
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
            wrong = int(((found[:each] != (exact > 0.5)) & judged).sum())
            total = sums.setdefault(label, [0, 0])
            total[0], total[1] = total[0] + wrong, total[1] + int(judged.sum())
            print(f"  {label:24s} {wrong:7d} wrong ({wrong / judged.sum():7.3%})   "
                  f"{len(points) / took / 1e6:6.2f} M points/s   prepared in {built:.2f} s", flush=True)  # fmt: skip
    print("\nall shapes")
    for label, (wrong, total) in sums.items():
        print(f"  {label:24s} {wrong:7d} wrong of {total} ({wrong / total:.3%})")


if __name__ == "__main__":
    main()
