"""Closing open surfaces into watertight solids."""

from __future__ import annotations

import numpy as np

from ..core.arrays import F64, I32, I64
from .surface import Surface, averaging_all, vertex_normals


def boundary_loops(faces: I32) -> list[I32]:
    """Find the closed loops of border vertices, each in the direction of its faces' edges."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    span = int(faces.max()) + 1
    lonely = ~np.isin(pairs[:, 0] * span + pairs[:, 1], pairs[:, 1] * span + pairs[:, 0])
    follow: dict[int, list[int]] = {}
    for a, b in np.unique(pairs[lonely], axis=0).tolist():
        follow.setdefault(a, []).append(b)
    loops = []
    while follow:
        start = min(follow)
        loop = [start]
        while True:
            nexts = follow[loop[-1]]
            step = nexts.pop()
            if not nexts:
                del follow[loop[-1]]
            if step == start or step not in follow:
                break
            loop.append(step)
        loops.append(np.array(loop, np.int32))
    return loops


def close_solid(surface: Surface, *, thickness_m: float = 0.004, depth_m: float = 0.015) -> Surface:
    """Close every border: turn the hem inwards, continue it back inside, and span the opening.

    The result is watertight: all that the garment encloses, the body included, counts as inside.

    Args:
        surface: of a garment.
        thickness_m: of the hem.
        depth_m: length of the hem's inner side.
    """
    vertices, weights = [surface.vertices], [surface.weights]
    fields = {name: [values] for name, values in surface.fields.items()}
    faces, lining = [surface.faces], [surface.lining]
    normals = vertex_normals(surface.vertices, surface.faces)
    inward = surface.vertices - averaging_all(surface.faces, len(surface.vertices)) @ surface.vertices
    total = len(surface.vertices)
    for loop in boundary_loops(surface.faces):
        if len(loop) < 3:
            continue
        count = len(loop)
        ring = surface.vertices[loop]
        outwards = _smooth_loop(inward[loop] - normals[loop] * np.sum(inward[loop] * normals[loop], axis=1)[:, None], 6)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-9)
        normal = _smooth_loop(normals[loop], 4)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        second = ring - normal * thickness_m
        third = second - outwards * depth_m - normal * thickness_m
        middle = third.mean(axis=0, keepdims=True)
        vertices += [second, third, middle]
        weights += [surface.weights[loop], surface.weights[loop], surface.weights[loop].mean(axis=0, keepdims=True)]
        for name, values in surface.fields.items():
            fields[name] += [values[loop], values[loop], values[loop].mean(axis=0, keepdims=True)]
        rings: list[I64] = [
            loop.astype(np.int64),
            total + np.arange(count),
            total + count + np.arange(count),
        ]
        for k in range(2):
            a, b = rings[k], rings[k + 1]
            a2, b2 = np.roll(a, -1), np.roll(b, -1)
            faces.append(np.concatenate([np.stack([a2, a, b], axis=1), np.stack([a2, b, b2], axis=1)]).astype(np.int32))
            lining.append(np.full(2 * count, k == 1))
        hub = np.full(count, total + 2 * count)
        faces.append(np.stack([np.roll(rings[2], -1), rings[2], hub], axis=1).astype(np.int32))
        lining.append(np.ones(count, bool))
        total += 2 * count + 1
    return Surface(
        np.concatenate(vertices),
        np.concatenate(faces),
        np.concatenate(weights),
        {name: np.concatenate(values) for name, values in fields.items()},
        np.concatenate(lining),
    )


def _smooth_loop(values: F64, rounds: int) -> F64:
    for _ in range(rounds):
        values = 0.5 * values + 0.25 * (np.roll(values, 1, axis=0) + np.roll(values, -1, axis=0))
    return values


def thick_shell(surface: Surface, thickness_m: float) -> Surface:
    """Make a closed shell of the surface, a copy moved inwards and reversed, and a rim along the borders."""
    normals = vertex_normals(surface.vertices, surface.faces)
    count = len(surface.vertices)
    inner = surface.vertices - normals * thickness_m
    faces = [surface.faces, surface.faces[:, ::-1] + count]
    lining = [surface.lining, np.ones(len(surface.faces), bool)]
    for loop in boundary_loops(surface.faces):
        a, a2 = loop, np.roll(loop, -1)
        b, b2 = a + count, a2 + count
        faces.append(np.concatenate([np.stack([a2, a, b], axis=1), np.stack([a2, b, b2], axis=1)]))
        lining.append(np.zeros(2 * len(loop), bool))
    return Surface(
        np.concatenate([surface.vertices, inner]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate([surface.weights, surface.weights]),
        {name: np.concatenate([values, values]) for name, values in surface.fields.items()},
        np.concatenate(lining),
    )
