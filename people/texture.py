"""The texture of a person: charts of the parts are packed into the unit square and painted texel by texel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from ..core.arrays import F64, I32, U8
from ..geometry.shelves import largest_scale, place_on_shelves

_CHUNK = 2_000_000


@dataclass(frozen=True, eq=False)
class Chart:
    """Faces laid out in the plane.

    Attributes:
        faces: (n,) face numbers of the merged mesh.
        corners: (n, 3, 2) float64 plane coordinates, metres.
        zoom: texels per metre relative to other charts.
    """

    faces: I32
    corners: F64
    zoom: float = 1.0


def pack(charts: list[Chart], face_count: int, *, size: int) -> F64:
    """Texture coordinates (F, 3, 2) in [0, 1] for all charts, by shelves of falling height, two texels apart.

    Faces of no chart get the middle of the texture's lower left texels, which no chart uses. A chart without extent
    (`point_chart`) becomes one point.
    """
    margin = max(1.5, size / 512) / size
    low = [chart.corners.reshape(-1, 2).min(axis=0) for chart in charts]
    spans = [
        (chart.corners.reshape(-1, 2).max(axis=0) - start) * chart.zoom
        for chart, start in zip(charts, low, strict=True)
    ]
    turned = [span[1] > span[0] * 1.0 for span in spans]
    boxes = [span[::-1] if turn else span for span, turn in zip(spans, turned, strict=True)]
    order = sorted(range(len(charts)), key=lambda i: -boxes[i][1])
    ordered = np.array([boxes[i] for i in order]).reshape(-1, 2)
    packed = largest_scale(
        lambda scale: place_on_shelves(ordered * scale, 1.0, margin=margin, start=4 * margin), 1e-3, 10.0, 40
    )
    assert packed is not None
    places, scale = np.empty_like(packed[0]), packed[1]
    places[order] = packed[0]
    uv = np.full((face_count, 3, 2), margin)
    for i, chart in enumerate(charts):
        local = (chart.corners - low[i]) * chart.zoom * scale
        if turned[i]:
            local = local[..., ::-1]
        uv[chart.faces] = np.clip(local + places[i], 0.0, 1.0)
    return np.asarray(uv)


@dataclass(frozen=True, eq=False)
class Texels:
    """The texels that faces cover.

    Attributes:
        row: (n,) of each texel.
        column: (n,) of each texel.
        face: (n,) number of the face that covers it.
        barycentric: (n, 3) coordinates in that face.
    """

    row: I32
    column: I32
    face: I32
    barycentric: F64

    def of(self, faces: I32, values: F64) -> F64:
        """Interpolate per-vertex `values` (V,) or (V, k) at the texels."""
        corners = values[faces[self.face]]
        weights = self.barycentric if values.ndim == 1 else self.barycentric[:, :, None]
        return np.asarray(np.sum(corners * weights, axis=1))


def rasterise(uv: F64, size: int) -> Texels:
    """Find the face that covers each texel's centre; a face that covers no centre is left out."""
    pixels = np.stack([uv[..., 0] * size - 0.5, (1.0 - uv[..., 1]) * size - 0.5], axis=-1)
    low = np.clip(np.ceil(pixels.min(axis=1) - 1e-9), 0, size - 1).astype(np.int64)
    high = np.clip(np.floor(pixels.max(axis=1) + 1e-9), 0, size - 1).astype(np.int64)
    extent = high - low + 1
    usable = np.flatnonzero((extent > 0).all(axis=1))
    usable = usable[np.argsort(extent[usable].max(axis=1), kind="stable")]
    owner = np.full(size * size, -1, np.int64)
    weights = np.zeros((size * size, 3))
    start = 0
    while start < len(usable):
        stop = start + 1
        side = int(extent[usable[start]].max())
        while stop < len(usable):
            side_next = int(extent[usable[stop]].max())
            if side_next**2 * (stop - start + 1) > _CHUNK or side_next > 2 * side + 2:
                break
            stop += 1
        rows = usable[start:stop]
        width = int(extent[rows].max())
        step = np.arange(width)
        x = low[rows, 0][:, None, None] + step[None, None, :]
        y = low[rows, 1][:, None, None] + step[None, :, None]
        a, b, c = (pixels[rows, k][:, None, None, :] for k in range(3))
        area = (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
        safe = np.where(np.abs(area) < 1e-12, 1e-12, area)
        w1 = ((x - a[..., 0]) * (c[..., 1] - a[..., 1]) - (y - a[..., 1]) * (c[..., 0] - a[..., 0])) / safe
        w2 = ((b[..., 0] - a[..., 0]) * (y - a[..., 1]) - (b[..., 1] - a[..., 1]) * (x - a[..., 0])) / safe
        w0 = 1.0 - w1 - w2
        # The tolerance ensures that a texel centre on an edge belongs to one of its faces.
        hit = (w0 >= -1e-6) & (w1 >= -1e-6) & (w2 >= -1e-6) & (x < size) & (y < size)
        which, i, j = np.nonzero(hit)
        cell = (low[rows[which], 1] + i) * size + low[rows[which], 0] + j
        owner[cell] = rows[which]
        weights[cell] = np.stack([w0[hit], w1[hit], w2[hit]], axis=1)
        start = stop
    covered = np.flatnonzero(owner >= 0)
    return Texels(
        (covered // size).astype(np.int32),
        (covered % size).astype(np.int32),
        owner[covered].astype(np.int32),
        np.clip(weights[covered], 0.0, 1.0),
    )


def point_chart(faces: I32) -> Chart:
    """A chart of faces that share one colour: all lie on one point, which is among the `points` of `paint`."""
    return Chart(faces, np.zeros((len(faces), 3, 2)))


def paint(
    texels: Texels,
    size: int,
    colour: Callable[[Texels], F64],
    background: tuple[float, float, float],
    points: list[tuple[F64, F64]],
) -> U8:
    """Paint the texture; texels without a face take the nearest painted colour, so that mip-maps show no seams.

    Args:
        texels: the covered texels.
        size: edge of the texture, texels.
        colour: function from texels to their (n, 3) sRGB colours.
        background: sRGB of the lower left corner.
        points: (texture coordinates (2,), sRGB (3,)) of the point charts; the texels around each get that colour.

    Returns:
        (size, size, 3) uint8 sRGB.
    """
    image = np.tile(np.asarray(background), (size, size, 1))
    filled = np.zeros((size, size), bool)
    image[texels.row, texels.column] = colour(texels)
    filled[texels.row, texels.column] = True
    near = ndimage.distance_transform_edt(~filled, return_distances=False, return_indices=True)
    image = image[near[0], near[1]]
    corner = max(2, size // 128)
    image[size - corner :, :corner] = background
    for place, tone in points:
        column, row = int(place[0] * size), int((1.0 - place[1]) * size)
        image[max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2] = tone
    return np.asarray(np.clip(np.rint(image * 255.0), 0, 255), np.uint8)


def uv_islands(face_uv: I32, uv: F64, faces: I32, zoom: float, scale: float) -> list[Chart]:
    """Charts of existing texture coordinates: connected pieces of the layout.

    Args:
        face_uv: (n, 3) int32 into `uv`.
        uv: (T, 2) texture coordinates.
        faces: (n,) face numbers in the merged mesh.
        zoom: of the charts.
        scale: metres per texture unit.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = np.concatenate([face_uv[:, [0, 1]], face_uv[:, [1, 2]]])
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), (len(uv), len(uv)))
    labels = connected_components(graph, directed=False)[1][face_uv[:, 0]]
    return [Chart(faces[labels == label], uv[face_uv[labels == label]] * scale, zoom) for label in np.unique(labels)]


def cylinder(points: F64, faces: I32, numbers: I32, axis: F64, *, start: F64, length: F64, zoom: float = 1.0) -> Chart:
    """Unroll faces around a curved axis.

    Args:
        points: (V, 3), metres.
        faces: (n, 3) into `points`.
        numbers: (n,) face numbers in the merged mesh.
        axis: (V, 3) nearest point of the axis for each vertex.
        start: (3,) direction of the seam from the axis.
        length: (V,) coordinate along the axis, metres.
        zoom: of the chart.
    """
    tangent = np.array([0.0, 1.0, 0.0])
    rel = points - axis
    ahead = -start / np.linalg.norm(start)
    side = np.cross(tangent, ahead)
    angle = np.arctan2(rel @ side, rel @ ahead)
    radius = np.sqrt((rel @ side) ** 2 + (rel @ ahead) ** 2)
    middle = np.arctan2((rel @ side)[faces].mean(axis=1), (rel @ ahead)[faces].mean(axis=1))
    corner = angle[faces]
    corner = middle[:, None] + (corner - middle[:, None] + np.pi) % (2 * np.pi) - np.pi
    mean_radius = float(np.median(radius[faces]))
    return Chart(numbers, np.stack([corner * mean_radius, length[faces]], axis=-1), zoom)


def plane_areas(corners: F64) -> F64:
    """Signed areas (n,) of triangles (n, 3, 2), positive counter-clockwise."""
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    return np.asarray(0.5 * (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]))


def box_charts(points: F64, faces: I32, numbers: I32, zoom: float = 1.0) -> list[Chart]:
    """Charts by the dominant axis of the face normals, for parts of simple shape."""
    corners = points[faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    axis = np.argmax(np.abs(normal), axis=1)
    sign = np.take_along_axis(normal, axis[:, None], axis=1)[:, 0] > 0
    charts = []
    for a in range(3):
        for s in (False, True):
            rows = np.flatnonzero((axis == a) & (sign == s))
            if len(rows):
                plane = [[2, 1], [0, 2], [0, 1]][a]
                charts.append(Chart(numbers[rows], corners[rows][:, :, plane], zoom))
    return charts


def relaxed(chart: Chart, points: F64, faces: I32, *, rounds: int = 12) -> Chart:
    """Relax a chart so that its lengths are as close as possible to those in space.

    As-rigid-as-possible parametrisation by local/global steps (Liu et al., "A Local/Global Approach to Mesh
    Parameterization", SGP 2008) with uniform instead of cotangent weights, which cannot become negative.

    Args:
        chart: the initial layout.
        points: (V, 3), metres.
        faces: (n, 3) the chart's faces, in the same order, into `points`.
        rounds: number of iterations.
    """
    from scipy import sparse
    from scipy.sparse.linalg import splu

    used, index = np.unique(faces, return_inverse=True)
    index = index.reshape(-1, 3)
    count = len(used)
    flat = np.zeros((count, 2))
    flat[index.ravel()] = chart.corners.reshape(-1, 2)
    a, b, c = (points[faces[:, k]] for k in range(3))
    x_axis = b - a
    width = np.maximum(np.linalg.norm(x_axis, axis=1, keepdims=True), 1e-9)
    x_axis = x_axis / width
    along = np.sum((c - a) * x_axis, axis=1)
    off = np.linalg.norm((c - a) - along[:, None] * x_axis, axis=1)
    # Each face in its own plane, mirrored if the layout mirrors it.
    corners = chart.corners
    mirror = -1.0 if np.sum(np.sign(plane_areas(corners))) < 0 else 1.0
    rest = np.zeros((len(faces), 3, 2))
    rest[:, 1, 0] = width[:, 0]
    rest[:, 2] = np.stack([along, off * mirror], axis=1)
    heads = np.concatenate([index[:, 0], index[:, 1], index[:, 2]])
    tails = np.concatenate([index[:, 1], index[:, 2], index[:, 0]])
    edges = np.concatenate([rest[:, 1] - rest[:, 0], rest[:, 2] - rest[:, 1], rest[:, 0] - rest[:, 2]])
    ones = np.ones(len(heads))
    incidence = sparse.csr_matrix(
        (np.concatenate([-ones, ones]), (np.tile(np.arange(len(heads)), 2), np.concatenate([heads, tails]))),
        (len(heads), count),
    )
    laplacian = (incidence.T @ incidence).tocsc() + 1e-9 * sparse.identity(count, format="csc")
    solver = splu(laplacian)
    size = len(faces)
    middle = flat.mean(axis=0)
    for _ in range(rounds):
        now = flat[tails] - flat[heads]
        product = (now[:, :, None] * edges[:, None, :]).reshape(3, size, 2, 2).sum(axis=0)
        # Nearest rotation of a 2x2 matrix in closed form.
        cosine, sine = product[:, 0, 0] + product[:, 1, 1], product[:, 1, 0] - product[:, 0, 1]
        norm = np.maximum(np.hypot(cosine, sine), 1e-20)
        cosine, sine = np.tile(cosine / norm, 3), np.tile(sine / norm, 3)
        turned = np.stack(
            [cosine * edges[:, 0] - sine * edges[:, 1], sine * edges[:, 0] + cosine * edges[:, 1]], axis=1
        )
        flat = solver.solve(incidence.T @ turned)
        flat = flat - flat.mean(axis=0) + middle
    return Chart(chart.faces, flat[index], chart.zoom)
