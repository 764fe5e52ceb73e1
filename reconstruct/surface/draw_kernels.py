"""Warp kernels of direct.py. This file imports Warp, so it is imported inside functions only."""

# mypy: ignore-errors

import warp as wp

from ..localise.march_kernels import BlockGrid, trilinear, walk
from ..localise.places import place_of
from .draw_state import FourByThree, Picture, Spot, ThreeByFour, in_box, pixels_of, ray_of  # noqa: F401 - the host's

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

INFINITE = wp.constant(wp.float64(float("inf")))
NAN = wp.constant(wp.float32(float("nan")))


@wp.kernel
def measure_reach(
    picture: wp.array(dtype=Picture),
    nodes: wp.array(dtype=wp.int64),
    values: wp.array(dtype=wp.float32),
    threshold: wp.float32,
    threads: wp.int32,
):
    """The least weight of the inside nodes, and how far from the first pixel they are seen."""
    item = wp.tid()
    while item < nodes.shape[0]:
        if values[item] > threshold:
            seen = pixels_of(picture, nodes[item])
            if seen[2] < picture[0].reach[0]:
                wp.atomic_min(picture[0].reach, 0, seen[2])
            away = wp.max(wp.abs(seen[0]), wp.abs(seen[1]))
            if away > picture[0].reach[1]:
                wp.atomic_max(picture[0].reach, 1, away)
        item += threads


@wp.kernel
def choose_radius(picture: wp.array(dtype=Picture)):
    """The greatest shift of a projected point, in pixels, when the point moves by the diagonal of a cell.

    A cell that the surface passes has a corner inside, at most a cell's diagonal away from the point where a ray
    crosses the surface. The known inside nodes, drawn as spots of that radius, therefore bound the crossings of all
    rays from both sides. The shift is greatest at the least weight.
    """
    spacing = wp.float64(2.0) / wp.float64(picture[0].resolution - 1)
    diagonal = wp.sqrt(wp.float64(3.0)) * spacing
    rows = wp.float64(0.0)
    for row in range(2):
        of_row = wp.vec3d(picture[0].to_pixels[row, 0], picture[0].to_pixels[row, 1], picture[0].to_pixels[row, 2])
        rows = wp.max(rows, wp.length(of_row))
    weights = wp.vec3d(picture[0].to_pixels[2, 0], picture[0].to_pixels[2, 1], picture[0].to_pixels[2, 2])
    shift = wp.length(weights) * diagonal
    least = picture[0].reach[0] - shift
    if least <= shift:  # the camera is inside the surface or next to it
        picture[0].regs[Spot.BESIDE] = 1
    else:
        radius = (rows * diagonal + picture[0].reach[1] * shift) / least + wp.float64(0.5)
        most = wp.float64(wp.max(picture[0].height, picture[0].width))
        picture[0].regs[Spot.RADIUS] = wp.int32(wp.ceil(wp.min(radius, most))) + 1


@wp.kernel
def draw_spots(
    picture: wp.array(dtype=Picture),
    nodes: wp.array(dtype=wp.int64),
    values: wp.array(dtype=wp.float32),
    threshold: wp.float32,
    threads: wp.int32,
):
    """Draw the inside nodes as pixels: least and greatest distance along the ray of each."""
    item = wp.tid()
    spacing = wp.float64(2.0) / wp.float64(picture[0].resolution - 1)
    radius = picture[0].regs[Spot.RADIUS]
    if picture[0].regs[Spot.BESIDE] != 0:
        item = nodes.shape[0]
    while item < nodes.shape[0]:
        if values[item] > threshold:
            seen = pixels_of(picture, nodes[item])
            column, row = wp.int32(wp.rint(seen[0])), wp.int32(wp.rint(seen[1]))
            inside = column >= -radius and row >= -radius
            if inside and column < picture[0].width + radius and row < picture[0].height + radius:
                # Spots whose middle lies beside the picture are moved to its edge, from where they cover more of it.
                column = wp.clamp(column, 0, picture[0].width - 1)
                row = wp.clamp(row, 0, picture[0].height - 1)
                pixel = row * picture[0].width + column
                ray = ray_of(picture, pixel)
                place = place_of(nodes[item], picture[0].resolution)
                at = wp.vec3d(wp.float64(place[0]), wp.float64(place[1]), wp.float64(place[2])) * spacing
                at = at - wp.vec3d(wp.float64(1.0), wp.float64(1.0), wp.float64(1.0)) - ray.origin
                distance = wp.dot(at, ray.direction)
                if distance < picture[0].near_rows[pixel]:
                    wp.atomic_min(picture[0].near_rows, pixel, distance)
                if distance > picture[0].far_rows[pixel]:
                    wp.atomic_max(picture[0].far_rows, pixel, distance)
                wp.atomic_min(picture[0].regs, Spot.TOP, row - radius)
                wp.atomic_max(picture[0].regs, Spot.BOTTOM, row + radius)
                wp.atomic_min(picture[0].regs, Spot.LEFT, column - radius)
                wp.atomic_max(picture[0].regs, Spot.RIGHT, column + radius)
        item += threads


