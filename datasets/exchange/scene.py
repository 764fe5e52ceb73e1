"""Scenes of other toolkits, before they become ours."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ...core.arrays import F64, U8


@dataclass(frozen=True)
class ForeignScene:
    """Where a scene lies.

    Attributes:
        name: of the scene.
        mesh: its OBJ.
        root: the folder given.
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
        yaw_deg, pitch_deg: as ours.
        calibration: (4, 4) the mesh file's units to our view space.
        picture: (H, H, 4) uint8 RGBA, straight alpha.
        light: (9, 3) radiance in camera axes (x right, y up, z towards the camera); None where unknown.
    """

    yaw_deg: float
    pitch_deg: float
    calibration: F64
    picture: U8
    light: F64 | None
