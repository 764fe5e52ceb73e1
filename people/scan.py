"""One posed person as a scan: an OBJ with its texture, standing on the ground."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..core.arrays import F64
from ..formats.obj.write import ObjStyle, write_obj
from .body.posing import skin
from .labels import write_scan_labels
from .person import Person
from .rig import textured_mesh


def write_scan(folder: Path, person: Person, local: F64, offset: F64) -> None:
    """Write mesh.obj, its material, its texture and its labels into a folder.

    Args:
        folder: exists.
        person: in rest pose.
        local: (B, 3, 3) rotations of the bones.
        offset: (3,) of the root, metres.
    """
    vertices = skin(person.surface.vertices, person.surface.weights, person.body, local, offset)
    low = float(vertices[:, 1].min())
    vertices[:, 1] -= low
    mesh = textured_mesh(vertices, person.surface.faces, person.uv, person.texture)
    style = ObjStyle(comment="clothed person; metres, y up, facing +z", texture_name="texture.png")
    write_obj(folder / "mesh.obj", mesh, style)
    write_scan_labels(folder / "mesh.obj", person, vertices, local, offset - np.array([0.0, low, 0.0]))
