"""The skin that clothes leave uncovered: its surface, its charts in the texture, and its colours with a face."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.spatial import cKDTree

from ...core.arrays import F32, F64, I32, Bools
from ...geometry.mesh import split_quads
from ...motion.makehuman.body import EYE, HEAD_FLOOR, Body, base_mesh, data_folder, skeleton
from ..noise import fractal_noise, value_noise
from ..solids import boundary_loops
from ..surface import Surface
from ..texture import Chart, box_charts, uv_islands
from .looks import Looks
from .regions import fields_of


@dataclass(frozen=True, eq=False)
class Skin:
    """The skin and the eyes as one surface of closed pieces.

    Attributes:
        surface: fields "canonical" (base mesh position), "base_uv", "lid" (distance to the upper lids' rims, metres).
        kind: (F,) 0 skin, 1 inside of mouth and eye sockets, 2 eyeball, 3 closing faces below clothes.
        face_uv: (F, 3, 2) texture coordinates of MakeHuman's own layout, for its masks.
    """

    surface: Surface
    kind: I32
    face_uv: F64


@lru_cache(maxsize=1)
def _layout() -> tuple[I32, I32, I32, F64]:
    """Triangles of body and eyes, their base texture coordinates' indices, their kind, and the lid field."""
    mesh = base_mesh()
    faces, corner, kind = [], [], []
    quads, quad_uv = mesh.quads["body"], mesh.quad_uv["body"]
    charts = uv_islands(quad_uv[:, :3], mesh.uv, np.arange(len(quads), dtype=np.int32), 1.0, 1.0)
    inner = np.zeros(len(quads), np.int32)
    socket_vertices: set[int] = set()
    for chart in charts:
        points = mesh.vertices[quads[chart.faces]].reshape(-1, 3)
        # Islands wholly inside the head: mouth cavity and eye sockets (the head's skin itself is one large island).
        if points[:, 1].min() > HEAD_FLOOR and len(chart.faces) < 900 and np.abs(points[:, 0]).max() < 0.06:
            inner[chart.faces] = 1
            if points[:, 1].mean() > 0.71:
                socket_vertices |= set(np.unique(quads[chart.faces]).tolist())
    faces.append(split_quads(quads))
    corner.append(split_quads(quad_uv))
    kind.append(np.tile(inner, 2))
    for side in "lr":
        faces.append(split_quads(mesh.quads[f"helper-{side}-eye"]))
        corner.append(split_quads(mesh.quad_uv[f"helper-{side}-eye"]))
        kind.append(np.full(len(faces[-1]), 2, np.int32))
    skin_vertices = np.unique(quads[inner == 0])
    rim = np.array(sorted(socket_vertices & set(skin_vertices.tolist())), np.int64)
    upper = rim[mesh.vertices[rim, 1] > EYE[1] - 0.001] if len(rim) else rim
    lid = np.full(len(mesh.vertices), 1.0)
    if len(upper):
        lid = cKDTree(mesh.vertices[upper]).query(mesh.vertices)[0]
    return np.concatenate(faces), np.concatenate(corner), np.concatenate(kind), lid


def visible_skin(body: Body, hidden: Bools) -> Skin:
    """The skin without the faces whose three vertices are all hidden, with its openings closed below the clothes.

    Args:
        body: the person's.
        hidden: (BASE_VERTICES,) bool.
    """
    faces, corner, kind, lid = _layout()
    keep = ~hidden[faces].all(axis=1)
    faces, corner, kind = faces[keep], corner[keep], kind[keep]
    mesh = base_mesh()
    points, weights = body.vertices, skeleton().weights.astype(np.float64)
    canonical = mesh.vertices
    extra_points, extra_weights, extra_canonical, caps = [], [], [], []
    count = len(points)
    for loop in boundary_loops(faces):
        if len(loop) < 3:
            continue
        extra_points.append(points[loop].mean(axis=0))
        extra_weights.append(weights[loop].mean(axis=0))
        extra_canonical.append(canonical[loop].mean(axis=0))
        hub = np.full(len(loop), count, np.int32)
        caps.append(np.stack([np.roll(loop, -1), loop, hub], axis=1))
        count += 1
    all_faces = np.concatenate([faces, *caps]).astype(np.int32)
    cap_count = len(all_faces) - len(faces)
    kind = np.concatenate([kind, np.full(cap_count, 3, np.int32)])
    face_uv = np.concatenate([mesh.uv[corner], np.zeros((cap_count, 3, 2))])
    if extra_points:
        points = np.concatenate([points, extra_points])
        weights = np.concatenate([weights, extra_weights])
        canonical = np.concatenate([canonical, extra_canonical])
        lid = np.concatenate([lid, np.ones(len(extra_points))])
    used = np.unique(all_faces)
    lookup = np.zeros(len(points), np.int32)
    lookup[used] = np.arange(len(used))
    fields = fields_of(points[used], weights[used], body)
    fields["canonical"] = canonical[used]
    fields["lid"] = lid[used]
    surface = Surface(points[used], lookup[all_faces], weights[used], fields, kind == 3)
    return Skin(surface, kind, face_uv)


def skin_charts(skin: Skin, first_face: int) -> list[Chart]:
    """Charts of the skin: the head by six directions (the face large), limbs as in MakeHuman, eyes from the front."""
    numbers = np.arange(len(skin.kind), dtype=np.int32)
    canonical = skin.surface.fields["canonical"]
    centre = canonical[skin.surface.faces].mean(axis=1)
    head = (skin.kind == 0) & (centre[:, 1] > HEAD_FLOOR)
    charts: list[Chart] = []
    rows = numbers[head]
    for chart in box_charts(canonical, skin.surface.faces[rows], rows):
        front = canonical[skin.surface.faces[chart.faces]].mean(axis=(0, 1))[2] > 0.1
        charts.append(Chart(chart.faces + first_face, chart.corners, 2.6 if front else 1.2))
    rows = numbers[(skin.kind == 0) & ~head]
    if len(rows):
        flat = skin.face_uv[rows].reshape(-1, 2)
        points, index = np.unique(np.round(flat, 7), axis=0, return_inverse=True)
        for chart in uv_islands(index.reshape(-1, 3).astype(np.int32), points, rows, 0.8, 2.2):
            charts.append(Chart(chart.faces + first_face, chart.corners, chart.zoom))
    eyes = (skin.kind == 2) & (centre[:, 2] > EYE[2])
    for side in (1, -1):
        rows = numbers[eyes & (np.sign(centre[:, 0]) == side)]
        charts.append(Chart(rows + first_face, canonical[skin.surface.faces[rows]][:, :, :2], 3.0))
    return charts


@lru_cache(maxsize=8)
def _mask(name: str) -> F32:
    image = Image.open(data_folder() / "textures" / f"mpfb_{name}.jpg").convert("L")
    return np.asarray(image, np.float32) / 255.0


def sample_mask(name: str, uv: F64) -> F64:
    """Sample one of MakeHuman's masks (bilinear) at its texture coordinates (n, 2): (n,) in [0, 1]."""
    image = _mask(name)
    height, width = image.shape
    x = np.clip(uv[:, 0] * width - 0.5, 0, width - 1.001)
    y = np.clip((1 - uv[:, 1]) * height - 0.5, 0, height - 1.001)
    i, j = y.astype(int), x.astype(int)
    fy, fx = y - i, x - j
    return np.asarray(
        image[i, j] * (1 - fy) * (1 - fx)
        + image[i + 1, j] * fy * (1 - fx)
        + image[i, j + 1] * (1 - fy) * fx
        + image[i + 1, j + 1] * fy * fx,
        np.float64,
    )


def paint_skin(looks: Looks, canonical: F64, lid: F64, uv: F64, seed: int) -> F64:
    """Colours of skin: tone, blush, lips, brows, lids, nails, stubble, lines.

    Args:
        looks: of the person.
        canonical: (n, 3) positions on the base mesh.
        lid: (n,) distance to the upper lids' rims, metres.
        uv: (n, 2) texture coordinates of MakeHuman's layout.
        seed: of the noise.

    Returns:
        (n, 3) sRGB.
    """
    n = len(canonical)
    x, y, z = canonical.T
    skin = np.asarray(looks.skin)[None, :]
    colour = np.tile(skin, (n, 1))
    tone = 0.05 * fractal_noise(canonical * 40, seed) + 0.02 * value_noise(canonical * 500, seed + 1)
    colour = colour * (1 + tone[:, None])
    red = np.array([1.06, 0.82, 0.80])
    head = y > HEAD_FLOOR

    def blend(share: F64, other: F64) -> None:
        nonlocal colour
        colour = colour * (1 - share[:, None]) + other * share[:, None]

    def spot(cx: float, cy: float, rx: float, ry: float) -> F64:
        return np.asarray(np.exp(-(((np.abs(x) - cx) / rx) ** 2) - ((y - cy) / ry) ** 2) * (z > 0.06) * head)

    blend(0.55 * looks.blush * spot(0.045, 0.69, 0.02, 0.018), colour * red)
    blend(0.35 * looks.blush * spot(0.0, 0.70, 0.012, 0.012), colour * red)
    # Shade in the eye sockets gives the face relief even under flat light.
    blend(0.30 * spot(0.031, 0.738, 0.02, 0.012), colour * np.array([0.80, 0.70, 0.68]))
    blend(0.22 * spot(0.030, 0.712, 0.018, 0.006), colour * np.array([0.82, 0.72, 0.72]))
    if looks.freckles > 0:
        dots = np.clip(value_noise(canonical * 330, seed + 5) - 0.55, 0, 1) * 3 * looks.freckles
        blend(np.clip(dots, 0, 0.5) * (spot(0.03, 0.70, 0.05, 0.03) + 0.15 * (head & (z > 0.08))), colour * 0.7)
    if looks.age > 45:
        lines = np.abs(np.sin((y - 0.775) * 700 + 2.0 * value_noise(canonical * 60, seed + 8)))
        wrinkle = (lines > 0.9) * np.exp(-(((y - 0.782) / 0.012) ** 2)) * (z > 0.1) * head
        share = min(1.0, (looks.age - 45) / 30)
        blend(0.22 * share * wrinkle, colour * 0.72)
        fold = (
            np.exp(-(((np.abs(x) - (0.022 + 0.35 * (0.695 - y))) / 0.0018) ** 2))
            * (y > 0.655)
            * (y < 0.695)
            * (z > 0.1)
        )
        blend(0.35 * share * fold * head, colour * 0.72)
        spots = np.clip(value_noise(canonical * 120, seed + 9) - 0.72, 0, 1) * 2 * share
        blend(np.clip(spots, 0, 0.35), colour * 0.65)
    if looks.stubble > 0:
        # From the sideburns along the jaw to the chin, and above the lip; soft at all its edges.
        upper_edge = np.interp(z, [0.05, 0.07, 0.10, 0.125, 0.16], [0.735, 0.715, 0.684, 0.668, 0.664])
        beard = (
            np.clip((upper_edge - y) / 0.016 + 0.3, 0, 1)
            * np.clip((y - 0.628) / 0.016, 0, 1)
            * np.clip((z - 0.05) / 0.012, 0, 1)
        )
        moustache = (
            np.clip(1.5 - np.abs(y - 0.6745 + 4 * x**2) / 0.004, 0, 1)
            * np.clip((0.031 - np.abs(x)) / 0.004, 0, 1)
            * (z > 0.11)
        )
        beard = np.maximum(beard, moustache) * head
        grain = 0.72 + 0.28 * value_noise(canonical * 700, seed + 6)
        blend(np.clip(looks.stubble * beard * grain, 0, 1), np.asarray(looks.hair)[None, :] * 0.8)
    lips = sample_mask("lips", uv)
    lip_line = np.exp(-(((y - 0.6625) / 0.0012) ** 2)) * lips
    blend(
        0.85 * lips,
        np.asarray(looks.lips)[None, :] * (1 + 0.06 * value_noise(canonical * np.array([500, 90, 90]), seed))[:, None],
    )
    blend(0.25 * lip_line, colour * 0.55)
    nails = np.maximum(sample_mask("fingernails", uv), sample_mask("toenails", uv))
    blend(0.6 * nails, np.clip(skin * 1.05 + np.array([0.06, 0.03, 0.04]), 0, 1))
    ears = sample_mask("ears", uv)
    blend(0.25 * ears, colour * red)
    # Brows: an arch above each eye, of short hairs that lean outwards.
    ax = np.abs(x)
    along = np.clip((ax - 0.0115) / 0.040, 0, 1)
    arch = EYE[1] + 0.0185 + 0.0065 * np.sin(np.pi * np.clip(along * 0.95 + 0.05, 0, 1)) - 0.002 * along
    half = 0.0036 * (1 - 0.65 * along**1.5)
    inside = np.clip(1.3 - np.abs(y - arch) / half, 0, 1) * (ax > 0.0105) * (ax < 0.0525) * (z > 0.08) * head
    hairs = 0.78 + 0.22 * value_noise(np.stack([(x + 0.8 * y * np.sign(x)) * 900, y * 160, z * 0], axis=1), seed + 3)
    blend(np.clip(inside * hairs, 0, 0.92), np.asarray(looks.brows)[None, :])
    # Lashes: a dark rim along the upper lids.
    lash = np.clip(1.0 - lid / (0.0016 + 0.0012 * looks.makeup), 0, 1) * (z > 0.09)
    blend(0.85 * lash, np.array([[0.10, 0.07, 0.06]]))
    if looks.makeup > 0:
        shade = np.clip(1.0 - lid / 0.008, 0, 1) * (z > 0.1)
        blend(0.4 * looks.makeup * shade, colour * np.array([0.66, 0.55, 0.6]))
    if looks.scalp_hair > 0:
        roots = np.clip(hairline(canonical) / 0.006, 0, 1) * looks.scalp_hair
        grain = 0.85 + 0.15 * value_noise(canonical * 800, seed + 4)
        blend(roots * grain, np.asarray(looks.hair)[None, :])
    return np.asarray(np.clip(colour, 0, 1))


def paint_eye(looks: Looks, canonical: F64) -> F64:
    """Colours (n, 3) sRGB of eyeballs: white with a warm rim, iris with a dark edge, pupil, a highlight."""
    x, y = np.abs(canonical[:, 0]) - EYE[0], canonical[:, 1] - EYE[1]
    radius = np.hypot(x, y)
    n = len(canonical)
    white = np.array([0.90, 0.885, 0.87])
    colour = np.tile(white, (n, 1)) * (1 - 0.25 * np.clip(radius / 0.0138, 0, 1) ** 3)[:, None]
    angle = np.arctan2(y, x)
    iris = (
        np.asarray(looks.iris)[None, :]
        * (0.85 + 0.2 * np.cos(angle * 17) + 0.3 * np.clip(radius / 0.0066, 0, 1))[:, None]
    )
    share = np.clip((0.0068 - radius) / 0.0006, 0, 1)[:, None]
    colour = colour * (1 - share) + iris * share
    ring = np.exp(-(((radius - 0.0066) / 0.0007) ** 2))[:, None]
    colour = colour * (1 - 0.7 * ring) + 0.08 * ring
    pupil = np.clip((0.0030 - radius) / 0.0005, 0, 1)[:, None]
    colour = colour * (1 - pupil) + 0.02 * pupil
    glint = np.exp(
        -(((canonical[:, 0] - np.sign(canonical[:, 0]) * EYE[0] + 0.0022) / 0.0010) ** 2) - ((y - 0.0022) / 0.0010) ** 2
    )
    colour = colour * (1 - 0.85 * glint[:, None]) + 0.85 * glint[:, None]
    return np.asarray(np.clip(colour, 0, 1))


_LINE_Z = np.array([-0.06, -0.02, 0.01, 0.030, 0.050, 0.060, 0.074, 0.080, 0.092, 0.112, 0.135, 0.18])
_LINE_Y = np.array([0.662, 0.668, 0.690, 0.715, 0.728, 0.722, 0.722, 0.745, 0.772, 0.793, 0.803, 0.812])


def hairline(canonical: F64) -> F64:
    """Distance of base mesh positions (n, 3) inside the hairline: (n,) metres, negative outside it and on the ears."""
    x, y, z = canonical.T
    level = y - np.interp(z, _LINE_Z, _LINE_Y)
    ear = np.maximum(0.079 - np.abs(x), np.maximum(y - 0.770, np.abs(z - 0.035) - 0.035))
    return np.asarray(np.minimum(level, np.where(y < 0.79, ear, level)))
