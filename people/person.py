"""One whole person in rest pose, ready to be posed or rigged: body, clothes, hair, skin, texture."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..core.arrays import F64, I32, I64, U8, Bools
from ..formats.person_file import PersonFacts
from ..motion.makehuman.body import BODY_VERTICES, Body, make_body, skeleton
from ..motion.skinning import strongest_weights
from .body.hair import grow_hair, paint_hair
from .body.regions import fields_of
from .body.skin import Skin, paint_eye, paint_skin, skin_charts, visible_skin
from .clothes.assets import dress, shrunk_body
from .clothes.bags import make_bag
from .clothes.fabric import Fabric, fabric_colour
from .clothes.garments import Sewn, sew
from .clothes.labels import person_facts, surface_garments
from .clothes.outfits import Worn
from .clothes.stitching import stitch
from .clothes.wardrobe import PersonPlan
from .surface import Surface, merge
from .texture import Chart, Texels, box_charts, cylinder, pack, paint, point_chart, rasterise, relaxed, uv_islands

# Skin is kept up to this distance inside a garment's edge, metres.
_KEEP_M = 0.035
_DARK = (0.13, 0.10, 0.10)


@dataclass(frozen=True, eq=False)
class Person:
    """A textured person in rest pose.

    Attributes:
        body: the body below the clothes.
        surface: vertices, faces and skin weights (at most four bones per vertex).
        uv: (F, 3, 2) texture coordinates of the corners, lower left origin.
        texture: (S, S, 3) uint8 sRGB.
        vertex_garment: (V,) uint8, what each vertex is of, see geometry/labels.py.
        facts: who it is.
    """

    body: Body
    surface: Surface
    uv: F64
    texture: U8
    vertex_garment: U8
    facts: PersonFacts


def limit_weights(weights: F64) -> F64:
    """Keep the four largest weights a row and make them sum to 1, as glTF stores them."""
    joints, values = strongest_weights(weights)
    result = np.zeros_like(weights)
    np.add.at(result, (np.arange(len(weights))[:, None], joints), values)
    return result


def build_person(
    plan: PersonPlan,
    *,
    texture_size: int,
    assets: Path | None = None,
    seed: int = 0,
    name: str = "",
    shells_hide: bool = False,
) -> Person:
    """Make the person of a plan.

    Args:
        plan: who the person is and what they wear.
        texture_size: edge of the texture, texels.
        assets: MakeHuman assets folder to dress from, instead of sewing clothes.
        seed: of the data set; with `name` it chooses the assets.
        name: of the person.
        shells_hide: see `hidden_vertices`.
    """
    body = make_body(plan.phenotype)
    fitted_hair: Sewn | None = None
    bags = tuple(worn for worn in plan.worn if worn.garment.kind == "bag")
    if assets is None:
        sewn = [sew(body, worn.garment, plan.seed + i) for i, worn in enumerate(plan.worn) if worn not in bags]
        skin = visible_skin(body, hidden_vertices(body, sewn, shells_hide=shells_hide))
    else:
        dressed = dress(assets, body, plan, seed, name)
        plan, sewn, fitted_hair = replace(plan, worn=dressed.worn + bags), list(dressed.sewn), dressed.hair
        skin = visible_skin(shrunk_body(body, dressed.deleted), np.zeros(len(body.vertices), bool))
    sewn += [make_bag(body, worn.garment, [item.surface for item in sewn]) for worn in bags]
    hair = [fitted_hair.surface] if fitted_hair is not None else []
    if not hair:
        tops = [s.surface for s in sewn if s.garment.kind in ("top", "asset") and s.garment.name != "asset-shoes"]
        near = [part.vertices[part.fields["arm_share"] < 0.6] for part in tops]
        clothes = np.concatenate(near) if near else None
        hair = grow_hair(body, plan.hair, plan.seed, volume=plan.hair_volume, length=plan.hair_length, clothes=clothes)
    parts = [skin.surface, *(s.surface for s in sewn), *hair]
    surface, owner = merge(parts)
    first = np.cumsum([0] + [len(part.faces) for part in parts])
    charts = skin_charts(skin, 0)
    for number, item in enumerate(sewn):
        charts += garment_charts(body, item, int(first[number + 1]))
    for number in range(len(sewn) + 1, len(parts)):
        numbers = np.arange(first[number], first[number + 1], dtype=np.int32)
        seen = ~parts[number].lining
        if fitted_hair is not None and fitted_hair.layout is not None:
            charts += layout_charts(fitted_hair.layout, numbers, seen, 0.8)
            continue
        charts += box_charts(parts[number].vertices, parts[number].faces[seen], numbers[seen], 0.7)
    linings: dict[int, I32] = {}
    for number, part in enumerate(parts[1:], 1):
        if part.lining.any():
            linings[number] = (np.flatnonzero(part.lining) + first[number]).astype(np.int32)
    charts += [point_chart(faces) for faces in linings.values()]
    uv = pack(charts, len(surface.faces), size=texture_size)
    painter = _Painter(plan, skin, sewn, surface, owner, charts, first)
    texels = rasterise(uv, texture_size)
    texel_m = 1.0 / (texture_size * _density(charts, uv))
    inside = [(uv[faces[0], 0], painter.lining_colour(number)) for number, faces in linings.items()]
    texture = paint(texels, texture_size, lambda t: painter.colours(t, texel_m), _DARK, inside)
    weights = limit_weights(surface.weights)
    final = Surface(surface.vertices, surface.faces, weights, {}, surface.lining)
    garments = surface_garments(body, plan, sewn, [len(part.vertices) for part in parts])
    return Person(body, final, uv, texture, garments, person_facts(plan, body))


def _density(charts: list[Chart], uv: F64) -> float:
    chart = max(charts, key=lambda c: float(np.ptp(c.corners.reshape(-1, 2), axis=0).max()))
    size = float(np.ptp(chart.corners.reshape(-1, 2), axis=0).max())
    return float(np.ptp(uv[chart.faces].reshape(-1, 2), axis=0).max()) / max(size, 1e-6)


def hidden_vertices(body: Body, sewn: list[Sewn], *, shells_hide: bool = False) -> Bools:
    """Which base mesh vertices lie well below some garment: (BASE_VERTICES,) bool.

    Args:
        body: who wears the garments.
        sewn: the garments.
        shells_hide: whether open jackets hide the skin below them, too, as in the people of benchmark v1. They are thin
            shells and not solid: where nothing else is worn below, as in the sleeves over a T-shirt, the person is
            hollow then.
    """
    weights = skeleton().weights.astype(np.float64)
    fields = fields_of(body.vertices, weights, body)
    hidden = np.zeros(len(body.vertices), bool)
    for item in sewn:
        if item.garment.open_front and not shells_hide:
            continue
        margin = _KEEP_M if item.garment.kind != "shoes" else 0.03
        hidden |= item.covers(body.vertices, fields) > margin
    hidden[BODY_VERTICES:] = False
    return hidden


def layout_charts(layout: F64, numbers: I32, seen: Bools, zoom: float) -> list[Chart]:
    """Charts of faces with given plane coordinates (F, 3, 2), metres; faces without extent (rims) are left out."""
    span = np.ptp(layout, axis=1).max(axis=1)
    rows = np.flatnonzero(seen & (span > 0))
    points, index = np.unique(np.round(layout[rows].reshape(-1, 2), 7), axis=0, return_inverse=True)
    return uv_islands(index.reshape(-1, 3).astype(np.int32), points, numbers[rows], zoom, 1.0)


def garment_charts(body: Body, item: Sewn, first: int) -> list[Chart]:
    """Charts of a garment: sleeves and trouser legs unrolled, torso as front and back, skirts as one band."""
    surface = item.surface
    if item.layout is not None:
        every = np.arange(first, first + len(surface.faces), dtype=np.int32)
        return layout_charts(item.layout, every, ~surface.lining, 1.0)
    seen = np.flatnonzero(~surface.lining)
    faces, numbers = surface.faces[seen], (seen + first).astype(np.int32)
    points = surface.vertices
    names = skeleton().names
    at = {name: body.heads[names.index(name)] for name in names}
    centre = points[faces].mean(axis=1)
    up = points[:, 1]
    if item.garment.kind in ("shoes", "bag"):
        return box_charts(points, faces, numbers, 1.1)
    if item.garment.kind == "skirt":
        axis = np.stack([np.zeros(len(points)), up, np.full(len(points), np.median(points[:, 2]))], axis=1)
        return [cylinder(points, faces, numbers, axis, start=np.array([0, 0, -1.0]), length=up)]
    if item.garment.kind == "trousers":
        charts = []
        for side in (1, -1):
            rows = np.sign(centre[:, 0]) == side
            tag = "L" if side > 0 else "R"
            chain = np.stack([at[f"{n}.{tag}"] for n in ("foot", "lowerleg01", "upperleg01")])
            axis = np.stack(
                [np.interp(up, chain[:, 1], chain[:, 0]), up, np.interp(up, chain[:, 1], chain[:, 2])], axis=1
            )
            charts.append(
                cylinder(points, faces[rows], numbers[rows], axis, start=np.array([-side, 0, 0.0]), length=up)
            )
        return charts
    charts = []
    share = surface.fields["arm_share"][faces].mean(axis=1)
    mid_z = float(np.median(points[:, 2]))
    for side in (1, -1):
        tag = "L" if side > 0 else "R"
        rows = (share > 0.5) & (np.sign(centre[:, 0]) == side)
        if rows.any():
            charts.append(_sleeve(points, faces[rows], numbers[rows], at, tag))
    for sign in (1, -1):
        rows = (share <= 0.5) & (np.where(centre[:, 2] > mid_z, 1, -1) == sign)
        if rows.any():
            axis = np.stack([np.zeros(len(points)), up, np.full(len(points), mid_z)], axis=1)
            panel = cylinder(points, faces[rows], numbers[rows], axis, start=np.array([0, 0, -float(sign)]), length=up)
            charts.append(relaxed(panel, points, faces[rows]))
    return charts


def _sleeve(points: F64, faces: I32, numbers: I32, at: dict[str, F64], tag: str) -> Chart:
    """A sleeve unrolled around the arm's two bones, its seam below."""
    start, middle, end = (at[f"{n}.{tag}"] for n in ("upperarm01", "lowerarm01", "wrist"))
    first, second = (middle - start) / np.linalg.norm(middle - start), (end - middle) / np.linalg.norm(end - middle)
    upper = float(np.linalg.norm(middle - start))
    t1, t2 = (points - start) @ first, (points - middle) @ second
    length = np.where(t2 > 0, upper + t2, np.minimum(t1, upper))
    foot = np.where((t2 > 0)[:, None], middle + t2[:, None] * second, start + np.minimum(t1, upper)[:, None] * first)
    # The arm is rotated upright, so that the cylinder's axis is vertical.
    along = (first + second) / np.linalg.norm(first + second)
    outward = np.cross(along, np.cross(np.array([0.0, 1.0, 0.0]), along))
    outward /= np.linalg.norm(outward)
    frame = np.stack([outward, along, np.cross(outward, along)])
    return cylinder(points @ frame.T, faces, numbers, foot @ frame.T, start=np.array([-1.0, 0, 0]), length=length)


