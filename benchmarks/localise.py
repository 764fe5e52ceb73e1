"""Measure surface localisation beside its lower bound, MonoPort and the octree: evaluations, errors, time, memory.

    python benchmarks/localise.py MODELS --resolution 257 --scenes 20
    python benchmarks/localise.py MODELS --resolution 1025 --scenes 3 --softness hard     # mpc alone, no dense answer
    python benchmarks/localise.py --run RUN --shards SHARDS --resolution 257              # a trained network's fields

The fields are tables of the dense answer, so the seconds (of this process on the processor) are those of each scheme
itself. A "hard" field is the 0/1 label of a posed person; "1" and "4" are logistic in the signed distance with a width
of 1 and 4 node spacings. The lower bound ("floor") is the number of nodes that have a neighbour of the other side among
26. MonoPort's scheme is restated in monoport_scheme.py, on dense arrays of a box around what is inside. "own MiB" is
the greatest memory that mpc's scheme held at once, without the table, in a second, slower run of the first three fields
of a kind.
"""

from __future__ import annotations

import argparse
import resource
import time
import tracemalloc
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from localise_fields import (
    Table,
    dense_answer,
    dense_sides,
    logistic,
    network_fields,
    network_table,
    people,
)
from monoport_scheme import monoport
from pockets import Pocket, describe, label_pockets, write_table
from scipy import ndimage

from mpc.reconstruct.localise.baselines import octree_grid
from mpc.reconstruct.localise.localise import localise

HEAD = f"{'field':34} {'scheme':20} {'asked':>9} {'/floor26':>9} {'1/dense':>8} {'wrong':>7} {'pockets':>7} {'own s':>7} {'own MiB':>8} {'calls':>6}"  # noqa: E501


def floors(inside: np.ndarray) -> tuple[int, int]:
    """Nodes with a neighbour of the other side among 26, and among 6."""
    _, box = box_of(inside)
    inside = inside[box]  # which has room around what is inside, but where that is at the border of the grid
    wide = ndimage.maximum_filter(inside, 3) != ndimage.minimum_filter(inside, 3)
    narrow = np.zeros(inside.shape, bool)
    for axis in range(3):
        moved, out = np.moveaxis(inside, axis, 0), np.moveaxis(narrow, axis, 0)
        change = moved[1:] != moved[:-1]
        out[1:] |= change
        out[:-1] |= change
    return int(wide.sum()), int(narrow.sum())


