"""Drawing without OpenGL: Embree rays, shaded in NumPy, the same picture as the graphics card's with 4x multisampling.

Like a graphics card, the inside of a surface is shaded once a pixel, with mip-mapped textures; only pixels on an edge
(of the silhouette, between two shells, at a texture seam) are sampled four times.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..geometry.camera import Camera, project, view_to_pixels
from ..geometry.mesh import PosedMesh
from ..geometry.rays import Hits, RayScene, ray_scene
from .cutouts import first_visible
from .layers import RenderLayers, render_layers
from .parts import MeshPart, split_parts
from .textures import MipTexture, mip_level

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
I32 = npt.NDArray[np.int32]
I64 = npt.NDArray[np.int64]
U8 = npt.NDArray[np.uint8]

# Where four samples lie in a pixel (row, column from its centre): the rotated grid that graphics cards use, turned over
# since OpenGL counts rows from below (Direct3D 11 standard pattern, also Mesa's).
SUBPIXELS: F64 = np.array([(3, -1), (1, 3), (-1, -3), (-3, 1)]) / 8.0
# Neighbours further apart in depth than this many pixels lie on an edge.
EDGE_PIXELS = 3.0


@dataclass(frozen=True, eq=False)
class _Samples:
    """Points of the surface that one picture is made of: pixel (flat index), share of it, face, corner weights."""

    pixel: I64
    share: F32
    face: I32
    weights: F32


class EmbreeRenderer:
    """One mesh for Embree; see render/renderer.py for the interface.

    Args:
        mesh: drawn from both sides.
        height: pixels.
        width: pixels.
    """

    def __init__(self, mesh: PosedMesh, height: int, width: int) -> None:
        self._mesh = mesh
        self._size = (height, width)
        self._scene: RayScene = ray_scene(mesh)
        self._parts = split_parts(mesh)
        self._textures = [None if part.texture is None else MipTexture(part.texture) for part in self._parts]
        self._part_of = np.full(len(mesh.materials), -1, np.int32)
        self._part_of[[part.material for part in self._parts]] = np.arange(len(self._parts))
        # A face's number among its part's faces.
        self._local = np.zeros(len(mesh.faces), np.int32)
        for part in self._parts:
            chosen = np.flatnonzero(mesh.face_material == part.material)
            self._local[chosen] = np.arange(len(chosen))
        self._chart = _charts(mesh)

    def colour(self, camera: Camera, vertex_irradiance: F32) -> U8:
        """See render/renderer.py."""
        corners = view_to_pixels(project(self._mesh.vertices, camera.calibration), *self._size)[:, ::-1]
        samples = self._samples(camera, corners)
        picture = np.zeros((*self._size, 4), np.uint8)
        number = np.zeros(self._size[0] * self._size[1], np.int32)
        number[samples.pixel] = 1
        pixels = np.flatnonzero(number)
        number[pixels] = np.arange(len(pixels))
        place = number[samples.pixel]
        premultiplied = np.zeros((len(pixels), 4), np.float64)
        for index, part in enumerate(self._parts):
            chosen = np.flatnonzero(self._part_of[self._mesh.face_material[samples.face]] == index)
            if not len(chosen):
                continue
            colour = self._shade(index, part, samples, chosen, corners, part.colours(vertex_irradiance))
            colour[:, 3] = 1.0
            colour *= samples.share[chosen, None]
            for channel in range(4):
                premultiplied[:, channel] += np.bincount(
                    place[chosen], colour[:, channel], minlength=len(premultiplied)
                )
        picture.reshape(-1, 4)[pixels] = _to_bytes(premultiplied)
        return picture

    def albedo(self, camera: Camera) -> U8:
        """See render/renderer.py."""
        return self.colour(camera, np.ones((len(self._mesh.vertices), 3), np.float32))

    def layers(self, camera: Camera, names: Sequence[str]) -> RenderLayers:
        """See render/layers.py."""
        return render_layers(self._mesh, camera, *self._size, names)

    def _shade(
        self, index: int, part: MeshPart, samples: _Samples, chosen: npt.NDArray[np.intp], corners: F64, lit: F32
    ) -> F32:
        """Display colours (N, 4) float32 in [0, 1] of the chosen samples, all on one part; `lit` (its vertices, 4)."""
        face, weights = samples.face[chosen], samples.weights[chosen]
        local = part.faces[self._local[face]]
        colour = _weighted(lit, local, weights) * np.asarray(part.colour, np.float32)
        texture = self._textures[index]
        if texture is not None and part.uv is not None:
            uv_corners = part.uv[local]
            uv = _weighted(part.uv, local, weights)
            level = mip_level(uv_corners, corners[self._mesh.faces[face]], texture.size)
            colour *= texture.sample(uv, level) * np.float32(1.0 / 255.0)
        shaded: F32 = np.clip(colour, 0.0, 1.0, out=colour)
        return shaded

    def _samples(self, camera: Camera, corners: F64) -> _Samples:
        height, width = self._size
        # Pixels the mesh can touch, with one around it.
        extremes = np.ascontiguousarray(corners.T)  # (numpy finds extremes of long rows ten times as fast)
        low = np.maximum(np.floor(extremes.min(axis=1)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(extremes.max(axis=1)).astype(int) + 2, (width, height))
        if (high - low).min() <= 0:
            empty = np.zeros(0, np.int64)
            return _Samples(empty, empty.astype(np.float32), empty.astype(np.int32), np.zeros((0, 3), np.float32))
        rows, columns = np.mgrid[low[1] : high[1], low[0] : high[0]]
        shape = rows.shape
        rows, columns = rows.reshape(-1), columns.reshape(-1)
        hits = self._cast(camera, rows, columns)
        edge = self._edges(camera, hits, shape)
        edge |= self._missed_vertices(camera, corners, hits, low, shape)
        pixel = rows * width + columns
        inside = np.flatnonzero(hits.hit & ~edge)
        fine = np.repeat(np.flatnonzero(edge), len(SUBPIXELS))
        shift = np.tile(SUBPIXELS, (int(edge.sum()), 1))
        fine_hits = self._cast(camera, rows[fine] + shift[:, 0], columns[fine] + shift[:, 1])
        seen = np.flatnonzero(fine_hits.hit)
        return _Samples(
            np.concatenate([pixel[inside], pixel[fine[seen]]]),
            np.concatenate([np.ones(len(inside)), np.full(len(seen), 1.0 / len(SUBPIXELS))]).astype(np.float32),
            np.concatenate([hits.face[inside], fine_hits.face[seen]]),
            np.concatenate([hits.weights()[inside], fine_hits.weights()[seen]]).astype(np.float32),
        )

    def _cast(self, camera: Camera, rows: npt.NDArray[np.generic], columns: npt.NDArray[np.generic]) -> Hits:
        height, width = self._size
        x = (2.0 * np.asarray(columns, np.float64) + 1.0) / width - 1.0
        y = (2.0 * np.asarray(rows, np.float64) + 1.0) / height - 1.0
        return first_visible(self._mesh, self._scene, *camera.rays(np.column_stack([x, y])))

    def _edges(self, camera: Camera, hits: Hits, shape: tuple[int, ...]) -> Bools:
        """(N,) bool: pixels beside one that sees nothing, another shell or chart, or a much different depth."""
        step = EDGE_PIXELS * camera.extent_m / min(self._size)
        chart = np.where(hits.hit, self._chart[hits.face], -1).reshape(shape)
        depth = np.where(hits.hit, hits.distance, 0.0).reshape(shape)
        edge = np.zeros(shape, bool)
        for first, second in (
            ((slice(1, None),), (slice(-1),)),
            ((slice(None), slice(1, None)), (slice(None), slice(-1))),
        ):
            differs = (chart[first] != chart[second]) | (np.abs(depth[first] - depth[second]) > step)
            edge[first] |= differs
            edge[second] |= differs
        return edge.reshape(-1)

    def _missed_vertices(
        self, camera: Camera, corners: F64, hits: Hits, low: npt.NDArray[np.int_], shape: tuple[int, ...]
    ) -> Bools:
        """(N,) bool: pixels with a vertex nearer than what their centre sees; finds strands thinner than a pixel."""
        place = np.rint(corners).astype(np.int64) - low
        within = np.flatnonzero(((place >= 0) & (place < (shape[1], shape[0]))).all(axis=1))
        pixel = place[within, 1] * shape[1] + place[within, 0]
        distance = camera.depth_m(self._mesh.vertices[within])
        seen = np.where(hits.hit, hits.distance, np.inf)[pixel]
        missed = np.zeros(len(hits.face), bool)
        missed[pixel[distance < seen - EDGE_PIXELS * camera.extent_m / min(self._size)]] = True
        return missed


def _weighted(values: npt.NDArray[Any], corners: I32, weights: F32) -> npt.NDArray[Any]:
    """Values (V, C) at corners (N, 3), weighted: (N, C)."""
    total = values.take(corners[:, 0], axis=0) * weights[:, :1]
    total += values.take(corners[:, 1], axis=0) * weights[:, 1:2]
    total += values.take(corners[:, 2], axis=0) * weights[:, 2:]
    return total


def _charts(mesh: PosedMesh) -> I32:
    """(F,) int32: faces with the same number hang together, in space and in the texture, and share a material."""
    corners = mesh.faces if mesh.face_uv is None else mesh.face_uv
    count = int(corners.max()) + 1
    links = np.concatenate([corners[:, :2], corners[:, 1:]])
    graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    label = connected_components(graph, directed=False)[1][corners[:, 0]]
    if mesh.face_uv is not None:
        # Shells may share texture space (a mirrored pair of shoes), so position counts too.
        used = len(mesh.vertices)
        links = np.concatenate([mesh.faces[:, :2], mesh.faces[:, 1:]])
        graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(used, used))
        shell = connected_components(graph, directed=False)[1][mesh.faces[:, 0]]
        label = np.unique(label.astype(np.int64) * (int(shell.max()) + 1) + shell, return_inverse=True)[1]
    return np.asarray(label * len(mesh.materials) + mesh.face_material, np.int32)


def _to_bytes(premultiplied: F64) -> U8:
    """(N, 4) uint8 straight alpha from premultiplied values in [0, 1]."""
    alpha = premultiplied[:, 3:]
    straight = np.divide(premultiplied[:, :3], alpha, out=np.zeros_like(premultiplied[:, :3]), where=alpha > 0)
    picture: U8 = np.rint(np.clip(np.hstack([straight, alpha]), 0.0, 1.0) * 255.0).astype(np.uint8)
    return picture
