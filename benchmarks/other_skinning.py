"""Where the joints and the skin of a person are, found again without mpc's own skinning, for person_labels.py.

Rigs: the glTF file is read and its nodes are moved here. Free scans: each bone's motion is the rigid motion of the skin
that follows it alone (Kabsch 1976). Fits of SMPL-X: the model's definition, joint by joint.
"""

from __future__ import annotations

import json
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.spatial.transform import Rotation

from mpc.geometry.labels import PARTS
from mpc.motion.joints import JOINTS, SMPL_24
from mpc.motion.makehuman.body import BODY_VERTICES, skeleton
from mpc.motion.makehuman.body_joints import body_joints
from mpc.people.clothes.wardrobe import plan_person
from mpc.people.person import build_person

F64 = npt.NDArray[np.float64]
_TYPES = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
_WIDTHS = {"SCALAR": 1, "VEC3": 3, "VEC4": 4, "MAT4": 16}
# Bones of MakeHuman's default rig: where a joint is, and which part the skin of a bone is of.
_JOINT_BONES = {
    "collar": "clavicle", "shoulder": "upperarm01", "elbow": "lowerarm01", "wrist": "wrist", "hip": "upperleg01",
    "knee": "lowerleg01", "ankle": "foot",
}  # fmt: skip
_PART_BONES = (
    ("upperarm", "upper_arm"), ("lowerarm", "lower_arm"), ("wrist", "hand"), ("metacarpal", "hand"), ("finger", "hand"),
    ("upperleg", "thigh"), ("lowerleg", "shin"), ("foot", "foot"), ("toe", "foot"),
)  # fmt: skip


@dataclass(frozen=True)
class MovedRig:
    """A rig at one time of a clip.

    Attributes:
        joints: (J, 3) in file coordinates, NaN for those that no bone here stands for.
        vertices: (V, 3) of the skin, file coordinates.
        faces: (F, 3) into the vertices.
        parts: (V,) part of each vertex, by the sum of its weights.
    """

    joints: F64
    vertices: F64
    faces: npt.NDArray[Any]
    parts: npt.NDArray[np.uint8]