@wp.kernel
def spread_spots(picture: wp.array(dtype=Picture), rows: wp.int32, threads: wp.int32):
    """Spread the pixels of spots to their radius: along rows (into `near` and `far`), then along columns, and back."""
    pixel = wp.tid()
    radius = picture[0].regs[Spot.RADIUS]
    while pixel < picture[0].height * picture[0].width:
        if in_box(picture, pixel):
            row = pixel / picture[0].width
            column = pixel - row * picture[0].width
            near, far = wp.float64(1.0e308), wp.float64(-1.0e308)
            if rows != 0:
                for other in range(wp.max(column - radius, 0), wp.min(column + radius + 1, picture[0].width)):
                    near = wp.min(near, picture[0].near_rows[row * picture[0].width + other])
                    far = wp.max(far, picture[0].far_rows[row * picture[0].width + other])
                picture[0].near[pixel] = near
                picture[0].far[pixel] = far
            else:
                for other in range(wp.max(row - radius, 0), wp.min(row + radius + 1, picture[0].height)):
                    near = wp.min(near, picture[0].near[other * picture[0].width + column])
                    far = wp.max(far, picture[0].far[other * picture[0].width + column])
                picture[0].near_rows[pixel] = near
                picture[0].far_rows[pixel] = far
        pixel += threads


@wp.kernel
def find_hits(picture: wp.array(dtype=Picture), grid: BlockGrid, threshold: wp.float64, threads: wp.int32):
    """Walk along the rays that can meet the surface, and list those that do."""
    pixel = wp.tid()
    spacing = wp.float64(2.0) / wp.float64(picture[0].resolution - 1)
    room = wp.float64(2.0) * wp.sqrt(wp.float64(3.0)) * spacing
    beside = picture[0].regs[Spot.BESIDE] != 0
    while pixel < picture[0].height * picture[0].width:
        near, far = wp.float64(0.0), wp.float64(-1.0)
        if beside:
            far = wp.float64(1.0e308)
        elif in_box(picture, pixel):
            near, far = picture[0].near_rows[pixel] - room, picture[0].far_rows[pixel] + room
        if far > near:
            ray = ray_of(picture, pixel)
            enter, leave = wp.float64(-1.0e308), wp.float64(1.0e308)
            for axis in range(3):
                one = (picture[0].low[axis] - ray.origin[axis]) / ray.direction[axis]
                other = (picture[0].high[axis] - ray.origin[axis]) / ray.direction[axis]
                if not wp.isnan(one) and not wp.isnan(other):
                    enter, leave = wp.max(enter, wp.min(one, other)), wp.min(leave, wp.max(one, other))
            enter = wp.max(enter, wp.float64(0.0))
            found = walk(
                ray.origin, ray.direction, enter, wp.max(enter, near), wp.min(leave, far), spacing, threshold, grid
            )
            if found[1] >= wp.float64(0.0):
                hit = wp.atomic_add(picture[0].regs, Spot.HITS, 1)
                picture[0].hits[hit] = pixel
                picture[0].before[hit] = found[0]
                picture[0].after[hit] = found[1]
        pixel += threads


