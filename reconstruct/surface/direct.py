"""The first surface along every ray of a camera, straight from an occupancy: a picture without a mesh.

After MonoPort (Li et al., ECCV 2020, "mesh-free rendering"), which draws four views along the axes of its grid from the
localised volume. Here the camera is arbitrary. Rays walk through the localised grid, where empty and full regions cost
no evaluation. In the first step in which the side changes, the crossing is refined by evaluating the field itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np

from ...core.arrays import F32, F64, U8, Bools
from ...core.kernels import load_warp
from ...geometry.camera import is_orthographic
from ..localise.device import Device
from ..localise.field import FieldError, Occupancy, as_values, evaluate_there
from ..localise.grid import LocalisedGrid

# Number of halvings by interpolation alone; they reach a hundredth of a node spacing.
FREE_REFINEMENTS = 6
# In a perspective view space, rays from far away start at this distance before the middle of the cube.
BEFORE_CUBE = 4.0


@dataclass(frozen=True, eq=False)
class Rays:
    """Straight lines in the view space of the reconstructed picture, one for each pixel of another camera.

    They are kept as a description: devices compute each ray where it is needed.

    Attributes:
        height: pixels.
        width: pixels.
        heads: (4, 3) float64: times (column, row, 1), a ray's first point in homogeneous view space.
        steps: (4, 3) float64: the same for the vector from its first to a second point.
        least: the least weight of homogeneous points in the cube; None: the view space is orthographic.
        to_pixels: (3, 4) float64, takes homogeneous view-space points to (column, row, 1) times a positive weight, with
            pixel centres at integers; the weight is not positive behind the camera.
    """

    height: int
    width: int
    heads: F64
    steps: F64
    least: float | None
    to_pixels: F64

    @property
    def origins(self) -> F64:
        """(H, W, 3) the points of depth 0: the camera's pinhole or plane.

        In a perspective view space, a ray that begins behind that space's own pinhole or far from the cube starts at a
        point before the cube.
        """
        return self._lines[0]

    @property
    def directions(self) -> F64:
        """(H, W, 3) unit vectors along the rays."""
        return self._lines[1]

    @cached_property
    def _lines(self) -> tuple[F64, F64]:
        """Origins and directions, as `ray_of` in draw_kernels.py computes them.

        With a perspective calibration, view space holds only what lies in front of its pinhole. A ray that begins
        behind the pinhole comes in from infinity; it then starts before the cube. A ray that never comes in front of
        the pinhole is replaced by one that misses the cube.
        """
        row, column = np.mgrid[0 : self.height, 0 : self.width].reshape(2, -1)
        at = np.stack([column, row, np.ones_like(row)]).astype(np.float64)
        heads, steps = (self.heads @ at).T, (self.steps @ at).T
        if self.least is None:
            origins, directions = heads[:, :3], steps[:, :3]
            directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
        else:
            weight, change = heads[:, 3], steps[:, 3]
            # The derivative of heads / weight, times the square of the weight, is constant along the line.
            directions = steps[:, :3] * weight[:, None] - heads[:, :3] * change[:, None]
            directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
            behind, never = weight < self.least, (weight < self.least) & (change <= 0)
            ahead = np.where(behind & ~never, (self.least - weight) / np.where(behind & ~never, change, 1.0), 0.0)
            moved = heads + ahead[:, None] * steps
            origins = moved[:, :3] / np.where(never, 1.0, moved[:, 3])[:, None]
            along = (origins * directions).sum(axis=1)
            # Move distant origins close to the cube, which reaches to 1.73 from its middle, but not into it.
            origins += np.maximum(-BEFORE_CUBE - along, 0.0)[:, None] * directions
            origins[never], directions[never] = (0.0, 0.0, BEFORE_CUBE), (0.0, 0.0, 1.0)
        shape = self.height, self.width, 3
        return origins.reshape(shape), directions.reshape(shape)


@dataclass(frozen=True, eq=False)
class SurfaceMap:
    """The surface that a camera sees in each pixel.

    Attributes:
        mask: (H, W) bool, whether the ray through the pixel's centre meets the surface.
        points: (H, W, 3) float32, where it does, in view space of the reconstructed picture; NaN outside the mask.
        depth: (H, W) float32, distance along the ray from its origin, view-space units; NaN outside the mask.
        normals: (H, W, 3) float32, unit, outward, in the same space; 0 outside the mask.
        colours: (H, W, 3) float32, display values in [0, 1]; 0 outside the mask; None without a colour function.
        evaluations: number of points at which the occupancy was evaluated.
    """

    mask: Bools
    points: F32
    depth: F32
    normals: F32
    colours: F32 | None
    evaluations: int


def orthographic_rays(calibration: F64, camera_calibration: F64, height: int, width: int) -> Rays:
    """Rays of an orthographic camera, in the view space of a field.

    Args:
        calibration: (4, 4) world metres to the field's view space.
        camera_calibration: (4, 4) world metres to the camera's view space; its rays start at z = -2, before the cube.
        height: of the picture to draw, pixels.
        width: of the picture to draw, pixels.
    """
    # The ends of rays are linear in (column, row, 1): first in the camera's view space, then in the world.
    centres = np.array([[2 / width, 0, 1 / width - 1], [0, 2 / height, 1 / height - 1], [0, 0, 0], [0, 0, 1]])
    starts, ends = centres.copy(), centres.copy()
    starts[2, 2], ends[2, 2] = -2.0, 2.0
    to_world = np.linalg.inv(camera_calibration)
    # view space of the field -> world -> view space of the camera -> pixels
    turn = camera_calibration @ np.linalg.inv(calibration)
    scale = np.array([[width / 2, 0, 0, (width - 1) / 2], [0, height / 2, 0, (height - 1) / 2], [0, 0, 0, 1]])
    return _rays(to_world @ starts, to_world @ ends, calibration, scale @ turn, (height, width))


def perspective_rays(calibration: F64, world_to_camera: F64, focal_px: float, height: int, width: int) -> Rays:
    """Rays of a pinhole camera whose principal point is in the middle of the picture, in the view space of a field.

    Args:
        calibration: (4, 4) world metres to the field's view space.
        world_to_camera: (4, 4) rigid, world metres to camera metres; x right, y down, z away from the camera.
        focal_px: focal length, pixels.
        height: of the picture to draw, pixels.
        width: of the picture to draw, pixels.
    """
    inverse = np.linalg.inv(world_to_camera)
    starts = np.zeros((4, 3))
    starts[:, 2] = inverse[:, 3]
    away = np.array(
        [[1 / focal_px, 0, (0.5 - width / 2) / focal_px], [0, 1 / focal_px, (0.5 - height / 2) / focal_px], [0, 0, 1]]
    )
    ends = starts + np.vstack([inverse[:3, :3] @ away, np.zeros(3)])
    lens = np.array([[focal_px, 0, (width - 1) / 2, 0], [0, focal_px, (height - 1) / 2, 0], [0, 0, 1, 0]])
    to_pixels = lens @ world_to_camera @ np.linalg.inv(calibration)
    return _rays(starts, ends, calibration, to_pixels, (height, width))


def _rays(starts: F64, ends: F64, calibration: F64, to_pixels: F64, shape: tuple[int, int]) -> Rays:
    """Take the world lines through starts and ends, (4, 3) each, to view space, where they are straight as well."""
    least = None
    if not is_orthographic(calibration):
        corners = np.array([(x, y, z, 1.0) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        least = float((1.0 / (corners @ np.linalg.inv(calibration)[3])).min())
    return Rays(*shape, calibration @ starts, calibration @ (ends - starts), least, to_pixels)


def render_surface(
    grid: LocalisedGrid,
    occupancy: Occupancy,
    rays: Rays,
    *,
    colour: Callable[[F32], Any] | None = None,
    refinements: int = 6,
) -> SurfaceMap:
    """Find the first surface along rays, its normal and its colour.

    Args:
        grid: the localised field; one grid serves all cameras.
        occupancy: the field, see `localise`.
        rays: the rays of the camera.
        colour: (N, 3) float32 view-space points -> (N, 3) display colours; evaluated once for each hit pixel.
        refinements: number of times that the step in which the side changes (half a node spacing) is halved; each
            evaluates the occupancy once for each hit. With 0 the crossing of the grid's interpolated values is taken,
            which needs no evaluation.

    Returns:
        The map. Nothing behind the first crossing of a ray is evaluated.
    """
    device, names = grid.blocks.device, _kernels()
    picture, threads = _new_picture(grid, rays, device), device.threads
    pictures = _pass(picture, device)
    if grid.surface_box is not None:
        _draw_spots(grid, picture, device)
        device.launch(names.find_hits, [pictures, grid.marcher.grid, grid.threshold, threads])
        for _ in range(refinements):
            device.launch(names.show_middles, [pictures, threads])
            _evaluate_hits(device, picture, occupancy, picture.values)
            device.launch(names.take_values, [pictures, grid.threshold, threads])
        halvings = 0 if refinements else FREE_REFINEMENTS
        device.launch(names.finish_hits, [pictures, grid.marcher.grid, grid.threshold, halvings, threads])
    painted = device.zeros(rays.height * rays.width if colour is not None else 0, load_warp().vec3)
    if colour is not None:
        _evaluate_hits(device, picture, colour, painted)
    points, depth, normals, regs, hits, paint = device.read(
        picture.points, picture.depth, picture.normals, picture.regs, picture.hits, painted
    )
    if regs[names.Spot.BAD]:
        raise FieldError(f"the occupancy returned {int(regs[names.Spot.BAD])} values that are not finite (NaN)")
    shape, count = (rays.height, rays.width), int(regs[names.Spot.HITS])
    colours: F32 | None = None
    if colour is not None:
        flat = np.zeros((rays.height * rays.width, 3), np.float32)
        flat[hits[:count]] = paint[:count]
        colours = flat.reshape(*shape, 3)
    return SurfaceMap(
        mask=np.isfinite(depth).reshape(shape), points=points.reshape(*shape, 3), depth=depth.reshape(shape),
        normals=normals.reshape(*shape, 3), colours=colours, evaluations=refinements * count,
    )  # fmt: skip


def to_rgba(surface: SurfaceMap) -> U8:
    """The map's colours, or its normals shown as colours, as a picture (H, W, 4) uint8 without antialiasing."""
    shown = surface.normals * 0.5 + 0.5 if surface.colours is None else surface.colours
    pixels = np.zeros((*surface.mask.shape, 4), np.uint8)
    pixels[..., :3] = np.rint(np.clip(shown, 0, 1) * 255)
    pixels[..., 3] = 255
    pixels[~surface.mask] = 0
    return pixels


