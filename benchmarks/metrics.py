"""Chamfer and P2S between two meshes: seconds (search trees included, a new pair each time) and spread over seeds.

    python benchmarks/metrics.py                 # 330k faces a mesh
    python benchmarks/metrics.py --tiny          # seconds; proves that it runs

Beside ours: Open3D's RaycastingScene where it is installed (it is no dependency), and the KD-tree of vertices, which is
fast and measures something else. The pair is a bumpy body and a copy moved by a few millimetres.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time
from collections.abc import Callable

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from mpc.evaluate.chamfer import measure_chamfer
from mpc.evaluate.p2s import measure_p2s
from mpc.evaluate.pair import MeshPair
from mpc.evaluate.surface_points import sample_surface


def bodies(faces: int, seed: int) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """Two closed surfaces about 1.8 m tall with about `faces` faces, a few millimetres apart."""
    rng = np.random.default_rng(seed)
    # 20 faces times 4 a subdivision, the nearest to what is asked; stretched to a body's proportions.
    body = trimesh.creation.icosphere(subdivisions=max(1, round(np.log(faces / 20) / np.log(4))))
    body.vertices *= [0.3, 0.9, 0.2]
    phase = rng.uniform(0, 6, 3)
    bumps = 0.01 * np.sin(body.vertices * 25 + phase).sum(axis=1, keepdims=True)
    body.vertices += body.vertex_normals * bumps
    moved = body.copy()
    moved.vertices += moved.vertex_normals * (0.003 * np.sin(body.vertices * 9 + phase).sum(axis=1, keepdims=True))
    return body, moved


def ours(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int, seed: int = 0) -> tuple[float, float]:
    """Chamfer and P2S, cm."""
    first, second = pair
    meshes = MeshPair(first.vertices, first.faces, second.vertices, second.faces, points=points, seed=seed)
    return measure_chamfer(meshes).value, measure_p2s(meshes).value


def with_open3d(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int) -> tuple[float, float]:
    """The same through Open3D in float32."""
    import open3d

    means = []
    for source, target in (pair, pair[::-1]):
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(target.vertices.astype(np.float32), target.faces.astype(np.uint32))
        drawn, _ = sample_surface(source.vertices, source.faces, points, rng=np.random.default_rng(0))
        means.append(100 * float(scene.compute_distance(drawn.astype(np.float32)).numpy().mean()))
    return sum(means) / 2, means[0]


def with_vertices(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int) -> tuple[float, float]:
    """Distance to the nearest vertex: another quantity, always too great."""
    means = []
    for source, target in (pair, pair[::-1]):
        drawn, _ = sample_surface(source.vertices, source.faces, points, rng=np.random.default_rng(0))
        means.append(100 * float(cKDTree(target.vertices).query(drawn)[0].mean()))
    return sum(means) / 2, means[0]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=330_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--tiny", action="store_true")
    options = parser.parse_args()
    if options.tiny:
        options.faces, options.repeats, options.seeds = 2000, 1, 3
    schemes: dict[str, Callable] = {"mpc": ours, "KD-tree of vertices": with_vertices}
    try:
        import open3d  # noqa: F401

        schemes["Open3D"] = with_open3d
    except ImportError:
        print("Open3D is not installed and left out")
    ours(bodies(1000, 0), 100)  # compiles the kernels
    print(f"{'method':22} {'points':>8} {'seconds':>8} {'chamfer cm':>11} {'p2s cm':>8}")
    for points in (1000, 10_000, 100_000):
        for name, measure in schemes.items():
            seconds, found = [], (0.0, 0.0)
            for repeat in range(options.repeats):
                pair = bodies(options.faces, repeat)
                began = time.perf_counter()
                found = measure(pair, points)
                seconds.append(time.perf_counter() - began)
            row = f"{statistics.median(seconds):8.3f} {found[0]:11.4f} {found[1]:8.4f}"
            print(f"{name:22} {points:8d} {row}", flush=True)
    pair = bodies(options.faces // 10, 0)
    print(f"\nspread over {options.seeds} seeds: {'points':>8} {'sd %':>6} {'worst %':>8}  (p2s)")
    for points in (1000, 10_000, 100_000):
        values = np.array([ours(pair, points, seed)[1] for seed in range(options.seeds)])
        middle = values.mean()
        worst = 100 * np.abs(values - middle).max() / middle
        print(f"{'':22} {points:8d} {100 * values.std() / middle:6.2f} {worst:8.2f}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB")


if __name__ == "__main__":
    main()
