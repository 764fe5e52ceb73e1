"""The joints of a person as a view shows them: in view space, in pixels, and whether they can be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core.arrays import F64, Bools
from ...core.errors import InputError
from ...geometry.camera import Camera, project, view_to_pixels
from ...geometry.labels import PARTS, SIDES, UNKNOWN
from ...geometry.mesh import PosedMesh
from ...geometry.rays import ray_scene
from ...motion.joints import JOINTS
from ...render.cutouts import first_visible
from ...render.layers import BODY_LAYERS
from ...subjects.scenes import LoadedScene
from .format import SCENE, SceneRecord, ViewRecord

# The surface that hides a joint from nobody is of these parts of the body, and at most this far in front of it: half
# of a stout person's trunk, metres.
_NEAR_M = 0.25
_TRUNK = ("torso", "head", "hair")
_LIMB_PARTS = {
    "collar": ("torso", "upper_arm", "head", "hair"), "shoulder": ("upper_arm", "torso"),
    "elbow": ("upper_arm", "lower_arm"), "wrist": ("lower_arm", "hand"), "hip": ("thigh", "torso"),
    "knee": ("thigh", "shin"), "ankle": ("shin", "foot"), "nose": ("head",), "eye": ("head",), "ear": ("head",),
    **dict.fromkeys(("hand", "thumb", "index", "pinky"), ("hand",)),
    **dict.fromkeys(("foot", "heel", "toe"), ("foot",)),
}  # fmt: skip
# Points on the skin are seen where nothing is in front of them, not even their own part farther away: the far eye is
# hidden.
_ON_SKIN = {"nose": 0.03, "eye": 0.03, "ear": 0.04, "heel": 0.06, "toe": 0.06}


def _own_parts() -> tuple[Bools, F64]:
    """(J, 256) whether a joint counts as seen through a part, and (J,) how far in front of it, metres."""
    own, reach = np.zeros((len(JOINTS), 256), bool), np.full(len(JOINTS), _NEAR_M)
    for number, name in enumerate(JOINTS):
        side, _, rest = name.partition("_")
        kind = rest if side in SIDES else name
        names = _LIMB_PARTS.get(kind, _TRUNK)
        if kind == "pelvis":
            names = ("torso", "left_thigh", "right_thigh")
        for part in names:
            own[number, PARTS.index(part if part in PARTS else f"{side}_{part}")] = True
        reach[number] = _ON_SKIN.get(kind, _NEAR_M)
    return own, reach


def joints_in_view(mesh: PosedMesh, joints: F64, camera: Camera, size: int) -> dict[str, Any]:
    """The joints as a view shows them, JSON-ready, in the order of JOINTS.

    Args:
        mesh: the posed surface with the parts of its faces, world metres.
        joints: (J, 3) world metres; NaN for those that are not known.
        camera: of the view.
        size: edge of the picture, pixels.

    Returns:
        "view": x, y, z in view space; "px": column and row, pixels, the middle of the upper left one at 0, 0;
        both None for joints that are not known. "visible": 1 where the joint is seen: the first surface on the ray to
        it is the skin or cloth around it; 0 where something is in front, or it is outside of the picture.
    """
    known = np.asarray(~np.isnan(joints).any(axis=1), bool)
    in_view = np.full_like(joints, np.nan)
    in_view[known] = project(joints[known], camera.calibration)
    pixels = view_to_pixels(in_view, size, size)[:, ::-1]
    return {
        "view": [place.round(5).tolist() if one else None for place, one in zip(in_view, known, strict=True)],
        "px": [place.round(3).tolist() if one else None for place, one in zip(pixels, known, strict=True)],
        "visible": _visible(mesh, joints, known, in_view, camera).astype(int).tolist(),
    }


def tell_unknown(scene: LoadedScene, layers: tuple[str, ...]) -> list[str]:
    """Notices about layers that are asked for and show nothing, since what they show is not known of this person."""
    told = []
    if scene.body is None and any(name in BODY_LAYERS for name in layers):
        told.append("no body below the clothes is known: its layers are empty (docs/labels.md)")
    for what, labels in (("part", scene.mesh.face_part), ("garment", scene.mesh.face_garment)):
        if labels is None and any(name.startswith(what) for name in layers):
            told.append(f"{what}s are not known: their layers hold {UNKNOWN} alone (docs/labels.md)")
    return told


def read_world_joints(scene: SceneRecord) -> F64 | None:
    """The joints of a scene: (J, 3) world metres in the order of JOINTS, NaN for unknown ones; None where all are.

    Raises:
        InputError: scene.json holds something else.
    """
    told = scene.labels.get("joints")
    if told is None:
        return None
    try:
        return _in_order(told["names"], told["world"], 3)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(scene.folder / SCENE, f"labels: joints do not read ({error})") from error


@dataclass(frozen=True, eq=False)
class ViewJoints:
    """The joints as a view shows them, in the order of JOINTS.

    Attributes:
        view: (J, 3) float64, view space; NaN for joints that are not known.
        px: (J, 2) float64 column and row, pixels, the middle of the upper left one at 0, 0; NaN likewise.
        visible: (J,) bool.
    """

    view: F64
    px: F64
    visible: Bools


def read_view_joints(scene: SceneRecord, view: ViewRecord) -> ViewJoints | None:
    """The joints as a view of a scene shows them; None where the scene has none.

    Raises:
        InputError: scene.json holds something else.
    """
    if view.joints is None:
        return None
    try:
        names = scene.labels["joints"]["names"]
        visible = _in_order(names, [[float(one)] for one in view.joints["visible"]], 1)[:, 0]
        in_view, px = (_in_order(names, view.joints[name], width) for name, width in (("view", 3), ("px", 2)))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(scene.folder / SCENE, f"view {view.name}: joints do not read ({error})") from error
    return ViewJoints(in_view, px, visible == 1)


def _in_order(names: list[str], rows: list[list[float] | None], width: int) -> F64:
    """Rows of joints by the file's list of names, None for unknown ones, as (J, width) in the order of JOINTS."""
    found = np.full((len(JOINTS), width), np.nan)
    for name, row in zip(names, rows, strict=True):
        if row is not None and name in JOINTS:
            found[JOINTS.index(name)] = row
    return found


def _visible(mesh: PosedMesh, joints: F64, known: Bools, in_view: F64, camera: Camera) -> Bools:
    """(J,) whether the first surface on the ray to a joint is its own and near; all False without known parts."""
    seen = np.zeros(len(joints), bool)
    rows = np.flatnonzero(known & (np.abs(in_view[:, :2]) <= 1).all(axis=1))
    if mesh.face_part is None or not len(rows):
        return seen
    origins, directions = camera.rays(in_view[rows, :2])
    directions = np.broadcast_to(directions, origins.shape)
    hits = first_visible(mesh, ray_scene(mesh), origins, directions)
    lengths = np.linalg.norm(directions, axis=1)
    ahead = ((joints[rows] - origins) * directions).sum(axis=1) / lengths - hits.distance * lengths
    own, reach = _own_parts()
    part = np.where(hits.hit, mesh.face_part[hits.face], 0)
    seen[rows] = ~hits.hit | (own[rows, part] & (ahead < reach[rows])) | (ahead <= 0)
    return seen
