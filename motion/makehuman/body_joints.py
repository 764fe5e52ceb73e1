"""The joints of a body at rest (motion/joints.py), by its bones and by points of its face and feet."""

from __future__ import annotations

import json
from functools import lru_cache

import numpy as np

from ...core.arrays import F64, I32, I64
from ..bones import SIDES, MatchedBones, match_bones
from ..joints import JOINTS, BoundJoints, joints_of_bones
from .body import BODY_VERTICES, EYE, HEAD_FLOOR, Body, base_mesh, data_folder, end_vertices, skeleton

# Ears: the vertices within so much of the one farthest to the side, near the height of the eyes; metres.
_EAR_DEPTH_M, _EAR_HEIGHT_M = 0.02, 0.05
# Tip of the nose, heels and tips of the toes: the mean of the vertices within so much of the outermost one, metres.
_TIP_M = 0.004


@lru_cache(maxsize=1)
def body_bones() -> MatchedBones:
    """Which of the skeleton's bones is which; the root is the pelvis."""
    return match_bones(skeleton().names)


@lru_cache(maxsize=1)
def _points() -> dict[str, tuple[str, I32]]:
    """Joints that no bone begins at: the bone that each is fixed to, and the vertices whose mean it is."""
    mesh, bones = base_mesh(), skeleton()
    skin = mesh.vertices[:BODY_VERTICES]
    head = skin[:, 1] > HEAD_FLOOR
    below_eyes = head & (np.abs(skin[:, 0]) < 0.01) & (skin[:, 1] < EYE[1]) & (skin[:, 1] > EYE[1] - 0.06)
    found = {"nose": ("head", _outermost(skin[:, 2], below_eyes))}
    for side, sign in zip(SIDES, (1.0, -1.0), strict=True):
        letter = side[0].upper()
        found[f"{side}_eye"] = "head", np.unique(mesh.quads[f"helper-{side[0]}-eye"])
        beside = head & (np.abs(skin[:, 1] - EYE[1]) < _EAR_HEIGHT_M)
        far = float((sign * skin[beside, 0]).max()) - _EAR_DEPTH_M
        found[f"{side}_ear"] = "head", np.flatnonzero(beside & (sign * skin[:, 0] > far)).astype(np.int32)
        foot = bones.weights[:BODY_VERTICES, bones.names.index(f"foot.{letter}")] > 0.5
        low = foot & (skin[:, 1] < skin[foot, 1].min() + 0.04)
        found[f"{side}_heel"] = f"foot.{letter}", _outermost(-skin[:, 2], low)
        found[f"{side}_toe"] = f"foot.{letter}", _outermost(skin[:, 2], low)
        found[f"{side}_foot"] = f"foot.{letter}", _toe_base(f"toe2-1.{letter}")
    return found


def _outermost(values: F64, among: I64) -> I32:
    return np.flatnonzero(among & (values > values[among].max() - _TIP_M)).astype(np.int32)


def _toe_base(name: str) -> I32:
    """The vertices where a toe begins, a bone that `skeleton` leaves out."""
    bones = json.loads((data_folder() / "rigs" / "standard" / "rig.default.json").read_text())
    return end_vertices(bones.get("bones", bones)[name]["head"])


def body_joints(body: Body) -> BoundJoints:
    """All joints of a body in rest pose, by number of the skeleton's bones."""
    bones = joints_of_bones(body_bones(), body.heads)
    places, numbers = bones.places.copy(), bones.bones.copy()
    for name, (bone, vertices) in _points().items():
        joint = JOINTS.index(name)
        places[joint], numbers[joint] = body.vertices[vertices].mean(axis=0), skeleton().names.index(bone)
    return BoundJoints(places, numbers)
