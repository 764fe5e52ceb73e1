"""Meshes in three dimensions inside a page: WebGL draws them, the mouse turns them, and nothing is fetched.

The script is viewer.js; it reads the meshes from the JSON that `viewer` writes beside it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from ..core.arrays import F64, I64, U8
from ..geometry.mesh import PosedMesh
from .page import read_asset

# With this limit a page with half a dozen meshes stays below about ten megabytes.
MAX_FACES = 60_000


@dataclass(frozen=True, eq=False)
class ViewerModel:
    """Two meshes shown side by side and seen from the same direction.

    Attributes:
        name: label of the button that shows this pair.
        titles: captions of the left and of the right mesh.
        meshes: the left and the right mesh, world metres.
        colours: (V, 3) uint8 display values at the vertices of either mesh.
    """

    name: str
    titles: tuple[str, str]
    meshes: tuple[PosedMesh, PosedMesh]
    colours: tuple[U8, U8]


def viewer(models: Sequence[ViewerModel], legend: str) -> str:
    """Build the HTML of a viewer together with its script.

    Args:
        models: one button each; the first is shown at the beginning.
        legend: HTML placed below the meshes.

    Returns:
        HTML; "" where there are no models.
    """
    if not models:
        return ""
    content = json.dumps([_pack(model) for model in models]).replace("</", "<\\/")
    buttons = "".join(
        f'<button data-model="{index}" aria-pressed="{"true" if index == 0 else "false"}">{escape(model.name)}</button>'
        for index, model in enumerate(models)
    )
    panes = "".join(
        '<figure><canvas width="900" height="1100"></canvas><figcaption></figcaption></figure>' for _ in range(2)
    )
    return (
        f'<div class="viewer"><div class="buttons">{buttons}</div><div class="panes">{panes}</div>{legend}'
        '<p class="note viewer-note">Drag to turn, wheel to come nearer, double click to reset.</p>'
        f'<script type="application/json" class="viewer-data">{content}</script></div>'
        f"<script>\n{read_asset('viewer.js')}</script>"
    )


def simplify(mesh: PosedMesh, colours: U8, most: int = MAX_FACES) -> tuple[F64, I64, U8]:
    """Reduce a mesh to at most `most` faces by merging all vertices of a grid cell into their mean.

    Args:
        mesh: world metres; returned as it is where it has few enough faces.
        colours: (V, 3) uint8 at the vertices.
        most: greatest number of faces.

    Returns:
        Vertices (W, 3) float64, faces (G, 3) int64 and colours (W, 3) uint8.
    """
    vertices, faces = mesh.vertices, mesh.faces.astype(np.int64)
    if len(faces) <= most:
        return vertices, faces, colours
    low, high = mesh.bounds
    area = float(mesh.face_areas.sum())
    cell = float(np.sqrt(area / most))  # about two faces a cell; the loop makes cells coarser
    while True:
        index = np.floor((vertices - low) / cell).astype(np.int64)
        size = np.ceil((high - low) / cell).astype(np.int64) + 1
        _, owner = np.unique((index[:, 0] * size[1] + index[:, 1]) * size[2] + index[:, 2], return_inverse=True)
        joined = owner[faces]
        kept = (joined[:, 0] != joined[:, 1]) & (joined[:, 1] != joined[:, 2]) & (joined[:, 2] != joined[:, 0])
        joined = np.unique(joined[kept], axis=0)
        if len(joined) <= most:
            break
        cell *= 1.15
    count = np.bincount(owner)
    middle = np.stack([np.bincount(owner, vertices[:, axis]) / count for axis in range(3)], axis=1)
    mean = np.stack(
        [np.bincount(owner, colours[:, channel].astype(np.float64)) / count for channel in range(3)], axis=1
    )
    return middle, joined, np.rint(mean).astype(np.uint8)


def _pack(model: ViewerModel) -> dict[str, object]:
    low = np.minimum(*(mesh.bounds[0] for mesh in model.meshes))
    high = np.maximum(*(mesh.bounds[1] for mesh in model.meshes))
    centre, half = (low + high) / 2, float((high - low).max()) / 2
    packed = []
    for mesh, title, colours in zip(model.meshes, model.titles, model.colours, strict=True):
        vertices, faces, shown = simplify(mesh, colours)
        # 16 bits a coordinate: 0.03 mm for a person.
        quantised = np.rint((vertices - centre) / half * 32767).astype("<i2")
        packed.append(
            {
                "title": title
                + (f" ({len(faces):,} of {len(mesh.faces):,} faces)" if len(faces) < len(mesh.faces) else ""),
                "vertices": _base64(quantised.tobytes()),
                "colours": _base64(np.ascontiguousarray(shown).tobytes()),
                "faces": _base64(faces.astype("<u4").tobytes()),
            }
        )
    return {"name": model.name, "meshes": packed}


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
