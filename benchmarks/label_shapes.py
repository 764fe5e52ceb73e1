"""Shapes whose inside is known, on which benchmarks/labels.py compares labels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import trimesh
from scipy.spatial.transform import Rotation

from mpc.geometry.mesh import PosedMesh
from mpc.geometry.orientation import orient_mesh
from mpc.motion.bones import rig_bones
from mpc.motion.skinning import skin_vertices, world_matrices
from mpc.subjects.find import find_subjects
from mpc.subjects.load import LoadedSubject, load_subject

F64 = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Shape:
    """A surface to label points of.

    Attributes:
        mesh: what the labellers get.
        truth: (F, 3, 3) float64 corners of the same surface facing outward, whose solid angles are the reference.
        told: what the truth rests on beside the solid angles, "" for nothing.
    """

    mesh: PosedMesh
    truth: F64
    told: str = ""


def made_shapes(*, coarse: bool) -> dict[str, Shape]:
    """Name to shape, `coarse` of a few thousand faces; all face outward, but for patches turned on purpose."""
    detail = 16 if coarse else 48
    sections = 48 if coarse else 96
    skirt = kept(trimesh.creation.cylinder(0.3, 0.6, sections=sections), lambda c: np.abs(c[:, 2]) < 0.29)
    skirt.apply_transform(trimesh.geometry.align_vectors([0, 0, 1], [0, 1, 0]))
    skirt.apply_translation([0, 0.75, 0])
    ball = trimesh.creation.icosphere(subdivisions=4 if coarse else 5, radius=0.5)
    turned = ball.faces.copy()
    patch = np.abs(ball.triangles_center[:, 0]) < 0.1
    turned[patch] = turned[patch, ::-1]
    return {
        "nested shells": _shape(
            trimesh.util.concatenate(
                [
                    trimesh.creation.icosphere(subdivisions=3 if coarse else 4, radius=radius)
                    for radius in (0.5, 0.45, 0.3)
                ]
            )
        ),
        "overlapping limbs": _shape(trimesh.util.concatenate(body(detail))),
        "limbs and open skirt": _shape(trimesh.util.concatenate([*body(detail), skirt.subdivide().subdivide()])),
        "ball with holes": _shape(kept(ball, lambda c: (c[:, 0] < 0.42) & (c[:, 1] > -0.45))),
        "flipped patches": Shape(_posed(trimesh.Trimesh(ball.vertices, turned, process=False)), _posed(ball).corners),
    }


def shapes_of_people(models: Path, faces: int) -> dict[str, Shape]:
    """Every scan of a folder as it is, every rig crouching and with its arms in its torso, of so many faces."""
    found: dict[str, Shape] = {}
    for subject in find_subjects(models):
        loaded = load_subject(subject)
        if loaded.rig is None:
            found[subject.id] = _as_oriented(fewer(loaded.mesh, faces))
            continue
        if rig_bones(loaded.rig).missing:
            continue  # names of its own
        for pose in ("crouching", "arms in the torso"):
            found[f"{subject.id}, {pose}"] = _as_oriented(fewer(posed(loaded, pose), faces))
    return found


def posed(loaded: LoadedSubject, pose: str) -> PosedMesh:
    """A rig bent so that it touches and passes through itself."""
    rig = loaded.rig
    assert rig is not None
    world, roles, parents = world_matrices(rig.skeleton, None), rig_bones(rig).roles, rig.skeleton.parents

    def turn(role: str, axis: str, degrees: float) -> None:
        below = {roles[role]}
        for node in rig.skeleton.order.tolist():
            if int(parents[node]) in below:
                below.add(node)
        matrix, pivot = np.eye(4), world[roles[role], :3, 3].copy()
        matrix[:3, :3] = Rotation.from_euler(axis, degrees, degrees=True).as_matrix()
        matrix[:3, 3] = pivot - matrix[:3, :3] @ pivot
        world[list(below)] = matrix @ world[list(below)]

    for side, outward in (("left", 1.0), ("right", -1.0)):
        if pose == "crouching":
            turn(f"{side}_thigh", "x", -130.0)
            turn(f"{side}_shin", "x", 150.0)
        arm = world[roles[f"{side}_lowerarm"], :3, 3] - world[roles[f"{side}_upperarm"], :3, 3]
        hangs = np.degrees(np.arctan2(arm[1], outward * arm[0]))
        turn(f"{side}_upperarm", "z", outward * (-108.0 - hangs))
    vertices = skin_vertices(rig.vertices, rig.joints, rig.weights, world[rig.slot_node] @ rig.slot_inverse)
    return loaded.mesh.with_vertices(vertices @ loaded.to_world[:3, :3].T)


def fewer(mesh: PosedMesh, faces: int) -> PosedMesh:
    """About so many faces, holes and layers kept."""
    if not 0 < faces < len(mesh.faces):
        return mesh
    import open3d

    full = open3d.geometry.TriangleMesh(
        open3d.utility.Vector3dVector(mesh.vertices), open3d.utility.Vector3iVector(mesh.faces)
    )
    less = full.simplify_quadric_decimation(faces)
    return PosedMesh(np.asarray(less.vertices, np.float64), np.asarray(less.triangles).astype(np.int32))


def limb(
    start: tuple[float, float, float], end: tuple[float, float, float], radius: float, detail: int
) -> trimesh.Trimesh:
    """A closed capsule between two points."""
    axis = np.subtract(end, start)
    mesh = trimesh.creation.capsule(height=float(np.linalg.norm(axis)), radius=radius, count=[detail, detail])
    matrix = trimesh.geometry.align_vectors([0, 0, 1], axis)
    matrix[:3, 3] = np.add(start, end) / 2
    return mesh.apply_transform(matrix)


def body(detail: int) -> list[trimesh.Trimesh]:
    """Limbs that overlap at every joint, one arm inside the torso."""
    return [
        limb((0, 0.9, 0), (0, 1.35, 0), 0.16, detail),
        limb((-0.1, 0.1, 0), (-0.08, 0.85, 0), 0.08, detail),
        limb((0.1, 0.1, 0.05), (0.08, 0.85, 0), 0.08, detail),
        limb((-0.2, 1.35, 0), (-0.1, 0.95, 0.05), 0.05, detail),
        limb((0.2, 1.35, 0), (0.5, 1.0, 0.1), 0.05, detail),
        limb((0, 1.5, 0), (0, 1.62, 0.02), 0.11, detail),
    ]


def kept(mesh: trimesh.Trimesh, keep: Callable[[F64], Bools]) -> trimesh.Trimesh:
    """The faces for whose centres `keep` holds."""
    return trimesh.Trimesh(mesh.vertices, mesh.faces[keep(mesh.triangles_center)], process=False)


def _posed(mesh: trimesh.Trimesh) -> PosedMesh:
    return PosedMesh(np.asarray(mesh.vertices, np.float64), mesh.faces.astype(np.int32))


def _shape(mesh: trimesh.Trimesh) -> Shape:
    posed_mesh = _posed(mesh)
    return Shape(posed_mesh, posed_mesh.corners)


def _as_oriented(mesh: PosedMesh) -> Shape:
    """Where faces clash there is no truth before they are made to agree, which is mpc's doing: that is told."""
    oriented = orient_mesh(mesh)
    if not oriented.notices:
        return Shape(mesh, mesh.corners)
    return Shape(mesh, oriented.mesh.corners, "(" + "; ".join(oriented.notices) + ")")
