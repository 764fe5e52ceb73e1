"""Dressing a person from a MakeHuman assets folder: choosing pieces and cloth, and fitting closed shells."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ...core.arrays import F64, Bools
from ...core.randomness import derive_rng
from ...geometry.mesh import split_quads
from ...motion.makehuman.body import BODY_VERTICES, Body, base_mesh, skeleton
from ..body.regions import fields_of, landmarks
from ..solids import boundary_loops, close_solid, thick_shell
from ..surface import Surface, averaging_all, vertex_normals
from ..texture import plane_areas
from .fabric import Fabric
from .garments import Garment, Sewn, covers_nothing
from .mhclo import Asset, asset_weights, find_assets, fit_asset
from .outfits import Worn
from .wardrobe import PersonPlan


@dataclass(frozen=True, eq=False)
class Dressed:
    """A person's pieces from an assets folder.

    Attributes:
        worn: each piece with its cloth.
        sewn: the fitted pieces.
        hair: fitted hair; None to grow procedural hair.
        deleted: (BASE_VERTICES,) bool, base mesh vertices that the pieces hide.
    """

    worn: tuple[Worn, ...]
    sewn: tuple[Sewn, ...]
    hair: Sewn | None
    deleted: Bools


@lru_cache(maxsize=2)
def _assets(folder: Path) -> tuple[Asset, ...]:
    return tuple(find_assets(folder))


def dress(folder: Path, body: Body, plan: PersonPlan, seed: int, name: str) -> Dressed:
    """Choose and fit clothes, shoes, sometimes a hat, and usually hair.

    Args:
        folder: of assets.
        body: the wearer's.
        plan: of the wearer.
        seed: of the data set.
        name: of the wearer.
    """
    rng = derive_rng(seed, name, "people", 0, "assets")
    female = plan.phenotype["gender"] > 0.5
    fitting = [asset for asset in _assets(folder) if asset.suits(female)]

    def pick(part: str, chance: float) -> Asset | None:
        options = [asset for asset in fitting if asset.part == part]
        chosen = int(rng.integers(len(options))) if options else -1
        return options[chosen] if chosen >= 0 and rng.random() < chance else None

    worn: list[Worn] = []
    sewn: list[Sewn] = []
    deleted = np.zeros(len(body.vertices), bool)
    pieces = [(pick("clothes", 1.0), "clothes"), (pick("shoes", 1.0), "shoes"), (pick("hat", 0.15), "hat")]
    fabrics = {w.garment.kind: w.fabric for w in plan.worn}
    upper = [w.fabric for w in plan.worn if w.garment.kind == "top"]
    lower = fabrics.get("trousers", fabrics.get("skirt", upper[0]))
    for asset, part in pieces:
        if asset is None:
            continue
        deleted[asset.deleted] = True
        for kind, surface, layout in _pieces(asset, body, part):
            fabric = {"asset-top": upper[-1], "asset-bottom": lower, "asset-shoes": fabrics["shoes"]}.get(kind)
            if fabric is None:
                fabric = Fabric(pattern="leather", base=plan.hat_colour)
            garment = Garment(kind="asset", name=kind)
            worn.append(Worn(garment=garment, fabric=fabric))
            sewn.append(_as_sewn(surface, layout, garment))
    hair_asset = pick("hair", 0.85) if plan.hair not in ("bald", "buzz", "cap", "beanie") else None
    hair = None
    if hair_asset is not None:
        surface = _surface(hair_asset, body)
        thickness = 0.0012
        shell = thick_shell(surface, thickness)
        hair = Sewn(
            Garment(kind="asset", name="hair"),
            shell,
            covers_nothing,
            np.ones(len(shell.vertices)),
            _layout(hair_asset, surface, shell),
        )
    deleted[BODY_VERTICES:] = False
    return Dressed(tuple(worn), tuple(sewn), hair, deleted)


def _surface(asset: Asset, body: Body) -> Surface:
    points = fit_asset(asset, body.vertices)
    weights = asset_weights(asset, skeleton().weights)
    fields = fields_of(points, weights, body)
    fields["canonical"] = points
    return Surface(points, asset.faces, weights, fields)


def _layout(asset: Asset, surface: Surface, shell: Surface) -> F64:
    """Plane coordinates of a shell's faces, metres: those of the sheet, and zeros for the inside and the rim."""
    corners = surface.vertices[asset.faces]
    area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
    flat = asset.face_uv
    flat_area = 2.0 * np.abs(plane_areas(flat)).sum()
    scale = float(np.sqrt(area / flat_area)) if flat_area > 0 else 1.0
    result = np.zeros((len(shell.faces), 3, 2))
    result[: len(flat)] = flat * scale
    return result


