"""Surface localisation: evaluations, wrong grid points, own time; beside the floor, MonoPort and the octree.

    python benchmarks/localize.py MODELS --resolution 257 --scenes 4
    python benchmarks/localize.py --run RUN --shards SHARDS --resolution 257      # a trained network's fields

Fields are tables of the dense answer, so the seconds are each scheme's own. "hard" is the 0/1 label of a posed person,
"1" and "4" are logistic in the signed distance with a width of 1 and 4 node spacings. The floor is the number of nodes
with a neighbour of the other side among 26. MonoPort's scheme and PIFu's octree are re-stated here from their papers.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from scipy import ndimage

from mpc.datasets.scenes import list_scenes, load_scene
from mpc.datasets.subjects import find_subjects
from mpc.geometry.camera import OrthographicCamera, project, unproject
from mpc.reconstruct.localise import localise
from mpc.sampling.inside import InsideOracle


class Table:
    """The dense answer as an occupancy that counts what it is asked."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.resolution, self.asked, self.seconds = values, len(values), 0, 0.0

    def at(self, nodes: np.ndarray) -> np.ndarray:
        self.asked += len(nodes)
        return self.values.ravel()[nodes]

    def __call__(self, points: np.ndarray) -> np.ndarray:
        began = time.perf_counter()
        index = np.rint((points.astype(np.float64) + 1) / 2 * (self.resolution - 1)).astype(np.int64)
        answer = self.at((index[:, 0] * self.resolution + index[:, 1]) * self.resolution + index[:, 2])
        self.seconds += time.perf_counter() - began
        return answer


def upsample(values: np.ndarray) -> np.ndarray:
    """Trilinear doubling with shared corners: (n, n, n) -> (2n - 1, 2n - 1, 2n - 1)."""
    for axis in range(3):
        moved = np.moveaxis(values, axis, 0)
        out = np.empty((2 * len(moved) - 1, *moved.shape[1:]), np.float32)
        out[::2] = moved
        out[1::2] = (moved[:-1] + moved[1:]) / 2
        values = np.moveaxis(out, 0, axis)
    return values


def monoport(table: Table, start: int = 17) -> np.ndarray:
    """MonoPort's lossless mode: the dilated boundary of the upsampled binary field, then neighbours of conflicts."""
    resolution = table.resolution
    side = start
    stride = (resolution - 1) // (side - 1)
    nodes = np.arange(resolution**3).reshape((resolution,) * 3)
    values = table.at(nodes[::stride, ::stride, ::stride].ravel()).reshape((side,) * 3)
    known = np.ones_like(values, bool)
    while stride > 1:
        stride //= 2
        binary = upsample((values > 0.5).astype(np.float32))
        grown = np.zeros(binary.shape, bool)
        grown[::2, ::2, ::2] = known
        values, known = upsample(values), grown
        here = nodes[::stride, ::stride, ::stride]
        todo = ndimage.binary_dilation((binary > 0) & (binary < 1), np.ones((3, 3, 3))) & ~known
        while todo.any():
            answers = table.at(here[todo])
            conflict = np.zeros_like(todo)
            conflict[todo] = (values[todo] > 0.5) != (answers > 0.5)
            values[todo] = answers
            known |= todo
            todo = ndimage.binary_dilation(conflict, np.ones((3, 3, 3))) & ~known
    return values > 0.5


def octree(table: Table, threshold: float, start: int = 64) -> np.ndarray:
    """PIFu's octree on resolution - 1 nodes: cells whose corners differ by less than `threshold` are filled."""
    resolution = table.resolution
    side = resolution - 1
    values = np.zeros((side,) * 3, np.float32)
    dirty = np.ones((side,) * 3, bool)
    node = np.arange(resolution**3).reshape((resolution,) * 3)[:side, :side, :side]
    stride = side // start
    known = np.zeros((side,) * 3, bool)
    while stride > 0:
        test = np.zeros_like(dirty)
        test[::stride, ::stride, ::stride] = True
        test &= dirty & ~known
        values[test] = table.at(node[test])
        known |= test
        dirty[test] = False
        if stride == 1:
            break
        coarse = values[::stride, ::stride, ::stride]
        corners = [coarse[i:, j:, k:] for i in (0, 1) for j in (0, 1) for k in (0, 1)]
        small = tuple(min(corner.shape[a] for corner in corners) for a in range(3))
        corners = [corner[: small[0], : small[1], : small[2]] for corner in corners]
        low, high = np.min(corners, axis=0), np.max(corners, axis=0)
        clean, middle = high - low < threshold, (low + high) / 2
        for axis in range(3):
            clean, middle = np.repeat(clean, stride, axis), np.repeat(middle, stride, axis)
        covered = tuple(slice(0, length) for length in clean.shape)
        filled = dirty[covered] & clean
        values[covered][filled] = middle[filled]
        dirty[covered] &= ~clean
        stride //= 2
    return values > 0.5


