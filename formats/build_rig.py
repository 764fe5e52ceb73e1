"""What the glTF and FBX readers have in common: surfaces and the joints they follow become one mesh and its rig."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from ..core.arrays import F64, I64, U8
from ..geometry.mesh import Material, PosedMesh
from ..motion.skinning import Clip, Rig, Skeleton, pose_rig
from .build_mesh import build_mesh, collapsed_faces, note_repeated
from .weld import weld_vertices

WEIGHT_TOLERANCE = 0.02  # sums of 8 bit weights are off by up to 0.008


@dataclass(frozen=True, eq=False)
class ReadPerson:
    """A file's person.

    Attributes:
        mesh: the rest pose in the file's world space.
        rig: None where the file has no skin; its vertices are those of `mesh`, in the same order.
        joints: nodes that are joints of a skin, in order.
        notices: what was repaired or left out.
    """

    mesh: PosedMesh
    rig: Rig | None
    joints: tuple[int, ...]
    notices: tuple[str, ...]


@dataclass(eq=False)
class Parts:
    """Primitives read so far; all lists have one entry a primitive.

    Attributes:
        vertices: (N, 3) as stored.
        faces: (F, 3) into these vertices.
        materials: one a primitive.
        uv: (N, 2) texture coordinates, v up; None without.
        colours: (N, 4) vertex colours; None without.
        joints: (N, K) into the slots.
        weights: (N, K), rows sum to 1.
        count: vertices of all primitives.
    """

    vertices: list[F64] = field(default_factory=list)
    faces: list[I64] = field(default_factory=list)
    materials: list[Material] = field(default_factory=list)
    uv: list[F64 | None] = field(default_factory=list)
    colours: list[U8 | None] = field(default_factory=list)
    joints: list[I64] = field(default_factory=list)
    weights: list[F64] = field(default_factory=list)
    count: int = 0


@dataclass(eq=False)
class Slots:
    """Pairs of a node and an inverse bind matrix, which vertices follow.

    Attributes:
        nodes: node of each slot.
        inverse: (4, 4) inverse bind matrix of each slot.
        skins: first slot and number of joints of each skin read so far.
        rigid: slot of each node whose mesh has no skin.
    """

    nodes: list[int] = field(default_factory=list)
    inverse: list[F64] = field(default_factory=list)
    skins: dict[int, tuple[int, int]] = field(default_factory=dict)
    rigid: dict[int, int] = field(default_factory=dict)


def share_weights(index: I64, weights: F64, notices: list[str]) -> tuple[I64, F64]:
    """Joints (N, K) and weights (N, K) with rows that sum to 1; rows without weight follow joint 0."""
    total = weights.sum(axis=1)
    lost = total <= 1e-8
    if lost.any():
        notices.append(f"{int(lost.sum())} vertices have no skin weight and follow the skin's first joint")
        weights[lost, 0], total[lost] = 1.0, 1.0
        index[lost] = 0
    off = float(np.abs(total - 1.0).max(initial=0.0))
    if off > WEIGHT_TOLERANCE:
        notices.append(f"skin weights sum to 1 {'+' if total.max() > 1 else '-'} {off:.2f}; they are normalised")
    return index, weights / total[:, None]


def assemble(
    path: Path, skeleton: Skeleton, clips: tuple[Clip, ...], parts: Parts, slots: Slots, notices: list[str]
) -> ReadPerson:
    """Join the primitives into one surface and, where there is a skin, its rig."""
    vertices = np.concatenate(parts.vertices)
    sizes = np.array([len(part) for part in parts.vertices])
    base = np.cumsum(sizes) - sizes
    faces = np.concatenate([part + start for part, start in zip(parts.faces, base, strict=True)])
    face_part = np.repeat(np.arange(len(sizes)), [len(part) for part in parts.faces])
    materials = tuple(dict.fromkeys(parts.materials))
    face_material = np.array([materials.index(material) for material in parts.materials])[face_part]
    width = max(part.shape[1] for part in parts.joints)
    joints = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1])), "edge") for part in parts.joints])
    weights = np.concatenate([np.pad(part, ((0, 0), (0, width - part.shape[1]))) for part in parts.weights])
    uv = face_uv = None
    if any(part is not None for part in parts.uv):
        uv = np.concatenate([np.zeros((size, 2)) if u is None else u for u, size in zip(parts.uv, sizes, strict=True)])
        without = np.array([part is None for part in parts.uv])[face_part]
        face_uv = np.where(without[:, None], -1, faces)
    colours = None
    if any(part is not None for part in parts.colours):
        white = [np.full((size, 4), 255, np.uint8) for size in sizes]
        colours = np.concatenate([w if c is None else c for c, w in zip(parts.colours, white, strict=True)])

    extra = np.concatenate([joints.astype(np.float64), weights], axis=1)
    if colours is not None:
        extra = np.concatenate([extra, colours.astype(np.float64)], axis=1)
    keep, index = weld_vertices(vertices, faces, extra)
    rig = Rig(
        skeleton=skeleton,
        vertices=vertices[keep],
        slot_node=np.array(slots.nodes, np.int32),
        slot_inverse=np.stack(slots.inverse),
        joints=joints[keep].astype(np.int32),
        weights=weights[keep],
        clips=clips,
    )
    with np.errstate(over="ignore", invalid="ignore"):
        posed, _ = pose_rig(rig, None)
    note_repeated(faces, notices)
    faces = index[faces]
    whole = ~collapsed_faces(faces)
    if whole.any():  # else `build_mesh` says that nothing is left
        faces, face_material = faces[whole], face_material[whole]
        face_uv = None if face_uv is None else face_uv[whole]
    mesh = build_mesh(
        path,
        posed,
        faces,
        materials=materials,
        face_material=face_material,
        uv=uv,
        face_uv=face_uv,
        vertex_colours=None if colours is None else colours[keep],
        notices=notices,
    )
    if not slots.skins:
        return ReadPerson(mesh, None, (), tuple(dict.fromkeys(notices)))
    kept = _used_rows(faces)
    rig = replace(rig, vertices=rig.vertices[kept], joints=rig.joints[kept], weights=rig.weights[kept])
    joint_nodes = sorted({node for first, count in slots.skins.values() for node in slots.nodes[first : first + count]})
    return ReadPerson(mesh, rig, tuple(joint_nodes), tuple(dict.fromkeys(notices)))


def _used_rows(faces: I64) -> I64:
    """The vertices `build_mesh` keeps: those of faces that have three distinct corners."""
    good = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    return np.unique(faces[good])
