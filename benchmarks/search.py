"""Measure the search's own time beside that of its reference in NumPy, and frames a second, with a trained network.

    python benchmarks/search.py --run base --shards SHARDS --frames     all closing figures, about 12 minutes
    python benchmarks/search.py --run base --shards SHARDS --people 4 --resolution 129
    python benchmarks/search.py --tiny

Both search as `mpc reconstruct` does, with the mask and (but for "fast", or with `--no-bracket`) the bracket, on one
core. The network's answers are kept in a table, so that a question costs next to nothing; what the table takes for the
same questions is subtracted. Columns, medians over people: "equal": people for whom every node is that of the
reference; "asked": nodes evaluated; "rounds": calls of the field, of the reference and of the search; "own": processor
seconds of either; "ratio" of these; "free", "price 1", "price 100": the search's own seconds, and what the network
takes for the nodes besides, once and a hundred times. Below each resolution, "fast" as a share of "lossless" at the
three prices. `--frames` measures wall seconds of encoding, localising and drawing 512 x 512 pixels, on all threads of
torch. The reference lies in tests/support/numpy_search.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from mpc.core.pictures import mask_of
from mpc.geometry.camera import OrthographicCamera
from mpc.reconstruct.localise.localise import MAX_BATCH, MODES, localise
from mpc.reconstruct.surface.camera_rays import orthographic_rays
from mpc.reconstruct.surface.direct import render_surface

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from support.numpy_search.localise import localise as reference

COLUMNS = (
    "nodes", "mode", "equal", "asked", "rounds before, after", "own s before", "own s after", "ratio", "free",
    "price 1", "price 100",
)  # fmt: skip
UPRIGHT = np.diag([1.0, -1.0, -1.0, 1.0])


class Table:
    """A field that has been asked before: values by node, and all questions of the last search."""

    def __init__(self, resolution: int) -> None:
        self.last, self.values, self.asked = resolution - 1, np.full(resolution**3, np.nan, np.float32), []

    def at(self, points: np.ndarray) -> np.ndarray:
        i, j, k = np.rint((points.T.astype(np.float64) + 1) / 2 * self.last).astype(np.int64)
        return (i * (self.last + 1) + j) * (self.last + 1) + k

    def __call__(self, points: np.ndarray) -> np.ndarray:
        self.asked.append(points)
        return self.values[self.at(points)]


class Person:
    """A picture, encoded once: its field, what the field proves about depth, and its mask."""

    def __init__(self, field: Callable, depth_range: Callable | None, mask: np.ndarray) -> None:
        self.field, self.mask, self._range, self._ranges = field, mask, depth_range, dict[int, np.ndarray]()
        self.depth_range = None if depth_range is None else self._known_range

    def _known_range(self, xy: np.ndarray) -> np.ndarray:
        """What is proved, asked once for each lattice: it is not the search's own time."""
        if len(xy) not in self._ranges:
            self._ranges[len(xy)] = self._range(xy)
        return self._ranges[len(xy)]

    def settings(self, mode: str) -> dict:
        """As `mpc reconstruct` searches."""
        bracket = None if mode == "fast" else self.depth_range
        return {"mode": mode, "mask": self.mask, "bracket": bracket, "max_batch": MAX_BATCH}


def network_people(run_name: str, shards: Path, count: int) -> Iterator[Person]:
    """People of the test split, one view each."""
    from mpc.datasets.loading.views import ViewDataset
    from mpc.models.runs import load_run
    from mpc.models.shipped import choose_run
    from mpc.reconstruct.view_field import encode_view

    run = load_run(choose_run(Path(run_name))[0])
    dataset = ViewDataset(shards, "test", points=0, colour_points=0, image_size=run.settings.get("image_size"))
    first: dict[str, int] = {}
    for index, view in enumerate(dataset.views):
        first.setdefault(view.scene_key.split("/")[0], index)
    for number, index in enumerate(list(first.values())[:count]):
        picture = dataset.picture(index + number % 8).transpose(1, 2, 0)  # from all sides
        view = encode_view(run.surface, run.texture, picture)
        yield Person(view.occupancy, view.depth_range, mask_of(picture))


def toy_people(count: int) -> Iterator[Person]:
    """Ellipsoids with ripples, and their masks."""
    pixels = (2 * np.arange(128) + 1) / 128 - 1
    for number in range(count):
        size = np.float32([0.25 + 0.02 * number, 0.8, 0.2])

        def field(points: np.ndarray, size: np.ndarray = size) -> np.ndarray:
            away = np.linalg.norm(points / size, axis=1) - 1 + 0.02 * np.sin(20 * points).sum(axis=1)
            return (1 / (1 + np.exp(np.clip(away / 0.03, -30, 30)))).astype(np.float32)

        mask = np.hypot(pixels[None] / size[0], pixels[:, None] / size[1]) < 1.05
        yield Person(field, None, mask)


def seconds_of(action: Callable[[], object], table: Table, repeats: int) -> float:
    """The least processor seconds of a search, without those that the table takes for the same questions."""

    def least(timed: Callable[[], object]) -> float:
        spent = []
        for _ in range(repeats):
            began = time.process_time()
            timed()
            spent.append(time.process_time() - began)
        return min(spent)

    whole = least(action)
    table.asked = []
    action()
    asked, table.asked = [points.copy() for points in table.asked], []
    return whole - least(lambda: [table(points) for points in asked])


