"""Pictures of a reconstruction: the input beside the result, and the views of a turntable."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np

from ...core.arrays import F64, U8
from ...core.kernels import usable_threads
from ...core.pictures import LIGHT_GREY, mask_of, over_background
from ...geometry.camera import OrthographicCamera, camera_of, pixel_centres
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene
from ..localise.grid import LocalisedGrid
from ..picture_to_mesh import ReconstructedMesh
from ..surface.camera_rays import orthographic_rays
from ..surface.direct import render_surface, to_rgba
from ..view_field import ViewField
from .framing import Framing, cut

# Height of a picture relative to that of the person in it.
MARGIN = 1.1


def fitting_camera(vertices: F64, framing: Framing, picture: U8) -> OrthographicCamera:
    """A camera of yaw 0 whose square holds a mesh from every yaw, and the whole height of the picture's mask.

    Args:
        vertices: (V, 3) of the mesh, world metres.
        framing: of the picture.
        picture: (H, W, 4) uint8; alpha is the mask.
    """
    rows = np.flatnonzero(mask_of(picture).any(axis=1))
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
    """The camera moved by `yaw_deg` about the vertical axis."""
    return replace(camera, yaw_deg=(camera.yaw_deg + yaw_deg) % 360.0)


@dataclass(frozen=True, eq=False)
class FieldRenderer:
    """Draws a reconstructed picture from any camera, straight from the field: nothing is encoded or localised again.

    Attributes:
        grid: the localised occupancy.
        view: the encoded picture.
        calibration: (4, 4) world metres to the picture's view space.
    """

    grid: LocalisedGrid
    view: ViewField
    calibration: F64

    def draw(self, camera: OrthographicCamera, size: int, *, normals: bool = False, samples: int = 1) -> U8:
        """A picture (size, size, 3) uint8 in the texture network's colours, or of the normals where there is none.

        Args:
            camera: where to look from.
            size: pixels along each side.
            normals: show the normals even where there are colours.
            samples: the mean of samples x samples rays is shown in each pixel.
        """
        colour = None if normals or self.view.texture_features is None else self.view.colours
        rays = orthographic_rays(self.calibration, camera.calibration, size * samples, size * samples)
        surface = render_surface(self.grid, self.view.occupancy, rays, colour=colour, refinements=0)
        fine = over_background(to_rgba(surface), LIGHT_GREY)
        blocks = fine.reshape(size, samples, size, samples, 3).astype(np.float32)
        pixels: U8 = np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)
        return pixels


class MeshRenderer:
    """Draws a mesh from any camera; for dozens of pictures this costs less than evaluating the field for each.

    Args:
        mesh: world metres.
        calibration: (4, 4) world metres to view space of the picture that the mesh was made from.
    """

    def __init__(self, mesh: ReconstructedMesh, calibration: F64) -> None:
        posed = PosedMesh(mesh.vertices, mesh.faces)
        self._faces, self._scene, self._colours = posed.faces, RayScene(posed), mesh.vertex_colours
        # Normals are shown in the axes of the picture, as direct rendering shows them.
        self._normals = posed.vertex_normals @ camera_of(calibration).rotation.T * 127.5 + 127.5

    def draw(self, camera: OrthographicCamera, size: int, *, normals: bool = False, samples: int = 1) -> U8:
        """A picture (size, size, 3) uint8; arguments as for `FieldRenderer.draw`."""
        values = self._normals if normals or self._colours is None else self._colours
        hits = self._scene.first_hit(*camera.rays(pixel_centres(size * samples, size * samples).reshape(-1, 2)))
        shown = np.tile(np.array(LIGHT_GREY, np.float64), (len(hits.face), 1))
        corners = values[self._faces[hits.face[hits.hit]]]
        shown[hits.hit] = (corners * hits.weights()[hits.hit, :, None]).sum(axis=1)
        blocks = shown.reshape(size, samples, size, samples, 3)
        pixels: U8 = np.rint(np.clip(blocks.mean(axis=(1, 3)), 0, 255)).astype(np.uint8)
        return pixels

    def turntable(self, camera: OrthographicCamera, size: int, count: int) -> Iterator[U8]:
        """Draw `count` pictures around the vertical axis, with as many threads as this process may use."""
        with ThreadPoolExecutor(usable_threads()) as workers:
            yield from workers.map(lambda step: self.draw(turned(camera, 360 * step / count), size), range(count))


def input_panel(picture: U8, framing: Framing, camera: OrthographicCamera, size: int) -> U8:
    """The part of the input that a camera of yaw 0 shows, (size, size, 3) uint8."""
    shift = np.subtract(camera.centre_world, framing.centre_world) * framing.pixels_per_metre
    moved = replace(framing, column=framing.column + shift[0], row=framing.row - shift[1], extent_m=camera.extent_m)
    return over_background(cut(picture, moved, size), LIGHT_GREY)