def people(models: Path, resolution: int, count: int, softness: list[str]) -> Iterator[tuple[str, np.ndarray]]:
    """Name and dense values of posed people, evenly chosen."""
    specs = [(subject, spec) for subject in find_subjects(models) for spec in list_scenes(subject, seed=0)]
    for subject, spec in [specs[i] for i in np.unique(np.linspace(0, len(specs) - 1, count).round().astype(int))]:
        mesh = load_scene(subject, spec).mesh
        low, high = mesh.bounds
        camera = OrthographicCamera(tuple((low + high) / 2), max(2.4, 1.1 * float((high - low).max())), 20.0)
        inside = dense(resolution, camera, mesh.bounds, InsideOracle(mesh).inside)
        for kind in softness:
            if kind == "hard":
                yield f"{spec.key} hard", inside.astype(np.float32)
                continue
            signed = ndimage.distance_transform_edt(inside) - ndimage.distance_transform_edt(~inside)
            signed -= np.sign(signed) * 0.5
            yield (
                f"{spec.key} width {kind}",
                (1 / (1 + np.exp(-np.clip(signed / float(kind), -40, 40)))).astype(np.float32),
            )


def dense(resolution: int, camera: OrthographicCamera, bounds: np.ndarray, inside: Callable) -> np.ndarray:
    """Labels of all nodes; those outside the person's box are outside."""
    axis = np.linspace(-1, 1, resolution)
    corners = np.array([[bounds[i, 0], bounds[j, 1], bounds[k, 2]] for i in (0, 1) for j in (0, 1) for k in (0, 1)])
    view = project(corners, camera.calibration)
    low, high = (np.searchsorted(axis, value) for value in (view.min(axis=0), view.max(axis=0)))
    labels = np.zeros((resolution,) * 3, bool)
    for i in range(low[0], high[0]):
        block = np.stack(np.meshgrid(axis[i], axis[low[1] : high[1]], axis[low[2] : high[2]], indexing="ij"), -1)
        answer = inside(unproject(block.reshape(-1, 3), camera.calibration))
        labels[i, low[1] : high[1], low[2] : high[2]] = answer.reshape(block.shape[1:3])
    return labels


def network_fields(run: Path, shards: Path, resolution: int, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and dense values of a trained network on views of the test split."""
    from mpc.datasets.torch_dataset import ViewDataset
    from mpc.models.storage import load_run
    from mpc.reconstruct.view_field import encode_view

    loaded = load_run(run)
    dataset = ViewDataset(shards, "test", points=0, colour_points=0, image_size=loaded.settings.get("image_size"))
    axis = np.linspace(-1, 1, resolution).astype(np.float32)
    for index in np.linspace(0, len(dataset) - 1, count).round().astype(int):
        field = encode_view(loaded, dataset.picture(int(index)).transpose(1, 2, 0))
        values = np.empty((resolution,) * 3, np.float32)
        for i in range(resolution):
            plane = np.stack(np.meshgrid(axis[i], axis, axis, indexing="ij"), -1).reshape(-1, 3)
            values[i] = field.occupancy(plane).reshape(resolution, resolution)
        view = dataset.views[int(index)]
        yield f"network {view.scene_key}/{view.view_name}", values


def floor(inside: np.ndarray, size: np.ndarray) -> int:
    """Nodes with a neighbour of the other side within the structuring element."""
    grown = ndimage.binary_dilation(inside, size) & ~inside
    shrunk = inside & ~ndimage.binary_erosion(inside, size, border_value=1)
    return int(grown.sum() + shrunk.sum())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="?")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--resolution", type=int, default=257)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--softness", nargs="+", default=["hard", "1", "4"])
    parser.add_argument("--only-ours", action="store_true", help="leave the slow restatements out")
    options = parser.parse_args()
    if not options.run and not options.models:
        parser.error("name a folder of models, or --run and --shards")
    if options.run:
        fields = network_fields(options.run, options.shards, options.resolution, options.scenes)
    else:
        fields = people(options.models, options.resolution, options.scenes, options.softness)
    print(f"{'field':44} {'scheme':22} {'asked':>9} {'/ floor26':>9} {'wrong':>7} {'pockets':>7} {'own s':>6} calls")
    for name, values in fields:
        inside = values > 0.5
        needed = floor(inside, np.ones((3, 3, 3)))
        six = floor(inside, ndimage.generate_binary_structure(3, 1))
        print(f"{name:44} {'floor 26 (6: ' + str(six) + ')':22} {needed:9d}")

        def ours(table: Table, **settings: object) -> tuple[np.ndarray, int]:
            grid = localise(table, table.resolution, **settings)  # type: ignore[arg-type]
            began = time.perf_counter()
            sides = grid.sides()
            table.seconds += time.perf_counter() - began  # filling the whole grid serves the comparison alone
            return sides, grid.calls

        schemes: dict[str, Callable] = {
            "ours": ours,
            "ours, start 33": lambda table: ours(table, start=33),
        }
        if not options.only_ours:
            schemes["MonoPort, restated"] = lambda table: (monoport(table), 0)
            for threshold in (0.01, 0.3):
                schemes[f"octree {threshold}"] = lambda table, t=threshold: (octree(table, t), 0)
        for scheme, run in schemes.items():
            table = Table(values)
            began = time.perf_counter()
            found, calls = run(table)
            own = time.perf_counter() - began - table.seconds
            same = inside[: len(found), : len(found), : len(found)]
            wrong = found != same
            pockets = ndimage.label(wrong, np.ones((3, 3, 3)))[1]
            row = (
                f"{table.asked:9d} {table.asked / needed:9.3f} {int(wrong.sum()):7d} {pockets:7d} {own:6.2f} {calls:6d}"
            )
            print(f"{'':44} {scheme:22} {row}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, tables included")


if __name__ == "__main__":
    main()
