"""Bags on the back: a rounded box with two straps over the shoulders, or with one around the torso."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ...core.arrays import F64, Bools
from ...motion.makehuman.body import Body, skeleton
from ..body.head_solids import ball, grid_solid, rigid
from ..body.regions import Landmarks, fields_of, landmarks
from ..surface import Surface, merge
from .garments import Garment, Sewn, covers_nothing

BACKPACK, SATCHEL = "backpack", "satchel"
_LIMBS = ("upperarm", "lowerarm", "wrist", "metacarpal", "finger", "upperleg", "lowerleg", "foot")
# Half widths of straps and their thickness, metres at an adult's size.
_STRAP_M, _THICK_M = 0.018, 0.007


def make_bag(body: Body, garment: Garment, clothes: list[Surface]) -> Sewn:
    """Make a bag over clothes.

    Args:
        body: the wearer's, in rest pose.
        garment: of kind "bag", named BACKPACK or SATCHEL; `loose` is how full it is, 0 to 1.
        clothes: what the wearer has on, at least one top.
    """
    marks = landmarks(body)
    torso = np.concatenate([part.vertices[_is_torso(part, body, marks)] for part in clothes])
    size = marks.height / 1.7
    backpack = garment.name == BACKPACK
    full = garment.loose
    shape = (0.15, 0.21, 0.055 + 0.05 * full) if backpack else (0.16, 0.11, 0.03 + 0.03 * full)
    half = np.array(shape) * size
    middle = 0.5 * (marks.waist + marks.armpit) + 0.03 * size if backpack else marks.waist - 0.06 * size
    near = (np.abs(torso[:, 0]) < 0.6 * half[0]) & (np.abs(torso[:, 1] - middle) < 0.8 * half[1])
    centre = np.array([0.0, middle, float(np.quantile(torso[near, 2], 0.1)) - 0.85 * half[2]])
    unit, faces = ball(np.zeros(3), np.ones(3), rows=18, columns=24)
    box = centre + np.sign(unit) * np.abs(unit) ** 0.45 * half
    parts = [rigid(body, box, faces, "spine02" if backpack else "spine04")]
    everything = np.concatenate([part.vertices for part in clothes])
    weights = np.concatenate([part.weights for part in clothes])
    for path, across in _straps(body, marks, centre, half, backpack):
        parts.append(_strap(body, torso, path, across, size, everything, weights))
    surface = merge(parts)[0]
    return Sewn(garment, surface, covers_nothing, np.ones(len(surface.vertices)))


def _is_torso(part: Surface, body: Body, marks: Landmarks) -> Bools:
    fields = part.fields if "arm_share" in part.fields else fields_of(part.vertices, part.weights, body)
    return np.asarray((fields["arm_share"] < 0.6) & (part.vertices[:, 1] > marks.hip))


def _straps(body: Body, marks: Landmarks, centre: F64, half: F64, backpack: bool) -> list[tuple[F64, F64]]:
    """Guides of straps: (n, 2, 3) points in the body with directions outwards, and the direction across each (3,)."""
    names = skeleton().names
    shoulder = float(body.heads[names.index("upperarm01.L"), 0])
    inner = np.array([0.0, marks.armpit, marks.neck_point[2]])
    if not backpack:
        # A tilted loop: over one shoulder, and below the other arm.
        up = np.array([0.55 * shoulder, marks.neck - centre[1], 0.0])
        up /= np.linalg.norm(up)
        turn = np.linspace(0, 2 * np.pi, 49)[:, None]
        out = np.cos(turn) * up + np.sin(turn) * np.array([0.0, 0.0, 1.0])
        middle = np.array([0.0, 0.5 * (marks.neck + centre[1]), inner[2]])
        return [(np.stack([np.broadcast_to(middle, out.shape), out], axis=1), np.cross(up, [0.0, 0.0, 1.0]))]
    guides = []
    for side in (1.0, -1.0):
        start = inner + np.array([side * 0.5 * shoulder, 0.0, 0.0])
        # Over the shoulder, from the back to the chest.
        turn = np.radians(np.linspace(170, -15, 24))[:, None]
        over = np.cos(turn) * np.array([0.0, 0.0, 1.0]) + np.sin(turn) * np.array([0.0, 1.0, 0.0])
        guides.append((np.stack([np.broadcast_to(start, over.shape), over], axis=1), np.array([1.0, 0.0, 0.0])))
        # Below the arm, from the chest to the bottom of the bag.
        turn = np.radians(np.linspace(20, 160, 20))[:, None]
        around = np.cos(turn) * np.array([0.0, 0.0, 1.0]) + np.sin(turn) * np.array([side, 0.0, 0.0])
        low = np.linspace(marks.armpit - 0.08 * half[1] / 0.21, centre[1] - 0.7 * half[1], 20)
        below = np.stack([np.zeros(20), low, np.full(20, inner[2])], axis=1)
        guides.append((np.stack([below, around], axis=1), np.array([0.0, 1.0, 0.0])))
    return guides


def _strap(body: Body, torso: F64, guide: F64, across: F64, size: float, clothes: F64, weights: F64) -> Surface:
    """A band on the clothes along a guide."""
    starts, outs = guide[:, 0], guide[:, 1]
    reach = np.array([_reach(torso, start, out, 0.03 * size) for start, out in zip(starts, outs, strict=True)])
    for _ in range(2):  # a strap is taut over hollows
        reach[1:-1] = np.maximum(reach[1:-1], 0.5 * (reach[:-2] + reach[2:]))
    share = np.linspace(-1, 1, 3)[None, :, None] * _STRAP_M * size * across
    inner = (starts + outs * reach[:, None])[:, None] + share
    outer = inner + (_THICK_M * size * outs)[:, None]
    near = cKDTree(clothes).query(inner.reshape(-1, 3), k=8)[1]
    # Neither arms nor legs pull at a strap.
    limbs = [number for number, name in enumerate(skeleton().names) if name.startswith(_LIMBS)]
    bound = weights[near].mean(axis=1)
    bound[:, limbs] = 0.0
    bound[:, skeleton().names.index("spine03")] += 1e-3
    bound /= bound.sum(axis=1, keepdims=True)
    points = outer.reshape(-1, 3)
    fields = fields_of(points, bound, body) | {"canonical": points}
    return grid_solid(outer, inner, bound, fields)


def _reach(points: F64, start: F64, out: F64, near: float) -> float:
    """How far out the points beside a ray lie, metres."""
    along = (points - start) @ out
    aside = np.linalg.norm(points - start - along[:, None] * out, axis=1)
    beside = (aside < near) & (along > 0)
    return float(along[beside].max()) if beside.any() else 0.1
