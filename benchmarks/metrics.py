"""Measure Chamfer and P2S of two meshes: seconds (search trees included, a new pair each time), spread over seeds.

    python benchmarks/metrics.py                 # 440k faces a mesh
    python benchmarks/metrics.py --protocols     # one pair of meshes under every protocol
    python benchmarks/metrics.py --tiny          # seconds; proves that it runs

The alternatives are Open3D's RaycastingScene where it is installed (it is no dependency), the recipe of ICON and PIFuHD
through trimesh (where it has rtree), and the KD-tree of vertices, which is fast and measures something else. The pair
is a bumpy ring of a person's size and a copy that is moved by a few millimetres. The methods take turns, so that other
work on the machine slows all of them alike; seconds of the processor, over all threads, are beside those of the clock.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import trimesh
from scipy.spatial import cKDTree

from mpc.core.kernels import load_warp
from mpc.evaluate.metrics.measure import measure_pair
from mpc.evaluate.metrics.pair import MeshPair
from mpc.evaluate.metrics.protocols import PROTOCOLS
from mpc.evaluate.metrics.surface import measure_chamfer, measure_p2s
from mpc.geometry.device_mesh import DeviceMesh


def bodies(faces: int, seed: int) -> tuple[trimesh.Trimesh, trimesh.Trimesh]:
    """Two closed surfaces about 1.8 m tall with about `faces` faces, a few millimetres apart."""
    rng = np.random.default_rng(seed)
    sections = max(8, round((faces / 2) ** 0.5))
    body = trimesh.creation.torus(0.7, 0.3, major_sections=sections, minor_sections=sections)
    body.vertices = body.vertices[:, [0, 1, 2]] * [0.4, 0.9, 0.6]
    phase = rng.uniform(0, 6, 3)
    bumps = 0.01 * np.sin(body.vertices * 25 + phase).sum(axis=1, keepdims=True)
    body.vertices += body.vertex_normals * bumps
    moved = body.copy()
    moved.vertices += moved.vertex_normals * (0.003 * np.sin(body.vertices * 9 + phase).sum(axis=1, keepdims=True))
    return body, moved


def ours(
    pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int, seed: int = 0, device: str = "cpu"
) -> tuple[float, float]:
    """Chamfer and P2S, cm."""
    first, second = ((mesh.vertices, mesh.faces) for mesh in pair)
    meshes = MeshPair.of(first, second, points=points, seed=seed, device=device)
    return measure_chamfer(meshes).value, measure_p2s(meshes).value


def with_open3d(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int) -> tuple[float, float]:
    """The same through Open3D in float32."""
    import open3d

    means = []
    for source, target in (pair, pair[::-1]):
        scene = open3d.t.geometry.RaycastingScene()
        scene.add_triangles(target.vertices.astype(np.float32), target.faces.astype(np.uint32))
        drawn, _ = DeviceMesh(source.vertices, source.faces, device="cpu").draw(points, rng=np.random.default_rng(0))
        means.append(100 * float(scene.compute_distance(drawn.astype(np.float32)).numpy().mean()))
    return sum(means) / 2, means[0]


def with_trimesh(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int) -> tuple[float, float]:
    """The calls of PIFuHD's evaluator (and ICON's, but for its sampler)."""
    means = []
    for source, target in (pair, pair[::-1]):
        drawn, _ = trimesh.sample.sample_surface(source, points, seed=0)
        _, distances, _ = trimesh.proximity.closest_point(target.copy(), drawn)
        means.append(100 * float(distances.mean()))
    return sum(means) / 2, means[0]


def with_vertices(pair: tuple[trimesh.Trimesh, trimesh.Trimesh], points: int) -> tuple[float, float]:
    """Distance to the nearest vertex: another quantity, always too great."""
    means = []
    for source, target in (pair, pair[::-1]):
        drawn, _ = DeviceMesh(source.vertices, source.faces, device="cpu").draw(points, rng=np.random.default_rng(0))
        means.append(100 * float(cKDTree(target.vertices).query(drawn)[0].mean()))
    return sum(means) / 2, means[0]


def available() -> dict[str, Callable]:
    """The methods that can be tried here."""
    schemes: dict[str, Callable] = {"mpc": ours}
    for gpu in load_warp().get_cuda_devices():
        schemes[f"mpc, {gpu.name}"[:20]] = partial(ours, device=gpu.alias)
    try:
        import open3d  # noqa: F401

        schemes["Open3D"] = with_open3d
    except ImportError:
        print("Open3D is not installed and left out")
    schemes["KD-tree of vertices"] = with_vertices
    try:
        import rtree  # noqa: F401

        schemes["trimesh"] = with_trimesh
    except ImportError:
        print("trimesh's search needs rtree, which is not installed; left out")
    return schemes


def compare_times(faces: int, repeats: int) -> None:
    """Print seconds of clock and processor for every method and number of points."""
    schemes = available()
    for measure in schemes.values():
        measure(bodies(1000, 0), 100)  # compiles, loads, warms
    head = f"{'method':20} {'points':>8} {'seconds':>8} {'cpu':>7} {'/Open3D':>8} {'cpu/O3D':>8}"
    print(f"{head} {'chamfer cm':>11} {'p2s cm':>8}")
    for points in (1000, 10_000, 100_000):
        clock: dict[str, list[float]] = {name: [] for name in schemes}
        cpu: dict[str, list[float]] = {name: [] for name in schemes}
        found: dict[str, tuple[float, float]] = {}
        for repeat in range(repeats):
            pair = bodies(faces, repeat)
            for name, measure in schemes.items():
                if name == "trimesh" and (points > 10_000 or repeat):
                    continue  # takes seconds to minutes, and is not what is in question
                began, began_cpu = time.perf_counter(), time.process_time()
                answer = measure(pair, points)
                clock[name].append(time.perf_counter() - began)
                cpu[name].append(time.process_time() - began_cpu)
                found.setdefault(name, answer)
        for name in found:
            seconds, work = statistics.median(clock[name]), statistics.median(cpu[name])
            ratios = "       -        -"
            if "Open3D" in found:
                of_open3d = (statistics.median(of["Open3D"]) for of in (clock, cpu))
                ratios = " ".join(
                    f"{mine / theirs:8.2f}" for mine, theirs in zip((seconds, work), of_open3d, strict=True)
                )
            row = f"{seconds:8.3f} {work:7.3f} {ratios} {found[name][0]:11.4f} {found[name][1]:8.4f}"
            print(f"{name:20} {points:8d} {row}", flush=True)


def compare_seeds(faces: int, seeds: int) -> None:
    """Print how far estimates lie from one of a million points."""
    pair = bodies(faces, 0)
    truth = ours(pair, 1_000_000, seed=10**6)
    print(f"\nspread over {seeds} seeds about one million points (chamfer {truth[0]:.4f} cm, p2s {truth[1]:.4f} cm)")
    print(f"{'points':>8} {'chamfer sd %':>13} {'worst %':>8} {'p2s sd %':>9} {'worst %':>8}")
    for points in (1000, 10_000, 100_000):
        values = np.array([ours(pair, points, seed) for seed in range(seeds)])
        off = 100 * (values / truth - 1)
        row = " ".join(f"{off[:, k].std():{w}.2f} {np.abs(off[:, k]).max():8.2f}" for k, w in ((0, 13), (1, 9)))
        print(f"{points:8d} {row}", flush=True)


def show_protocols(faces: int) -> None:
    """Print a Markdown table of one pair of meshes under every protocol."""
    first, second = bodies(faces, 0)
    print("| protocol | chamfer | P2S | direction of P2S | unit |\n| --- | --- | --- | --- | --- |")
    for name, protocol in PROTOCOLS.items():
        meshes = (first.vertices, first.faces), (second.vertices, second.faces)
        pair = MeshPair.of(*meshes, key="docs", device="cpu")
        scores = measure_pair(pair, name)
        cells = [f"{scores[key].value:.4g} ± {scores[key].standard_error:.2g}" if key in scores else "-"
                 for key in ("chamfer", "p2s")]  # fmt: skip
        metrics = [protocol.find(key) for key in scores]
        direction = next((metric.direction for metric in metrics if metric.name == "p2s"), "-")
        print(f"| `{name}` | {cells[0]} | {cells[1]} | {direction} | {metrics[0].unit} |", flush=True)


def peak_mib() -> float:
    """The most memory this process ever held, its parent's aside (Linux; 0 elsewhere)."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), 0.0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=440_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--protocols", action="store_true")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--memory", help=argparse.SUPPRESS)  # the process that is measured
    options = parser.parse_args()
    if options.tiny:
        options.faces, options.repeats, options.seeds = 2000, 1, 3
    if options.memory:
        with np.load(options.memory) as arrays:
            meshes = tuple(arrays[name] for name in ("first", "faces", "second"))
        loaded = peak_mib()
        pair = MeshPair.of((meshes[0], meshes[1]), (meshes[2], meshes[1]), points=100_000, device="cpu")
        measure_chamfer(pair)
        print(f"\npeak memory of mpc at 100,000 points: {peak_mib():.0f} MiB ({loaded:.0f} before, with the meshes)")
        return
    if options.protocols:
        show_protocols(2000 if options.tiny else 28_000)
        return
    compare_times(options.faces, options.repeats)
    with tempfile.TemporaryDirectory() as folder:
        first, second = bodies(options.faces, 0)
        np.savez(f"{folder}/pair.npz", first=first.vertices, faces=first.faces, second=second.vertices)
        subprocess.run([sys.executable, __file__, "--memory", f"{folder}/pair.npz"], check=True)
    compare_seeds(options.faces // 10, options.seeds)


if __name__ == "__main__":
    main()
