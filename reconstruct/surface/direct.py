"""The first surface along every ray of a camera, straight from an occupancy: a picture without a mesh.

After MonoPort (Li et al., ECCV 2020, "mesh-free rendering"), which draws four views along the axes of its grid from the
localised volume. Here the camera is arbitrary. Rays walk through the localised grid, where empty and full regions cost
no evaluation. In the first step in which the side changes, the crossing is refined by evaluating the field itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ...core.arrays import F32, F64, U8, Bools
from ...geometry.camera import is_orthographic, pixel_centres, unproject
from ..localise.grid import LocalisedGrid
from ..localise.localise import Occupancy, as_values

# Number of halvings by interpolation alone; they reach a hundredth of a node spacing.
FREE_REFINEMENTS = 6
# In a perspective view space, rays from far away start at this distance before the middle of the cube.
BEFORE_CUBE = 4.0


@dataclass(frozen=True, eq=False)
class Rays:
    """Straight lines in the view space of the reconstructed picture.

    Attributes:
        origins: (H, W, 3) float64, the points of depth 0: the camera's pinhole or plane. In a perspective view space, a
            ray that begins behind that space's own pinhole or far from the cube starts at a point before the cube.
        directions: (H, W, 3) float64, unit length.
        to_pixels: (3, 4) float64, takes homogeneous view-space points to (column, row, 1) times a positive weight, with
            pixel centres at integers; the weight is not positive behind the camera.
    """

    origins: F64
    directions: F64
    to_pixels: F64


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
    xy = pixel_centres(height, width).reshape(-1, 2)
    starts = unproject(np.column_stack([xy, np.full(len(xy), -2.0)]), camera_calibration)
    ends = unproject(np.column_stack([xy, np.full(len(xy), 2.0)]), camera_calibration)
    # view space of the field -> world -> view space of the camera -> pixels
    turn = camera_calibration @ np.linalg.inv(calibration)
    scale = np.array([[width / 2, 0, 0, (width - 1) / 2], [0, height / 2, 0, (height - 1) / 2], [0, 0, 0, 1]])
    return _rays(starts, ends, calibration, scale @ turn, height, width)


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
    row, column = np.mgrid[0:height, 0:width]
    away = np.stack([(column + 0.5 - width / 2) / focal_px, (row + 0.5 - height / 2) / focal_px, np.ones_like(row)], -1)
    starts = np.broadcast_to(inverse[:3, 3], (height * width, 3))
    ends = starts + away.reshape(-1, 3) @ inverse[:3, :3].T
    lens = np.array([[focal_px, 0, (width - 1) / 2, 0], [0, focal_px, (height - 1) / 2, 0], [0, 0, 1, 0]])
    return _rays(starts, ends, calibration, lens @ world_to_camera @ np.linalg.inv(calibration), height, width)


def _rays(starts: F64, ends: F64, calibration: F64, to_pixels: F64, height: int, width: int) -> Rays:
    """Take the world lines through starts and ends (N, 3) to view space, where they are straight as well.

    With a perspective calibration, view space holds only what lies in front of its pinhole. A ray that begins behind
    the pinhole comes in from infinity; it then starts before the cube. A ray that never comes in front of the pinhole
    is replaced by one that misses the cube.
    """
    heads = starts @ calibration[:, :3].T + calibration[:, 3]
    steps = (ends - starts) @ calibration[:, :3].T
    if is_orthographic(calibration):
        origins, directions = heads[:, :3], steps[:, :3]
        directions = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    else:
        weight, change = heads[:, 3], steps[:, 3]
        # The derivative of heads / weight, times the square of the weight, is constant along the line.
        directions = steps[:, :3] * weight[:, None] - heads[:, :3] * change[:, None]
        directions /= np.maximum(np.linalg.norm(directions, axis=1, keepdims=True), 1e-300)
        corners = np.array([(x, y, z, 1.0) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
        least = float((1.0 / (corners @ np.linalg.inv(calibration)[3])).min())  # the least weight in the cube
        behind, never = weight < least, (weight < least) & (change <= 0)
        ahead = np.where(behind & ~never, (least - weight) / np.where(behind & ~never, change, 1.0), 0.0)
        moved = heads + ahead[:, None] * steps
        origins = moved[:, :3] / np.where(never, 1.0, moved[:, 3])[:, None]
        along = (origins * directions).sum(axis=1)
        # Move distant origins close to the cube, which reaches to 1.73 from its middle, but not into it.
        origins += np.maximum(-BEFORE_CUBE - along, 0.0)[:, None] * directions
        origins[never], directions[never] = (0.0, 0.0, BEFORE_CUBE), (0.0, 0.0, 1.0)
    return Rays(origins.reshape(height, width, 3), directions.reshape(height, width, 3), to_pixels)


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
    shape = rays.origins.shape[:2]
    origins, directions = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
    points, depth = np.full((len(origins), 3), np.nan, np.float32), np.full(len(origins), np.nan, np.float32)
    normals = np.zeros((len(origins), 3), np.float32)
    colours = None if colour is None else np.zeros((len(origins), 3), np.float32)
    hits, near, far = _first_change(grid, rays)
    evaluations = 0
    if len(hits):
        start, along = origins[hits], directions[hits]
        for _ in range(refinements or FREE_REFINEMENTS):
            middle = (near + far) / 2
            points_there = start + middle[:, None] * along
            if refinements:
                values = as_values(occupancy(points_there.astype(np.float32)), len(hits))
                evaluations += len(hits)
            else:
                values = grid.marcher.sample((points_there + 1.0) / 2.0 * (grid.resolution - 1)).astype(np.float32)
            inside = values > grid.threshold
            near, far = np.where(inside, near, middle), np.where(inside, middle, far)
        at = (near + far) / 2
        points[hits], depth[hits] = start + at[:, None] * along, at
        normals[hits] = _normals(grid, points[hits].astype(np.float64), along)
        if colours is not None and colour is not None:
            found = colour(points[hits])
            colours[hits] = found.detach().cpu().numpy() if hasattr(found, "detach") else found
    return SurfaceMap(
        mask=np.isfinite(depth).reshape(shape),
        points=points.reshape(*shape, 3),
        depth=depth.reshape(shape),
        normals=normals.reshape(*shape, 3),
        colours=None if colours is None else colours.reshape(*shape, 3),
        evaluations=evaluations,
    )


def to_rgba(surface: SurfaceMap) -> U8:
    """The map's colours, or its normals shown as colours, as a picture (H, W, 4) uint8 without antialiasing."""
    shown = surface.normals * 0.5 + 0.5 if surface.colours is None else surface.colours
    pixels = np.zeros((*surface.mask.shape, 4), np.uint8)
    pixels[..., :3] = np.rint(np.clip(shown, 0, 1) * 255)
    pixels[..., 3] = 255
    pixels[~surface.mask] = 0
    return pixels


