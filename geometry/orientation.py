"""Turn faces outward where they are not: closed parts by their volume, pieces of open ones by what their sides see.

Ray voting follows Takayama et al., "A simple method for correcting facet orientations in polygon meshes based on ray
casting", JCGT 2014. A patch is first cut where two neighbours oppose each other, and each piece votes for itself: at a
folded collar or cuff, both of which face outward in the file, the neighbours oppose each other and nothing is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..core.arrays import F64, I32, I64, Bools
from ..core.randomness import derive_rng
from .doubles import in_pairs
from .mesh import PosedMesh
from .rays import RayScene
from .topology import HalfEdges, edge_parts, find_boundary, find_half_edges, joined, open_parts, weld

# Rays cast from each side of a piece. Meshes of thousands of pieces (hair, debris, single triangles) get fewer, so that
# a mesh costs no more than about RAYS of them.
VOTES = 512
VOTES_LEAST = 48
RAYS = 1_000_000
# A piece faces the side from which more rays escape: more than FREE_RATIO times those of the other side, and a margin
# that covers the chance of few rays. Other pieces (linings, sheets seen alike from both sides, what lies hidden) are
# undecided.
FREE_RATIO = 1.5
FREE_LEAST = 0.03
FREE_HITS = 3.0


@dataclass(frozen=True, eq=False)
class Oriented:
    """A mesh whose faces face outward, as far as that can be told.

    Attributes:
        mesh: the mesh itself where nothing was turned; else a copy with other orders of corners.
        notices: messages for the user about turned faces.
    """

    mesh: PosedMesh
    notices: tuple[str, ...] = ()


def orient_mesh(mesh: PosedMesh) -> Oriented:
    """Turn the faces of a mesh that face inward.

    A closed surface without conflicts is turned part by part to have positive volume, so that a shell within another
    one counts as solid, not as a cavity. An open or conflicting one is cut into pieces of faces that agree across edges
    of exactly two faces. A closed piece is turned by its volume, an open one by ray voting (see VOTES). What rays
    cannot tell agrees with the decided pieces of its patch (the pieces that edges join, in conflict or not); where
    there are none, with the patch's larger area, or, if the patch can be made closed, with its volume. A mesh most of
    whose decided area faces inward counts as turned inside out, undecided pieces included: the result is the same for
    a mesh and for the mesh turned inside out.

    Args:
        mesh: any mesh. Vertices at equal positions count as one.

    Returns:
        The mesh with outward faces; vertices, materials and the order of faces are the same.
    """
    vertices, faces, numbers = weld(mesh)
    if not len(faces):
        return Oriented(mesh)
    if not len(find_boundary(faces).edges):
        inward, joint, notices = _by_volume(vertices, faces), np.zeros(len(faces), bool), list[str]()
    else:
        inward, joint, notices = _by_pieces(vertices, faces)
    if not inward.any():
        return Oriented(mesh, tuple(notices))
    flip = np.zeros(len(mesh.faces), bool)
    flip[numbers[inward]] = True
    return Oriented(_turned(mesh, flip), (*_describe(inward, joint), *notices))


def _turned(mesh: PosedMesh, flip: Bools) -> PosedMesh:
    def turn(corners: I32) -> I32:
        return np.ascontiguousarray(np.where(flip[:, None], corners[:, ::-1], corners))

    face_uv = None if mesh.face_uv is None else turn(mesh.face_uv)
    return replace(mesh, faces=turn(mesh.faces), face_uv=face_uv)


def _describe(inward: Bools, joint: Bools) -> list[str]:
    """What was turned: all, and among the rest those faces (`joint`) that opposed a neighbour's piece."""
    total = len(inward)
    if inward.all():
        return [f"all {total} faces turned over: the surface faced inward"]
    agreed, alone = int((inward & joint).sum()), int((inward & ~joint).sum())
    notices = [f"{agreed} of {total} faces turned to agree with their neighbours"] if agreed else []
    return notices + ([f"{alone} of {total} faces in parts that faced inward turned over"] if alone else [])