def _pieces(asset: Asset, body: Body, part: str) -> list[tuple[str, Surface, F64]]:
    """Fit an asset as closed shells; a suit is split into the parts above and below the waist."""
    surface = _surface(asset, body)
    # Weights are smoothed, since neighbouring vertices may follow distant base vertices (sleeve and side), which would
    # tear the armpits into spikes.
    mean = averaging_all(surface.faces, len(surface.vertices))
    weights = surface.weights
    for _ in range(4 if part == "clothes" else 2):
        weights = 0.5 * weights + 0.5 * (mean @ weights)
    surface = replace(surface, weights=weights / weights.sum(axis=1, keepdims=True))
    if part != "clothes":
        shell = _solid(surface)
        return [(f"asset-{part}", shell, _layout(asset, surface, shell))]
    faces = asset.faces
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(surface.vertices),) * 2)
    label = connected_components(graph, directed=False)[1]
    waist = landmarks(body).waist
    middle = np.bincount(label, surface.vertices[:, 1]) / np.bincount(label)
    low_part = middle[label[faces[:, 0]]] < waist
    result = []
    for kind, rows in (("asset-top", ~low_part), ("asset-bottom", low_part)):
        if not rows.any():
            continue
        piece = replace(asset, faces=faces[rows], face_uv=asset.face_uv[rows])
        sheet = replace(surface, faces=piece.faces, lining=np.zeros(int(rows.sum()), bool))
        shell = _solid(sheet)
        result.append((kind, shell, _layout(piece, sheet, shell)))
    return result


def _solid(sheet: Surface) -> Surface:
    """Close a sheet at its openings, so that what it encloses is inside; the added faces are lining."""
    solid = close_solid(sheet, thickness_m=0.002, depth_m=0.006)
    return replace(solid, lining=np.arange(len(solid.faces)) >= len(sheet.faces))


def _as_sewn(surface: Surface, layout: F64, garment: Garment) -> Sewn:
    rims = boundary_loops(surface.faces[~surface.lining])
    rim = surface.vertices[np.concatenate(rims)] if rims else np.full((1, 3), 1e3)
    return Sewn(garment, surface, covers_nothing, cKDTree(rim).query(surface.vertices)[0], layout)


def shrunk_body(body: Body, deleted: Bools) -> Body:
    """Move hidden skin inwards, less towards the edges, so that it does not show through the clothes.

    Args:
        body: the wearer's.
        deleted: (BASE_VERTICES,) bool, see `Dressed`.
    """
    faces = split_quads(base_mesh().quads["body"])
    mean = averaging_all(faces, len(body.vertices))
    amount = deleted.astype(float)
    for _ in range(3):
        amount = np.minimum(amount, mean @ amount)
    normals = vertex_normals(body.vertices, faces)
    for _ in range(4):
        normals = normals + mean @ normals
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    # Feet and hands are thin: a deep offset would turn them inside out.
    marks = landmarks(body)
    depth = np.where(body.vertices[:, 1] < marks.ankle, 0.004, 0.024) * marks.height / 1.7
    return replace(body, vertices=body.vertices - normals * (amount * depth)[:, None])
