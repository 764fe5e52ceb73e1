"""Warp kernels of march.py. This file imports Warp, so it is imported inside functions only."""

# mypy: ignore-errors

import warp as wp

# Warp compiles these functions itself; mypy cannot follow its types. "from __future__ import annotations" is missing on
# purpose: Warp reads the annotations as objects.


@wp.struct
class BlockGrid:
    """The values of a localised grid in blocks, see `SurfaceBlocks`.

    Attributes:
        last: number of the last node along each axis.
        edge: cells along each side of a block.
        table: where in the pool each block is; -1 for blocks outside the surface, -2 for blocks inside it.
        pool: values of the blocks, one after the other.
    """

    last: wp.int32
    edge: wp.int32
    table: wp.array3d(dtype=wp.int32)
    pool: wp.array(dtype=wp.float32)


@wp.func
def block_of(node: wp.int32, edge: wp.int32) -> wp.int32:
    return node / edge


@wp.func
def trilinear(position: wp.vec3d, grid: BlockGrid) -> wp.float64:
    """The interpolated value at a position in nodes; beyond the border, the value at the border."""
    last, edge = grid.last, grid.edge
    top = wp.float64(last)
    x = wp.clamp(position[0], wp.float64(0.0), top)
    y = wp.clamp(position[1], wp.float64(0.0), top)
    z = wp.clamp(position[2], wp.float64(0.0), top)
    i = wp.min(wp.int32(x), wp.max(last - 1, 0))
    j = wp.min(wp.int32(y), wp.max(last - 1, 0))
    k = wp.min(wp.int32(z), wp.max(last - 1, 0))
    a, b, c = block_of(i, edge), block_of(j, edge), block_of(k, edge)
    entry = grid.table[a, b, c]
    result = wp.float64(0.0)
    if entry == -2:
        result = wp.float64(1.0)
    if entry >= 0:
        side = edge + 1
        place = ((entry * side + (i - a * edge)) * side + (j - b * edge)) * side + (k - c * edge)
        u, v, w = x - wp.float64(i), y - wp.float64(j), z - wp.float64(k)
        plane = side * side
        near = wp.lerp(
            wp.lerp(wp.float64(grid.pool[place]), wp.float64(grid.pool[place + 1]), w),
            wp.lerp(wp.float64(grid.pool[place + side]), wp.float64(grid.pool[place + side + 1]), w),
            v,
        )
        far = wp.lerp(
            wp.lerp(wp.float64(grid.pool[place + plane]), wp.float64(grid.pool[place + plane + 1]), w),
            wp.lerp(wp.float64(grid.pool[place + plane + side]), wp.float64(grid.pool[place + plane + side + 1]), w),
            v,
        )
        result = wp.lerp(near, far, u)
    return result


@wp.kernel
def sample(
    positions: wp.array(dtype=wp.vec3d),
    grid: BlockGrid,
    first: wp.int32,
    values: wp.array(dtype=wp.float64),
):
    """Interpolated values at positions in nodes."""
    index = first + wp.tid()
    values[index] = trilinear(positions[index], grid)


@wp.func
def steps_in_block(position: wp.vec3d, pace: wp.vec3d, grid: BlockGrid) -> wp.int32:
    """Number of whole steps from a position that stay in its block."""
    last, edge = grid.last, grid.edge
    least = wp.float64(1.0e9)
    for axis in range(3):
        node = wp.min(wp.max(wp.int32(position[axis]), 0), wp.max(last - 1, 0))
        low = wp.float64(block_of(node, edge) * edge)
        if pace[axis] > wp.float64(1.0e-12):
            least = wp.min(least, (low + wp.float64(edge) - position[axis]) / pace[axis])
        if pace[axis] < wp.float64(-1.0e-12):
            least = wp.min(least, (low - position[axis]) / pace[axis])
    return wp.int32(wp.max(least, wp.float64(0.0)))


@wp.func
def walk(
    origin: wp.vec3d,
    direction: wp.vec3d,
    enter: wp.float64,
    start: wp.float64,
    end: wp.float64,
    spacing: wp.float64,
    threshold: wp.float64,
    grid: BlockGrid,
) -> wp.vec2d:
    """Walk along a ray in steps of half a spacing, up to the first step that ends inside.

    Returns the distances of the last point outside and of the first point inside; the latter is -1 where there is none.
    """
    step = spacing / wp.float64(2.0)
    one = wp.float64(1.0)
    corner = wp.vec3d(one, one, one)
    distance = start
    before = distance
    after = wp.float64(-1.0)
    going = bool(end > distance)
    while going:
        position = (origin + distance * direction + corner) / spacing
        inside = trilinear(position, grid) > threshold
        if inside and before == distance and distance > enter:
            # A ray that begins inside was started too late, unless it enters the cube there.
            distance = wp.max(distance - wp.float64(4.0) * step, enter)
            before = distance
        elif inside:
            after = distance
            going = False
        else:
            skipped = wp.int32(0)
            x = wp.min(wp.max(wp.int32(position[0]), 0), wp.max(grid.last - 1, 0))
            y = wp.min(wp.max(wp.int32(position[1]), 0), wp.max(grid.last - 1, 0))
            z = wp.min(wp.max(wp.int32(position[2]), 0), wp.max(grid.last - 1, 0))
            if grid.table[block_of(x, grid.edge), block_of(y, grid.edge), block_of(z, grid.edge)] == -1:
                skipped = steps_in_block(position, direction * (step / spacing), grid)
            before = distance + wp.float64(skipped) * step
            distance = before + step
            going = distance < end + step
    return wp.vec2d(before, after)


@wp.kernel
def first_change(
    origins: wp.array(dtype=wp.vec3d),
    directions: wp.array(dtype=wp.vec3d),
    enters: wp.array(dtype=wp.float64),
    starts: wp.array(dtype=wp.float64),
    ends: wp.array(dtype=wp.float64),
    spacing: wp.float64,
    threshold: wp.float64,
    grid: BlockGrid,
    first: wp.int32,
    before_out: wp.array(dtype=wp.float64),
    after_out: wp.array(dtype=wp.float64),
):
    """`walk` along each ray."""
    index = first + wp.tid()
    found = walk(origins[index], directions[index], enters[index], starts[index], ends[index], spacing, threshold, grid)
    before_out[index] = found[0]
    after_out[index] = found[1]
