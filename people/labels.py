"""What the generator knows of a person and writes beside the mesh: parts, garments, body, joints (docs/labels.md)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.arrays import F64, U8
from ..formats.person_file import BodyBinding, PersonFile, labels_path, write_person_file
from ..geometry.labels import GARMENTS, PARTS
from ..geometry.mesh import split_quads
from ..motion.joints import BoundJoints
from ..motion.makehuman.body import BODY_VERTICES, Body, base_mesh, skeleton
from ..motion.makehuman.body_joints import body_bones, body_joints
from ..motion.parts import bone_parts, vertex_parts
from ..motion.skinning import strongest_weights
from .body.posing import bone_transforms, skin
from .person import Person


def surface_parts(weights: F64, garments: U8) -> U8:
    """The part of the body that each vertex (V,) of a surface belongs to, by its skin weights (V, B); hair is hair."""
    parts = vertex_parts(bone_parts(body_bones(), skeleton().parents), *strongest_weights(weights))
    return np.where(garments == GARMENTS.index("hair"), np.uint8(PARTS.index("hair")), parts)


def write_scan_labels(mesh: Path, person: Person, vertices: F64, local: F64, offset: F64) -> None:
    """Write the labels of a posed person beside their mesh.

    Args:
        mesh: the mesh file.
        person: in rest pose.
        vertices: (V, 3) the posed surface as the file holds it.
        local: (B, 3, 3) rotations of the bones.
        offset: (3,) of the root, so that the surface stands where the file has it, metres.
    """
    body = person.body
    rest, weights = _body_surface(body, person.surface.weights.shape[1])
    rotations, heads = bone_transforms(body, local, offset)
    joints = _posed(body_joints(body), body.heads, rotations, heads)
    posed = skin(rest, weights, body, local, offset)
    write_person_file(labels_path(mesh), _person_file(person, vertices, posed, joints))


def write_rig_labels(mesh: Path, person: Person, vertices: F64, raised: float) -> None:
    """Write the labels of a rig beside its file.

    Args:
        mesh: the mesh file.
        person: in rest pose.
        vertices: (V, 3) the surface at rest as the file holds it.
        raised: how much higher that is than in `person`, metres.
    """
    body, bones = person.body, skeleton()
    rest, weights = _body_surface(body, len(bones.names))
    joints = body_joints(body)
    up = np.array([0.0, raised, 0.0])
    influences, shares = strongest_weights(weights)
    binding = BodyBinding(bones=bones.names, joint_bones=joints.bones, joints=influences, weights=shares)
    write_person_file(labels_path(mesh), _person_file(person, vertices, rest + up, joints.places + up, binding))


def _body_surface(body: Body, bones: int) -> tuple[F64, F64]:
    """The skin below the clothes at rest (B, 3), and its weights, of which a vertex has as many as the surface's."""
    joints, values = strongest_weights(skeleton().weights[:BODY_VERTICES].astype(np.float64))
    weights = np.zeros((BODY_VERTICES, bones))
    np.add.at(weights, (np.arange(BODY_VERTICES)[:, None], joints), values)
    return body.vertices[:BODY_VERTICES], weights


def _posed(joints: BoundJoints, rest: F64, rotations: F64, heads: F64) -> F64:
    """Joints (J, 3) of a pose, of bones that begin at `rest` (B, 3) and turn by (B, 3, 3) about `heads` (B, 3)."""
    before, now = (np.tile(np.eye(4), (len(rest), 1, 1)) for _ in range(2))
    before[:, :3, 3], now[:, :3, :3], now[:, :3, 3] = rest, rotations, heads
    return joints.posed(before, now)


def _person_file(
    person: Person, vertices: F64, body: F64, joints: F64, binding: BodyBinding | None = None
) -> PersonFile:
    return PersonFile(
        vertices=vertices,
        vertex_part=surface_parts(person.surface.weights, person.vertex_garment),
        vertex_garment=person.vertex_garment,
        body_vertices=body,
        body_faces=split_quads(base_mesh().quads["body"]),
        joints=joints,
        binding=binding,
        facts=person.facts,
    )
