"""The start grid of a search: asked where a person may be, and whole where that shows nobody."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import numpy as np

from ..core.arrays import I64
from .localise.node_store import INSIDE, OUTSIDE

if TYPE_CHECKING:
    from .localise.search import Search


# A coarser start grid has little inside its faces.
LEAST_WITHOUT_FACES = 9
# Part of a coarser one may miss a person.
LEAST_IN_PART = 17
AROUND = [(i, j, k) for i in (-1, 0, 1) for j in (-1, 0, 1) for k in (-1, 0, 1) if i or j or k]


def ask_start_grid(search: Search, stride: int) -> Generator[I64, None, I64]:
    """Ask nodes of the start grid, `stride` apart; returns those known.

    A person fills little of the cube, and rarely reaches its faces, where a third of the start grid's nodes are. Of the
    inner nodes every second is asked, and those in the middle of the cells between; then all in the box of what turned
    out to be inside, grown by a spacing, as long as the box grows; of the faces, the nodes next to nodes that are
    inside. Where that shows no surface, all.
    """
    nodes = search.lattice.every(stride)
    if len(search.levels) == 1 or search.levels[0] < LEAST_WITHOUT_FACES:
        yield from search.ask(nodes)
        return nodes
    ijk, last = np.stack(search.lattice.split(nodes)), search.lattice.resolution - 1
    inner = ((ijk > 0) & (ijk < last)).all(axis=0)
    within, faces, halves = nodes[inner], nodes[~inner], ijk[:, inner] % (2 * stride)
    if search.levels[0] >= LEAST_IN_PART:
        yield from search.ask(within[~halves.any(axis=0) | halves.all(axis=0)])
        yield from _grow_box(search, within, stride)
    if not _shows_surface(search, within):
        yield from search.ask(search.store.unknown(within))
    if _shows_surface(search, within):
        deep = within[search.store.codes(within) == INSIDE]
        moved = [search.lattice.shift(deep, offset, stride)[0] for offset in AROUND]
        faces = faces[np.isin(faces, np.concatenate(moved))]
    yield from search.ask(faces)
    known: I64 = nodes[search.store.codes(nodes) != 0]
    return known


def _grow_box(search: Search, nodes: I64, stride: int) -> Generator[I64, None, None]:
    """Ask those of `nodes` in the box of those known to be inside, grown by a stride, until it grows no more."""
    ijk = np.stack(search.lattice.split(nodes))
    while (deep := search.store.codes(nodes) == INSIDE).any():
        low, high = ijk[:, deep].min(axis=1) - stride, ijk[:, deep].max(axis=1) + stride
        box = ((ijk - low[:, None] >= 0) & (ijk - high[:, None] <= 0)).all(axis=0)
        unknown = search.store.unknown(nodes[box])
        if not len(unknown):
            return
        yield from search.ask(unknown)


def _shows_surface(search: Search, nodes: I64) -> bool:
    """Whether some of `nodes` are known to be inside and some to be outside."""
    codes = search.store.codes(nodes)
    return bool((codes == INSIDE).any() and (codes == OUTSIDE).any())
