"""Tell the person in a scan from what is no person: a floor, a wall, a turntable, a board, specks, a second person."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..core.arrays import F64, I64, Bools
from ..core.randomness import derive_rng
from ..geometry.mesh import PosedMesh
from ..geometry.topology import joined, weld
from .floors import LEAST_SIDE, SINKING, find_floor, sides_of, size_of

# Lengths as shares of the scan's size, the diagonal of the box that holds the middle 90 % of its surface along each
# axis: parts of a person that share no vertex (hair, glasses, shoes) are nearer to each other than GAP.
GAP = 0.05
# A part is flat if it is so much thinner than long, and a floor, a wall or a board if it is also as wide as LEAST_SIDE.
FLATNESS = 0.04
# Where even the largest cluster has no more of the surface than this, there is no telling which one is the person.
LEAST_SHARE = 0.35
SECOND_SHARE, SPECK_SHARE = 0.3, 0.01  # of the person's surface
SAMPLES = 20_000
MOST_FLAT = 64  # the largest parts, which are looked at one by one

Kind = Literal["flat", "second", "part", "speck"]


@dataclass(frozen=True)
class Bystander:
    """A part of a scan that is no part of the person.

    Attributes:
        kind: "flat", "second" (as large as a person), "part" or "speck".
        size: its extents along the axes, largest first, file units.
    """

    kind: Kind
    size: tuple[float, ...]

    def describe(self, scale: float) -> str:
        """A few words for the user; `scale` is metres for one unit of the file."""
        long, wide, _ = (scale * length for length in self.size)
        what = {"flat": "a floor, wall or board", "second": "a second person or a large thing", "part": "a thing apart"}
        return f"{what[self.kind]} of {long:.2g} x {wide:.2g} m"


@dataclass(frozen=True, eq=False)
class Company:
    """What of a scan is the person.

    Attributes:
        person: (F,) bool, the faces of the person.
        others: what the other faces are, the largest first; specks are not listed singly.
        specks: number of specks.
    """

    person: Bools
    others: tuple[Bystander, ...] = ()
    specks: int = 0

    @property
    def alone(self) -> bool:
        """Whether everything is the person."""
        return bool(self.person.all())

    def describe(self, scale: float) -> str:
        """What is no person, for the user; `scale` is metres for one unit of the file."""
        words = [other.describe(scale) for other in self.others[:4]]
        if len(self.others) > 4:
            words.append(f"{len(self.others) - 4} more")
        if self.specks:
            words.append("a speck" if self.specks == 1 else f"{self.specks} specks")
        return ", ".join(words)


def find_person(mesh: PosedMesh) -> Company:
    """Find the faces of the person.

    Parts (faces joined by vertices) that lie apart from the others form clusters; the person is the cluster with the
    largest surface. A flat part belongs to nobody where it lies apart or has the whole person on one side; so does the
    floor or wall of a scan that is one surface with it (`floors.find_floor`).

    Args:
        mesh: in the file's coordinates, of any unit.
    """
    _, faces, numbers = weld(mesh)
    everything = np.ones(len(mesh.faces), bool)
    if not len(faces):
        return Company(everything)
    part = joined(faces[:, [0, 1]].ravel(), faces[:, [1, 2]].ravel(), int(faces.max()) + 1)[faces[:, 0]]
    part = np.unique(part, return_inverse=True)[1].ravel()
    corners, areas = mesh.corners[numbers], mesh.face_areas[numbers]
    cut = _cut_floors(corners, areas, part)
    count = int(part.max()) + 1
    if count == 1:
        return Company(everything)
    area: F64 = np.bincount(part, areas).astype(np.float64)
    middle = corners.mean(axis=1)
    flat = _flat_parts(corners, part, area, size_of(middle, areas))
    if flat.all():
        return Company(everything)
    flat[cut] = True
    solid = ~flat[part]
    size = size_of(middle[solid], areas[solid])
    cluster = _clusters(corners, areas, part, GAP * size)
    weight = np.bincount(cluster[~flat], area[~flat], minlength=int(cluster.max()) + 1)
    best = int(weight.argmax())
    if weight[best] < LEAST_SHARE * area[~flat].sum():
        return Company(everything)
    mine = (cluster == best) & ~flat
    own = corners[mine[part]].reshape(-1, 3)
    for number in np.setdiff1d(np.flatnonzero(flat & (cluster == best)), cut):
        mine[number] = not _is_beside(own, corners[part == number].reshape(-1, 3), SINKING * size)
    keep = everything.copy()
    keep[numbers[~mine[part]]] = False
    others, specks = _others(corners, part, mine, cluster, flat, area)
    return Company(keep, others, specks)


def _cut_floors(corners: F64, areas: F64, part: I64) -> list[int]:
    """Make floors and walls that are one surface with the rest parts of their own, in `part` (F,): their numbers."""
    cut: list[int] = []
    area = np.bincount(part, areas)
    for number in np.flatnonzero(area >= LEAST_SHARE * area.sum()):
        own = np.flatnonzero(part == number)
        floor = own[find_floor(corners[own], areas[own])]
        if len(floor):
            cut.append(int(part.max()) + 1)
            part[floor] = cut[-1]
    return cut


def _flat_parts(corners: F64, part: I64, area: F64, size: float) -> Bools:
    """(P,) bool: parts that are flat and large, among the largest."""
    flat = np.zeros(len(area), bool)
    for number in np.argsort(-area)[:MOST_FLAT]:
        sides = np.sort(sides_of(corners[part == number].reshape(-1, 3))[0])[::-1]
        flat[number] = sides[1] > LEAST_SIDE * size and sides[2] < FLATNESS * sides[0]
    return flat


def _is_beside(person: F64, flat: F64, tolerance: float) -> bool:
    """Whether all points of the person (N, 3) lie on one side of a flat part (M, 3)."""
    normal = sides_of(flat)[1][2]
    height = (person - flat.mean(axis=0)) @ normal
    return bool(height.min() > -tolerance or height.max() < tolerance)


def _clusters(corners: F64, areas: F64, part: I64, gap: float) -> I64:
    """(P,) the cluster of each part; parts of one cluster are connected by steps no longer than about `gap`."""
    count = int(part.max()) + 1
    rng = derive_rng(0, "bystanders")
    share = np.cumsum(areas) / areas.sum()
    drawn = np.searchsorted(share, rng.random(SAMPLES)).clip(max=len(areas) - 1)
    drawn = np.concatenate([np.arange(len(areas)), drawn]) if len(areas) < SAMPLES else drawn
    drawn = np.concatenate([drawn, np.unique(part, return_index=True)[1]])  # each part has one at least
    points = np.einsum("nc,nci->ni", rng.dirichlet((1.0, 1.0, 1.0), len(drawn)), corners[drawn])
    cells, cell = np.unique(np.floor(points / (0.5 * gap)).astype(np.int64), axis=0, return_inverse=True)
    near = cKDTree(cells.astype(np.float64)).query_pairs(2.0, output_type="ndarray")
    first = np.concatenate([near[:, 0], cell.ravel()])
    second = np.concatenate([near[:, 1], len(cells) + part[drawn]])
    nodes = len(cells) + count
    graph = coo_array((np.ones(len(first), np.int8), (first, second)), shape=(nodes, nodes))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)[len(cells) :]


def _others(
    corners: F64, part: I64, mine: Bools, cluster: I64, flat: Bools, area: F64
) -> tuple[tuple[Bystander, ...], int]:
    """What is left: each flat part for itself, the others by their clusters."""
    whole = float(area[mine].sum())
    name = np.where(flat, int(cluster.max()) + 1 + np.arange(len(cluster)), cluster)
    found: list[tuple[float, Bystander]] = []
    specks = 0
    for group in np.unique(name[~mine]):
        members = (name == group) & ~mine
        total = float(area[members].sum())
        is_flat = bool(flat[members].any())
        if not is_flat and total < SPECK_SHARE * whole:
            specks += 1
            continue
        sides = np.sort(np.ptp(corners[members[part]].reshape(-1, 3), axis=0))[::-1]
        kind: Kind = "flat" if is_flat else "second" if total > SECOND_SHARE * whole else "part"
        found.append((total, Bystander(kind, tuple(sides.tolist()))))
    return tuple(other for _, other in sorted(found, key=lambda item: -item[0])), specks
