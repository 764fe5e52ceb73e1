"""Clothes as closed outer shells: offset from the body, bridging its hollows, draped, folded, cut and hemmed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ...core.arrays import F64
from ...motion.makehuman.body import Body
from ..body.regions import Landmarks, landmarks, region_surface
from ..cutting import clip
from ..noise import fractal_noise, value_noise
from ..solids import boundary_loops, close_solid, thick_shell
from ..surface import Surface, averaging, vertex_normals

Levels = Callable[[F64, dict[str, F64]], list[F64]]


@dataclass(frozen=True, kw_only=True)
class Garment:
    """What to sew; lengths relative to the wearer.

    Attributes:
        kind: "top", "trousers", "skirt", "shoes", or "bag" (bags.py).
        name: of the kind of garment ("tee", "jeans"); it decides seams and buttons.
        hem: where it ends: tops 0 at the waist, 1 at the crotch; trousers and skirts 0 at the crotch, 1 at the ankle.
        sleeve: share of the arm covered (tops).
        neckline: how far the neck opening is lowered, metres (tops).
        vee: depth of a V neck in metres, 0 for a round one (tops).
        ease_m: distance to the body.
        loose: 0 follows the body, 1 hangs straight.
        flare: widening per metre (skirts).
        folds_m: height of the folds.
        open_front: whether it is an open jacket.
        thickness_m: of the cloth, visible at its hems.
    """

    kind: str
    name: str
    hem: float = 0.8
    sleeve: float = 0.3
    neckline: float = 0.0
    vee: float = 0.0
    ease_m: float = 0.008
    loose: float = 0.4
    flare: float = 0.05
    folds_m: float = 0.004
    open_front: bool = False
    thickness_m: float = 0.004


@dataclass(frozen=True, eq=False)
class Sewn:
    """A finished garment.

    Attributes:
        garment: what was sewn.
        surface: closed.
        covers: function from points (n, 3) of the body and their fields to (n,) depth below the garment, metres; > 0
            is hidden.
        edge: (V,) distance of each vertex to the nearest hem or opening, metres.
        layout: (F, 3, 2) plane coordinates, metres, of a garment with a layout of its own; else None.
    """

    garment: Garment
    surface: Surface
    covers: Callable[[F64, dict[str, F64]], F64]
    edge: F64
    layout: F64 | None = None


def sew(body: Body, garment: Garment, seed: int) -> Sewn:
    """Make a garment for a body; `seed` varies its folds."""
    marks = landmarks(body)
    makers = {"top": _top, "trousers": _trousers, "skirt": _skirt, "shoes": _shoes}
    surface, levels = makers[garment.kind](body, marks, garment, seed)
    for index in range(len(levels(surface.vertices, surface.fields))):
        surface = clip(surface, levels(surface.vertices, surface.fields)[index])
    rims = boundary_loops(surface.faces)
    rim = surface.vertices[np.concatenate(rims)] if rims else np.full((1, 3), 1e3)
    if garment.open_front:
        surface = thick_shell(surface, garment.thickness_m)
    else:
        surface = close_solid(surface, thickness_m=garment.thickness_m, depth_m=0.018)

    def covers(points: F64, fields: dict[str, F64]) -> F64:
        return np.asarray(np.min(levels(points, fields), axis=0))

    return Sewn(garment, surface, covers, cKDTree(rim).query(surface.vertices)[0])


def covers_nothing(points: F64, fields: dict[str, F64]) -> F64:
    """The `Sewn.covers` of what hides no skin: (n,)."""
    return np.full(len(points), -1.0)


def inflate(surface: Surface, ease: F64, *, rounds: int) -> Surface:
    """Offset by at least `ease` (V,) metres, as a stretched membrane that bridges hollows.

    An obstacle problem solved by projected Laplacian smoothing; the obstacle is each vertex' own tangent plane.
    """
    start = surface.vertices
    normals = vertex_normals(start, surface.faces)
    mean = averaging(surface.faces, len(start))
    for _ in range(2):
        normals = normals + mean @ normals
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    now = start + normals * ease[:, None]
    for _ in range(rounds):
        now = now + 0.6 * (mean @ now - now)
        lack = ease - np.sum((now - start) * normals, axis=1)
        now = now + np.maximum(lack, 0.0)[:, None] * normals
    return surface.moved(now)


def drape(points: F64, torso: F64, *, top: float, bottom: float, loose: float, flare: float, from_y: float) -> F64:
    """Let cloth hang from the widest parts above, around the vertical axis.

    At each height the convex hull of the cross-section is computed and continued downwards, narrowing by a slope that
    `loose` sets.

    Args:
        points: (V, 3), metres.
        torso: (V,) in [0, 1], how much each vertex hangs (0 on arms).
        top: upper end of the heights considered, metres.
        bottom: lower end of them, metres.
        loose: see `Garment`.
        flare: extra widening per metre below `from_y`.
        from_y: height, metres.

    Returns:
        Moved points (V, 3); never inwards.
    """
    rows, sectors = 40, 48
    use = torso > 0.5
    axis_z = np.median(points[use & (points[:, 1] > bottom) & (points[:, 1] < top)][:, 2])
    angle = np.arctan2(points[:, 0], points[:, 2] - axis_z)
    radius = np.hypot(points[:, 0], points[:, 2] - axis_z)
    row = (top - points[:, 1]) / (top - bottom) * (rows - 1)
    sector = (angle / (2 * np.pi) % 1.0) * sectors
    grid = np.zeros((rows, sectors))
    inside = use & (row > -1) & (row < rows)
    for dr in (0, 1):
        for ds in (0, 1):
            r = np.clip(np.floor(row[inside]).astype(int) + dr, 0, rows - 1)
            s = (np.floor(sector[inside]).astype(int) + ds) % sectors
            np.maximum.at(grid, (r, s), radius[inside])
    theta = np.arange(sectors) / sectors * 2 * np.pi
    difference = theta[:, None] - theta[None, :]
    support = np.max(np.where(np.cos(difference) > 0, grid[:, None, :] * np.cos(difference), 0.0), axis=2)
    facing = np.where(np.cos(difference) > 0.05, 1.0 / np.maximum(np.cos(difference), 0.05), 1e6)
    hull = np.min(support[:, None, :] * facing, axis=2)
    step = (top - bottom) / (rows - 1)
    heights = top - np.arange(rows) * step
    slope = 0.9 * (1.0 - loose) ** 1.5 + 0.02
    target = grid * (1 - min(1.0, 2 * loose)) + hull * min(1.0, 2 * loose)
    for k in range(1, rows):
        widening = flare * step if heights[k] < from_y else 0.0
        target[k] = np.maximum(
            target[k], target[k - 1] - slope * step + (widening + slope * step if flare and heights[k] < from_y else 0)
        )
    for _ in range(2):
        target = 0.5 * target + 0.25 * (np.roll(target, 1, axis=1) + np.roll(target, -1, axis=1))
    r0 = np.clip(np.floor(row).astype(int), 0, rows - 2)
    s0 = np.floor(sector).astype(int) % sectors
    fr, fs = np.clip(row - r0, 0, 1), sector - np.floor(sector)
    wanted = (
        target[r0, s0] * (1 - fr) * (1 - fs)
        + target[r0 + 1, s0] * fr * (1 - fs)
        + target[r0, (s0 + 1) % sectors] * (1 - fr) * fs
        + target[r0 + 1, (s0 + 1) % sectors] * fr * fs
    )
    fade = np.clip((top - points[:, 1]) / 0.06, 0, 1) * torso
    grown = radius + np.maximum(wanted - radius, 0.0) * fade
    scale = grown / np.maximum(radius, 1e-6)
    moved = points.copy()
    moved[:, 0] *= scale
    moved[:, 2] = axis_z + (points[:, 2] - axis_z) * scale
    return moved


def _fold(surface: Surface, amount: F64, seed: int, *, across: float, along: float) -> Surface:
    """Displace along the normals by ridged noise; `across` and `along` are folds per metre sideways and up."""
    points = surface.vertices * np.array([across, along, across])
    warp = value_noise(surface.vertices * 5.0, seed + 7)[:, None] * 0.6
    ridges = 1.0 - 2.0 * np.abs(fractal_noise(points + warp, seed, 2))
    normals = vertex_normals(surface.vertices, surface.faces)
    return surface.moved(surface.vertices + normals * (amount * ridges)[:, None])


def _top(body: Body, marks: Landmarks, garment: Garment, seed: int) -> tuple[Surface, Levels]:
    surface = region_surface(body, "helper-tights", 1)
    fields = surface.fields
    hem = marks.waist + garment.hem * (marks.crotch + 0.02 - marks.waist)
    cuff = marks.arm * garment.sleeve
    arm = fields["arm"]
    sleeve_room = np.where(arm > 0, garment.loose * 0.016 * np.clip(arm / 0.15, 0, 1), 0.0)
    ease = garment.ease_m + sleeve_room
    surface = inflate(surface, ease, rounds=20)
    torso = np.clip(1.0 - 1.6 * fields["arm_share"], 0, 1)
    points = drape(
        surface.vertices, torso, top=marks.armpit + 0.04, bottom=hem - 0.03, loose=garment.loose, flare=0.0, from_y=0.0
    )
    surface = surface.moved(points)
    low = np.clip((marks.armpit - surface.vertices[:, 1]) / max(marks.armpit - hem, 0.05), 0, 1) * torso
    bend = np.exp(-(((arm - 0.5 * marks.arm) / 0.07) ** 2)) * (arm > 0)
    amount = garment.folds_m * (0.25 + 0.9 * low + 1.0 * bend)
    surface = _fold(surface, amount, seed, across=9.0, along=6.0)

    def levels(points: F64, fields: dict[str, F64]) -> list[F64]:
        result = [
            np.where(fields["arm_share"] > 0.4, 1.0, points[:, 1] - hem),
            np.where(fields["arm"] > 0, cuff - fields["arm"], 1.0),
            0.022 - garment.neckline - fields["neck"],
        ]
        if garment.vee > 0:
            depth = marks.neck - 0.02 - garment.vee
            wedge = np.abs(points[:, 0]) - 0.55 * (points[:, 1] - depth)
            result.append(np.maximum(wedge, -fields["ahead"]))
        if garment.open_front:
            gap = 0.022 + 0.10 * np.clip((marks.neck - 0.1 - points[:, 1]), 0, 1) ** 2
            result.append(np.maximum(np.abs(points[:, 0]) - gap, 0.02 - fields["ahead"]))
        return result

    return surface, levels


def _trousers(body: Body, marks: Landmarks, garment: Garment, seed: int) -> tuple[Surface, Levels]:
    surface = region_surface(body, "helper-tights", 1)
    waist = marks.waist - 0.25 * (marks.waist - marks.hip)
    hem = marks.crotch + garment.hem * (marks.ankle + 0.012 - marks.crotch)
    y = surface.vertices[:, 1]
    down = np.clip((marks.crotch - y) / (marks.crotch - marks.ankle), 0, 1)
    ease = garment.ease_m + garment.loose * 0.028 * np.clip(down * 1.6, 0, 1)
    # The ease is limited near the crotch, so that the two legs do not intersect.
    ease = np.minimum(ease, 0.004 + 0.5 * np.abs(surface.vertices[:, 0])) * (y < marks.crotch) + np.where(
        y < marks.crotch, 0, ease
    )
    surface = inflate(surface, ease, rounds=25)
    knee = np.exp(-(((y - marks.knee) / 0.08) ** 2))
    ankle = np.exp(-(((y - hem) / 0.09) ** 2))
    lap = np.exp(-(((y - marks.crotch) / 0.06) ** 2))
    amount = garment.folds_m * (0.25 + 0.9 * knee + 0.9 * ankle + 0.6 * lap)
    surface = _fold(surface, amount, seed, across=7.0, along=11.0)

    def levels(points: F64, fields: dict[str, F64]) -> list[F64]:
        below = np.where(fields["arm_share"] > 0.4, -1.0, waist - points[:, 1])
        return [below, points[:, 1] - hem]

    return surface, levels


def _skirt(body: Body, marks: Landmarks, garment: Garment, seed: int) -> tuple[Surface, Levels]:
    surface = region_surface(body, "helper-skirt", 2)
    hem = marks.crotch + garment.hem * (marks.ankle + 0.02 - marks.crotch)
    mean = averaging(surface.faces, len(surface.vertices))
    surface = inflate(surface, np.full(len(surface.vertices), garment.ease_m), rounds=10)
    top = float(surface.vertices[:, 1].max())
    points = drape(
        surface.vertices,
        np.ones(len(surface.vertices)),
        top=top,
        bottom=hem - 0.02,
        loose=0.5,
        flare=garment.flare,
        from_y=marks.hip + 0.08,
    )
    surface = surface.moved(points)
    fall = np.clip((marks.hip + 0.08 - points[:, 1]) / 0.5, 0, 1.2)
    angle = np.arctan2(points[:, 0], points[:, 2])
    pleats = 10 + seed % 7
    wave = np.sin(pleats * angle + 1.3 * value_noise(np.stack([angle * 2, points[:, 1] * 2], axis=1), seed))
    normals = vertex_normals(points, surface.faces)
    surface = surface.moved(points + normals * (garment.folds_m * fall * 1.6 * wave)[:, None])
    # Cloth between the legs follows both of them.
    weights = surface.weights
    for _ in range(12):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    surface = replace(surface, weights=weights / weights.sum(axis=1, keepdims=True))

    def levels(points: F64, fields: dict[str, F64]) -> list[F64]:
        below = np.where(fields["arm_share"] > 0.4, -1.0, top - 0.012 - points[:, 1])
        return [below, points[:, 1] - hem]

    return surface, levels


def _shoes(body: Body, marks: Landmarks, garment: Garment, seed: int) -> tuple[Surface, Levels]:
    surface = region_surface(body, "helper-tights", 1)
    shaft = marks.ankle + garment.hem * (marks.knee - marks.ankle)
    near = surface.vertices[:, 1] < shaft + 0.08
    surface = inflate(surface, np.where(near, garment.ease_m, 0.002), rounds=6)
    points = surface.vertices.copy()
    sole = 0.012 + 0.5 * garment.thickness_m
    low = points[:, 1] < 0.02
    points[low, 1] = -sole + np.maximum(points[low, 1] + sole, 0.0) * 0.25
    surface = surface.moved(points)

    def levels(points: F64, fields: dict[str, F64]) -> list[F64]:
        return [shaft - points[:, 1] - 0.25 * (fields["ahead"] - 0.0) * (garment.hem < 0.3)]

    return surface, levels