class GltfRig:
    """The first skin of a .glb and its meshes; of interpolation LINEAR and STEP alone."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        length = struct.unpack("<I", data[12:16])[0]
        self.document: dict[str, Any] = json.loads(data[20 : 20 + length])
        self._blob = data[28 + length :]
        self.nodes: list[dict[str, Any]] = self.document["nodes"]
        self.parents = {child: number for number, node in enumerate(self.nodes) for child in node.get("children", ())}
        self.skin = self.document["skins"][0]

    def read(self, number: int) -> npt.NDArray[Any]:
        """An accessor as (count, width)."""
        accessor = self.document["accessors"][number]
        view = self.document["bufferViews"][accessor["bufferView"]]
        dtype, width = np.dtype(_TYPES[accessor["componentType"]]), _WIDTHS[accessor["type"]]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        step = view.get("byteStride", dtype.itemsize * width)
        rows = np.lib.stride_tricks.as_strided(
            np.frombuffer(self._blob, np.uint8)[start:], (accessor["count"], dtype.itemsize * width), (step, 1)
        )
        return np.ascontiguousarray(rows).view(dtype).reshape(accessor["count"], width)

    def matrices(self, clip: str | None, time_s: float) -> list[F64]:
        """The world matrix of each node at a time of a clip; at rest without one."""
        moved = [dict(node) for node in self.nodes]
        for animation in self.document["animations"] if clip is not None else ():
            if animation["name"] != clip:
                continue
            for channel in animation["channels"]:
                sampler = animation["samplers"][channel["sampler"]]
                times, values = self.read(sampler["input"])[:, 0].astype(float), self.read(sampler["output"])
                value = _between(times, values.astype(float), time_s, sampler.get("interpolation", "LINEAR"))
                moved[channel["target"]["node"]][channel["target"]["path"]] = value
        found: dict[int, F64] = {}

        def world(number: int) -> F64:
            if number not in found:
                own = _local(moved[number])
                found[number] = own if number not in self.parents else world(self.parents[number]) @ own
            return found[number]

        return [world(number) for number in range(len(moved))]

    def at(self, clip: str | None, time_s: float) -> MovedRig:
        """Joints and skin at a time of a clip."""
        worlds = self.matrices(clip, time_s)
        names = [self.nodes[number].get("name", "").removeprefix("DEF-") for number in self.skin["joints"]]
        joints = np.full((len(JOINTS), 3), np.nan)
        for row, joint in enumerate(JOINTS):
            side, _, rest = joint.partition("_")
            bone = {"neck": "neck01", "head": "head"}.get(joint) or f"{_JOINT_BONES.get(rest)}.{side[:1].upper()}"
            if bone in names:
                joints[row] = worlds[self.skin["joints"][names.index(bone)]][:3, 3]
        inverse = self.read(self.skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1).astype(float)
        moves = np.stack([worlds[number] @ back for number, back in zip(self.skin["joints"], inverse, strict=True)])
        vertices, parts, faces, count = [], [], [], 0
        for mesh in self.document["meshes"]:
            for piece in mesh["primitives"]:
                at = piece["attributes"]
                places = np.pad(self.read(at["POSITION"]).astype(float), ((0, 0), (0, 1)), constant_values=1.0)
                slots, weights = self.read(at["JOINTS_0"]), self.read(at["WEIGHTS_0"]).astype(float)
                weights /= weights.sum(axis=1, keepdims=True)  # they may be stored as shares of 255 or 65535
                vertices.append(np.einsum("vk,vkij,vj->vi", weights, moves[slots], places)[:, :3])
                parts.append(_parts(names, slots, weights))
                faces.append(self.read(piece["indices"]).reshape(-1, 3).astype(np.int64) + count)
                count += len(places)
        return MovedRig(joints, np.concatenate(vertices), np.concatenate(faces), np.concatenate(parts))


def _between(times: F64, values: F64, time_s: float, interpolation: str) -> list[float]:
    after = int(np.clip(np.searchsorted(times, time_s, side="right"), 1, max(len(times) - 1, 1)))
    if len(times) == 1 or interpolation == "STEP":
        return list(values[min(int(np.searchsorted(times, time_s, side="right")), len(times)) - 1])
    share = float(np.clip((time_s - times[after - 1]) / (times[after] - times[after - 1]), 0, 1))
    first, second = values[after - 1], values[after]
    if values.shape[1] == 4:
        pair = Rotation.from_quat(np.stack([first, second]))
        turn = pair[0] * Rotation.from_rotvec(share * (pair[0].inv() * pair[1]).as_rotvec())
        return list(turn.as_quat())
    return list(first + share * (second - first))


def _local(node: dict[str, Any]) -> F64:
    if "matrix" in node:
        return np.array(node["matrix"], float).reshape(4, 4).T
    own = np.eye(4)
    turn = Rotation.from_quat(node.get("rotation", (0, 0, 0, 1))).as_matrix()
    own[:3, :3], own[:3, 3] = turn * np.array(node.get("scale", (1, 1, 1))), node.get("translation", (0, 0, 0))
    return own


def _parts(names: list[str], slots: npt.NDArray[Any], weights: F64) -> npt.NDArray[np.uint8]:
    """The part with the greatest sum of weights; the neck and whatever else there is belong to the torso."""
    of_bone = []
    for name in names:
        stem, _, side = name.partition(".")
        found = "head" if re.match(r"head|jaw|eye|tongue|oculi|oris|levator|risorius|orbicularis", stem) else "torso"
        for start, part in _PART_BONES:
            if stem.startswith(start):
                found = f"{'left' if side == 'L' else 'right'}_{part}"
        of_bone.append(PARTS.index(found))
    shares = np.zeros((len(weights), len(PARTS)))
    for column in range(weights.shape[1]):
        np.add.at(shares, (np.arange(len(weights)), np.array(of_bone)[slots[:, column]]), weights[:, column])
    return shares.argmax(axis=1).astype(np.uint8)


def scan_joints(seed: int, name: str, posed: F64) -> F64:
    """The joints (J, 3) of a free scan by the skin of its posed body (B, 3), file coordinates.

    NaN where no skin follows the joint's bone alone.
    """
    person = build_person(plan_person(seed, name), texture_size=64, assets=None, seed=seed, name=name)
    rest, weights = person.body.vertices[:BODY_VERTICES], skeleton().weights[:BODY_VERTICES]
    bound = body_joints(person.body)
    found = np.full((len(JOINTS), 3), np.nan)
    for row, bone in enumerate(bound.bones):
        own = weights[:, bone] > 0.999
        if own.sum() < 6:
            continue
        before, after = rest[own], posed[own]
        left, values, right = np.linalg.svd((before - before.mean(0)).T @ (after - after.mean(0)))
        if values[1] < 1e-6:
            continue
        turn = right.T @ np.diag([1, 1, np.sign(np.linalg.det(right.T @ left.T))]) @ left.T
        found[row] = turn @ (bound.places[row] - before.mean(0)) + after.mean(0)
    return found


def fitted_joints(model: Path, parameters: dict[str, Any]) -> F64:
    """The joints (J, 3) of a body model's file posed by parameters, those of SMPL-X's first 22 alone."""
    with np.load(model) as arrays:
        given = {name: np.asarray(value, float).ravel() for name, value in parameters.items()}
        shapes = arrays["shapedirs"][:, :, : len(given["betas"])] @ given["betas"]
        rest = arrays["J_regressor"] @ (arrays["v_template"] + shapes)
        parents = arrays["kintree_table"][0].astype(np.int64)
    turns = Rotation.from_rotvec(np.concatenate([given["global_orient"], given["body_pose"]]).reshape(-1, 3))
    found = np.full((len(JOINTS), 3), np.nan)
    moves: list[F64] = []
    for joint, turn in enumerate(turns.as_matrix()):
        own = np.eye(4)
        own[:3, :3], own[:3, 3] = turn, rest[joint] - turn @ rest[joint]
        moves.append(own if joint == 0 else moves[parents[joint]] @ own)
        place = moves[joint] @ np.append(rest[joint], 1.0)
        found[JOINTS.index(SMPL_24[joint])] = place[:3] + given.get("transl", np.zeros(3))
    return found


def face_labels(faces: npt.NDArray[Any], labels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """The label that two or three corners of a face share, else that of its first."""
    first, second, third = labels[faces].T
    return np.where(second == third, second, first).astype(np.uint8)
