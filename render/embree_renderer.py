"""Drawing without OpenGL: Embree rays shaded in NumPy, equal to a graphics card's picture with multisampling.

As on a graphics card, pixels inside a surface are shaded once, with mip-mapped textures. Only pixels on an edge (of the
silhouette, between two shells, at a texture seam) are sampled four times, or as often as is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from ..core.arrays import F32, I32, I64, U8, Array, Bools
from ..geometry.camera import Camera
from ..geometry.mesh import PosedMesh
from ..geometry.rays import Hits, RayScene, ray_scene
from .cutouts import first_visible
from .layers import RenderLayers, render_layers
from .parts import split_parts
from .screen import Screen, on_screen, touched_pixels
from .subpixels import subpixels
from .textures import MipTexture, mip_level

# Neighbouring pixels whose depths differ by more than this many pixel widths lie on an edge.
EDGE_PIXELS = 3.0


@dataclass(frozen=True, eq=False)
class _Samples:
    """The surface points from which one picture is composed.

    Attributes:
        inside: (N,) flat indices of the pixels that one ray samples.
        edge: (E,) flat indices of the pixels that several rays sample, see render/subpixels.py.
        place: (M,) numbers of those of their rays that hit the surface.
        face: (N + M,) faces hit, those of inside pixels first.
        weights: (3, N + M) float32 barycentric weights of the faces' corners.
    """

    inside: I64
    edge: I64
    place: I64
    face: I32
    weights: F32


class EmbreeRenderer:
    """Draws one mesh with Embree; the interface is `renderer.Renderer`.

    Args:
        mesh: drawn from both sides.
        height: pixels.
        width: pixels.
        samples: rays of a pixel on an edge, of ANTIALIAS.
    """

    def __init__(self, mesh: PosedMesh, height: int, width: int, samples: int = 4) -> None:
        self._subpixels = subpixels(samples)
        self._mesh = mesh
        self._size = (height, width)
        # Where a ray slips between faces an edge is found, and four more rays are cast. The light uses the same tree.
        self._scene: RayScene = ray_scene(mesh, watertight=False)
        self._corners: I32 = np.ascontiguousarray(mesh.faces.T)
        self._parts = split_parts(mesh)
        self._textures = [None if part.texture is None else MipTexture(part.texture, part.wrap) for part in self._parts]
        self._part_of = np.full(len(mesh.materials), -1, np.int32)
        self._part_of[[part.material for part in self._parts]] = np.arange(len(self._parts))
        # The number of each face among the faces of its part.
        self._local = np.zeros(len(mesh.faces), np.int32)
        for part in self._parts:
            chosen = np.flatnonzero(mesh.face_material == part.material)
            self._local[chosen] = np.arange(len(chosen))
        self._chart = _charts(mesh)

    def colour(self, camera: Camera, vertex_irradiance: F32) -> U8:
        """See render/renderer.py."""
        screen = on_screen(self._mesh.vertices, camera, *self._size)
        samples = self._samples(camera, screen)
        if len(self._parts) == 1:
            colours = self._shade(0, samples.face, samples.weights, screen, vertex_irradiance)
        else:
            colours = np.zeros((3, len(samples.face)), np.float32)
            part = self._part_of[self._mesh.face_material[samples.face]]
            for index in range(len(self._parts)):
                chosen = np.flatnonzero(part == index)
                face, weights = samples.face[chosen], samples.weights[:, chosen]
                colours[:, chosen] = self._shade(index, face, weights, screen, vertex_irradiance)
        picture = np.zeros((self._size[0] * self._size[1], 4), np.uint8)
        count = len(samples.inside)
        _fill(picture, samples.inside, colours[:, :count], np.full(count, 255.0, np.float32))
        rays = len(self._subpixels)
        fine = np.zeros((4, len(samples.edge) * rays), np.float32)
        fine[:3, samples.place] = colours[:, count:]
        fine[3, samples.place] = 1.0
        fine = fine.reshape(4, -1, rays).sum(axis=2)
        straight, seen = fine[:3] / np.maximum(fine[3], 1.0), fine[3]
        _fill(picture, samples.edge, straight, seen * np.float32(255.0 / rays))
        return picture.reshape(*self._size, 4)

    def albedo(self, camera: Camera) -> U8:
        """See render/renderer.py."""
        return self.colour(camera, np.ones((len(self._mesh.vertices), 3), np.float32))

    def layers(self, camera: Camera, names: Sequence[str]) -> RenderLayers:
        """See render/layers.py."""
        return render_layers(self._mesh, camera, *self._size, names)

    def _shade(self, index: int, face: I32, weights: F32, screen: Screen, irradiance: F32) -> F32:
        """Shade points (faces, weights of their corners) on one part: (3, N) float32 display values in [0, 255]."""
        part, texture = self._parts[index], self._textures[index]
        local = part.faces.take(self._local.take(face), axis=0).T
        lit = part.colours(irradiance)
        factor = np.float32(255.0) * np.asarray(part.colour, np.float32)
        if texture is None or part.uv is None:
            colour = np.stack([_weighted(lit[:, channel] * factor[channel], local, weights) for channel in range(3)])
            return np.clip(colour, 0.0, 255.0, out=colour)
        width, height = texture.size
        steps_u, steps_v = (_steps(np.ascontiguousarray(values), local) for values in part.uv.T)
        corner = part.vertex.take(local)
        steps_x, steps_y = _steps(screen.columns, corner), _steps(screen.rows, corner)
        level = mip_level(
            (steps_u[1] * width, steps_v[1] * height, steps_u[2] * width, steps_v[2] * height),
            (steps_x[1], steps_y[1], steps_x[2], steps_y[2]),
        )
        u, v = (first + one * weights[1] + two * weights[2] for first, one, two in (steps_u, steps_v))
        colour = texture.sample(u, v, level)
        for channel in range(3):
            colour[channel] *= _weighted(lit[:, channel] * (factor[channel] / np.float32(255.0)), local, weights)
        return np.clip(colour, 0.0, 255.0, out=colour)

    def _samples(self, camera: Camera, screen: Screen) -> _Samples:
        rows, columns, touched = touched_pixels(screen, self._corners, *self._size)
        shape = touched.shape
        place = np.flatnonzero(touched)
        row, column = np.divmod(place, shape[1])
        row, column = row + rows.start, column + columns.start
        hits = self._cast(camera, row, column)
        chart, depth = np.full(shape, -1, np.int32), np.zeros(shape, np.float32)
        chart.reshape(-1)[place] = np.where(hits.hit, self._chart.take(hits.face), -1)
        depth.reshape(-1)[place] = np.where(hits.hit, hits.distance, np.float32(0.0))
        step_m = EDGE_PIXELS * camera.extent_m / min(self._size)
        edge = _edges(chart, depth, step_m) & touched
        _add_missed_vertices(
            edge, screen, rows.start, columns.start, np.where(chart < 0, np.float32(np.inf), depth) - np.float32(step_m)
        )
        is_edge = edge.reshape(-1)[place]
        inside, edges = np.flatnonzero(hits.hit & ~is_edge), np.flatnonzero(is_edge)
        fine = self._cast(
            camera,
            (row[edges, None] + self._subpixels[:, 0]).reshape(-1),
            (column[edges, None] + self._subpixels[:, 1]).reshape(-1),
        )
        seen = np.flatnonzero(fine.hit)
        pixel = row * self._size[1] + column
        u, v = np.concatenate([hits.barycentric[inside], fine.barycentric[seen]]).T
        weights = np.maximum(np.stack([1.0 - u - v, u, v]), np.float32(0.0))
        return _Samples(
            pixel[inside], pixel[edges], seen, np.concatenate([hits.face[inside], fine.face[seen]]), weights
        )

    def _cast(self, camera: Camera, rows: npt.NDArray[np.generic], columns: npt.NDArray[np.generic]) -> Hits:
        height, width = self._size
        x = (2.0 * np.asarray(columns, np.float64) + 1.0) / width - 1.0
        y = (2.0 * np.asarray(rows, np.float64) + 1.0) / height - 1.0
        return first_visible(self._mesh, self._scene, *camera.rays(np.column_stack([x, y])))


def _edges(chart: I32, depth: F32, step_m: float) -> Bools:
    """(H, W) bool: pixels next to one without a hit (chart -1), with another chart, or with a very different depth."""
    edge = np.zeros(chart.shape, bool)
    for first, second in (
        ((slice(1, None),), (slice(-1),)),
        ((slice(None), slice(1, None)), (slice(None), slice(-1))),
    ):
        differs = (chart[first] != chart[second]) | (np.abs(depth[first] - depth[second]) > step_m)
        edge[first] |= differs
        edge[second] |= differs
    return edge


def _add_missed_vertices(edge: Bools, screen: Screen, top: int, left: int, depth_m: F32) -> None:
    """Add to `edge` the pixels with a vertex nearer than `depth_m` (H, W), which finds strands thinner than a pixel."""
    row, column = (np.rint(values).astype(np.int64) for values in (screen.rows - top, screen.columns - left))
    within = np.flatnonzero((row >= 0) & (row < edge.shape[0]) & (column >= 0) & (column < edge.shape[1]))
    pixel = row[within] * edge.shape[1] + column[within]
    nearer = screen.depth_m[within] < depth_m.reshape(-1)[pixel]
    edge.reshape(-1)[pixel[nearer]] = True


def _steps(values: Array, corners: I32) -> tuple[Array, ...]:
    """Values (V,) at the first of corners (3, N), and the differences to those at the second and third: (N,) each."""
    first = values.take(corners[0])
    return first, values.take(corners[1]) - first, values.take(corners[2]) - first


def _weighted(values: F32, corners: I32, weights: F32) -> F32:
    """Weighted sum (N,) of values (V,) at corners (3, N)."""
    total: F32 = values.take(corners[0]) * weights[0]
    total += values.take(corners[1]) * weights[1]
    total += values.take(corners[2]) * weights[2]
    return total


def _fill(picture: U8, pixel: I64, colours: F32, alpha: F32) -> None:
    """Write pixels (N,) of a picture (P, 4) from colours (3, N) and alpha (N,) in [0, 255]."""
    values = np.empty((len(pixel), 4), np.uint8)
    for channel, plane in enumerate((*colours, alpha)):
        values[:, channel] = np.rint(plane)
    picture.view(np.uint32)[pixel] = values.view(np.uint32)


def _charts(mesh: PosedMesh) -> I32:
    """(F,) int32: faces with the same number are connected, in space and in the texture, and share a material."""
    corners = mesh.faces if mesh.face_uv is None else mesh.face_uv
    count = int(corners.max()) + 1
    links = np.concatenate([corners[:, :2], corners[:, 1:]])
    graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    label = connected_components(graph, directed=False)[1][corners[:, 0]]
    if mesh.face_uv is not None:
        # Shells may share texture space (a mirrored pair of shoes), so connection in space is required too.
        used = len(mesh.vertices)
        links = np.concatenate([mesh.faces[:, :2], mesh.faces[:, 1:]])
        graph = coo_matrix((np.ones(len(links), np.int8), (links[:, 0], links[:, 1])), shape=(used, used))
        shell = connected_components(graph, directed=False)[1][mesh.faces[:, 0]]
        label = np.unique(label.astype(np.int64) * (int(shell.max()) + 1) + shell, return_inverse=True)[1]
    return np.asarray(label * len(mesh.materials) + mesh.face_material, np.int32)