def _first_change(grid: LocalisedGrid, rays: Rays) -> tuple[npt.NDArray[np.intp], F64, F64]:
    """The rays that enter the surface, and the distances just before and just after they do."""
    none = np.zeros(0, np.intp), np.zeros(0), np.zeros(0)
    if grid.surface_box is None:
        return none
    origins, directions = rays.origins.reshape(-1, 3), rays.directions.reshape(-1, 3)
    spacing = 2.0 / (grid.resolution - 1)
    near, far = (part.reshape(-1) for part in _reach(grid, rays))
    active = np.flatnonzero(far > near)
    corners = np.array(grid.surface_box, np.float64)
    walls_at = -1.0 + np.stack([corners[0], corners[1] - 1]) * spacing
    with np.errstate(divide="ignore", invalid="ignore"):
        walls = (walls_at - origins[active, None]) / directions[active, None]
    enter, leave = np.nanmax(walls.min(axis=1), axis=1), np.nanmin(walls.max(axis=1), axis=1)
    enter = np.maximum(enter, 0.0)
    distance, leave = np.maximum(enter, near[active]), np.minimum(leave, far[active])
    before, after = grid.marcher.first_change(origins[active], directions[active], enter, distance, leave)
    hit = after >= 0
    return active[hit], before[hit], after[hit]