def _volumes(vertices: F64, faces: I64, part: I64) -> F64:
    """(P,) signed volume of each part of a surface, cubic metres; meaningful where the part is closed."""
    corners = vertices[faces] - vertices.mean(axis=0)
    return np.bincount(part, np.linalg.det(corners) / 6.0, minlength=int(part.max()) + 1).astype(np.float64)


def _by_volume(vertices: F64, faces: I64) -> Bools:
    """(G,) bool: the faces of parts with negative volume, for a surface whose parts are closed."""
    part = edge_parts(faces)
    inward: Bools = _volumes(vertices, faces, part)[part] < 0
    return inward


def _by_pieces(vertices: F64, faces: I64) -> tuple[Bools, Bools, list[str]]:
    """The faces to turn of an open or conflicting surface.

    Returns:
        (G,) bool: faces to turn.
        (G,) bool: faces of patches in which neighbours oppose each other.
        Notices.
    """
    half = find_half_edges(faces)
    used = _without_twins(faces, half)
    if len(used) < len(faces):
        inward, joint = np.zeros(len(faces), bool), np.zeros(len(faces), bool)
        inward[used], joint[used], notices = _by_votes(vertices, faces, used, find_half_edges(faces[used]))
        return inward, joint, notices
    return _by_votes(vertices, faces, used, half)


def _without_twins(faces: I64, half: HalfEdges) -> I64:
    """(H,) int64: the faces that are left when coincident faces that oppose each other are taken out in pairs.

    Such pairs (cloth modelled with both sides at the same place) add nothing to a winding number as they are, and would
    count double if one of them were turned.
    """
    everything = np.arange(len(faces))
    if half.count.max() <= 2:
        return everything
    return everything[~in_pairs(faces)]


def _by_votes(vertices: F64, faces: I64, used: I64, half: HalfEdges) -> tuple[Bools, Bools, list[str]]:
    """`_by_pieces` for the faces `used` (H,), whose half-edges are `half`: two (H,) arrays and notices."""
    scene = PosedMesh(vertices, faces.astype(np.int32))
    faces, areas = faces[used], scene.face_areas[used]
    pairs = np.flatnonzero(half.count == 2)[::2]
    first, second = half.face[pairs], half.face[pairs + 1]
    clash = half.forward[pairs] == half.forward[pairs + 1]
    piece = joined(first[~clash], second[~clash], len(faces))
    size = np.bincount(piece, areas)
    # +1 keeps a piece, -1 turns it, 0 is undecided.
    vote = np.zeros(len(size), np.int64)
    is_open = open_parts(faces, piece)
    volume = _volumes(vertices, faces, piece)
    vote[~is_open] = np.sign(volume[~is_open]).astype(np.int64)
    vote[is_open] = _cast_votes(scene, used, piece, np.flatnonzero(is_open))
    whole = -1 if size @ vote < 0 else 1

    side, patch, torn = _two_sides(piece[first[clash]], piece[second[clash]], len(size))
    decided = np.bincount(patch, size * vote * side)
    lean = np.sign(decided)
    if (lean == 0).any():
        # Patches without a decision: by area as in the file, or by volume where a consistent orientation closes them.
        filed = np.sign(np.bincount(patch, size * side)) * whole
        consistent, of_face = np.where(side[piece, None] < 0, faces[:, ::-1], faces), patch[piece]
        by_volume = np.sign(_volumes(vertices, consistent, of_face))
        lean = np.where(lean != 0, lean, np.where(open_parts(consistent, of_face), filed, by_volume))
    agreed = np.where(torn[patch] | (lean[patch] == 0), whole, side * lean[patch])
    turn = np.where(vote == 0, agreed, vote) < 0
    joint = np.bincount(patch)[patch] > 1
    notices = [f"{int(torn.sum())} patches have no consistent orientation (one-sided surface)"] if torn.any() else []
    return turn[piece], joint[piece], notices


