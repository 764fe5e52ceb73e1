"""The orientation of faces: welding vertices, finding the boundary, and turning faces outward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ...core.arrays import F64, I64, Bools
from ...core.randomness import derive_rng
from ...geometry.mesh import PosedMesh
from ...geometry.rays import RayScene

# Ray voting (after Takayama et al., "A simple method for correcting facet orientations in polygon meshes based on ray
# casting", JCGT 2014): an open patch is turned only if clearly more rays escape from its back than from its front.
# Linings, and sheets that are equally visible from both sides, keep their orientation.
VOTES = 256
# Total of rays: meshes of thousands of patches (hair, debris, single triangles) get fewer rays per patch.
RAYS = 1_000_000
VOTES_LEAST = 48
FREE_LEAST = 0.1
FREE_RATIO = 1.5


@dataclass(frozen=True, eq=False)
class Boundary:
    """The boundary of an oriented surface: the edges whose directed copies do not cancel.

    Attributes:
        edges: (B, 2) int64 into the welded vertices, in the direction of their faces, repeated by multiplicity;
            empty for a closed, consistently oriented surface.
    """

    edges: I64


def weld(mesh: PosedMesh) -> tuple[F64, I64, I64]:
    """Merge vertices with equal positions, and drop the faces that thereby lose a corner.

    Returns:
        (W, 3) float64 vertices.
        (G, 3) int64 faces.
        (G,) int64 number of each of them among the mesh's faces.
    """
    # Adding 0 turns -0.0 into 0.0, which compares equal but has other bits.
    rows = np.ascontiguousarray(mesh.vertices + 0.0).view(np.dtype((np.void, 24))).ravel()
    _, first, name = np.unique(rows, return_index=True, return_inverse=True)
    faces = name.ravel()[mesh.faces].astype(np.int64)
    whole = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return mesh.vertices[first], faces[whole], np.flatnonzero(whole)


def find_boundary(faces: I64) -> Boundary:
    """Find the boundary of an oriented surface (G, 3) as a chain: each directed edge minus its reverse.

    If it is empty, the winding number is a whole number everywhere off the surface and equal to the signed crossings of
    any ray. Any number of faces may share an edge.
    """
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    size = int(faces.max(initial=0)) + 1
    code = np.minimum(a, b) * size + np.maximum(a, b)
    edges, name = np.unique(code, return_inverse=True)
    net = np.bincount(name.ravel(), weights=np.where(a < b, 1.0, -1.0), minlength=len(edges)).astype(np.int64)
    open_edges = np.flatnonzero(net)
    low, high = edges[open_edges] // size, edges[open_edges] % size
    forward = net[open_edges] > 0
    directed = np.stack([np.where(forward, low, high), np.where(forward, high, low)], axis=1)
    return Boundary(np.repeat(directed, np.abs(net[open_edges]), axis=0))


@dataclass(frozen=True, eq=False)
class Oriented:
    """A welded surface with its faces turned outward as far as possible.

    Attributes:
        vertices: (W, 3) float64, metres.
        faces: (G, 3) int64.
        boundary: its open edges.
        notices: messages for the user about turned faces.
    """

    vertices: F64
    faces: I64
    boundary: Boundary
    notices: tuple[str, ...]


def orient(mesh: PosedMesh) -> Oriented:
    """Turn faces so that each part of a mesh faces outward.

    Within a patch (faces joined by edges of exactly two faces) the orientation of the larger area is used. A closed
    part is turned to have positive volume, so that a shell within another one counts as solid, not as a cavity. An
    open patch is turned if ray voting says so (see VOTES).
    """
    vertices, faces, numbers = weld(mesh)
    areas = mesh.face_areas[numbers]
    notices: list[str] = []
    if len(find_boundary(faces).edges):
        flip, patch, torn = _agree(faces, areas)
        if flip.any():
            faces = _turned(faces, flip)
            notices.append(f"{int(flip.sum())} of {len(faces)} faces turned to agree with their neighbours")
        if torn:
            notices.append(f"{torn} patches have no consistent orientation (one-sided surface)")
    else:
        patch = _edge_parts(faces)
    turn = _inward(vertices, faces, patch)
    if turn.any():
        faces = _turned(faces, turn)
        notices.append(f"{int(turn.sum())} of {len(faces)} faces in parts that faced inward turned over")
    return Oriented(vertices, faces, find_boundary(faces), tuple(notices))


def _turned(faces: I64, which: Bools) -> I64:
    return np.where(which[:, None], faces[:, ::-1], faces)


def _shared_edges(faces: I64) -> tuple[I64, I64, Bools, I64]:
    """Half-edges sorted by edge: code of the edge, face, direction, and the number of half-edges of the edge."""
    a, b = faces.ravel(), np.roll(faces, -1, axis=1).ravel()
    size = int(faces.max(initial=0)) + 1
    code = np.minimum(a, b) * size + np.maximum(a, b)
    order = np.argsort(code, kind="stable")
    _, count = np.unique(code, return_counts=True)
    return code[order], order // 3, (a < b)[order], np.repeat(count, count)


def _agree(faces: I64, areas: F64) -> tuple[Bools, I64, int]:
    """The faces to turn so that patches are consistent, each face's patch, and the number of one-sided patches."""
    _, owner, forward, count = _shared_edges(faces)
    pairs = np.flatnonzero(count == 2)[::2]
    first, second, clash = owner[pairs], owner[pairs + 1], forward[pairs] == forward[pairs + 1]
    total = len(faces)
    # Two copies of each face, as is and turned: neighbours that disagree join one's copy to the other's turned copy.
    rows = np.concatenate([first, first + total])
    columns = np.concatenate([second + total * clash, second + total * ~clash])
    ones = np.ones(len(rows), np.int8)
    _, label = connected_components(coo_array((ones, (rows, columns)), shape=(2 * total, 2 * total)), directed=False)
    as_is, turned = label[:total].astype(np.int64), label[total:].astype(np.int64)
    torn = as_is == turned
    weight = np.bincount(as_is, areas, minlength=int(label.max()) + 1)
    # A patch has two consistent orientations: the one that most of its area already has is kept.
    flip = ~torn & ((weight[turned] > weight[as_is]) | ((weight[turned] == weight[as_is]) & (turned < as_is)))
    patch = np.unique(np.minimum(as_is, turned), return_inverse=True)[1].ravel().astype(np.int64)
    return flip, patch, len(np.unique(patch[torn]))


