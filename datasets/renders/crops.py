"""Crops of each view: the face and the upper body, as pictures of their own with calibrations of their own.

A crop is a square of whole pixels of its view's picture, drawn anew with `crop_size` pixels along its edge. Its size is
the same in metres in all views of a scene, and follows from the person's joints. scene.json holds with each view

    "crops": {"face": {"box_px": [left, top, edge], "calibration": [[...], ...]}}

and its files lie beside those of the view: `<view>@face.png`, `<view>@face.<layer>.png`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from ...core.arrays import F64
from ...core.errors import InputError
from ...geometry.camera import Camera, CroppedCamera, crop_camera, project, view_to_pixels
from ...motion.joints import JOINTS
from .format import SCENE, SceneRecord, ViewRecord

CROPS = ("face", "upper")
Box = tuple[int, int, int]
"""Left and upper edge and length of the edge of a square, in pixels of the view's picture; it may leave the picture."""

# Joints from the pelvis up to where the head begins; the way along those that are known is the length of the trunk.
_TRUNK = ("pelvis", "spine1", "spine2", "spine3", "neck", "head")
# The edge of a face's square: twice the distance of the ears; where they are unknown, of the trunk's length.
_EARS, _FACE = 2.2, 0.5
# From where the head begins to its middle, and to its top, of the trunk's length.
_HEAD_MIDDLE, _HEAD_TOP = 0.13, 0.3
# The upper body's square: of the way from the pelvis to the top of the head.
_UPPER = 1.15


def crop_places(joints: F64 | None, kinds: Sequence[str]) -> dict[str, tuple[F64, float]]:
    """Where the crops of a person are.

    Args:
        joints: (J, 3) world metres in the order of JOINTS, NaN for unknown ones; None where all are.
        kinds: which crops, of CROPS.

    Returns:
        Middle (3,) and edge of each, world metres. Those for which joints are missing are left out: the face needs both
        ears, or pelvis and head, the upper body pelvis and head.
    """
    known = {} if joints is None else dict(zip(JOINTS, joints, strict=True))
    known = {name: place for name, place in known.items() if np.isfinite(place).all()}
    found: dict[str, tuple[F64, float]] = {}
    trunk = [known[name] for name in _TRUNK if name in known]
    if {"pelvis", "head"} <= set(known):
        length = float(sum(np.linalg.norm(after - before) for before, after in pairwise(trunk)))
        # The head goes on in the direction of the neck.
        up = (trunk[-1] - trunk[-2]) / max(float(np.linalg.norm(trunk[-1] - trunk[-2])), 1e-9)
        top = known["head"] + _HEAD_TOP * length * up
        found["face"] = known["head"] + _HEAD_MIDDLE * length * up, _FACE * length
        found["upper"] = (known["pelvis"] + top) / 2, _UPPER * (1 + _HEAD_TOP) * length
    if {"left_ear", "right_ear"} <= set(known):
        ears = known["left_ear"], known["right_ear"]
        found["face"] = (ears[0] + ears[1]) / 2, _EARS * float(np.linalg.norm(ears[0] - ears[1]))
    return {kind: found[kind] for kind in kinds if kind in found}


def crop_box(middle: F64, edge_m: float, camera: Camera, size: int) -> Box:
    """The square of a view's picture that shows a place.

    Args:
        middle: (3,) world metres.
        edge_m: edge of the square at that place, metres.
        camera: of the view.
        size: edge of the view's picture, pixels.
    """
    matrix = camera.calibration
    row, column = view_to_pixels(project(middle[None], matrix), size, size)[0]
    depth = float(matrix[3, :3] @ middle + matrix[3, 3])  # 1 for an orthographic camera
    edge = max(1, int(np.ceil(edge_m * float(np.linalg.norm(matrix[0, :3])) / depth * size / 2)))
    return round(float(column) + 0.5 - edge / 2), round(float(row) + 0.5 - edge / 2), edge