@dataclass(frozen=True, eq=False)
class _Painter:
    plan: PersonPlan
    skin: Skin
    sewn: list[Sewn]
    surface: Surface
    owner: I32
    charts: list[Chart]
    first: I64

    def lining_colour(self, number: int) -> F64:
        """Colour of the inside of part `number`, its own colour darkened: (3,) sRGB."""
        if number <= len(self.sewn):
            return np.asarray(self.plan.worn[number - 1].fabric.base) * 0.55
        return np.asarray(self.plan.hat_colour if self.plan.hair in ("cap", "beanie") else self.plan.looks.hair) * 0.6

    def colours(self, texels: Texels, texel_m: float) -> F64:
        """Colours of all texels: (n, 3) sRGB."""
        colour = np.zeros((len(texels.face), 3))
        plane = np.zeros((len(self.surface.faces), 3, 2))
        for chart in self.charts:
            plane[chart.faces] = chart.corners
        cloth = np.sum(plane[texels.face] * texels.barycentric[:, :, None], axis=1)
        canonical = texels.of(self.surface.faces, self.surface.fields["canonical"])
        owner = self.owner[texels.face]
        is_skin = owner == 0
        kind = np.full(len(owner), -1)
        kind[is_skin] = self.skin.kind[texels.face[is_skin]]
        rows = np.flatnonzero(kind == 0)
        base_uv = np.sum(self.skin.face_uv[texels.face[rows]] * texels.barycentric[rows][:, :, None], axis=1)
        lid = np.sum(
            self.skin.surface.fields["lid"][self.skin.surface.faces[texels.face[rows]]] * texels.barycentric[rows],
            axis=1,
        )
        colour[rows] = paint_skin(self.plan.looks, canonical[rows], lid, base_uv, self.plan.seed)
        rows = np.flatnonzero(kind == 2)
        colour[rows] = paint_eye(self.plan.looks, canonical[rows])
        for number, item in enumerate(self.sewn):
            rows = np.flatnonzero(owner == number + 1)
            worn = self.plan.worn[number]
            colour[rows] = self._cloth(texels, rows, worn, item, cloth[rows], texel_m, number)
        for number in range(len(self.sewn) + 1, len(self.first) - 1):
            rows = np.flatnonzero(owner == number)
            if self.plan.hair in ("cap", "beanie"):
                fabric = Fabric(pattern="knit" if self.plan.hair == "beanie" else "plain", base=self.plan.hat_colour)
                colour[rows] = fabric_colour(fabric, cloth[rows, 0], cloth[rows, 1], texel_m, self.plan.seed)
            else:
                colour[rows] = paint_hair(self.plan.looks.hair, canonical[rows], self.plan.hair, self.plan.seed)
        return colour

    def _cloth(
        self,
        texels: Texels,
        rows: I64,
        worn: Worn,
        item: Sewn,
        plane: F64,
        texel_m: float,
        number: int,
    ) -> F64:
        colour = fabric_colour(worn.fabric, plane[:, 0], plane[:, 1], texel_m, self.plan.seed + number)
        part = item.surface
        local = part.faces[texels.face[rows] - self.first[number + 1]]
        bary = texels.barycentric[rows]
        points = np.sum(part.vertices[local] * bary[:, :, None], axis=1)
        edge_at = np.sum(item.edge[local] * bary, axis=1)
        return stitch(colour, worn, points, plane, edge_at, texel_m, self.plan.seed + number)
