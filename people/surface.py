"""Triangle surfaces that carry skin weights and fields: refine, cut along a level line, close into a solid."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from ..core.arrays import F64, I32, I64, Bools


@dataclass(frozen=True, eq=False)
class Surface:
    """A triangle surface in rest pose.

    Attributes:
        vertices: (V, 3) float64, metres.
        faces: (F, 3) int32, counter-clockwise from outside.
        weights: (V, B) float64 skin weights, rows sum to 1.
        fields: name to (V,) or (V, k) float64, interpolated wherever vertices are made.
        lining: (F,) bool, faces that close the solid behind a hem and are hardly ever seen.
    """

    vertices: F64
    faces: I32
    weights: F64
    fields: dict[str, F64] = field(default_factory=dict)
    lining: Bools = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.lining) != len(self.faces):
            object.__setattr__(self, "lining", np.zeros(len(self.faces), bool))

    def moved(self, vertices: F64) -> Surface:
        """The same surface with other positions."""
        return replace(self, vertices=vertices)


def triangulate(quads: I32) -> I32:
    """(Q, 4) quads to (2Q, 3) triangles; a quad's two triangles are rows q and Q + q."""
    return np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)


def catmull_clark(quads: I32, count: int) -> tuple[sparse.csr_matrix, I32]:
    """One Catmull-Clark step as a matrix (Catmull and Clark 1978), so that fields and weights are refined alike.

    Args:
        quads: (Q, 4) int32 into `count` vertices, every one used.

    Returns:
        The (V', count) matrix and the (4Q, 4) refined quads.
    """
    edges, edge_of, faces_of_edge = _quad_edges(quads)
    faces, points = len(quads), count
    face_rows = sparse.csr_matrix(
        (np.full(4 * faces, 0.25), (np.repeat(np.arange(faces), 4), quads.ravel())), (faces, points)
    )
    border = faces_of_edge == 1
    ends = sparse.csr_matrix(
        (np.full(2 * len(edges), 0.5), (np.repeat(np.arange(len(edges)), 2), edges.ravel())), (len(edges), points)
    )
    incidence = sparse.csr_matrix(
        (np.ones(4 * faces), (edge_of.ravel(), np.repeat(np.arange(faces), 4))), (len(edges), faces)
    )
    inner = sparse.diags(np.where(border, 0.0, 1.0))
    edge_rows = inner @ (0.5 * ends + 0.25 * incidence @ face_rows) + sparse.diags(border.astype(float)) @ ends
    # Vertices: (F + 2R + (n-3)P)/n inside, (1, 6, 1)/8 along a border.
    touch = sparse.csr_matrix((np.ones(4 * faces), (quads.ravel(), np.repeat(np.arange(faces), 4))), (points, faces))
    at_edge = sparse.csr_matrix(
        (np.ones(2 * len(edges)), (edges.ravel(), np.repeat(np.arange(len(edges)), 2))), (points, len(edges))
    )
    valence = np.maximum(np.asarray(touch.sum(axis=1)).ravel(), 1.0)
    edge_valence = np.maximum(np.asarray(at_edge.sum(axis=1)).ravel(), 1.0)
    smooth = (
        sparse.diags(1.0 / valence**2) @ touch @ face_rows
        + sparse.diags(2.0 / (valence * edge_valence)) @ at_edge @ ends
        + sparse.diags((valence - 3.0) / valence)
    )
    border_edges = at_edge @ sparse.diags(border.astype(float))
    on_border = np.asarray(border_edges.sum(axis=1)).ravel()
    border_rows = 0.25 * border_edges @ ends + 0.5 * sparse.eye(points)
    plain = (on_border > 0) & (on_border != 2)
    keep = sparse.diags((on_border == 0).astype(float)) @ smooth
    keep = keep + sparse.diags((on_border == 2).astype(float)) @ border_rows + sparse.diags(plain.astype(float))
    matrix = sparse.vstack([keep, face_rows, edge_rows]).tocsr()
    centre = points + np.arange(faces)[:, None]
    edge_point = points + faces + edge_of
    corners = [np.stack([quads[:, k], edge_point[:, k], centre[:, 0], edge_point[:, k - 1]], axis=1) for k in range(4)]
    return matrix, np.concatenate(corners).astype(np.int32)


