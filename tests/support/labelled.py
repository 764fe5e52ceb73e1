"""The figure of boxes with labels beside its file: a scan of any unit, and a rig whose body follows the bones."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mpc.formats.obj.write import write_obj
from mpc.formats.person_file import BodyBinding, PersonFacts, PersonFile, labels_path, write_person_file
from mpc.geometry.labels import GARMENTS, PARTS
from mpc.geometry.mesh import PosedMesh
from mpc.motion.joints import JOINTS
from support.box_person import POSES, boxes

# One part and one garment for each box: head, torso, right and left leg, feet, arms.
BOX_PARTS = (
    "head", "torso", "right_thigh", "left_thigh", "right_foot", "left_foot", "right_upper_arm", "left_upper_arm",
)  # fmt: skip
BOX_GARMENTS = ("skin", "shirt", "trousers", "trousers", "shoes", "shoes", "skin", "skin")
PLACES = {
    "head": (0.0, 1.6, 0.0), "pelvis": (0.0, 0.9, 0.0), "left_elbow": (0.27, 1.0, 0.0), "right_elbow": (-0.27, 1.0, 0),
    "left_knee": (0.1, 0.45, 0.0), "right_knee": (-0.1, 0.45, 0.0), "left_heel": (0.1, 0.0, -0.07),
    "left_toe": (0.1, 0.0, 0.19), "right_heel": (-0.1, 0.0, -0.07), "right_toe": (-0.1, 0.0, 0.19),
}  # fmt: skip
THINNER = 0.9


def box_labels(count: int) -> np.ndarray:
    """(8 * count,) number of the box of each vertex, or face, of `figure`."""
    return np.repeat(np.arange(8), count)


def figure(cells: int = 4) -> PosedMesh:
    """The standing figure, metres."""
    return boxes(POSES["arms down"], cells=cells)


def body_of(mesh: PosedMesh) -> PosedMesh:
    """A body inside of the figure: each box shrunk about its middle."""
    box = box_labels(len(mesh.vertices) // 8)
    middle = np.stack([mesh.vertices[box == number].mean(axis=0) for number in range(8)])[box]
    return PosedMesh(middle + THINNER * (mesh.vertices - middle), mesh.faces)


def person_of(mesh: PosedMesh, binding: BodyBinding | None = None, scale: float = 1.0) -> PersonFile:
    """The labels of the figure, in a unit of which a metre has `scale`."""
    joints = np.full((len(JOINTS), 3), np.nan)
    for name, place in PLACES.items():
        joints[JOINTS.index(name)] = place
    box = box_labels(len(mesh.vertices) // 8)
    return PersonFile(
        vertices=mesh.vertices * scale,
        vertex_part=np.array([PARTS.index(name) for name in BOX_PARTS], np.uint8)[box],
        vertex_garment=np.array([GARMENTS.index(name) for name in BOX_GARMENTS], np.uint8)[box],
        body_vertices=body_of(mesh).vertices * scale,
        body_faces=mesh.faces,
        joints=joints * scale,
        binding=binding,
        facts=PersonFacts(height_m=1.72, age_years=40.0),
    )


def write_labelled_scan(folder: Path, scale: float = 1.0) -> Path:
    """Write mesh.obj and its labels into a folder; the mesh's path."""
    mesh, path = figure(), folder / "mesh.obj"
    write_obj(path, mesh.with_vertices(mesh.vertices * scale))
    write_person_file(labels_path(path), person_of(mesh, scale=scale))
    return path
