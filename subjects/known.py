"""What is known of a person beyond the surface: parts and garments of the faces, the body below, joints, foot contact.

It comes from the labels beside the mesh (formats/person_file.py) where there are some, and of a rig from its bones.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from scipy.spatial import cKDTree

from ..core.arrays import F64, I32, U8
from ..formats.person_file import PersonFacts, PersonFile, find_person_file, read_person_file
from ..geometry.labels import PARTS, UNKNOWN, label_faces
from ..geometry.mesh import PosedMesh
from ..motion.bone_words import match_by_words
from ..motion.bones import SIDES, MatchedBones, crossed, rig_bones
from ..motion.joints import JOINTS, BoundJoints, joints_of_bones, with_feet
from ..motion.parts import bone_parts, vertex_parts
from ..motion.skinning import Rig, skin_vertices, world_matrices
from .find import Subject

# Vertices of a mesh and of its labels are the same where they are as near as this, as a share of the size: files are
# written with six digits, or in 32 bits.
_SAME = 1e-5
# Labels belong to another mesh where they tell of less than this share of its vertices.
_LEAST_SHARE = 0.9
CONTACT_M = 0.02


@dataclass(frozen=True, eq=False, kw_only=True)
class RigBody:
    """How the body below the clothes follows a rig.

    Attributes:
        vertices: (B, 3) at rest, file coordinates.
        faces: (F, 3) int32.
        nodes: (B, K) int32, nodes of the rig.
        weights: (B, K) float64, rows sum to 1.
    """

    vertices: F64
    faces: I32
    nodes: I32
    weights: F64


@dataclass(frozen=True, eq=False, kw_only=True)
class Known:
    """What is known of a person, to be posed with the surface.

    Attributes:
        facts: who it is.
        body: the body below the clothes of a scan, world metres.
        joints: (J, 3) world metres, of a scan; NaN where one is not known.
        rig_body: the body of a rig.
        rig_joints: the joints of a rig, by its nodes, at rest in file coordinates.
        rest: (N, 4, 4) the rig's nodes at rest.
        fit: what scene.json says of the fit of a body to a scan; None where there is none.
        notices: messages for the user.
    """

    facts: PersonFacts = field(default_factory=PersonFacts)
    body: PosedMesh | None = None
    joints: F64 | None = None
    rig_body: RigBody | None = None
    rig_joints: BoundJoints | None = None
    rest: F64 | None = None
    fit: dict[str, Any] | None = None
    notices: tuple[str, ...] = ()

    def posed(self, nodes: F64, to_world: F64) -> tuple[PosedMesh | None, F64 | None]:
        """The body of a rig in a pose, and its joints (J, 3), in world metres; None for what is not known.

        Args:
            nodes: (N, 4, 4) of the pose, file coordinates.
            to_world: (4, 4) file coordinates to world.
        """
        if self.rest is None:
            return None, None
        turn, shift = to_world[:3, :3], to_world[:3, 3]
        body, joints = None, None
        if self.rig_joints is not None:
            joints = self.rig_joints.posed(self.rest, nodes) @ turn.T + shift
        if self.rig_body is not None:
            rig = self.rig_body
            vertices = skin_vertices(rig.vertices, rig.nodes, rig.weights, nodes @ np.linalg.inv(self.rest))
            body = PosedMesh(vertices, rig.faces).transformed(to_world)
        return body, joints


def read_labels(subject: Subject) -> PersonFile | None:
    """The labels beside a subject's mesh; None where there are none.

    Raises:
        InputError: they are damaged.
    """
    path = find_person_file(subject.path, subject.root)
    return None if path is None else read_person_file(path)


def label_mesh(mesh: PosedMesh, labels: PersonFile) -> tuple[PosedMesh, tuple[str, ...]]:
    """The mesh, in file coordinates, with the labels of its faces; and a notice where they are of another mesh."""
    size = float(np.linalg.norm(mesh.bounds[1] - mesh.bounds[0]))
    distance, nearest = cKDTree(labels.vertices).query(mesh.vertices, distance_upper_bound=_SAME * size)
    same = np.isfinite(distance)
    if same.mean() < _LEAST_SHARE:
        return mesh, (f"the labels beside the mesh are of another one: {same.mean():.0%} of its vertices are in them",)

    def of_faces(labels: U8) -> U8:
        return label_faces(np.append(labels, np.uint8(UNKNOWN))[np.where(same, nearest, -1)], mesh.faces)

    part, garment = of_faces(labels.vertex_part), of_faces(labels.vertex_garment)
    return replace(mesh, face_part=part, face_garment=garment), ()


def known_of_scan(labels: PersonFile | None, to_world: F64, notices: tuple[str, ...] = ()) -> Known:
    """What labels tell of a scan; they are of another mesh where there are notices, which leaves the notices alone.

    Args:
        labels: in file coordinates; None where there are none.
        to_world: (4, 4) file coordinates to world.
        notices: of `label_mesh`.
    """
    if labels is None or notices:
        return Known(notices=notices)
    body = None
    if len(labels.body_faces):
        body = PosedMesh(labels.body_vertices, labels.body_faces).transformed(to_world)
    joints = labels.joints @ to_world[:3, :3].T + to_world[:3, 3]
    return Known(facts=labels.facts, body=body, joints=None if np.isnan(joints).all() else joints)


def label_rig(mesh: PosedMesh, rig: Rig, labels: PersonFile | None) -> tuple[PosedMesh, Known]:
    """The rest pose of a rig with the labels of its faces, and what is known of the person.

    Args:
        mesh: at rest, file coordinates; its vertices are the rig's, in the same order.
        rig: with pelvis and hips.
        labels: beside the file; None where there are none, and the bones tell.
    """
    rest = world_matrices(rig.skeleton, None)
    matched = _match(rig, rest)
    notices: tuple[str, ...] = ()
    if labels is not None:
        labelled, notices = label_mesh(mesh, labels)
        if not notices:
            return labelled, _known_of_labels(rig, rest, matched, labels, labelled)
    part = vertex_parts(bone_parts(matched, rig.skeleton.parents)[rig.slot_node], rig.joints, rig.weights)
    if (part == UNKNOWN).all():
        return mesh, Known(notices=notices)
    joints = with_feet(joints_of_bones(matched, rest[:, :3, 3]), matched.roles, mesh.vertices, part)
    labelled = replace(mesh, face_part=label_faces(part, mesh.faces))
    return labelled, Known(rig_joints=joints, rest=rest, notices=notices)


def _match(rig: Rig, rest: F64) -> MatchedBones:
    """Which bone is which: by the tables of names, else by the words in them."""
    matched = rig_bones(rig)
    if not matched.missing:
        return matched
    bones = set(np.unique(rig.slot_node).tolist())
    names = [name if number in bones else "" for number, name in enumerate(rig.skeleton.names)]
    other = match_by_words(names, rig.skeleton.parents, rest[:, :3, 3])
    if len(other.missing) >= len(matched.missing):
        return matched
    return replace(other, roles=crossed(other.roles)) if rig.sides_crossed else other


def _known_of_labels(rig: Rig, rest: F64, matched: MatchedBones, labels: PersonFile, mesh: PosedMesh) -> Known:
    """What the labels of a rig tell; without the bones that they name, the rig's own bones tell of the joints."""
    binding = labels.binding
    names = {name: number for number, name in reversed(list(enumerate(rig.skeleton.names)))}
    if binding is None or any(name not in names for name in binding.bones):
        joints = joints_of_bones(matched, rest[:, :3, 3])
        return Known(facts=labels.facts, rig_joints=joints, rest=rest, notices=(_UNBOUND,))
    nodes = np.array([*(names[name] for name in binding.bones), -1], np.int32)
    known = ~np.isnan(labels.joints).any(axis=1)
    joints = BoundJoints(labels.joints, np.where(known, nodes[binding.joint_bones], -1).astype(np.int32))
    body = None
    if len(labels.body_faces):
        body = RigBody(
            vertices=labels.body_vertices,
            faces=labels.body_faces,
            nodes=nodes[binding.joints],
            weights=binding.weights,
        )
    return Known(facts=labels.facts, rig_body=body, rig_joints=joints, rest=rest)