def compare(person: Person, resolution: int, mode: str, repeats: int) -> list[float]:
    """Equal, evaluated, rounds of the reference and of the search, own seconds of both."""
    table, settings = Table(resolution), person.settings(mode)

    def noted(points: np.ndarray) -> np.ndarray:
        answer = person.field(points)
        table.values[table.at(points)] = answer
        return answer

    new = localise(noted, resolution, **settings)
    old = reference(table, resolution, **settings)  # an error if it asks other nodes: they are NaN
    equal = np.array_equal(old.nodes, new.nodes) and old.evaluations == new.evaluations
    equal = equal and float(np.abs(old.values - new.values).max()) < 1e-5
    own_old = seconds_of(lambda: reference(table, resolution, **settings), table, repeats)
    own_new = seconds_of(lambda: localise(table, resolution, **settings), table, repeats)
    return [equal, new.total_evaluations, old.calls, new.calls, own_old, own_new]


def price_of(people: list[Person], repeats: int) -> float:
    """Processor seconds that the network takes for a point, median over people."""
    sample = np.random.default_rng(0).uniform(-1, 1, (4096, 3)).astype(np.float32)
    spent = []
    for person in people:
        person.field(sample)
        for _ in range(repeats):
            began = time.process_time()
            person.field(sample)
            spent.append((time.process_time() - began) / len(sample))
    return float(np.median(spent))


def show_searches(people: list[Person], resolution: int, modes: list[str], repeats: int, price: float) -> None:
    """A row for each mode, and how "fast" compares with "lossless"."""
    paid = {}
    for mode in modes:
        rows = np.array([compare(person, resolution, mode, repeats) for person in people])
        _, asked, rounds_old, rounds_new, old, new = np.median(rows, axis=0)
        paid[mode] = np.array([new + factor * price * asked for factor in (0, 1, 100)])
        free, once, much = paid[mode]
        print(
            f"| {resolution} | {mode} | {rows[:, 0].sum():.0f} of {len(rows)} | {asked:,.0f} | {rounds_old:.0f}, "
            f"{rounds_new:.0f} | {old:.4f} | {new:.4f} | {old / new:.1f} | {free:.4f} | {once:.4f} | {much:.2f} |",
            flush=True,
        )
    if "fast" in paid and "lossless" in paid:
        free, once, much = paid["fast"] / paid["lossless"]
        print(f"| {resolution} | fast / lossless | | | | | | | {free:.2f} | {once:.2f} | {much:.2f} |", flush=True)


def show_frames(run_name: str, shards: Path, resolutions: list[int], count: int) -> None:
    """Wall seconds of the stages of a frame, medians over pictures, with the threads of torch."""
    from mpc.datasets.loading.views import ViewDataset
    from mpc.models.runs import load_run
    from mpc.models.shipped import choose_run
    from mpc.reconstruct.view_field import ViewEncoder

    run = load_run(choose_run(Path(run_name))[0])
    dataset = ViewDataset(shards, "test", points=0, colour_points=0, image_size=run.settings.get("image_size"))
    encoder = ViewEncoder(run.surface, run.texture)
    rays = orthographic_rays(UPRIGHT, OrthographicCamera((0.0, 0.0, 0.0), 2.0, 30.0).calibration, 512, 512)
    print(f"\n{torch.get_num_threads()} threads, wall seconds")
    print("| nodes | mode | encode | localise | draw | frames a second |\n| --- | --- | --- | --- | --- | --- |")
    for resolution in resolutions:
        for mode in MODES:
            rows = []
            for index in np.linspace(0, len(dataset) - 1, count).round().astype(int):
                picture = dataset.picture(int(index)).transpose(1, 2, 0)
                times = [time.perf_counter()]
                (view,) = encoder.encode([picture])
                times.append(time.perf_counter())
                bracket = None if mode == "fast" else view.depth_range
                grid = localise(
                    view.occupancy, resolution, mode=mode, mask=mask_of(picture), bracket=bracket, max_batch=4096
                )
                times.append(time.perf_counter())
                render_surface(grid, view.occupancy, rays, refinements=0)
                times.append(time.perf_counter())
                rows.append(np.diff(times))
            stages = np.median(rows, axis=0)
            seconds = " | ".join(f"{stage:.3f}" for stage in stages)
            print(f"| {resolution} | {mode} | {seconds} | {1 / stages.sum():.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", default="base")
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--people", type=int, default=20)
    parser.add_argument("--resolution", type=int, nargs="+", default=[129, 257, 513])
    parser.add_argument("--people-beyond-257", type=int, default=3, help="at resolutions that take seconds a person")
    parser.add_argument("--modes", nargs="+", choices=MODES, default=list(MODES))
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--no-bracket", action="store_true", help="search with the mask alone")
    parser.add_argument("--frames", action="store_true", help="frames a second besides, up to 257 nodes")
    parser.add_argument("--tiny", action="store_true", help="ellipsoids, without a network")
    options = parser.parse_args()
    if not options.tiny and options.shards is None:
        parser.error("name a folder of shards, or --tiny")
    if options.tiny and options.frames:
        parser.error("--frames takes a network: --tiny has none")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    if options.tiny:
        people, resolutions = list(toy_people(1)), [65]
    else:
        people = list(network_people(options.run, options.shards, options.people))
        for person in people if options.no_bracket else []:
            person.depth_range = None
        resolutions = options.resolution
    warm = next(toy_people(1))
    for mode in MODES:  # kernels are compiled here
        localise(warm.field, 65, **warm.settings(mode))
    price = price_of(people, options.repeats)
    print(f"the network takes {1e6 * price:.2f} microseconds a point, on one core")
    print(f"| {' | '.join(COLUMNS)} |\n|{' --- |' * len(COLUMNS)}")
    for resolution in resolutions:
        chosen = people if resolution <= 257 else people[: options.people_beyond_257]
        show_searches(chosen, resolution, options.modes, options.repeats, price)
    if options.frames:
        torch.set_num_threads(threads)
        show_frames(options.run, options.shards, [one for one in resolutions if one <= 257], options.people)


if __name__ == "__main__":
    main()