def _quad_edges(quads: I32) -> tuple[I32, I32, I32]:
    pairs = np.stack([quads, np.roll(quads, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, inverse, counts = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True, return_counts=True)
    return edges.astype(np.int32), inverse.reshape(quads.shape).astype(np.int32), counts.astype(np.int32)


def split_quads(surface: Surface) -> Surface:
    """Each triangle into four at its edge middles; straight, so cuts stay where they are."""
    pairs = np.stack([surface.faces, np.roll(surface.faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, inverse = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)
    middle = (inverse.reshape(-1, 3) + len(surface.vertices)).astype(np.int32)
    a, b, c = surface.faces.T
    ab, bc, ca = middle.T
    faces = np.concatenate([np.stack(t, axis=1) for t in ((a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca))])

    def grown(values: F64) -> F64:
        return np.concatenate([values, 0.5 * (values[edges[:, 0]] + values[edges[:, 1]])])

    return Surface(
        grown(surface.vertices),
        faces,
        grown(surface.weights),
        {name: grown(values) for name, values in surface.fields.items()},
        np.tile(surface.lining, 4),
    )


def vertex_normals(vertices: F64, faces: I32) -> F64:
    """(V, 3) unit normals, area-weighted; zero for an unused vertex."""
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros_like(vertices)
    for axis in range(3):
        total[:, axis] = np.bincount(faces.ravel(), np.repeat(cross[:, axis], 3), minlength=len(vertices))
    return np.asarray(total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-20))


def averaging(faces: I32, count: int) -> sparse.csr_matrix:
    """(V, V) matrix that replaces a vertex by its neighbours' mean; on a border, by its two border neighbours' mean."""
    pairs = np.stack([faces, np.roll(faces, -1, axis=1)], axis=2).reshape(-1, 2)
    edges, counts = np.unique(np.sort(pairs, axis=1), axis=0, return_counts=True)
    border = counts == 1
    on_border = np.zeros(count, bool)
    on_border[edges[border]] = True
    both = np.concatenate([edges, edges[:, ::-1]])
    border_both = np.concatenate([border, border])
    use = np.where(on_border[both[:, 0]], border_both, True)
    both = both[use]
    matrix = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags(1.0 / np.maximum(degree, 1.0)) @ matrix + sparse.diags((degree == 0).astype(float))


def compact(surface: Surface) -> Surface:
    """Without unused vertices."""
    used = np.unique(surface.faces)
    lookup = np.zeros(len(surface.vertices), np.int32)
    lookup[used] = np.arange(len(used))
    return Surface(
        surface.vertices[used],
        lookup[surface.faces],
        surface.weights[used],
        {name: values[used] for name, values in surface.fields.items()},
        surface.lining,
    )


def clip(surface: Surface, level: F64) -> Surface:
    """Keep the part where the per-vertex field `level` (V,) is positive, cut straight across triangles.

    Vertices almost on the line are moved onto it first, along their most crossing edge, so that no slivers appear.
    """
    surface, level = _snap(surface, level)
    inside = level > 0
    corner_in = inside[surface.faces]
    count_in = corner_in.sum(axis=1)
    whole = surface.faces[count_in == 3]
    one, two = np.flatnonzero(count_in == 1), np.flatnonzero(count_in == 2)
    cuts: list[I32] = []

    def turned(rows: npt.NDArray[np.intp], lead: npt.NDArray[np.intp]) -> I32:
        return np.take_along_axis(surface.faces[rows], (lead[:, None] + np.arange(3)) % 3, axis=1)

    lone = turned(one, np.argmax(corner_in[one], axis=1))
    pair = turned(two, np.argmin(corner_in[two], axis=1))
    cuts = [lone[:, [0, 1]], lone[:, [0, 2]], pair[:, [1, 0]], pair[:, [2, 0]]]
    pairs = np.concatenate(cuts)  # (inside vertex, outside vertex)
    if not len(pairs):
        return compact(replace(surface, faces=whole, lining=surface.lining[count_in == 3]))
    keys, inverse = np.unique(pairs, axis=0, return_inverse=True)
    share = (level[keys[:, 0]] / (level[keys[:, 0]] - level[keys[:, 1]]))[:, None]
    new = (inverse.ravel() + len(surface.vertices)).astype(np.int32)
    n1, n2 = len(one), len(two)
    la, lb, pa, pb = new[:n1], new[n1 : 2 * n1], new[2 * n1 : 2 * n1 + n2], new[2 * n1 + n2 :]
    faces = np.concatenate(
        [
            whole,
            np.stack([lone[:, 0], la, lb], axis=1),
            np.stack([pa, pair[:, 1], pair[:, 2]], axis=1),
            np.stack([pa, pair[:, 2], pb], axis=1),
        ]
    ).astype(np.int32)
    lining = np.concatenate(
        [surface.lining[count_in == 3], surface.lining[one], surface.lining[two], surface.lining[two]]
    )

    def grown(values: F64) -> F64:
        weight = share if values.ndim == 2 else share[:, 0]
        return np.concatenate([values, values[keys[:, 0]] * (1 - weight) + values[keys[:, 1]] * weight])

    return compact(
        Surface(
            grown(surface.vertices),
            faces,
            grown(surface.weights),
            {name: grown(values) for name, values in surface.fields.items()},
            lining,
        )
    )


def _snap(surface: Surface, level: F64) -> tuple[Surface, F64]:
    pairs = np.concatenate([surface.faces[:, [0, 1]], surface.faces[:, [1, 2]], surface.faces[:, [2, 0]]])
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    a, b = level[pairs[:, 0]], level[pairs[:, 1]]
    crossing = ((a > 0) != (b > 0)) & (np.abs(a) < 0.25 * np.abs(a - b))
    pairs = pairs[crossing]
    if not len(pairs):
        return surface, level
    # The steepest crossing edge of each vertex decides.
    steep = np.argsort(np.abs(level[pairs[:, 0]] - level[pairs[:, 1]]), kind="stable")
    target = np.full(len(level), -1, np.int64)
    target[pairs[steep, 0]] = pairs[steep, 1]
    rows = np.flatnonzero(target >= 0)
    share = (level[rows] / (level[rows] - level[target[rows]]))[:, None]

    def moved(values: F64) -> F64:
        weight = share if values.ndim == 2 else share[:, 0]
        result = values.copy()
        result[rows] = values[rows] * (1 - weight) + values[target[rows]] * weight
        return result

    fields = {name: moved(values) for name, values in surface.fields.items()}
    level = level.copy()
    level[rows] = 0.0  # counted as outside: the line itself is cut through these vertices
    return Surface(moved(surface.vertices), surface.faces, moved(surface.weights), fields, surface.lining), level


def boundary_loops(faces: I32) -> list[I32]:
    """Closed loops of border vertices, each in the direction of its faces' edges."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]).astype(np.int64)
    span = int(faces.max()) + 1
    lonely = ~np.isin(pairs[:, 0] * span + pairs[:, 1], pairs[:, 1] * span + pairs[:, 0])
    follow: dict[int, list[int]] = {}
    for a, b in np.unique(pairs[lonely], axis=0).tolist():
        follow.setdefault(a, []).append(b)
    loops = []
    while follow:
        start = min(follow)
        loop = [start]
        while True:
            nexts = follow[loop[-1]]
            step = nexts.pop()
            if not nexts:
                del follow[loop[-1]]
            if step == start or step not in follow:
                break
            loop.append(step)
        loops.append(np.array(loop, np.int32))
    return loops


def close_solid(surface: Surface, *, thickness_m: float = 0.004, depth_m: float = 0.015) -> Surface:
    """Close every border: turn the hem in by `thickness_m`, lead it back by `depth_m` and span the opening.

    The result is watertight, so a solid: what the garment encloses counts as inside (the body in it as well).
    """
    vertices, weights = [surface.vertices], [surface.weights]
    fields = {name: [values] for name, values in surface.fields.items()}
    faces, lining = [surface.faces], [surface.lining]
    normals = vertex_normals(surface.vertices, surface.faces)
    inward = surface.vertices - averaging_all(surface.faces, len(surface.vertices)) @ surface.vertices
    total = len(surface.vertices)
    for loop in boundary_loops(surface.faces):
        if len(loop) < 3:
            continue
        count = len(loop)
        ring = surface.vertices[loop]
        outwards = _smooth_loop(inward[loop] - normals[loop] * np.sum(inward[loop] * normals[loop], axis=1)[:, None], 6)
        outwards /= np.maximum(np.linalg.norm(outwards, axis=1, keepdims=True), 1e-9)
        normal = _smooth_loop(normals[loop], 4)
        normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
        second = ring - normal * thickness_m
        third = second - outwards * depth_m - normal * thickness_m
        middle = third.mean(axis=0, keepdims=True)
        vertices += [second, third, middle]
        weights += [surface.weights[loop], surface.weights[loop], surface.weights[loop].mean(axis=0, keepdims=True)]
        for name, values in surface.fields.items():
            fields[name] += [values[loop], values[loop], values[loop].mean(axis=0, keepdims=True)]
        rings: list[I64] = [
            loop.astype(np.int64),
            total + np.arange(count),
            total + count + np.arange(count),
        ]
        for k in range(2):
            a, b = rings[k], rings[k + 1]
            a2, b2 = np.roll(a, -1), np.roll(b, -1)
            faces.append(np.concatenate([np.stack([a2, a, b], axis=1), np.stack([a2, b, b2], axis=1)]).astype(np.int32))
            lining.append(np.full(2 * count, k == 1))
        hub = np.full(count, total + 2 * count)
        faces.append(np.stack([np.roll(rings[2], -1), rings[2], hub], axis=1).astype(np.int32))
        lining.append(np.ones(count, bool))
        total += 2 * count + 1
    return Surface(
        np.concatenate(vertices),
        np.concatenate(faces),
        np.concatenate(weights),
        {name: np.concatenate(values) for name, values in fields.items()},
        np.concatenate(lining),
    )


def averaging_all(faces: I32, count: int) -> sparse.csr_matrix:
    """(V, V) matrix that replaces a vertex by the mean of all its neighbours, borders included."""
    pairs = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    both = np.concatenate([pairs, pairs[:, ::-1]])
    matrix = sparse.csr_matrix((np.ones(len(both)), (both[:, 0], both[:, 1])), (count, count))
    matrix.data[:] = 1.0
    degree = np.asarray(matrix.sum(axis=1)).ravel()
    return sparse.diags(1.0 / np.maximum(degree, 1.0)) @ matrix + sparse.diags((degree == 0).astype(float))


def _smooth_loop(values: F64, rounds: int) -> F64:
    for _ in range(rounds):
        values = 0.5 * values + 0.25 * (np.roll(values, 1, axis=0) + np.roll(values, -1, axis=0))
    return values


def thick_shell(surface: Surface, thickness_m: float) -> Surface:
    """A closed shell: the surface, the same moved inwards and turned over, and a rim along the borders."""
    normals = vertex_normals(surface.vertices, surface.faces)
    count = len(surface.vertices)
    inner = surface.vertices - normals * thickness_m
    faces = [surface.faces, surface.faces[:, ::-1] + count]
    lining = [surface.lining, np.ones(len(surface.faces), bool)]
    for loop in boundary_loops(surface.faces):
        a, a2 = loop, np.roll(loop, -1)
        b, b2 = a + count, a2 + count
        faces.append(np.concatenate([np.stack([a2, a, b], axis=1), np.stack([a2, b, b2], axis=1)]))
        lining.append(np.zeros(2 * len(loop), bool))
    return Surface(
        np.concatenate([surface.vertices, inner]),
        np.concatenate(faces).astype(np.int32),
        np.concatenate([surface.weights, surface.weights]),
        {name: np.concatenate([values, values]) for name, values in surface.fields.items()},
        np.concatenate(lining),
    )


def merge(surfaces: list[Surface]) -> tuple[Surface, I32]:
    """One surface of all, and for each face the number of the surface it came from; fields that all have are kept."""
    offsets = np.cumsum([0] + [len(s.vertices) for s in surfaces])
    names = set.intersection(*(set(s.fields) for s in surfaces))
    merged = Surface(
        np.concatenate([s.vertices for s in surfaces]),
        np.concatenate([s.faces + o for s, o in zip(surfaces, offsets[:-1], strict=True)]).astype(np.int32),
        np.concatenate([s.weights for s in surfaces]),
        {name: np.concatenate([s.fields[name] for s in surfaces]) for name in sorted(names)},
        np.concatenate([s.lining for s in surfaces]),
    )
    owner = np.concatenate([np.full(len(s.faces), i, np.int32) for i, s in enumerate(surfaces)])
    return merged, owner
