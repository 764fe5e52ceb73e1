"""Scenes as other toolkits store them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from ...core.arrays import F64, U8
from ...formats.obj.write import ObjStyle, lost_wraps, write_obj
from ...geometry.mesh import PosedMesh

# Nine digits represent a float32 exactly. Textures are many and read once, so fast compression suffices.
SCAN_STYLE = ObjStyle(comment="", number=".9g", texture_name="{stem}_{material}.png", png_level=1)


@dataclass(frozen=True)
class ForeignScene:
    """The files of a scene.

    Attributes:
        name: the scene's name.
        mesh: its OBJ.
        root: the folder that the user named.
        views: the folder of its views, where that is not implied by `root`.
    """

    name: str
    mesh: Path
    root: Path
    views: Path | None = None


@dataclass(frozen=True, eq=False)
class ForeignView:
    """One picture.

    Attributes:
        yaw_deg: yaw of the camera about the vertical axis, degrees, counted as for `mpc render`.
        pitch_deg: pitch of the camera, degrees, counted as for `mpc render`.
        calibration: (4, 4) from the mesh file's units to our view space.
        picture: (H, H, 4) uint8 RGBA, straight alpha.
        light: (9, 3) radiance in camera axes (x right, y up, z towards the camera); None where unknown.
    """

    yaw_deg: float
    pitch_deg: float
    calibration: F64
    picture: U8
    light: F64 | None


def write_scan(path: Path, mesh: PosedMesh) -> tuple[str, ...]:
    """Write a scene's mesh as the OBJ other toolkits read; its materials are named "material<number>".

    Args:
        path: the .obj to write.
        mesh: the mesh, in the toolkit's unit and axes.

    Returns:
        What the file cannot say of the mesh, as messages for the user.

    Raises:
        OSError: writing failed; the message names the file.
    """
    numbered = tuple(replace(material, name=f"material{n}") for n, material in enumerate(mesh.materials))
    write_obj(path, replace(mesh, materials=numbered), SCAN_STYLE)
    return lost_wraps(mesh, "OBJ")
