"""What a reconstruction looks like: the input beside the result, and the views of a turntable."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ...core.arrays import F64, U8
from ...core.files import write_bytes
from ...core.kernels import usable_threads
from ...formats.mesh_files import png_bytes
from ...geometry.camera import OrthographicCamera, camera_of, pixel_centres
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene
from ..localise.grid import LocalisedGrid
from ..picture_to_mesh import ReconstructedMesh
from ..surface.direct import orthographic_rays, render_surface, to_rgba
from ..view_field import ViewField
from .framing import MASK_LEVEL, Framing, cut

BACKGROUND = 246
# Space around the person in pictures of it.
MARGIN = 1.1


def fitting_camera(vertices: F64, framing: Framing, picture: U8) -> OrthographicCamera:
    """A camera of yaw 0 whose square holds a world-space mesh from every yaw, and the height of the picture's mask."""
    rows = np.flatnonzero((picture[..., 3] >= MASK_LEVEL).any(axis=1))
    if not len(rows):
        rows = np.array([framing.row])
    masked = framing.centre_world[1] - (np.array([rows[0], rows[-1]]) - framing.row) / framing.pixels_per_metre
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    low[1], high[1] = min(low[1], masked.min()), max(high[1], masked.max())
    middle = (low + high) / 2
    reach = np.linalg.norm((vertices - middle)[:, [0, 2]], axis=1).max()
    extent = MARGIN * max(float(high[1] - low[1]), 2 * float(reach))
    return OrthographicCamera((float(middle[0]), float(middle[1]), float(middle[2])), extent)


def turned(camera: OrthographicCamera, yaw_deg: float) -> OrthographicCamera:
    """The camera, moved about the vertical axis."""
    return replace(camera, yaw_deg=(camera.yaw_deg + yaw_deg) % 360.0)


@dataclass(frozen=True, eq=False)
class Sight:
    """A reconstructed picture, ready to be looked at from anywhere: nothing is encoded or localised again.

    Attributes:
        grid, view, calibration: of the picture.
    """

    grid: LocalisedGrid
    view: ViewField
    calibration: F64

    def draw(self, camera: OrthographicCamera, size: int, *, normals: bool = False, samples: int = 1) -> U8:
        """(size, size, 3) uint8: coloured by the texture network where there is one, else by normals.

        Args:
            camera: where to look from.
            size: pixels a side.
            normals: show normals in any case.
            samples: rays a pixel and axis, whose mean is shown.
        """
        colour = None if normals or self.view.texture_features is None else self.view.colours
        rays = orthographic_rays(self.calibration, camera.calibration, size * samples, size * samples)
        surface = render_surface(self.grid, self.view.occupancy, rays, colour=colour, refinements=0)
        fine = over_background(to_rgba(surface))
        blocks = fine.reshape(size, samples, size, samples, 3).astype(np.float32)
        pixels: U8 = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
        return pixels


class MeshSight:
    """A mesh, ready to be looked at from anywhere: dozens of pictures of it cost less than asking the field for each.

    Args:
        mesh: world metres.
        calibration: of the picture it was made from.
    """

    def __init__(self, mesh: ReconstructedMesh, calibration: F64) -> None:
        posed = PosedMesh(mesh.vertices, mesh.faces)
        self._faces, self._scene, self._colours = posed.faces, RayScene(posed), mesh.vertex_colours
        # As direct rendering shows them: in the axes of the picture.
        self._normals = posed.vertex_normals @ camera_of(calibration).rotation.T * 127.5 + 127.5

    def draw(self, camera: OrthographicCamera, size: int, *, normals: bool = False, samples: int = 1) -> U8:
        """(size, size, 3) uint8; arguments as for `Sight.draw`."""
        values = self._normals if normals or self._colours is None else self._colours
        hits = self._scene.first_hit(*camera.rays(pixel_centres(size * samples, size * samples).reshape(-1, 2)))
        shown = np.full((len(hits.face), 3), float(BACKGROUND))
        corners = values[self._faces[hits.face[hits.hit]]]
        shown[hits.hit] = (corners * hits.weights()[hits.hit, :, None]).sum(axis=1)
        blocks = shown.reshape(size, samples, size, samples, 3)
        pixels: U8 = np.rint(np.clip(blocks.mean(axis=(1, 3)), 0, 255)).astype(np.uint8)
        return pixels

    def turntable(self, camera: OrthographicCamera, size: int, count: int) -> Iterator[U8]:
        """`count` pictures around the vertical axis, drawn by as many threads as this process may use."""
        with ThreadPoolExecutor(usable_threads()) as workers:
            yield from workers.map(lambda step: self.draw(turned(camera, 360 * step / count), size), range(count))


def input_panel(picture: U8, framing: Framing, camera: OrthographicCamera, size: int) -> U8:
    """(size, size, 3) uint8: the part of the input that a camera of yaw 0 shows."""
    shift = np.subtract(camera.centre_world, framing.centre_world) * framing.pixels_per_metre
    moved = replace(framing, column=framing.column + shift[0], row=framing.row - shift[1], extent_m=camera.extent_m)
    return over_background(cut(picture, moved, size))


def over_background(rgba: U8) -> U8:
    """(H, W, 3) uint8: straight alpha over a light grey."""
    alpha = rgba[..., 3:].astype(np.float32) / 255.0
    mixed: U8 = np.rint(rgba[..., :3] * alpha + BACKGROUND * (1 - alpha)).astype(np.uint8)
    return mixed


def write_png(path: Path, picture: U8) -> None:
    """(H, W, 3) uint8, whole or not at all."""
    write_bytes(path, png_bytes(picture))