def box_of(truth: np.ndarray) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], tuple[slice, ...]]:
    """A box around all that is inside, as `LocalisedGrid.sides` wants it, and as slices."""
    spans = [np.flatnonzero(truth.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    low = tuple(max(int(span[0]) - 2, 0) for span in spans)
    high = tuple(min(int(span[-1]) + 3, len(truth)) for span in spans)
    return (low, high), tuple(slice(a, b) for a, b in zip(low, high, strict=True))


def block_of(
    used: tuple[tuple[int, ...], tuple[int, ...]], resolution: int, stride: int
) -> tuple[tuple[slice, ...], np.ndarray]:
    """A box with room for MonoPort's dilations, cut at nodes of its first level, as slices and as numbers of nodes.

    Elsewhere all is outside, and nothing is asked but the first level: its dense arrays can then be small.
    """
    low = [max(first // stride - 3, 0) * stride for first in used[0]]
    high = [min(-(-last // stride) + 3, (resolution - 1) // stride) * stride + 1 for last in used[1]]
    i, j, k = (np.arange(a, b, dtype=np.int64) for a, b in zip(low, high, strict=True))
    nodes = (i[:, None, None] * resolution + j[:, None]) * resolution + k
    return tuple(slice(a, b) for a, b in zip(low, high, strict=True)), nodes


def own_memory(action: Callable[[], object]) -> float:
    """MiB that an action held at most, NumPy's arrays included."""
    tracemalloc.start()
    action()
    peak = tracemalloc.get_traced_memory()[1] / 2**20
    tracemalloc.stop()
    return peak


def measure(
    values: np.ndarray,
    truth: np.ndarray,
    needed: int,
    mask: np.ndarray | None,
    with_peers: bool,
    with_octree: bool,
    with_memory: bool,
    found: list[tuple[str, np.ndarray]] | None = None,
) -> Iterator[tuple[str, int, float, float, int, int, float, float, int]]:
    """Scheme, asked, ratio to the floor, part of dense, wrong, pockets, seconds, MiB, calls; a row for each scheme.

    The pockets that ours leaves without loss are added to `found`, as nodes of the whole grid.
    """
    resolution = len(values)
    used, part = box_of(truth)

    def ours(table: Table, **settings: object) -> tuple[Callable[[], np.ndarray], int]:
        grid = localise(table, resolution, **settings)  # type: ignore[arg-type]
        return (lambda: grid.sides(used) != truth[part]), grid.calls

    def theirs(table: Table, fast: bool) -> tuple[Callable[[], np.ndarray], int]:
        box, nodes = block_of(used, resolution, stride := (resolution - 1) // 16)
        first = nodes[::stride, ::stride, ::stride].size
        sides = monoport(table.at, nodes, stride=stride, fast=fast)
        table.asked += 17**3 - first  # of the first level, outside the box
        return (lambda: sides != truth[box]), 0

    ours_settings: dict[str, dict[str, object]] = {
        "ours": {}, "ours, start 33": {"start": 33}, "ours, fast": {"mode": "fast"},
    }  # fmt: skip
    if mask is not None:
        ours_settings["ours, with mask"] = {"mask": mask}
    schemes: dict[str, Callable[[Table], tuple[Callable[[], np.ndarray], int]]] = {
        scheme: (lambda table, s=settings: ours(table, **s)) for scheme, settings in ours_settings.items()
    }
    if with_peers:
        for fast in (False, True):
            label = f"MonoPort{', fast' if fast else ''}"
            schemes[label] = lambda table, f=fast: theirs(table, f)
    for difference in (0.01, 0.3) if with_octree else ():
        schemes[f"octree {difference}"] = lambda table, d=difference: (
            (lambda answer: lambda: (answer.values > 0.5) != truth)(
                octree_grid(table, resolution, difference=d, start=(resolution - 1) // 4 + 1)
            ),
            0,
        )
    for scheme, run in schemes.items():
        table = Table(values)
        began = time.process_time()
        wrong_nodes, calls = run(table)
        own = time.process_time() - began - table.seconds
        differing = wrong_nodes()
        groups = label_pockets(differing)
        wrong, pockets = sum(map(len, groups)), len(groups)
        if found is not None and scheme in ("ours", "ours, with mask"):
            found += [(scheme, group + np.array(used[0])) for group in groups]
        memory = float("nan")
        if scheme in ours_settings and with_memory:
            memory = own_memory(lambda s=scheme: localise(Table(values), resolution, **ours_settings[s]))  # type: ignore[arg-type, misc]
        yield scheme, table.asked, table.asked / needed, resolution**3 / table.asked, wrong, pockets, own, memory, calls


def means(function: Callable[..., np.ndarray], rows: list[tuple]) -> list[float]:
    """By column, over the rows that have a number there."""
    columns = np.array(rows, float).T
    return [float(function(column[known])) if (known := np.isfinite(column)).any() else np.nan for column in columns]


def show(name: str, row: tuple) -> None:
    scheme, asked, ratio, dense, wrong, pockets, own, memory, calls = row
    print(
        f"{name:34} {scheme:20} {asked:9.0f} {ratio:9.3f} {dense:8.0f} {wrong:7.0f} {pockets:7.0f} {own:7.2f} "
        f"{memory:8.0f} {calls:6.0f}",
        flush=True,
    )


def sparse_rows(models: Path, resolution: int, scenes: int) -> None:
    """Ours where no dense answer fits: every eighth node is compared with the dense answer at half the resolution."""
    print(HEAD)
    for person in people(models, scenes):
        seconds = 0.0

        def timed(points: np.ndarray, person=person) -> np.ndarray:
            nonlocal seconds
            began = time.process_time()
            answer = person.occupancy(points)
            seconds += time.process_time() - began
            return answer

        truth = dense_sides(person, (resolution + 1) // 2)
        tracemalloc.start()
        began = time.process_time()
        grid = localise(timed, resolution)
        own = time.process_time() - began - seconds
        memory = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        low, high = grid.surface_box or ((0,) * 3, (2,) * 3)
        low, high = tuple(x // 2 * 2 for x in low), tuple(min(x // 2 * 2 + 3, resolution) for x in high)
        found = np.zeros_like(truth)
        part = tuple(slice(a // 2, (b + 1) // 2) for a, b in zip(low, high, strict=True))
        found[part] = grid.sides((low, high))[::2, ::2, ::2]
        groups = label_pockets(found != truth)
        wrong, pockets = sum(map(len, groups)), len(groups)
        asked, quarter = grid.total_evaluations, floors(truth)[0]
        row = ("ours, half checked", asked, asked / (4 * quarter), resolution**3 / asked, wrong, pockets, own, memory)
        show(person.name, (*row, grid.calls))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="?")
    parser.add_argument("--run", type=Path)
    parser.add_argument("--shards", type=Path)
    parser.add_argument("--resolution", type=int, default=257)
    parser.add_argument("--scenes", type=int, default=4)
    parser.add_argument("--softness", nargs="+", default=["hard", "1", "4"])
    parser.add_argument(
        "--peers", type=int, default=1000, help="MonoPort's scheme and the octree: first fields of a kind"
    )
    parser.add_argument("--cache", type=Path, help="folder where the dense answers of people are kept for another run")
    parser.add_argument("--traced", type=int, default=3, help="own MiB: first fields of a kind")
    parser.add_argument("--pockets", type=Path, help="write what ours leaves wrong, with and without mask, as CSV")
    options = parser.parse_args()
    if not options.run and not options.models:
        parser.error("name a folder of models, or --run and --shards")
    if options.models and options.resolution > 600:
        sparse_rows(options.models, options.resolution, options.scenes)
        return
    rows: dict[tuple[str, str], list[tuple]] = defaultdict(list)
    listed: list[Pocket] = []
    print(HEAD)

    known_floors: dict[str, tuple[int, int]] = {}

    def compare(name: str, kind: str, values: np.ndarray, mask: np.ndarray | None, extent_m: float) -> None:
        truth = values > 0.5
        if name not in known_floors:
            known_floors[name] = floors(truth)
        needed, six = known_floors[name]
        print(f"{name + ' ' + kind:34} floor 26: {needed}, floor 6: {six}")
        count = len(rows[kind, "ours"])
        # MonoPort looks at sides alone, and what ours leaves without loss hangs on sides alone: one softness says it.
        first = kind in ("", options.softness[0])
        found: list[tuple[str, np.ndarray]] | None = [] if first else None
        peers = count < options.peers
        for row in measure(values, truth, needed, mask, peers and first, peers, count < options.traced, found):
            show("", row)
            rows[kind, row[0]].append(row[1:])
        listed.extend(describe(name, scheme, group, truth, extent_m) for scheme, group in found or ())

    if options.run:
        for name, occupancy, mask, extent_m in network_fields(options.run, options.shards, options.scenes):
            compare(name, "", network_table(occupancy, options.resolution), mask, extent_m)
    else:
        for person in people(options.models, options.scenes):
            wants_soft = bool(set(options.softness) - {"hard"})
            inside, soft = dense_answer(person, options.resolution, wants_soft, options.cache)
            mask = person.silhouette(512)
            for kind in options.softness:
                values = inside.astype(np.float32) if kind == "hard" or soft is None else logistic(soft, float(kind))
                compare(person.name, kind, values, mask, person.camera.extent_m)
    print(f"\nmeans over fields, then the greatest in brackets: wrong, own s, own MiB\n{HEAD}")
    for (kind, scheme), several in rows.items():
        show(f"mean of {len(several)} {kind}", (scheme, *means(np.mean, several)))
        show("", ("(greatest)", *means(np.max, several)))
    if options.pockets:
        write_table(options.pockets, listed)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MiB, tables and peers included")


if __name__ == "__main__":
    main()