@wp.kernel
def show_middles(picture: wp.array(dtype=Picture), threads: wp.int32):
    """The points between the distances before and behind the surface."""
    hit = wp.tid()
    while hit < picture[0].regs[Spot.HITS]:
        ray = ray_of(picture, picture[0].hits[hit])
        middle = (picture[0].before[hit] + picture[0].after[hit]) / wp.float64(2.0)
        at = ray.origin + ray.direction * middle
        picture[0].middles[hit] = wp.vec3(wp.float32(at[0]), wp.float32(at[1]), wp.float32(at[2]))
        hit += threads


@wp.kernel
def take_values(picture: wp.array(dtype=Picture), threshold: wp.float32, threads: wp.int32):
    """Keep the half of each interval in which the side changes."""
    hit = wp.tid()
    while hit < picture[0].regs[Spot.HITS]:
        middle = (picture[0].before[hit] + picture[0].after[hit]) / wp.float64(2.0)
        if not wp.isfinite(picture[0].values[hit]):
            wp.atomic_add(picture[0].regs, Spot.BAD, 1)
        if picture[0].values[hit] > threshold:
            picture[0].after[hit] = middle
        else:
            picture[0].before[hit] = middle
        hit += threads


@wp.kernel
def finish_hits(
    picture: wp.array(dtype=Picture), grid: BlockGrid, threshold: wp.float32, halvings: wp.int32, threads: wp.int32
):
    """Points, depths and normals; the intervals are first halved `halvings` times by the interpolated values."""
    hit = wp.tid()
    one, two = wp.float64(1.0), wp.float64(2.0)
    nodes = wp.float64(picture[0].resolution - 1)
    corner = wp.vec3d(one, one, one)
    while hit < picture[0].regs[Spot.HITS]:
        pixel = picture[0].hits[hit]
        ray = ray_of(picture, pixel)
        before = picture[0].before[hit] + wp.float64(0.0)  # a number of its own
        after = picture[0].after[hit] + wp.float64(0.0)
        for _ in range(halvings):
            middle = (before + after) / two
            there = (ray.origin + ray.direction * middle + corner) / two * nodes
            if wp.float32(trilinear(there, grid)) > threshold:
                after = middle
            else:
                before = middle
        distance = (before + after) / two
        at = ray.origin + ray.direction * distance
        point = wp.vec3(wp.float32(at[0]), wp.float32(at[1]), wp.float32(at[2]))
        picture[0].points[pixel] = point
        picture[0].depth[pixel] = wp.float32(distance)
        picture[0].middles[hit] = point
        # Minus the gradient of the interpolated values, by central differences over one spacing.
        position = (wp.vec3d(wp.float64(point[0]), wp.float64(point[1]), wp.float64(point[2])) + corner) / two * nodes
        gradient = wp.vec3d()
        for axis in range(3):
            shift = wp.vec3d()
            shift[axis] = one
            gradient[axis] = trilinear(position + shift, grid) - trilinear(position - shift, grid)
        length = wp.length(gradient)
        # Where the values are flat (a plate thinner than the spacing), the normal points towards the camera.
        normal = -ray.direction
        if length > wp.float64(1e-6):
            normal = -gradient / length
        picture[0].normals[pixel] = wp.vec3(wp.float32(normal[0]), wp.float32(normal[1]), wp.float32(normal[2]))
        hit += threads


@wp.kernel
def clear_picture(picture: wp.array(dtype=Picture), threads: wp.int32):
    pixel = wp.tid()
    while pixel < picture[0].height * picture[0].width:
        picture[0].points[pixel] = wp.vec3(NAN, NAN, NAN)
        picture[0].depth[pixel] = NAN
        picture[0].normals[pixel] = wp.vec3(0.0, 0.0, 0.0)
        picture[0].near_rows[pixel] = INFINITE
        picture[0].far_rows[pixel] = -INFINITE
        picture[0].near[pixel] = INFINITE
        picture[0].far[pixel] = -INFINITE
        pixel += threads