def _new_picture(grid: LocalisedGrid, rays: Rays, device: Device) -> Any:
    """The memory of a picture in which nothing is seen yet."""
    wp, names = load_warp(), _kernels()
    count = rays.height * rays.width
    picture = names.Picture()
    picture.height, picture.width, picture.resolution = rays.height, rays.width, grid.resolution
    picture.heads, picture.steps = (names.FourByThree(*part.ravel()) for part in (rays.heads, rays.steps))
    picture.to_pixels = names.ThreeByFour(*rays.to_pixels.ravel())
    picture.perspective, picture.least = rays.least is not None, rays.least or 0.0
    if grid.surface_box is not None:
        low, high = np.array(grid.surface_box, np.float64)
        spacing = 2.0 / (grid.resolution - 1)
        picture.low, picture.high = wp.vec3d(*(low * spacing - 1.0)), wp.vec3d(*((high - 1) * spacing - 1.0))
    regs = np.zeros(names.Spot.COUNT, np.int32)
    regs[names.Spot.TOP], regs[names.Spot.BOTTOM] = rays.height, -1
    regs[names.Spot.LEFT], regs[names.Spot.RIGHT] = rays.width, -1
    picture.regs = device.upload(regs, wp.int32)
    picture.reach = device.upload(np.array([np.inf, 0.0]), wp.float64)
    picture.near, picture.far = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.near_rows, picture.far_rows = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.before, picture.after = device.empty(count, wp.float64), device.empty(count, wp.float64)
    picture.hits, picture.values = device.empty(count, wp.int32), device.empty(count, wp.float32)
    picture.points, picture.middles = device.empty(count, wp.vec3), device.zeros(count, wp.vec3)
    picture.depth, picture.normals = device.empty(count, wp.float32), device.empty(count, wp.vec3)
    device.launch(names.clear_picture, [_pass(picture, device), device.threads])
    return picture


