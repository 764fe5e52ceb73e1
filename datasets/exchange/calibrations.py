"""Conversion between our cameras, PIFu's parameters, and the eight-row text of ICON and MonoPort.

Their cameras look along -z (x right, y up, z towards the camera) and flip y in the "intrinsic" part, which leaves x
right, y down, z *towards* the camera: a mirrored space. Our view space is the same with z pointing away, so depths
change their sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import SettingsError

# PIFu's `ortho_ratio` at 512 pixels; with other sizes it keeps the view cube.
ORTHO_RATIO, ORTHO_SIZE = 0.4, 512
AWAY: F64 = np.diag([1.0, 1.0, -1.0, 1.0])
TO_GL: F64 = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class Orthographic:
    """A calibration split into its parts: view = scale * rotation @ (p - centre).

    Attributes:
        rotation: (3, 3) proper rotation from world axes to x right, y down, z away.
        scale: view units per unit of length.
        centre: (3,) the point that the centre of the picture shows.
    """

    rotation: F64
    scale: float
    centre: F64


def take_apart(calibration: F64) -> Orthographic:
    """Split a (4, 4) calibration into rotation, scale and centre.

    Raises:
        SettingsError: the camera is perspective, sheared or mirrored, which these folders cannot describe.
    """
    if not np.allclose(calibration[3], (0.0, 0.0, 0.0, 1.0)):
        raise SettingsError("a perspective camera cannot be written: these folders are orthographic")
    linear = calibration[:3, :3]
    scale = float(np.cbrt(np.linalg.det(linear)))
    if scale <= 0 or not np.allclose(linear @ linear.T, scale * scale * np.eye(3), atol=1e-6 * scale * scale):
        raise SettingsError("a sheared or mirrored camera cannot be written: these folders hold rotations and a scale")
    centre = np.asarray(-np.linalg.solve(linear, calibration[:3, 3]), np.float64)
    return Orthographic(np.asarray(linear / scale, np.float64), scale, centre)


def to_pifu(calibration: F64, size: int) -> dict[str, Any]:
    """Return PIFu's `ortho_ratio`, `scale`, `center`, `R` of a units-to-view matrix, for pictures of `size` pixels."""
    camera = take_apart(calibration)
    ratio = ORTHO_RATIO * ORTHO_SIZE / size
    return {
        "ortho_ratio": ratio,
        "scale": camera.scale * ratio * size / 2.0,
        "center": camera.centre,
        "R": TO_GL @ camera.rotation,
    }


def from_pifu(params: dict[str, Any], size: int) -> F64:
    """Return the (4, 4) units-to-view calibration of PIFu's parameters, for pictures of `size` pixels."""
    scale = float(params["scale"]) / float(params["ortho_ratio"]) / (size / 2.0)
    matrix = np.eye(4)
    matrix[:3, :3] = scale * TO_GL @ np.asarray(params["R"], np.float64).reshape(3, 3)
    matrix[:3, 3] = -matrix[:3, :3] @ np.asarray(params["center"], np.float64).reshape(3)
    return matrix


def to_eight_rows(calibration: F64, size: int) -> F64:
    """Return the (8, 4) extrinsic and intrinsic that ICON's loader multiplies, of a units-to-view matrix."""
    params = to_pifu(calibration, size)
    extrinsic = np.eye(4)
    extrinsic[:3, :3] = params["R"]
    extrinsic[:3, 3] = -params["R"] @ params["center"]
    factor = params["scale"] / params["ortho_ratio"] / (size / 2.0)
    return np.concatenate([extrinsic, np.diag([factor, -factor, factor, 1.0])])


def from_eight_rows(rows: F64) -> F64:
    """Return the (4, 4) units-to-view calibration of ICON's calib text.

    The first version of MonoPort stores y up and negates the row when reading. Such a matrix is recognised because it
    is not mirrored.

    Raises:
        SettingsError: `rows` is not eight rows of four finite numbers.
    """
    if rows.shape != (8, 4) or not np.isfinite(rows).all():
        raise SettingsError(f"a calibration of shape {rows.shape}, expected 8 rows of 4 finite numbers")
    extrinsic, intrinsic = rows[:4], rows[4:].copy()
    if np.linalg.det((intrinsic @ extrinsic)[:3, :3]) > 0:
        intrinsic[1] *= -1.0
    return np.asarray(AWAY @ intrinsic @ extrinsic, np.float64)