def _two_sides(first: I64, second: I64, count: int) -> tuple[I64, I64, Bools]:
    """Divide pieces that oppose one another into two sides.

    Args:
        first: (E,) pieces.
        second: (E,) pieces that oppose them.
        count: number P of pieces.

    Returns:
        (P,) +1 or -1: turning all pieces of either side of a patch makes the patch consistent.
        (P,) the patch of each piece.
        (Q,) bool: the patches for which no such division exists.
    """
    # Two copies of each piece, as is and turned: a piece's copy is joined to the opposing one's turned copy.
    label = joined(np.concatenate([first, first + count]), np.concatenate([second + count, second]), 2 * count)
    as_is, turned = label[:count], label[count:]
    names, patch = np.unique(np.minimum(as_is, turned), return_inverse=True)
    torn = np.zeros(len(names), bool)
    torn[patch[as_is == turned]] = True
    return np.where(as_is <= turned, 1, -1), patch.ravel().astype(np.int64), torn


def _cast_votes(scene: PosedMesh, used: I64, piece: I64, pieces: I64) -> I64:
    """Let pieces vote by rays that escape from their fronts and backs.

    Args:
        scene: all faces.
        used: (H,) the faces that pieces consist of.
        piece: (H,) the piece of each of them.
        pieces: (P,) the pieces that vote.

    Returns:
        (P,) +1 for a piece whose front sees more, -1 for one whose back does, 0 where rays do not tell.
    """
    if not len(pieces):
        return np.zeros(0, np.int64)
    rays, rng = RayScene(scene), derive_rng(0, "orientation")
    votes = min(VOTES, max(VOTES_LEAST, RAYS // len(pieces)))
    faces = used[_draw_faces(scene.face_areas[used], piece, pieces, votes, rng)]
    # Corners in the order of their numbers, so that a face casts the same rays whichever way it is turned.
    low = np.argsort(scene.faces[faces], axis=1)
    corners = np.take_along_axis(scene.corners[faces], low[:, :, None], axis=1)
    odd = (low[:, 0] + 1) % 3 != low[:, 1]
    origins = np.einsum("nc,nci->ni", rng.dirichlet((1.0, 1.0, 1.0), len(faces)), corners)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), np.finfo(np.float64).tiny)
    directions = rng.normal(size=origins.shape)
    directions *= np.where((directions * normals).sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    lift = normals * (8.0 * rays.resolution_m)
    above, below = ~rays.occluded(origins + lift, directions), ~rays.occluded(origins - lift, -directions)
    front = np.where(odd, below, above).reshape(len(pieces), votes).mean(axis=1)
    back = np.where(odd, above, below).reshape(len(pieces), votes).mean(axis=1)
    margin = FREE_LEAST + FREE_HITS / votes
    keep, turn = front > FREE_RATIO * back + margin, back > FREE_RATIO * front + margin
    return np.asarray(keep.astype(np.int64) - turn, np.int64)


def _draw_faces(areas: F64, piece: I64, pieces: I64, count: int, rng: np.random.Generator) -> I64:
    """Draw `count` faces of each of the pieces (P,), by area: (P * count,) int64."""
    order = np.argsort(piece, kind="stable")
    ends = np.cumsum(areas[order])
    first = np.searchsorted(piece[order], pieces, side="left")
    last = np.searchsorted(piece[order], pieces, side="right") - 1
    low = np.where(first > 0, ends[first - 1], 0.0)
    place = low[:, None] + rng.random((len(pieces), count)) * (ends[last] - low)[:, None]
    drawn = np.clip(np.searchsorted(ends, place, side="right"), first[:, None], last[:, None])
    return np.asarray(order[drawn.ravel()], np.int64)
