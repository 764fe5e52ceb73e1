"""Warp kernels of blocks.py. This file imports Warp, so it is imported inside functions only."""

# mypy: ignore-errors

import warp as wp

from .places import name_of, place_of

# Nothing here is differentiated; unrolled loops take long to compile.
wp.set_module_options({"enable_backward": False, "max_unroll": 0})

# Cells along each side of a block. A block has one node more, which it shares with the next block, so that every cell
# lies in one block completely.
EDGE = wp.constant(32)
SIDE = wp.constant(33)
VOLUME = wp.constant(33 * 33 * 33)
NAN = wp.constant(wp.float32(float("nan")))


@wp.func
def block_and_local(coordinate: wp.int32, shared: wp.int32, blocks: wp.int32) -> wp.vec2i:
    """Along one axis: the block that holds a node as its own (`shared` 0) or on its last plane (1), or -1; the place.

    The last plane of the grid belongs to the last block.
    """
    block = (coordinate - shared) / EDGE
    local = coordinate - block * EDGE
    if coordinate == 0 and shared == 1:
        block = wp.int32(-1)
    elif shared == 0 and block == blocks:
        block = blocks - 1
        local = EDGE
    elif shared == 1 and local != EDGE:
        block = wp.int32(-1)
    return wp.vec2i(block, local)


@wp.func
def entry_at(node: wp.int64, resolution: wp.int32, shared: wp.int32, blocks: wp.int32) -> wp.vec2i:
    """One of the up to eight blocks that hold a node, or -1, and the node's place in it."""
    place = place_of(node, resolution)
    x = block_and_local(place[0], shared >> 2, blocks)
    y = block_and_local(place[1], (shared >> 1) & 1, blocks)
    z = block_and_local(place[2], shared & 1, blocks)
    found = wp.vec2i(-1, 0)
    if x[0] >= 0 and y[0] >= 0 and z[0] >= 0:
        found = wp.vec2i((x[0] * blocks + y[0]) * blocks + z[0], (x[1] * SIDE + y[1]) * SIDE + z[1])
    return found


@wp.kernel
def mark_blocks(
    nodes: wp.array(dtype=wp.int64),
    values: wp.array(dtype=wp.float32),
    threshold: wp.float32,
    resolution: wp.int32,
    blocks: wp.int32,
    has: wp.array(dtype=wp.int32),
    threads: wp.int32,
):
    """Note which sides the known nodes of each block have: 1 outside, 2 inside, 3 both."""
    item = wp.tid()
    while item < nodes.shape[0]:
        side = wp.int32(1)
        if values[item] > threshold:
            side = wp.int32(2)
        for shared in range(8):
            at = entry_at(nodes[item], resolution, shared, blocks)
            if at[0] >= 0 and (has[at[0]] & side) == 0:
                wp.atomic_or(has, at[0], side)
        item += threads


@wp.func
def fill_line(sides: wp.array(dtype=wp.int32), first: wp.int32, step: wp.int32, count: wp.int32):
    """Give each unknown block (0) the side of the last known one before it on its line, or else of the first."""
    known = wp.int32(0)
    place = wp.int32(0)
    while place < count and known == 0:
        known = sides[first + place * step]
        place += 1
    for at in range(count):
        here = sides[first + at * step]
        if here == 0:
            sides[first + at * step] = known
        else:
            known = here


@wp.kernel
def number_blocks(
    has: wp.array(dtype=wp.int32),
    sides: wp.array(dtype=wp.int32),
    blocks: wp.int32,
    table: wp.array(dtype=wp.int32),
    count: wp.array(dtype=wp.int32),
):
    """Number the blocks that hold both sides, and spread the sides of the others: in one thread."""
    for block in range(blocks * blocks * blocks):
        sides[block] = wp.min(has[block], 2)
    for line in range(blocks * blocks):
        fill_line(sides, line * blocks, 1, blocks)
    for line in range(blocks * blocks):
        fill_line(sides, line / blocks * blocks * blocks + line % blocks, blocks, blocks)
    for line in range(blocks * blocks):
        fill_line(sides, line, blocks * blocks, blocks)
    number = wp.int32(0)
    for block in range(blocks * blocks * blocks):
        table[block] = -wp.max(sides[block], 1)
        if has[block] == 3:
            table[block] = number
            number += 1
    count[0] = number


