"""Hair and hats: a thick cap over the scalp, curtains of long hair, tails and buns, all closed solids."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from ...core.arrays import F64, I32
from ...geometry.mesh import split_quads
from ...motion.makehuman.body import BODY_VERTICES, HEAD_FLOOR, Body, base_mesh, skeleton
from ..cutting import clip
from ..noise import fractal_noise, value_noise
from ..solids import close_solid
from ..subdivision import catmull_clark
from ..surface import Surface, averaging, vertex_normals
from .head_solids import ball, grid_solid, head_frame, rigid
from .regions import fields_of
from .skin import hairline

STYLES = ("bald", "buzz", "short", "swept", "curly", "afro", "bob", "long", "ponytail", "bun", "cap", "beanie")


@lru_cache(maxsize=1)
def _head() -> tuple[I32, object, I32]:
    mesh = base_mesh()
    quads = mesh.quads["body"]
    inside = (mesh.vertices[quads][:, :, 1] > HEAD_FLOOR + 0.01).all(axis=1)
    # Only the outer head: mouth and eye sockets are far from the hairline.
    outer = (hairline(mesh.vertices[quads].reshape(-1, 3)).reshape(-1, 4) > -0.03).any(axis=1)
    quads = quads[inside & outer]
    used = np.unique(quads)
    lookup = np.zeros(len(mesh.vertices), np.int32)
    lookup[used] = np.arange(len(used))
    matrix, fine = catmull_clark(lookup[quads], len(used))
    return used, matrix, fine


def _scalp(body: Body) -> Surface:
    used, matrix, quads = _head()
    points = matrix @ body.vertices[used]  # type: ignore[operator]
    weights = matrix @ skeleton().weights[used].astype(np.float64)  # type: ignore[operator]
    fields = fields_of(points, weights, body)
    fields["canonical"] = matrix @ base_mesh().vertices[used]  # type: ignore[operator]
    return Surface(points, split_quads(quads), weights, fields)


def grow_hair(
    body: Body, style: str, seed: int, *, volume: float = 1.0, length: float = 0.5, clothes: F64 | None = None
) -> list[Surface]:
    """Closed surfaces of a hair style (see STYLES); none for "bald" and "buzz", which are painted.

    Args:
        body: the person's.
        style: one of STYLES.
        seed: of the strands.
        volume: thickness relative to the style's.
        length: of "bob" and "long", 0 to the jaw, 1 to the middle of the back.
        clothes: (n, 3) points of the torso's clothes, metres, on which long hair lies.
    """
    if style in ("bald", "buzz"):
        return []
    _, scale = head_frame(body)
    thick = {"short": 0.014, "swept": 0.020, "curly": 0.022, "afro": 0.055, "bob": 0.015, "long": 0.014,
             "ponytail": 0.009, "bun": 0.009, "cap": 0.012, "beanie": 0.013}[style] * volume * scale  # fmt: skip
    pieces = [_cap(body, style, thick, scale, seed)]
    if style in ("bob", "long"):
        pieces.append(_curtain(body, thick, scale, seed, length, clothes))
    if style in ("ponytail", "bun"):
        pieces.append(_knot(body, style, scale, seed))
    if style == "cap":
        pieces.append(_brim(body, scale))
    return pieces


def _cap(body: Body, style: str, thick: float, scale: float, seed: int) -> Surface:
    surface = _scalp(body)
    canonical = surface.fields["canonical"]
    hat = style in ("cap", "beanie")
    level = hairline(canonical) if not hat else canonical[:, 1] - 0.752 - 0.25 * (canonical[:, 2] - 0.04)
    if not hat:  # strands of different lengths
        ragged = value_noise(np.stack([canonical[:, 0] * 210, canonical[:, 2] * 210], axis=1), seed + 21)
        level = level + 0.0035 * ragged
    edge = np.clip(level / {"afro": 0.014, "cap": 0.008, "beanie": 0.008}.get(style, 0.028), 0, 1)
    rise = edge * edge * (3 - 2 * edge)
    top = np.clip((canonical[:, 1] - 0.76) / 0.08, 0, 1)
    if style == "swept":
        rise = rise * (0.6 + 0.9 * top * np.clip((canonical[:, 2] - 0.0) / 0.12, 0, 1))
    elif style == "short":
        rise = rise * (0.55 + 0.6 * top)
    elif style == "beanie":
        rise = rise * (1.0 + 1.2 * np.clip((canonical[:, 1] - 0.82) / 0.03, 0, 1))
    normals = vertex_normals(surface.vertices, surface.faces)
    mean = averaging(surface.faces, len(surface.vertices))
    for _ in range(8):
        normals = normals + mean @ normals
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    moved = surface.vertices + normals * (0.0025 * scale + thick * rise)[:, None]
    if style == "afro":  # a ball around the head, not an offset of the head's shape
        centre, _ = head_frame(body)
        middle = centre + np.array([0.0, 0.035, -0.015]) * scale
        ray = moved - middle
        length = np.linalg.norm(ray, axis=1)
        grown = np.maximum(length, rise * (0.100 * scale + 0.5 * thick))
        moved = middle + ray * (grown / length)[:, None]
    for _ in range(4):
        smooth = moved + 0.5 * (mean @ moved - moved)
        moved = np.where((level > 0.01)[:, None], smooth, moved)
    if not hat:
        lumps = {"curly": (70.0, 0.35), "afro": (55.0, 0.16)}.get(style)
        if lumps is not None:
            bump = np.abs(fractal_noise(canonical * lumps[0], seed, 2)) * lumps[1] * thick
        else:
            strand = np.stack([canonical[:, 0] * 160, canonical[:, 1] * 30, canonical[:, 2] * 30], axis=1)
            bump = value_noise(strand, seed) * 0.28 * thick
        moved = moved + normals * (bump * rise)[:, None]
    return close_solid(clip(surface.moved(moved), level), thickness_m=0.0015 * scale, depth_m=0.004 * scale)


def _curtain(body: Body, thick: float, scale: float, seed: int, length: float, clothes: F64 | None) -> Surface:
    """Hair hanging behind and beside the head, on the shoulders and the back."""
    centre, _ = head_frame(body)
    names = skeleton().names
    arm = [i for i, n in enumerate(names) if n.startswith(("lowerarm", "wrist", "finger", "metacarpal"))]
    use = skeleton().weights[:BODY_VERTICES][:, arm].sum(axis=1) < 0.5
    points = body.vertices[:BODY_VERTICES][use]
    if clothes is not None:
        points = np.concatenate([points, clothes])
    sectors, rows = 41, 34
    reach = np.radians(112.0)
    angles = np.linspace(-reach, reach, sectors)  # from straight behind
    top = centre[1] + 0.055 * scale
    neck = body.heads[names.index("neck01"), 1]
    chest = body.heads[names.index("spine02"), 1]
    low = centre[1] - 0.10 * scale
    bottom = low + min(1.0, length) * (0.5 * (neck + chest) - low)
    depth = np.linspace(0.0, 1.0, rows)
    heights = top + (bottom - top) * depth
    rel = points - np.array([0.0, 0.0, centre[2]])
    phi = np.arctan2(rel[:, 0], -rel[:, 2])
    radius = np.hypot(rel[:, 0], rel[:, 2])
    reachable = np.zeros((rows, sectors))
    band, width = (top - bottom) / (rows - 1), angles[1] - angles[0]
    for r in range(rows):
        near = np.abs(points[:, 1] - heights[r]) < max(band, 0.012)
        for s in range(sectors):
            here = near & (np.abs(phi - angles[s]) < width)
            reachable[r, s] = radius[here].max() if here.any() else 0.0
    hang = np.zeros((rows, sectors))
    skull = 0.0
    for r in range(rows):
        want = reachable[r] + thick
        # On the sides the hair rests on the shoulders and does not spread over the arms.
        follow = 0.35 + 1.8 * np.clip(np.cos(angles), 0, 1) ** 6
        want = np.minimum(want, hang[r - 1] + follow * band if r else want)
        hang[r] = np.maximum(want, hang[r - 1] - 0.35 * band) if r else want
        skull = max(skull, float(hang[r].max()))
    # The upper rim lies within the cap of hair.
    hang -= 0.012 * scale * np.clip(1.0 - depth / 0.15, 0, 1)[:, None]
    for _ in range(5):
        hang[:, 1:-1] = 0.5 * hang[:, 1:-1] + 0.25 * (hang[:, 2:] + hang[:, :-2])
        hang[1:-1] = 0.5 * hang[1:-1] + 0.25 * (hang[2:] + hang[:-2])
    waves = value_noise(
        np.stack(np.broadcast_arrays(angles[None, :] * 9, heights[:, None] * 9), axis=-1).reshape(-1, 2), seed
    )
    strands = np.cos(angles * 31 + seed)[None, :] * 0.0016 * scale
    hang = hang + strands * depth[:, None] + 0.004 * scale * waves.reshape(rows, sectors) * depth[:, None]
    # The lower edge is uneven and shorter at the sides.
    droop = heights[:, None] + (np.abs(angles) / reach)[None, :] ** 2 * 0.25 * (top - bottom) * depth[:, None] * 0.6
    slab = np.minimum(0.016 * scale, 0.004 * scale + 0.02 * scale * np.minimum(depth, 1 - depth))[:, None]
    outward = np.stack([np.sin(angles), np.zeros(sectors), -np.cos(angles)], axis=1)[None]

    def grid(radii: F64) -> F64:
        result = outward * radii[..., None]
        result[..., 1] = droop
        result[..., 2] += centre[2]
        return np.asarray(result)

    outer, inner = grid(hang), grid(hang - slab - 0.35 * thick)
    weights = np.zeros((rows * sectors, len(names)))
    share = np.clip((droop.reshape(-1) - chest) / max(neck - chest + 0.04, 1e-3), 0, 1)
    weights[:, names.index("head")] = share
    weights[:, names.index("spine01")] = 1 - share
    fields = fields_of(outer.reshape(-1, 3), weights, body)
    fields["canonical"] = outer.reshape(-1, 3)
    return grid_solid(outer, inner, weights, fields)


def _knot(body: Body, style: str, scale: float, seed: int) -> Surface:
    centre, _ = head_frame(body)
    head = body.vertices[:BODY_VERTICES]
    back = head[np.abs(head[:, 1] - centre[1] - 0.03 * scale) < 0.02][:, 2].min()
    if style == "bun":
        at = np.array([0.0, centre[1] + 0.055 * scale, back - 0.008 * scale])
        points, faces = ball(at, np.array([0.042, 0.038, 0.036]) * scale)
        swirl = points - at
        turn = np.arctan2(swirl[:, 1], swirl[:, 0])
        points = (
            points + swirl * (0.06 * np.sin(turn * 3 + np.linalg.norm(swirl, axis=1)[:, None].ravel() * 300))[:, None]
        )
        return rigid(body, points, faces)
    points, faces = ball(np.zeros(3), np.ones(3), rows=26, columns=16)
    fall = 0.5 * (1 - points[:, 1])  # 0 at the top, 1 at the tip
    size = 0.024 * scale * np.sin(np.pi * np.clip(fall, 0, 1) ** 0.75) ** 0.7 * (1.1 - 0.35 * fall)
    flat = np.hypot(points[:, 0], points[:, 2])
    unit = points / np.maximum(flat, 1e-9)[:, None]
    unit[flat < 1e-6] = 0
    drop = 0.24 * scale
    spine_z = back - 0.004 * scale - 0.035 * scale * np.sin(np.pi * np.clip(fall * 1.1, 0, 1)) + 0.012 * scale * fall
    spine_y = centre[1] + 0.045 * scale - drop * fall**1.15
    wobble = 1 + 0.12 * value_noise(np.stack([np.arctan2(points[:, 0], points[:, 2]) * 3, fall * 6], axis=1), seed)
    placed = np.stack([unit[:, 0] * size * wobble, spine_y, spine_z + unit[:, 2] * size * 0.9 * wobble], axis=1)
    return rigid(body, placed, faces)


def _brim(body: Body, scale: float) -> Surface:
    """The visor of a baseball cap."""
    centre, _ = head_frame(body)
    front = body.vertices[:BODY_VERTICES]
    forehead = front[np.abs(front[:, 1] - centre[1] - 0.045 * scale) < 0.012]
    start = float(forehead[:, 2].max())
    wide = 0.074 * scale
    u, v = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(0, 1, 9))
    x = u * wide * (1 - 0.12 * v)
    length = 0.075 * scale * np.sqrt(np.clip(1 - 0.72 * u**2, 0, 1))
    z = start - 0.045 * scale * u**2 * 1.0 - 0.006 + v * length
    y = centre[1] + 0.047 * scale - 0.016 * scale * u**2 - 0.22 * v * length
    outer = np.stack([x, y, z], axis=-1)
    inner = outer - np.array([0.0, 0.003, 0.0])
    names = skeleton().names
    weights = np.zeros((outer.shape[0] * outer.shape[1], len(names)))
    weights[:, names.index("head")] = 1
    fields = fields_of(outer.reshape(-1, 3), weights, body)
    fields["canonical"] = outer.reshape(-1, 3)
    return grid_solid(outer, inner, weights, fields)


def paint_hair(colour: tuple[float, float, float], canonical: F64, style: str, seed: int) -> F64:
    """Colours of hair: strands of varied tone that run down from the crown.

    Args:
        colour: sRGB of the hair.
        canonical: (n, 3) positions on the base mesh.
        style: one of STYLES.
        seed: of the strands.

    Returns:
        (n, 3) sRGB.
    """
    x, y, z = canonical.T
    around = np.arctan2(x, -(z - 0.04))
    if style in ("curly", "afro"):
        tone = 0.25 * fractal_noise(canonical * 130, seed)
    else:
        strands = np.stack([around * 40, y * 12.0], axis=1)
        fine = np.stack([around * 130, y * 20.0], axis=1)
        tone = 0.26 * value_noise(strands, seed) + 0.24 * value_noise(fine, seed + 1)
    shine = 0.10 * np.exp(-(((y - y.max() + 0.05) / 0.03) ** 2)) if len(y) else 0.0
    return np.asarray(np.clip(np.asarray(colour)[None, :] * (1 + tone + shine)[:, None], 0, 1))
