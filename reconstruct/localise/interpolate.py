"""The last level by interpolation: the field is evaluated only where the side of a node is in doubt (mode "fast").

MonoPort's fast mode never evaluates its last level, and it interpolates occupancies, which saturate. Here the logits
of the occupancies are interpolated: for a logistic function of the signed distance, the logit is that distance.

Values cannot change faster than the field is steep. Each corner of a coarse cell therefore bounds the values at the
nodes in the cell from both sides, and the side of a node is certain where both bounds agree. Where they do not, the
doubt about a node is the distance of its interpolated value from the surface, relative to the interval between the
bounds. Evaluated nodes tighten the bounds around them. Around a node whose value contradicts the interpolation, more
nodes are in doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, I32, I64
from ...core.kernels import load_warp
from .asker import Asker
from .device import Device
from .lattice import Lattice
from .search import Box, Found, Search, kernels, ordered

Span = tuple[tuple[int, ...], tuple[int, ...]]
"""The least node of a box, and how many nodes it holds along each axis."""

# Room for nodes of the last level, in mixed cells of the level before. A smooth surface takes ten.
NODES_A_CELL = 24
# A host that works ahead does not know the number of cells; it takes this part of the room of the search.
CELLS_OF_ROOM = 0.25
# On a CPU nodes are looked up in a box around the surface, this many nodes wider on each side: nodes are added around
# those that contradict the interpolation, and around these.
MARGIN = 8
# Between two calls of the field: decide, spread, add, recheck.
JOBS_A_ROUND = 4


class InterpolatedLevel(Asker):
    """Doubles the resolution of a search that has ended, on its device.

    Args:
        search: lossless, up to the level before the last one.
        chunk: greatest number of points between two answers.
    """

    def __init__(self, search: Search, chunk: int) -> None:
        self.search = search
        self.lattice = Lattice(2 * search.settings.lattice.resolution - 1)
        silhouette = search.settings.silhouette
        self._empty = None if silhouette is None else silhouette.empty_at(self.lattice)
        self._tail = kernels().Reg.TAIL
        self.growth = 1.0
        super().__init__(search.device, chunk)

    def restart(self) -> None:
        """Begin, or begin anew with more room."""
        self.use(self._new_state(), _cells().LevelState)
        self._measure()
        self._guess()
        self.growth *= 4
        self._asked = False  # whether the answers hold those to the first questions

    def proceed(self) -> F32 | None:
        """The points (N, 3) whose values are due, at most `chunk`; None at the end."""
        if self._asked:
            self.device.launch(_rounds().proceed_level, [self.states], 1)
        while self.overflows:
            self.restart()
        self._asked = True
        return self.due()

    def queue_jobs(self) -> None:
        """Decide and work, as often as a round needs."""
        for _ in range(JOBS_A_ROUND):
            self.device.launch(_rounds().decide_next_round, [self.states], 1)
            self.device.launch(_rounds().work_all_rounds, [self.states, self.device.threads])

    def queue_answers(self) -> None:
        """Take the values at the points of the call out of `state.answers`."""
        self.device.launch(_rounds().learn_all, [self.states, self.device.threads])
        self.close_call()

    def queue_end(self) -> None:
        """Compute the values of all nodes, if nothing is left to ask."""
        inputs = [self.states, self.device.threads]
        self.device.launch(_nodes().finish_nodes, inputs)
        self.device.launch(_nodes().add_far_nodes, [self.search.states, self.states, self._tail, self.device.threads])
        self.device.launch(_nodes().close_level, [self.states], 1)

    def has_ended(self, regs: I32) -> bool:
        """Whether the registers are those of a level that has ended; one without room begins anew."""
        num = _cells().Num
        if regs[num.OVERFLOW]:
            self.restart()
            return False
        return bool(regs[num.OVER])

    def found(self, coarse: Found) -> Found:
        """What was found, once no points are due.

        Args:
            coarse: what the search found.
        """
        self.queue_end()
        regs, nodes, values = (self.device.look(array) for array in self.arrays)
        return self.read(coarse, regs, nodes, values)

    def read(self, coarse: Found, regs: I32, nodes: I64, values: F32) -> Found:
        """What was found, from the registers and the lists of a level that has ended."""
        num = _cells().Num
        nodes, values = nodes[: int(regs[num.NODES])], values[: int(regs[num.NODES])]
        nodes, values = ordered(nodes, values)
        box: Box | None = None
        if coarse.box is not None:
            (a, b, c), (d, e, f) = coarse.box
            box = (2 * a, 2 * b, 2 * c), (2 * d - 1, 2 * e - 1, 2 * f - 1)
        return Found(
            nodes, values, (*coarse.levels, self.lattice.resolution),
            (*coarse.counts, int(regs[num.ASKED])), box, int(regs[num.BAD]),
        )  # fmt: skip

    def _new_state(self) -> Any:
        """Memory for the cells that the surface passes, and for the nodes of the last level."""
        wp, device, search, growth = load_warp(), self.device, self.search, self.growth
        known = cells = search.room
        box, wide = self._boxes()
        if device.ahead:
            cells = int(known * CELLS_OF_ROOM * growth)
        else:
            known = cells = int(device.look(search.state.regs)[self._tail])  # at most, each is the lowest corner of one
        room = min(int(cells * NODES_A_CELL * growth) + known + 4096, self.lattice.resolution**3)
        state = _cells().LevelState()
        state.resolution, state.threshold = self.lattice.resolution, search.settings.threshold
        state.regs = device.zeros(_cells().Num.COUNT, wp.int32)
        state.stats = device.zeros(_cells().Stat.COUNT, wp.float64)
        state.span = device.upload(np.array([np.inf, -np.inf], np.float32), wp.float32)
        state.axis = device.upload(self.lattice.axis, wp.float32)
        state.empty = search.state.empty if self._empty is None else device.upload(self._empty.view(np.uint8), wp.uint8)
        state.coarse_low, state.coarse_size = wp.vec3i(*box[0]), wp.vec3i(*box[1])
        state.coarse_index, state.coarse_levels = device.zeros(prod(box[1]), wp.int32), device.empty(known, wp.float64)
        state.cells, state.slopes = device.empty(cells, wp.vec3i), device.empty(cells, wp.float64)
        state.cell_levels, state.cell_masks = device.empty(8 * cells, wp.float64), device.empty(cells, wp.int32)
        state.sizes = device.empty(8 * cells, wp.float64)
        state.low, state.size = wp.vec3i(*wide[0]), wp.vec3i(*wide[1])
        state.index = device.zeros(prod(wide[1]), wp.int32)
        state.pending = device.zeros(prod(wide[1]) // 32 + 2, wp.uint32)
        state.nodes, state.values = device.empty(room, wp.int64), device.empty(room, wp.float32)
        state.guesses = device.empty((room, 4), wp.float64)
        state.flags, state.asks = device.empty(room, wp.int32), device.empty(room, wp.int32)
        state.points, state.answers = device.empty(room, wp.vec3), device.empty(self.chunk, wp.float32)
        return state

    def _boxes(self) -> tuple[Span, Span]:
        """The nodes of the search around its mixed cells, and those of the last level; on a CPU, what is near them."""
        least, most = (0, 0, 0), (self.search.settings.lattice.resolution,) * 3
        if not self.device.ahead:
            least, most = self.search.box_of(self.device.look(self.search.state.regs)) or (least, (1, 1, 1))
        margin = int(MARGIN * self.growth)
        wide_least = [max(2 * low - margin, 0) for low in least]
        wide_most = [min(2 * high - 1 + margin, self.lattice.resolution) for high in most]
        return _span(least, most), _span(wide_least, wide_most)

    def _measure(self) -> None:
        """Levels of the nodes of the search, cells that the surface passes, and how steep the field is in them."""
        names, stat, num = _cells(), _cells().Stat, _cells().Num
        both = [self.search.states, self.states]
        for kernel in (names.measure_span, names.index_nodes):
            self.device.launch(kernel, [*both, self._tail, self.device.threads])
        self.device.launch(names.find_cells, [*both, self.device.threads])
        parts = {stat.LOW_TENTH: 0.1, stat.HIGH_TENTH: 0.9} | ({} if self._empty is None else {stat.SIZE: 0.5})
        queue_order(self.device, self.state, self.state.sizes, num.SIZES, parts)
        self.device.launch(names.measure_slopes, [self.states, self.device.threads])
        queue_order(self.device, self.state, self.state.slopes, num.CELLS, {stat.CELL_SLOPE: 0.5})

    def _guess(self) -> None:
        """Interpolate the nodes in the cells, and ask for those in doubt."""
        names, threads = _nodes(), self.device.threads
        for steps in [(True, True)] if threads == 1 else [(True, False), (False, True)]:
            self.device.launch(names.guess_nodes, [self.search.states, self.states, *steps, threads])
        slopes = {names.Stat.SLOPE: 0.5}
        queue_order(self.device, self.state, self.state.guesses, names.Num.NODES, slopes, column=names.SLOPE)
        self.device.launch(names.doubt_all, [self.states, threads])


def _span(least: Sequence[int], most: Sequence[int]) -> Span:
    """The least node of a box, and how many it holds along each axis, from its least and greatest node (exclusive)."""
    return tuple(least), tuple(high - low for low, high in zip(least, most, strict=True))


def queue_order(
    device: Device, state: Any, values: Any, count: int, wanted: dict[int, float], *, column: int | None = None
) -> None:
    """Write order statistics of the first values of an array into `state.stats`.

    Args:
        device: of the arrays.
        state: whose register `count` holds the number of values; of none, the statistics stay 0.
        values: the array.
        count: the register.
        wanted: for each place in `state.stats`, the fraction of the values that are less.
        column: of an array with two axes, the column.
    """
    if not device.ahead:
        known: F64 = device.look(values)[: int(device.look(state.regs)[count])]
        known = known if column is None else known[:, column]
        if len(known):
            places = {at: fraction * (len(known) - 1) for at, fraction in wanted.items()}
            ranks = sorted({int(rounding(place)) for place in places.values() for rounding in (np.floor, np.ceil)})
            ordered = np.partition(known, ranks)
            for at, place in places.items():
                low, high = ordered[int(np.floor(place))], ordered[int(np.ceil(place))]
                device.look(state.stats)[at] = low if low == high else low + (high - low) * (place % 1)
        return
    import torch

    wp = load_warp()
    stats, every, number = wp.to_torch(state.stats), wp.to_torch(values), wp.to_torch(state.regs)[count]
    every = every if column is None else every[:, column]
    beyond = torch.arange(len(every), device=every.device) >= number
    ordered_there = torch.where(beyond, torch.inf, every).sort().values
    for at, fraction in wanted.items():
        place = (number.double() - 1).clamp(0, len(every) - 1) * fraction
        low_there = ordered_there.gather(0, place.floor().long()[None])
        high_there = ordered_there.gather(0, place.ceil().long()[None])
        between = torch.where(low_there == high_there, low_there, low_there + (high_there - low_there) * (place % 1))
        stats[at : at + 1] = torch.where(number > 0, between, 0.0)


@lru_cache(maxsize=1)
def _cells() -> Any:
    load_warp()
    from . import level_cells

    return level_cells


@lru_cache(maxsize=1)
def _nodes() -> Any:
    load_warp()
    from . import level_nodes

    return level_nodes


@lru_cache(maxsize=1)
def _rounds() -> Any:
    load_warp()
    from . import level_rounds

    return level_rounds
