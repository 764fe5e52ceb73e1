"""What a picture keeps on its device while it is drawn, and its rays: warp functions.

This file imports Warp, so it is imported inside functions only.
"""

# mypy: ignore-errors

import warp as wp

from ..localise.places import place_of

FourByThree = wp.types.matrix(shape=(4, 3), dtype=wp.float64)
ThreeByFour = wp.types.matrix(shape=(3, 4), dtype=wp.float64)


class Spot:
    """The numbers in `Picture.regs`: radius and box of spots, number of hits, and of values that are not finite.

    BESIDE tells that the camera is inside the surface or next to it.
    """

    RADIUS, BESIDE, HITS, TOP, BOTTOM, LEFT, RIGHT, BAD = map(wp.constant, range(8))
    COUNT = wp.constant(8)


@wp.struct
class Picture:
    """A picture that is drawn: its camera, what is seen, and what leads there.

    Attributes:
        height: pixels.
        width: pixels.
        heads: the rays' first points in homogeneous view space are linear in (column, row, 1): the three factors.
        steps: the same for the vectors to their second points.
        perspective: the calibration of the view space is perspective.
        least: the least weight in its cube.
        to_pixels: three rows, see `Rays`.
        resolution: nodes along each side of the grid.
        low: lowest corner of the box around the surface, view space.
        high: highest corner.
        regs: registers, see `Spot`.
        reach: least weight of the inside nodes, and greatest column or row of one.
        near: distance at which the ray of each pixel can first meet the surface.
        far: distance beyond which it cannot.
        near_rows: the same, spread along rows alone.
        far_rows: see `near_rows`.
        hits: the pixels whose rays meet the surface, in any order.
        before: for each hit, a distance before the surface.
        after: for each hit, a distance behind it.
        middles: for each hit, the point between.
        values: for each hit, the value there.
        points: the surface in each pixel; NaN where there is none.
        depth: its distance along the ray.
        normals: its normal.
    """

    height: wp.int32
    width: wp.int32
    heads: FourByThree
    steps: FourByThree
    perspective: wp.int32
    least: wp.float64
    to_pixels: ThreeByFour
    resolution: wp.int32
    low: wp.vec3d
    high: wp.vec3d
    regs: wp.array(dtype=wp.int32)
    reach: wp.array(dtype=wp.float64)
    near: wp.array(dtype=wp.float64)
    far: wp.array(dtype=wp.float64)
    near_rows: wp.array(dtype=wp.float64)
    far_rows: wp.array(dtype=wp.float64)
    hits: wp.array(dtype=wp.int32)
    before: wp.array(dtype=wp.float64)
    after: wp.array(dtype=wp.float64)
    middles: wp.array(dtype=wp.vec3)
    values: wp.array(dtype=wp.float32)
    points: wp.array(dtype=wp.vec3)
    depth: wp.array(dtype=wp.float32)
    normals: wp.array(dtype=wp.vec3)


@wp.struct
class Ray:
    """A straight line in view space.

    Attributes:
        origin: its first point.
        direction: of unit length.
    """

    origin: wp.vec3d
    direction: wp.vec3d


@wp.func
def ray_of(picture: wp.array(dtype=Picture), pixel: wp.int32) -> Ray:
    """The ray of a pixel; see `Rays` and `_rays` in direct.py, which compute the same on the host."""
    one, zero = wp.float64(1.0), wp.float64(0.0)
    at = wp.vec3d(wp.float64(pixel % picture[0].width), wp.float64(pixel / picture[0].width), one)
    head, step = picture[0].heads * at, picture[0].steps * at
    origin = wp.vec3d(head[0], head[1], head[2])
    direction = wp.vec3d(step[0], step[1], step[2])
    if picture[0].perspective != 0:
        weight, change = head[3], step[3]
        # The derivative of heads / weight, times the square of the weight, is constant along the line.
        direction = direction * weight - origin * change
        if weight < picture[0].least and change <= zero:  # it never comes in front of the pinhole
            origin = wp.vec3d(zero, zero, wp.float64(4.0))
            direction = wp.vec3d(zero, zero, one)
        else:
            if weight < picture[0].least:
                head = head + step * ((picture[0].least - weight) / change)
                origin = wp.vec3d(head[0], head[1], head[2])
            origin = origin / head[3]
            direction = direction / wp.max(wp.length(direction), wp.float64(1e-300))
            # Move distant origins close to the cube, which reaches to 1.73 from its middle, but not into it.
            origin = origin + direction * wp.max(wp.float64(-4.0) - wp.dot(origin, direction), zero)
    ray = Ray()
    ray.origin = origin
    ray.direction = direction / wp.max(wp.length(direction), wp.float64(1e-300))
    return ray


@wp.func
def pixels_of(picture: wp.array(dtype=Picture), node: wp.int64) -> wp.vec3d:
    """Column, row and weight of a node."""
    place = place_of(node, picture[0].resolution)
    spacing = wp.float64(2.0) / wp.float64(picture[0].resolution - 1)
    one = wp.float64(1.0)
    at = wp.vec4d(
        wp.float64(place[0]) * spacing - one,
        wp.float64(place[1]) * spacing - one,
        wp.float64(place[2]) * spacing - one,
        one,
    )
    seen = picture[0].to_pixels * at
    return wp.vec3d(seen[0] / seen[2], seen[1] / seen[2], seen[2])


@wp.func
def in_box(picture: wp.array(dtype=Picture), pixel: wp.int32) -> wp.bool:
    """Whether spots can cover a pixel."""
    row = pixel / picture[0].width
    column = pixel - row * picture[0].width
    beside = picture[0].regs[Spot.BESIDE] != 0
    return not beside and (
        row >= picture[0].regs[Spot.TOP]
        and row <= picture[0].regs[Spot.BOTTOM]
        and column >= picture[0].regs[Spot.LEFT]
        and column <= picture[0].regs[Spot.RIGHT]
    )
