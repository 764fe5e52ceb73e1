"""Warp kernels that draw points on a mesh. Imports Warp: import inside functions only."""

# mypy: ignore-errors
import warp as wp

# As in closest_kernels.py: no "from __future__ import annotations", since Warp reads the annotations as objects.


@wp.kernel(enable_backward=False)
def measure_areas(
    vertices: wp.array(dtype=wp.vec3d),
    faces: wp.array(dtype=wp.vec3i),
    first: wp.int32,
    areas: wp.array(dtype=wp.float64),
):
    """Twice the area of each triangle."""
    row = first + wp.tid()
    face = faces[row]
    a = vertices[face[0]]
    areas[row] = wp.length(wp.cross(vertices[face[1]] - a, vertices[face[2]] - a))


@wp.kernel(enable_backward=False)
def place_points(
    vertices: wp.array(dtype=wp.vec3d),
    faces: wp.array(dtype=wp.vec3i),
    ends: wp.array(dtype=wp.float64),
    last: wp.int32,
    numbers: wp.array(dtype=wp.vec3d),
    scale: wp.float64,
    centre: wp.vec3d,
    first: wp.int32,
    points: wp.array(dtype=wp.vec3d),
    chosen: wp.array(dtype=wp.int32),
):
    """A point for three numbers of [0, 1): the first finds the triangle by the running sum of areas.

    The others find the place in it by the square root, even over a triangle (Osada et al., "Shape distributions",
    2002, section 4.2).
    """
    row = first + wp.tid()
    number = numbers[row]
    place = number[0] * ends[ends.shape[0] - 1]
    low = wp.int32(0)
    high = wp.int32(last)
    while low < high:
        middle = low + (high - low) / 2
        if ends[middle] > place:
            high = middle
        else:
            low = middle + 1
    face = faces[low]
    one = wp.float64(1.0)
    root = wp.sqrt(number[1])
    along = number[2]
    found = (one - root) * vertices[face[0]] + root * ((one - along) * vertices[face[1]] + along * vertices[face[2]])
    points[row] = scale * found + centre
    chosen[row] = low
