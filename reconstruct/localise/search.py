"""The search for the surface of one field: its memory on the device, and the host's part in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F32, I32, I64
from ...core.kernels import load_warp
from .asker import Asker
from .bracket import Bracket
from .device import Device
from .lattice import Lattice
from .silhouette import SEARCH_LIMIT, Silhouette

Box = tuple[tuple[int, int, int], tuple[int, int, int]]

# Room for nodes, in faces of the grid. A person's surface takes one or two; a search that needs more begins anew.
FACES = 16.0
LEAST_ROOM = 1 << 15
# Between two calls of the field, so many decisions and jobs are queued by a host that works ahead. Most calls need two.
JOBS_A_CALL = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class SearchSettings:
    """What is searched for.

    Attributes:
        lattice: the lattice of the finest level.
        threshold: values above it are inside.
        levels: resolutions to visit.
        visible: on the last level, skip cells that nodes known to be inside hide from a viewer before the cube.
        spare: skip the level before the last one unless all levels before it were cheap.
        seeds: (S, 3) float32, view-space points that may lie inside; None without.
        silhouette: what a mask says about the columns of nodes; None without a mask.
        bracket: what the field proves about the columns of nodes; None where it proves nothing.
    """

    lattice: Lattice
    threshold: float
    levels: Sequence[int]
    visible: bool = False
    spare: bool = False
    seeds: F32 | None = None
    silhouette: Silhouette | None = None
    bracket: Bracket | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """What a search found, on the host.

    Attributes:
        nodes: (M,) int64, rising: flat indices of the known nodes.
        values: (M,) float32, see `LocalisedGrid`.
        levels: resolutions that were visited.
        counts: number of nodes evaluated on each level.
        box: see `LocalisedGrid.surface_box`.
        bad: number of values that were not finite.
    """

    nodes: I64
    values: F32
    levels: tuple[int, ...]
    counts: tuple[int, ...]
    box: Box | None
    bad: int = 0


class Search(Asker):
    """One search.

    Args:
        settings: what is searched for.
        device: where.
        chunk: greatest number of points between two answers.
    """

    def __init__(self, settings: SearchSettings, device: Device, chunk: int) -> None:
        self.settings = settings
        self.room = 0
        super().__init__(device, chunk)

    def restart(self) -> None:
        """Begin, or begin anew with four times the room."""
        r = self.settings.lattice.resolution
        self.room = min(r**3, 4 * self.room or int(FACES * r**2) + LEAST_ROOM)
        self.use(_new_state(self.settings, self.device, self.room, self.chunk), kernels().SearchState)
        if not self.device.ahead:
            self._proceed = load_warp().launch(
                kernels().proceed, dim=1, inputs=[self.states], device=self.device.name, record_cmd=True
            )

    def proceed(self) -> F32 | None:
        """The points (N, 3) whose values are due, at most `chunk`; None at the end."""
        self._proceed.launch()
        while self.overflows:
            self.restart()
            self._proceed.launch()
        return self.due()

    def queue_jobs(self) -> None:
        """Decide and work, as often as is usual between two calls of the field."""
        for _ in range(JOBS_A_CALL):
            self.device.launch(kernels().decide_next, [self.states], 1)
            self.device.launch(kernels().work_all, [self.states, self.device.threads])

    def queue_answers(self) -> None:
        """Take the values at the points of the call out of `state.answers`."""
        self.device.launch(kernels().take_answers, [self.states, self.device.threads])
        self.close_call()

    def queue_end(self) -> None:
        """Nothing is left to do at the end of a search."""

    def has_ended(self, regs: I32) -> bool:
        """Whether the registers are those of a search that has ended; one without room begins anew."""
        if regs[kernels().Reg.OVERFLOW]:
            self.restart()
            return False
        reg = kernels().Reg
        return bool(
            regs[reg.STEP] == kernels().Step.END and regs[reg.JOB] == 0 and regs[reg.ANSWERED] == regs[reg.ASKED]
        )

    def found(self, *, lists: bool = True) -> Found:
        """What was found, once no points are due; without `lists`, no nodes and values."""
        regs, nodes, values = (self.device.look(array) for array in self.arrays)
        return self.read(regs, nodes, values, lists=lists)

    def read(self, regs: I32, nodes: I64, values: F32, *, lists: bool = True) -> Found:
        """What was found, from the registers and the lists of a search that has ended."""
        reg, levels = kernels().Reg, list(self.settings.levels)
        count = int(regs[reg.TAIL]) if lists else 0
        nodes, values = ordered(nodes[:count], values[:count])
        marks = regs[reg.MARKS : reg.MARKS + len(levels)].tolist()
        marks[-1] = int(regs[reg.ASKED])
        if regs[reg.SKIPPED]:
            del levels[-2], marks[-2]
        return Found(
            nodes, values, tuple(levels), tuple(np.diff(marks, prepend=0).tolist()), self.box_of(regs),
            int(regs[reg.BAD]),
        )  # fmt: skip

    def box_of(self, regs: I32) -> Box | None:
        """The box around all cells that the surface passes, enlarged by a node, from the registers."""
        reg = kernels().Reg
        low, high = regs[reg.BOX_LOW : reg.BOX_LOW + 3], regs[reg.BOX_HIGH : reg.BOX_HIGH + 3]
        if high[0] < 0:
            return None
        a, b = np.maximum(low - 1, 0).tolist(), np.minimum(high + 3, self.settings.lattice.resolution).tolist()
        return (a[0], a[1], a[2]), (b[0], b[1], b[2])


def ordered(nodes: I64, values: F32) -> tuple[I64, F32]:
    """Different nodes in rising order, and their values.

    The places are sorted as lower bits of the nodes: NumPy sorts numbers several times faster than it finds an order.
    """
    bits = max(int(len(nodes) - 1).bit_length(), 1)
    keys = np.sort((nodes << bits) | np.arange(len(nodes)))
    return keys >> bits, values[keys & ((1 << bits) - 1)]


@lru_cache(maxsize=1)
def kernels() -> Any:
    """The module of the kernels, which has the registers as `Reg` and the steps as `Step`."""
    load_warp()
    from . import search_kernels

    return search_kernels


def _new_state(settings: SearchSettings, device: Device, room: int, chunk: int) -> Any:
    """The memory of a search that has not begun."""
    wp, reg = load_warp(), kernels().Reg
    lattice, silhouette, bracket = settings.lattice, settings.silhouette, settings.bracket
    r = lattice.resolution
    strides = np.array([(r - 1) // max(level - 1, 1) for level in settings.levels], np.int32)
    seeds = np.zeros(0, np.int64) if settings.seeds is None else np.unique(lattice.nearest(settings.seeds))
    regs = np.zeros(reg.COUNT, np.int32)
    regs[reg.STARTING], regs[reg.LIMIT] = 1, SEARCH_LIMIT
    regs[reg.LOW : reg.LOW + 3] = regs[reg.BOX_LOW : reg.BOX_LOW + 3] = r
    regs[reg.HIGH : reg.HIGH + 3] = regs[reg.BOX_HIGH : reg.BOX_HIGH + 3] = -1
    coarse = settings.levels[-2] if len(settings.levels) > 1 else 1
    edges = min(room, 3 * coarse**3)
    walks = max(len(seeds), SEARCH_LIMIT if silhouette is not None else 0)
    columns = (r, r)
    masked, none = silhouette is not None, (1, 1)
    state = kernels().SearchState()
    state.resolution, state.levels, state.threshold = r, len(strides), settings.threshold
    state.whole, state.visible, state.spare = len(strides) == 1, settings.visible, settings.spare
    state.masked, state.bracketed = masked, bracket is not None
    state.strides, state.regs = device.upload(strides, wp.int32), device.upload(regs, wp.int32)
    state.sides = device.zeros(r**3 // 16 + 2, wp.uint32)
    state.axis = device.upload(lattice.axis, wp.float32)
    state.nodes, state.values = device.empty(room, wp.int64), device.empty(room, wp.float32)
    state.asks, state.points = device.empty(2 * room, wp.int32), device.empty(2 * room, wp.vec3)
    state.answers = device.empty(chunk, wp.float32)
    state.edges, state.bins = device.empty(edges, wp.int64), device.empty(coarse**2, wp.int32)
    state.wait_edges = device.empty(max(edges, walks), wp.int64)
    state.wait_halves = device.empty(max(edges, walks), wp.int32)
    state.walk_nodes, state.walk_states = device.empty(walks, wp.int64), device.empty(walks, wp.int32)
    state.seeds = device.upload(seeds, wp.int64)
    state.front = device.upload(np.full(columns if settings.visible else none, r, np.int32), wp.int32)
    state.found = device.zeros(columns if masked else none, wp.uint8)
    state.winners = device.empty(r * r if masked else 1, wp.int32)
    state.empty = device.zeros(none, wp.uint8)
    state.filled, state.first, state.last = state.empty, device.zeros(none, wp.int32), device.zeros(none, wp.int32)
    if silhouette is not None:
        state.empty = device.upload(silhouette.empty.view(np.uint8), wp.uint8)
        state.filled = device.upload(silhouette.filled.view(np.uint8), wp.uint8)
    if bracket is not None:
        state.first, state.last = device.upload(bracket.first, wp.int32), device.upload(bracket.last, wp.int32)
    return state