def camera_of_crop(camera: Camera, box: Box, size: int) -> CroppedCamera:
    """The camera of a crop; arguments as for `crop_box`."""
    left, top, edge = box
    return crop_camera(camera, ((2 * left + edge) / size - 1, (2 * top + edge) / size - 1), edge / size)


def crop_name(view: str, kind: str) -> str:
    """The name of a crop's picture, without ".png"; names of views hold no "@"."""
    return f"{view}@{kind}"


def tell_uncropped(joints: F64 | None, kinds: Sequence[str]) -> list[str]:
    """Notices about crops that are asked for and cannot be placed."""
    missing = [kind for kind in kinds if kind not in crop_places(joints, kinds)]
    return [f"no crops ({', '.join(missing)}): the joints that say where are not known"] if missing else []


def read_crops(scene: SceneRecord, kind: str) -> SceneRecord:
    """A scene whose views are the crops of one kind: pictures, layers, joints and calibrations are read from it.

    Args:
        scene: as `read_renders` gives it.
        kind: of CROPS.

    Returns:
        The scene with crops as views, named "<view>@<kind>", of `crop_size` pixels. Its own calibrations put view-space
        z where those of the whole views do. No views where the joints of the person are unknown.

    Raises:
        InputError: the crops were not rendered (`mpc render --crops`), or scene.json holds something else.
    """
    if not scene.crop_size:
        raise InputError(scene.folder, f"holds no crops; render with --crops {kind}")
    try:
        views = tuple(_read_crop(scene, view, kind) for view in scene.views if kind in view.crops)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(scene.folder / SCENE, f"crops do not read ({error})") from error
    return replace(scene, views=views, image_size=scene.crop_size)


def kinds_of_crops(scene: SceneRecord) -> tuple[str, ...]:
    """The kinds of crops that a scene has, in the order of CROPS."""
    return tuple(kind for kind in CROPS if any(kind in view.crops for view in scene.views))


def describe_crop(crop: ViewRecord) -> dict[str, Any]:
    """What is known of a view of `read_crops`, JSON-ready, by the names of scene.json."""
    described = {
        "yaw_deg": crop.yaw_deg,
        "pitch_deg": crop.pitch_deg,
        "calibration": crop.calibration.tolist(),
        "light": crop.light.tolist(),
        "light_name": crop.light_name,
    }
    return described if crop.joints is None else {**described, "joints": crop.joints}


def _read_crop(scene: SceneRecord, view: ViewRecord, kind: str) -> ViewRecord:
    crop, name = view.crops[kind], crop_name(view.name, kind)
    left, top, edge = (int(value) for value in crop["box_px"])
    return replace(
        view,
        name=name,
        path=scene.folder / f"{name}.png",
        calibration=np.asarray(crop["calibration"], np.float64).reshape(4, 4),
        joints=None if view.joints is None else _joints_in(view.joints, (left, top, edge), scene),
        crops={},
    )


def _joints_in(joints: dict[str, Any], box: Box, scene: SceneRecord) -> dict[str, Any]:
    """What scene.json says of a view's joints, in the picture of a crop, outside of which nothing is seen."""
    left, top, edge = box
    times, size = scene.crop_size / edge, scene.image_size
    found: dict[str, list[Any]] = {"view": [], "px": [], "visible": []}
    for view, px, visible in zip(joints["view"], joints["px"], joints["visible"], strict=True):
        if px is None:
            entries: tuple[Any, Any, int] = None, None, 0
        else:
            place = [(px[0] + 0.5 - left) * times - 0.5, (px[1] + 0.5 - top) * times - 0.5]
            ahead = [
                (view[0] + 1) * size / edge - 2 * left / edge - 1,
                (view[1] + 1) * size / edge - 2 * top / edge - 1,
            ]
            inside = all(-0.5 <= value <= scene.crop_size - 0.5 for value in place)
            entries = [*ahead, view[2]], place, int(bool(visible) and inside)
        for name, entry in zip(found, entries, strict=True):
            found[name].append(entry)
    return found