def _reach(grid: LocalisedGrid, rays: Rays) -> tuple[F64, F64]:
    """Distances (H, W) between which each ray can meet the surface; far < near where it cannot.

    A cell that the surface passes has a corner inside, at most a cell's diagonal away from the point where a ray
    crosses the surface. The known inside nodes, drawn as spots of that radius, therefore bound the crossings of all
    rays from both sides.
    """
    from scipy.ndimage import maximum_filter, minimum_filter  # slow to import

    height, width = rays.origins.shape[:2]
    r, spacing = grid.resolution, 2.0 / (grid.resolution - 1)
    inner = grid.nodes[grid.values > grid.threshold]
    points = np.stack([inner // (r * r), inner // r % r, inner % r], axis=1) * spacing - 1.0
    homogeneous = points @ rays.to_pixels[:, :3].T + rays.to_pixels[:, 3]
    weight, diagonal = homogeneous[:, 2], np.sqrt(3.0) * spacing
    # Below: the greatest shift of a projected point, in pixels, when the point moves by a diagonal. It is greatest at
    # the least weight.
    rows = np.linalg.norm(rays.to_pixels[:2, :3], axis=1)
    shift = np.linalg.norm(rays.to_pixels[2, :3]) * diagonal
    least = float(weight.min()) - shift
    if least <= shift:  # the camera is inside the surface or next to it
        return np.zeros((height, width)), np.full((height, width), np.inf)
    columns = homogeneous[:, :2] / weight[:, None]
    radius = int(np.ceil(float((rows * diagonal).max() / least + np.abs(columns).max() * shift / least) + 0.5)) + 1
    place = np.rint(columns).astype(np.int64) + radius
    shape = height + 2 * radius, width + 2 * radius
    fits = (place >= 0).all(axis=1) & (place[:, 0] < shape[1]) & (place[:, 1] < shape[0])
    # Distances count from the origin of each ray, and orthographic rays have different origins, so each node is
    # measured along the ray nearest to it.
    ray = np.clip(place[fits] - radius, 0, [width - 1, height - 1])
    start, along = rays.origins[ray[:, 1], ray[:, 0]], rays.directions[ray[:, 1], ray[:, 0]]
    distance = ((points[fits] - start) * along).sum(axis=1)
    near, far = np.full(shape, np.inf), np.full(shape, -np.inf)
    np.minimum.at(near, (place[fits, 1], place[fits, 0]), distance)
    np.maximum.at(far, (place[fits, 1], place[fits, 0]), distance)
    size, middle = 2 * radius + 1, (slice(radius, -radius), slice(radius, -radius))
    room = 2 * diagonal
    return minimum_filter(near, size)[middle] - room, maximum_filter(far, size)[middle] + room


def _normals(grid: LocalisedGrid, points: F64, directions: F64) -> F32:
    """Minus the gradient of the interpolated values, by central differences over one spacing."""
    position = (points + 1.0) / 2.0 * (grid.resolution - 1)
    gradient = np.stack(
        [grid.marcher.sample(position + shift) - grid.marcher.sample(position - shift) for shift in np.eye(3)], axis=1
    )
    length = np.linalg.norm(gradient, axis=1, keepdims=True)
    # Where the values are flat (a plate thinner than the spacing), the normal points towards the camera.
    normals: F32 = np.where(length > 1e-6, -gradient / np.maximum(length, 1e-6), -directions).astype(np.float32)
    return normals
