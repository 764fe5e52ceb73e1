"""Cameras of real rigs from files: NeRF's and nerfstudio's transforms.json, OpenCV's matrices, COLMAP's text models.

All of them are taken in the world of the renders: metres, people on the ground at the origin, y up (or z, as NeRF's
and nerfstudio's worlds have it, which is turned so that its z is up and its x stays). A camera becomes a pinhole with
square pixels and a square picture about its optical axis that covers the whole of its own picture: the principal point
and different focal lengths move that picture within the square, and the calibration of each view says where everything
is. Distortion is left out, as in pictures that were undistorted, and told.

Sources: NeRF (github.com/bmild/nerf, load_blender.py), nerfstudio ("Data conventions" of its documentation), OpenCV
("Camera Calibration and 3D Reconstruction"), COLMAP ("Output Format" of its documentation).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError
from ...geometry.camera import PerspectiveCamera, angles_of

WIDEST_DEG = 85.0
# Right, up, back (OpenGL, as NeRF has it) to right, down, away.
_OPENGL = np.diag([1.0, -1.0, -1.0])
UPS = {"y": np.eye(3), "z": np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, -1.0, 0.0]])}
"""The axes of a file that can point up, with the rotation of its world to that of the renders."""
# Parameters of COLMAP's models: which are fx, fy, cx and cy; what follows is distortion.
_COLMAP = {
    "SIMPLE_PINHOLE": (0, 0, 1, 2), "PINHOLE": (0, 1, 2, 3), "SIMPLE_RADIAL": (0, 0, 1, 2), "RADIAL": (0, 0, 1, 2),
    "OPENCV": (0, 1, 2, 3), "FULL_OPENCV": (0, 1, 2, 3),
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class FileCamera:
    """A camera of a file.

    Attributes:
        name: of its pictures: letters, digits, "_", "+" and "-".
        eye_world: (3,) float64, its place, metres.
        rotation: (3, 3) float64, rows right, down and away in the world.
        fov_deg: angle of view of the square that covers its picture, degrees.
        distorted: whether the file has a distortion for it, which is left out.
    """

    name: str
    eye_world: F64
    rotation: F64
    fov_deg: float
    distorted: bool = False

    def facing(self, centre_world: tuple[float, float, float]) -> PerspectiveCamera:
        """The camera, with a view cube as deep in the world as this point and as wide as what it sees there.

        Raises:
            ValueError: the point is behind it.
        """
        depth = float((np.asarray(centre_world) - self.eye_world) @ self.rotation[2])
        if depth <= 0.0:
            raise ValueError(f"camera {self.name} looks away from the person")
        x, y, z = (self.eye_world + depth * self.rotation[2]).tolist()
        extent = 2.0 * depth * float(np.tan(np.radians(self.fov_deg) / 2))
        return PerspectiveCamera((x, y, z), extent, *angles_of(self.rotation), fov_deg=self.fov_deg)


@lru_cache(maxsize=4)
def read_cameras(path: Path, up: str = "y") -> tuple[FileCamera, ...]:
    """Read the cameras of a file, or of a folder with a COLMAP model.

    Args:
        path: transforms.json; a JSON file {"cameras": [{"name", "K", "R", "t", "width", "height", "dist"}, ...]} with
            OpenCV's matrices, world to camera; or a folder with COLMAP's cameras.txt and images.txt.
        up: the axis of the file's world that points up, a key of UPS.

    Raises:
        InputError: it is none of these, or a camera in it makes no sense; names the camera and the reason.
    """
    found = _read_colmap(path) if path.is_dir() else _read_json(path)
    if not found:
        raise InputError(path, "holds no camera")
    turn = UPS[up]
    return tuple(
        replace(camera, eye_world=turn @ camera.eye_world, rotation=camera.rotation @ turn.T)
        for camera in _with_names(found)
    )


def _read_json(path: Path) -> list[FileCamera]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(path, "no such file") from None
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        reason = f"is not readable as JSON ({error}); cameras are read from transforms.json, from a JSON file with "
        raise InputError(path, f'{reason}"cameras", or from a folder with a COLMAP model as text') from error
    if isinstance(content, dict) and isinstance(content.get("frames"), list):
        return _each(path, content["frames"], lambda frame: _of_nerf(frame, content))
    if isinstance(content, dict) and isinstance(content.get("cameras"), list):
        return _each(path, content["cameras"], _of_opencv)
    raise InputError(path, 'holds neither "frames" (transforms.json) nor "cameras" (OpenCV\'s matrices), a list')


def _each(path: Path, rows: Sequence[Any], read: Callable[[Any], FileCamera]) -> list[FileCamera]:
    found = []
    for number, row in enumerate(rows):
        try:
            found.append(read(row))
        except KeyError as error:
            raise InputError(path, f"camera {number}: no entry {error}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError(path, f"camera {number}: {error}") from error
    return found


def _of_nerf(frame: Mapping[str, Any], common: Mapping[str, Any]) -> FileCamera:
    """A frame of transforms.json; its intrinsics, or those of the file."""
    known = {**common, **frame}
    pose = _matrix(frame["transform_matrix"], (4, 4), "transform_matrix")
    if "fl_x" in known:
        fx = float(known["fl_x"])
        fy = float(known.get("fl_y", fx))
        width, height = float(known["w"]), float(known["h"])
        cx, cy = float(known.get("cx", width / 2)), float(known.get("cy", height / 2))
        fov = _fov(fx, fy, cx, cy, width, height)
    else:
        fov = float(np.degrees(known["camera_angle_x"]))
        width, height = float(known.get("w", 1.0)), float(known.get("h", 1.0))
        if height > width:
            fov = float(2 * np.degrees(np.arctan(np.tan(np.radians(fov) / 2) * height / width)))
    distorted = any(float(known.get(key, 0.0)) for key in ("k1", "k2", "k3", "k4", "p1", "p2"))
    name = PurePosixPath(str(frame.get("file_path", "camera"))).stem
    return _camera(name, _OPENGL @ pose[:3, :3].T, pose[:3, 3], fov, distorted)


def _of_opencv(row: Mapping[str, Any]) -> FileCamera:
    """A camera with OpenCV's K, R and t: x = K (R X + t)."""
    lens = _matrix(row["K"], (3, 3), "K")
    rotation, shift = _matrix(row["R"], (3, 3), "R"), _matrix(row["t"], (3,), "t")
    fx, fy, cx, cy = (float(lens[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    width, height = float(row.get("width", 2 * cx)), float(row.get("height", 2 * cy))
    distorted = bool(np.any(np.asarray(row.get("dist", ()), np.float64)))
    # The pixel's centre is at whole numbers in OpenCV, the picture's edge half a pixel before.
    fov = _fov(fx, fy, cx + 0.5, cy + 0.5, width, height)
    return _camera(str(row.get("name", "camera")), rotation, -rotation.T @ shift, fov, distorted)


def _read_colmap(folder: Path) -> list[FileCamera]:
    lenses_file, images_file = folder / "cameras.txt", folder / "images.txt"
    if not images_file.is_file() or not lenses_file.is_file():
        hint = ""
        if (folder / "images.bin").is_file():
            hint = "; write the model as text: colmap model_converter --output_type TXT"
        raise InputError(folder, f"holds no cameras.txt and images.txt of COLMAP{hint}")
    lenses: dict[str, tuple[float, bool]] = {}
    for number, words in _lines(lenses_file):
        try:
            name, model, width, height, *rest = words
            numbers = [float(word) for word in rest]
            if model not in _COLMAP:
                raise ValueError(f"the model {model} is not read, only {', '.join(_COLMAP)}")
            fx, fy, cx, cy = (numbers[place] for place in _COLMAP[model])
            distorted = any(numbers[max(_COLMAP[model]) + 1 :])
            lenses[name] = _fov(fx, fy, cx, cy, float(width), float(height)), distorted
        except (ValueError, IndexError) as error:
            raise InputError(lenses_file, f"line {number}: {error}") from error
    found = []
    # Every second line holds the points of a picture, and may be empty.
    for number, words in list(_lines(images_file, keep_empty=True))[::2]:
        try:
            w, x, y, z, *shift = (float(word) for word in words[1:8])
            fov, distorted = lenses[words[8]]
            rotation = _of_quaternion(np.array([w, x, y, z]))
            name = PurePosixPath(" ".join(words[9:])).stem
            found.append(_camera(name, rotation, -rotation.T @ np.array(shift), fov, distorted))
        except (ValueError, IndexError, KeyError) as error:
            reason = f"camera {error} is not in cameras.txt" if isinstance(error, KeyError) else str(error)
            raise InputError(images_file, f"line {number}: {reason}") from error
    return found


def _lines(path: Path, *, keep_empty: bool = False) -> Iterator[tuple[int, list[str]]]:
    """Number and words of each line that is no comment."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(path, f"is not readable as text ({error})") from error
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("#") and (keep_empty or line.strip()):
            yield number, line.split()


def _of_quaternion(quaternion: F64) -> F64:
    """Rotation (3, 3) of a quaternion w, x, y, z."""
    length = float(np.linalg.norm(quaternion))
    if not length > 0.0:
        raise ValueError("the quaternion is zero")
    w, x, y, z = quaternion / length
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )


def _fov(fx: float, fy: float, cx: float, cy: float, width: float, height: float) -> float:
    """Angle of view of the square about the optical axis that covers a picture; edges at 0, width and height."""
    if not (fx > 0 and fy > 0 and width > 0 and height > 0):
        raise ValueError(f"focal lengths {fx:g}, {fy:g} and a picture of {width:g} x {height:g}: expected above 0")
    reach = max(cx / fx, (width - cx) / fx, cy / fy, (height - cy) / fy)
    return float(2 * np.degrees(np.arctan(reach)))


def _camera(name: str, rotation: F64, eye: F64, fov: float, distorted: bool) -> FileCamera:
    if not np.isfinite(rotation).all() or not np.isfinite(eye).all() or not np.isfinite(fov):
        raise ValueError("its numbers are not finite")
    if np.abs(rotation @ rotation.T - np.eye(3)).max() > 1e-2 or np.linalg.det(rotation) < 0:
        raise ValueError("its rotation is none (scaled, sheared or mirrored)")
    if not 0.0 < fov <= WIDEST_DEG:
        raise ValueError(f"it sees {fov:.1f} degrees, and at most {WIDEST_DEG:g} can be drawn")
    left, _, right = np.linalg.svd(rotation)
    return FileCamera(name, np.asarray(eye, np.float64), left @ right, fov, distorted)


def _matrix(values: Any, shape: tuple[int, ...], what: str) -> F64:
    matrix = np.asarray(values, np.float64)
    if matrix.size != int(np.prod(shape)):
        raise ValueError(f"{what} has the shape {matrix.shape}, expected {shape}")
    return matrix.reshape(shape)


def _with_names(cameras: Sequence[FileCamera]) -> tuple[FileCamera, ...]:
    """The cameras with names that files can have, each another."""
    taken: set[str] = set()
    result = []
    for camera in cameras:
        base = re.sub(r"[^A-Za-z0-9_+-]+", "_", camera.name).strip("_") or "camera"
        name, number = base, 2
        while name.lower() in taken:
            name, number = f"{base}_{number}", number + 1
        taken.add(name.lower())
        result.append(replace(camera, name=name))
    return tuple(result)
