"""Warp kernels of closest.py. Imports Warp: import inside functions only."""

# mypy: ignore-errors
import warp as wp

# Warp compiles these functions itself; mypy cannot follow its types. No
# "from __future__ import annotations" here either: Warp
# reads the annotations as objects.


@wp.func
def squared_to_segment(p: wp.vec3d, a: wp.vec3d, b: wp.vec3d) -> wp.float64:
    edge = b - a
    squared = wp.dot(edge, edge)
    along = wp.float64(0.0)
    if squared > wp.float64(0.0):
        along = wp.clamp(wp.dot(p - a, edge) / squared, wp.float64(0.0), wp.float64(1.0))
    gap = p - (a + along * edge)
    return wp.dot(gap, gap)


@wp.func
def squared_to_triangle(p: wp.vec3d, a: wp.vec3d, b: wp.vec3d, c: wp.vec3d) -> wp.float64:
    best = wp.min(squared_to_segment(p, a, b), wp.min(squared_to_segment(p, b, c), squared_to_segment(p, c, a)))
    normal = wp.cross(b - a, c - a)
    squared = wp.dot(normal, normal)
    if squared > wp.float64(0.0):
        u = wp.dot(wp.cross(p - a, c - a), normal) / squared
        v = wp.dot(wp.cross(b - a, p - a), normal) / squared
        if u >= wp.float64(0.0) and v >= wp.float64(0.0) and u + v <= wp.float64(1.0):
            height = wp.dot(p - a, normal)
            best = wp.min(best, height * height / squared)
    return best


@wp.kernel(enable_backward=False)
def nearest_face(
    mesh: wp.uint64,
    points: wp.array(dtype=wp.vec3),
    reach: wp.float32,
    faces: wp.array(dtype=wp.int32),
    claimed: wp.array(dtype=wp.float32),
):
    index = wp.tid()
    found = wp.mesh_query_point_no_sign(mesh, points[index], reach)
    faces[index] = wp.where(found.result, found.face, -1)
    claimed[index] = wp.float32(0.0)
    if found.result:
        claimed[index] = wp.length(wp.mesh_eval_position(mesh, found.face, found.u, found.v) - points[index])


@wp.kernel(enable_backward=False)
def undercut(
    mesh: wp.uint64,
    corners: wp.array(dtype=wp.vec3d),
    face_of: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3d),
    distances: wp.array(dtype=wp.float64),
    slack: wp.float32,
    faces: wp.array(dtype=wp.int32),
):
    index = wp.tid()
    point = points[index]
    centre = wp.vec3(wp.float32(point[0]), wp.float32(point[1]), wp.float32(point[2]))
    radius = wp.float32(distances[index]) + slack
    reach = wp.vec3(radius, radius, radius)
    best = distances[index] * distances[index]
    query = wp.mesh_query_aabb(mesh, centre - reach, centre + reach)
    piece = wp.int32(0)
    while wp.mesh_query_aabb_next(query, piece):
        face = face_of[piece]
        squared = squared_to_triangle(point, corners[3 * face], corners[3 * face + 1], corners[3 * face + 2])
        if squared < best:
            best = squared
            faces[index] = face


@wp.kernel(enable_backward=False)
def undercut_needles(
    tree: wp.uint64,
    corners: wp.array(dtype=wp.vec3d),
    face_of: wp.array(dtype=wp.int32),
    points: wp.array(dtype=wp.vec3d),
    distances: wp.array(dtype=wp.float64),
    slack: wp.float32,
    faces: wp.array(dtype=wp.int32),
):
    index = wp.tid()
    point = points[index]
    centre = wp.vec3(wp.float32(point[0]), wp.float32(point[1]), wp.float32(point[2]))
    radius = wp.float32(distances[index]) + slack
    reach = wp.vec3(radius, radius, radius)
    best = distances[index] * distances[index]
    query = wp.bvh_query_aabb(tree, centre - reach, centre + reach)
    piece = wp.int32(0)
    last = wp.int32(-1)
    while wp.bvh_query_next(query, piece):
        face = face_of[piece]
        if face != last:
            last = face
            squared = squared_to_triangle(point, corners[3 * face], corners[3 * face + 1], corners[3 * face + 2])
            if squared < best:
                best = squared
                faces[index] = face