def _pass(picture: Any, device: Device) -> Any:
    """A picture as kernels take it."""
    return load_warp().array([picture], dtype=_kernels().Picture, device=device.name)


def _draw_spots(grid: LocalisedGrid, picture: Any, device: Device) -> None:
    """Bound where each ray can meet the surface, by the known inside nodes."""
    names, threads, pictures = _kernels(), device.threads, _pass(picture, device)
    nodes = [*grid.lists, grid.threshold, threads]
    device.launch(names.measure_reach, [pictures, *nodes])
    device.launch(names.choose_radius, [pictures], 1)
    device.launch(names.draw_spots, [pictures, *nodes])
    for rows in (1, 0):
        device.launch(names.spread_spots, [pictures, rows, threads])


def _evaluate_hits(device: Device, picture: Any, function: Callable[[F32], Any], into: Any) -> None:
    """Evaluate a function at the middles of all hits.

    A host that works ahead does not know how many hits there are. It has the function evaluated for all pixels.
    """
    if device.ahead:
        wp = load_warp()
        wp.to_torch(into).copy_(evaluate_there(function, wp.to_torch(picture.middles)))
        return
    count = int(device.look(picture.regs)[_kernels().Spot.HITS])
    if count:
        found = function(device.look(picture.middles)[:count])
        if into is picture.values:
            found = as_values(found, count)
        device.look(into)[:count] = found.detach().cpu().numpy() if hasattr(found, "detach") else found


@lru_cache(maxsize=1)
def _kernels() -> Any:
    load_warp()
    from . import draw_kernels

    return draw_kernels
