"""Warp kernels of device_mesh.py: a mesh as kernels take it, and points drawn on it.

Imports Warp: import this file inside functions only.
"""

# mypy: ignore-errors
# Warp compiles these functions itself, and mypy cannot follow its types. There is no
# "from __future__ import annotations" because Warp reads the annotations as objects.
import warp as wp


@wp.struct
class Triangles:
    """A mesh.

    Attributes:
        vertices: (V,) positions.
        faces: (F,) three vertex numbers each.
    """

    vertices: wp.array(dtype=wp.vec3d)
    faces: wp.array(dtype=wp.vec3i)


@wp.kernel(enable_backward=False)
def measure_areas(mesh: Triangles, first: wp.int32, areas: wp.array(dtype=wp.float64)):
    """Write twice the area of each triangle."""
    row = first + wp.tid()
    face = mesh.faces[row]
    a = mesh.vertices[face[0]]
    areas[row] = wp.length(wp.cross(mesh.vertices[face[1]] - a, mesh.vertices[face[2]] - a))


@wp.kernel(enable_backward=False)
def place_points(
    mesh: Triangles,
    ends: wp.array(dtype=wp.float64),
    last: wp.int32,
    numbers: wp.array(dtype=wp.vec3d),
    scale: wp.float64,
    centre: wp.vec3d,
    first: wp.int32,
    points: wp.array(dtype=wp.vec3d),
    chosen: wp.array(dtype=wp.int32),
):
    """Turn three uniform random numbers into a point on the mesh.

    The first number chooses the triangle by the running sum `ends` of areas, the other two the place in it, evenly
    over the triangle (Osada et al., "Shape distributions", 2002, section 4.2).
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
    face = mesh.faces[low]
    a = mesh.vertices[face[0]]
    b = mesh.vertices[face[1]]
    c = mesh.vertices[face[2]]
    one = wp.float64(1.0)
    root = wp.sqrt(number[1])
    along = number[2]
    found = (one - root) * a + root * ((one - along) * b + along * c)
    points[row] = scale * found + centre
    chosen[row] = low