def _edge_parts(faces: I64) -> I64:
    """(G,) int64: parts of a surface whose faces are joined by edges, of any number of faces."""
    code, owner, _, _ = _shared_edges(faces)
    same = code[1:] == code[:-1]
    graph = coo_array((np.ones(int(same.sum()), np.int8), (owner[:-1][same], owner[1:][same])), shape=(len(faces),) * 2)
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _inward(vertices: F64, faces: I64, patch: I64) -> Bools:
    """(G,) bool: faces of parts that face inward."""
    count = int(patch.max()) + 1
    corners = vertices[faces] - vertices.mean(axis=0)
    volume = np.bincount(patch, np.linalg.det(corners) / 6.0, minlength=count)
    is_open = _open_parts(faces, patch)
    inward = (volume < 0) & ~is_open
    if is_open.any():
        inward |= _back_is_outside(PosedMesh(vertices, faces.astype(np.int32)), patch, np.flatnonzero(is_open))
    return inward[patch]


def _open_parts(faces: I64, patch: I64) -> Bools:
    """(P,) bool: which patches are open when taken alone."""
    size = int(faces.max()) + 1
    names, apart = np.unique(faces + size * patch[:, None], return_inverse=True)
    edges = find_boundary(apart.reshape(-1, 3)).edges
    is_open = np.zeros(int(patch.max()) + 1, bool)
    is_open[names[edges[:, 0]] // size] = True
    return is_open


def _back_is_outside(mesh: PosedMesh, patch: I64, open_patches: I64) -> Bools:
    """(P,) bool: the patches, among `open_patches`, from whose back more rays escape than from their front."""
    rays, rng = RayScene(mesh), derive_rng(0, "orientation")
    order = np.argsort(patch, kind="stable")
    ends = np.cumsum(mesh.face_areas[order])
    last = np.searchsorted(patch[order], open_patches, side="right") - 1
    first = np.searchsorted(patch[order], open_patches, side="left")
    low = np.where(first > 0, ends[first - 1], 0.0)
    votes = min(VOTES, max(VOTES_LEAST, RAYS // len(open_patches)))
    place = low[:, None] + rng.random((len(open_patches), votes)) * (ends[last] - low)[:, None]
    drawn = np.clip(np.searchsorted(ends, place, side="right"), first[:, None], last[:, None])
    faces = order[drawn.ravel()]
    weights = rng.dirichlet((1.0, 1.0, 1.0), len(faces))
    origins, normals = np.einsum("nc,nci->ni", weights, mesh.corners[faces]), mesh.face_normals[faces]
    directions = rng.normal(size=origins.shape)
    directions *= np.where((directions * normals).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    lift = normals * (8.0 * rays.resolution_m)
    front = (~rays.occluded(origins + lift, directions)).reshape(len(open_patches), votes).mean(axis=1)
    back = (~rays.occluded(origins - lift, -directions)).reshape(len(open_patches), votes).mean(axis=1)
    inward = np.zeros(int(patch.max()) + 1, bool)
    inward[open_patches] = (back >= FREE_LEAST) & (back > FREE_RATIO * front)
    return inward
