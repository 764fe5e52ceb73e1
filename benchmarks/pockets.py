"""Find pockets: connected groups of grid nodes that a localisation leaves on the wrong side, with their places."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import numpy as np
from scipy import ndimage


@dataclass(frozen=True)
class Pocket:
    """One of them.

    Attributes:
        field, scheme: of the run.
        kind: "gap", outside that was taken for inside (between clothes and body, under hair); or "part", the reverse.
        nodes: in it. size_mm: edges of its box, from the first node to the last.
        x_m, y_m, z_m: its middle; from the middle of the person's box, y from the ground.
        height: the same y in parts of the person's height, as posed.
    """

    field: str
    scheme: str
    kind: str
    nodes: int
    size_mm: str
    x_m: float
    y_m: float
    z_m: float
    height: float


def label_pockets(wrong: np.ndarray) -> list[np.ndarray]:
    """Nodes (N, 3) of each pocket, the greatest first; those that touch, be it at a corner, are one."""
    nodes = np.argwhere(wrong)
    if not len(nodes):
        return []
    low, high = nodes.min(axis=0), nodes.max(axis=0) + 1
    part = wrong[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    labels, count = ndimage.label(part, np.ones((3, 3, 3)))
    of_node = labels[tuple((nodes - low).T)]
    return sorted((nodes[of_node == index + 1] for index in range(count)), key=len, reverse=True)


def describe(field: str, scheme: str, pocket: np.ndarray, truth: np.ndarray, extent_m: float) -> Pocket:
    """Place a pocket, nodes (N, 3) of the grid whose true sides (R, R, R) are `truth`.

    View space has y down and z away from the camera, so the person's left is at greater x as seen.
    """
    spacing = extent_m / (len(truth) - 1)
    spans = [np.flatnonzero(truth.any(axis=tuple({0, 1, 2} - {axis})))[[0, -1]] for axis in range(3)]
    middle, size = pocket.mean(axis=0), np.ptp(pocket, axis=0) * spacing * 1000
    x, z = ((middle[axis] - np.mean(spans[axis])) * spacing for axis in (0, 2))
    tall, y = (spans[1][1] - spans[1][0]) * spacing, (spans[1][1] - middle[1]) * spacing
    kind = "part" if truth[tuple(pocket[0])] else "gap"
    place = [round(float(value), 3) for value in (x, y, -z)]
    edges = " x ".join(f"{edge:.0f}" for edge in size)
    return Pocket(field, scheme, kind, len(pocket), edges, *place, round(float(y / tall), 2))


def write_table(path: Path, pockets: Iterable[Pocket]) -> None:
    """CSV with a line a pocket."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([entry.name for entry in fields(Pocket)])
        writer.writerows(astuple(pocket) for pocket in pockets)
