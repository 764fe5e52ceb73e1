"""Colours of a reconstruction from the picture that it was made from: what the photograph shows is taken from it.

A network of 64 to 256 pixels paints no face. Points that the picture shows are therefore projected into it, and blended
into the network's colours where the surface turns away from the camera, near the outline of the mask, whose pixels mix
with the background, and behind what stands in front of them.
"""

from __future__ import annotations

import numpy as np

from ...core.arrays import F32, F64, U8
from ...core.errors import SettingsError
from ...core.pictures import mask_of
from ...geometry.camera import camera_of, pixel_centres, project
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene
from ...geometry.surface import sample_bilinear

# Cosine of the angle between normal and view at which the photograph begins to count, and from which it counts alone.
GRAZING, FACING = 0.2, 0.5
# The outline is left to the network over this many pixels, at least, and this share of the picture's edge; over as many
# again the photograph comes in.
EDGE_PX, EDGE_SHARE = 2.0, 0.005
# Pixels of the depth map along each side, and how far around a pixel something may stand in front of a point.
DEPTH_SIZE, REACH_PX = 512, 2
# A point farther behind the first surface than this share of the cube's edge (3 cm of 2.4 m) is hidden. Within the
# reach, a surface that counts is less steep.
HIDDEN_SHARE = 0.0125


class PhotoColours:
    """Blends the colours of a picture into those of a network.

    Args:
        mesh: the reconstruction, world metres.
        picture: (S, S, 4) uint8 RGBA, straight alpha: what the front face of the view cube shows. Alpha is the mask.
        calibration: (4, 4) world metres to view space.

    Raises:
        SettingsError: the picture is not square.
    """

    def __init__(self, mesh: PosedMesh, picture: U8, calibration: F64) -> None:
        from scipy.ndimage import distance_transform_edt, minimum_filter  # slow to import

        if picture.ndim != 3 or picture.shape[0] != picture.shape[1]:
            raise SettingsError(f"the picture is {picture.shape}, expected a square")
        self._calibration, self._camera = calibration, camera_of(calibration)
        self._colours = picture[..., :3]
        edge = max(EDGE_PX, EDGE_SHARE * len(picture))
        # Nobody is outside the picture, so its own edge is an outline, too.
        inner = distance_transform_edt(np.pad(mask_of(picture), 1))[1:-1, 1:-1] - 0.5
        self._trust: F32 = np.clip((inner - edge) / edge, 0.0, 1.0).astype(np.float32)[..., None]
        origins, directions = self._camera.rays(pixel_centres(DEPTH_SIZE, DEPTH_SIZE).reshape(-1, 2))
        hits = RayScene(mesh).first_hit(origins, directions)
        depth = np.where(hits.hit, hits.distance, np.inf).reshape(DEPTH_SIZE, DEPTH_SIZE)
        self._nearest = minimum_filter(depth, 2 * REACH_PX + 1)
        self._hidden_m = HIDDEN_SHARE * self._camera.extent_m

    def blend(self, points_world: F64, normals_world: F64, network: F32) -> F32:
        """Colours of surface points.

        Args:
            points_world: (N, 3) on the mesh, metres.
            normals_world: (N, 3) outward, unit.
            network: (N, 3) the network's colours there, display values in [0, 1].

        Returns:
            (N, 3) float32 display values in [0, 1]; the network's own where the picture does not show the point.
        """
        xy = project(points_world, self._calibration)[:, :2]
        share = self._share(points_world, normals_world, xy)[:, None]
        uv = np.stack([(xy[:, 0] + 1.0) / 2.0, (1.0 - xy[:, 1]) / 2.0], axis=1)
        seen = sample_bilinear(self._colours, uv, ("clamp", "clamp")) / np.float32(255.0)
        share = share * sample_bilinear(self._trust, uv, ("clamp", "clamp"))
        blended: F32 = (network + (seen - network) * share).astype(np.float32)
        return blended

    def _share(self, points_world: F64, normals_world: F64, xy: F64) -> F32:
        """How much the picture counts at points (N,), 0 to 1, by what hides them and by how they face the camera."""
        inside = (np.abs(xy) < 1.0).all(axis=1)
        place = np.clip((xy + 1.0) / 2.0 * DEPTH_SIZE, 0, DEPTH_SIZE - 1).astype(np.int64)
        front = self._nearest[place[:, 1], place[:, 0]]
        seen = inside & (self._camera.depth_m(points_world) <= front + self._hidden_m)
        directions = np.broadcast_to(self._camera.rays(xy)[1], points_world.shape)
        cosine = -(normals_world * directions).sum(axis=1) / np.linalg.norm(directions, axis=1)
        part = np.clip((cosine - GRAZING) / (FACING - GRAZING), 0.0, 1.0)
        share: F32 = np.where(seen, part * part * (3.0 - 2.0 * part), 0.0).astype(np.float32)
        return share