_UNBOUND = "the labels beside the file name bones that it lacks; its own bones tell of the joints, and no body is known"


def foot_contact(mesh: PosedMesh, joints: F64, floor_m: float) -> dict[str, bool | None]:
    """Whether heels and toes touch the floor: the surface there, bare or in shoes, is within `CONTACT_M` of it.

    Args:
        mesh: posed, world metres, with parts.
        joints: (J, 3) world metres.
        floor_m: height of the floor.

    Returns:
        For "left_heel", "left_toe", "right_heel" and "right_toe" whether it does; None where it is not known.
    """
    found: dict[str, bool | None] = {}
    for side in SIDES:
        ends = [f"{side}_heel", f"{side}_toe"]
        places = joints[[JOINTS.index(end) for end in ends]]
        foot = np.zeros((0, 3))
        if mesh.face_part is not None:
            foot = mesh.vertices[np.unique(mesh.faces[mesh.face_part == PARTS.index(f"{side}_foot")])]
        if np.isnan(places).any() or not len(foot):
            found |= dict.fromkeys(ends)
            continue
        nearest = np.linalg.norm(foot[:, None] - places, axis=2).argmin(axis=1)
        for number, end in enumerate(ends):
            mine = foot[nearest == number, 1]
            found[end] = bool(len(mine) and mine.min() <= floor_m + CONTACT_M)
    return found


def describe_known(
    joints: F64 | None, contact: dict[str, Any], facts: PersonFacts, fit: dict[str, Any] | None
) -> dict[str, Any]:
    """What scene.json says of all views: joints in the world, contact, facts, fit; JSON-ready, without the unknown."""
    told: dict[str, Any] = {}
    if joints is not None:
        places = [None if np.isnan(place).any() else place.round(5).tolist() for place in joints]
        told["joints"] = {"names": list(JOINTS), "world": places}
        told["contact"] = contact
    if facts.as_dict():
        told["person"] = facts.as_dict()
    if fit is not None:
        told["fit"] = fit
    return told