@wp.kernel
def clear_pool(pool: wp.array(dtype=wp.float32), count: wp.array(dtype=wp.int32), threads: wp.int32):
    item = wp.tid()
    last = wp.min(count[0] * VOLUME, pool.shape[0])
    while item < last:
        pool[item] = NAN
        item += threads


@wp.kernel
def fill_pool(
    nodes: wp.array(dtype=wp.int64),
    values: wp.array(dtype=wp.float32),
    resolution: wp.int32,
    blocks: wp.int32,
    table: wp.array(dtype=wp.int32),
    pool: wp.array(dtype=wp.float32),
    threads: wp.int32,
):
    """Put the values of known nodes into the blocks that hold both sides."""
    item = wp.tid()
    while item < nodes.shape[0]:
        for shared in range(8):
            at = entry_at(nodes[item], resolution, shared, blocks)
            if at[0] >= 0:
                entry = table[at[0]]
                if entry >= 0 and (entry + 1) * VOLUME <= pool.shape[0]:
                    pool[entry * VOLUME + at[1]] = values[item]
        item += threads


@wp.func
def side_value(value: wp.float32, threshold: wp.float32) -> wp.float32:
    """What an unknown node beside this one gets: 1 inside and 0 outside."""
    found = wp.float32(0.0)
    if value > threshold:
        found = wp.float32(1.0)
    return found


@wp.func
def spread_part(pool: wp.array(dtype=wp.float32), first: wp.int32, size: wp.int32, threshold: wp.float32):
    """Fill those of 33 parts (nodes, lines, then planes) that hold no known node from the last part before that does.

    A part, `size` nodes from `first` on, is known as a whole or not at all.
    """
    known = wp.int32(0)
    while known < SIDE and wp.isnan(pool[first + wp.min(known, SIDE - 1) * size]):
        known += 1
    if known < SIDE:
        for part in range(SIDE):
            if wp.isnan(pool[first + part * size]):
                for at in range(size):
                    pool[first + part * size + at] = side_value(pool[first + known * size + at], threshold)
            else:
                known = part


@wp.kernel
def spread_sides(
    pool: wp.array(dtype=wp.float32),
    count: wp.array(dtype=wp.int32),
    threshold: wp.float32,
    size: wp.int32,
    threads: wp.int32,
):
    """Fill unknown nodes: `size` 1 along z, 33 along y, 33 * 33 along x, in this order."""
    item = wp.tid()
    # Each item is a line of 33 parts.
    last = wp.min(count[0] * VOLUME, pool.shape[0]) / (SIDE * size)
    while item < last:
        spread_part(pool, item * SIDE * size, size, threshold)
        item += threads


@wp.kernel
def fill_box(
    field: wp.array3d(dtype=wp.float32),
    low: wp.vec3i,
    resolution: wp.int32,
    blocks: wp.int32,
    table: wp.array(dtype=wp.int32),
    pool: wp.array(dtype=wp.float32),
):
    """The values at all nodes of a box, from the blocks that it covers; a block that holds both sides knows best."""
    item = wp.tid()
    j, k = field.shape[1], field.shape[2]
    place = wp.vec3i(item / (j * k), item / k % j, item % k)
    node = name_of(place + low, resolution)
    own = entry_at(node, resolution, 0, blocks)
    value = wp.float32(0.0)
    if table[own[0]] == -2:
        value = wp.float32(1.0)
    for shared in range(8):
        at = entry_at(node, resolution, shared, blocks)
        if at[0] >= 0 and table[at[0]] >= 0:
            value = pool[table[at[0]] * VOLUME + at[1]]
    field[place[0], place[1], place[2]] = value
