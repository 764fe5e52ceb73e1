"""The figure of sticks as files: its motions as BVH, and boxes that follow its bones as a rig."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation

from mpc.motion.motion import Motion
from support.box_person import POSES, boxes
from support.gltf_files import Builder
from support.stick_motion import MIXAMO, PARENTS, stick


def write_motion(path: Path, motion: Motion) -> None:
    """Write a motion as BVH; at rest its joints are not turned."""
    parents = motion.parents.tolist()
    children: dict[int, list[int]] = {}
    for joint, parent in enumerate(parents):
        children.setdefault(parent, []).append(joint)
    lines, order = ["HIERARCHY"], []

    def joint_lines(joint: int) -> None:
        parent = parents[joint]
        offset = motion.rest_places[joint] - (motion.rest_places[parent] if parent >= 0 else 0)
        order.append(joint)
        lines.append(f"{'ROOT' if parent < 0 else 'JOINT'} {motion.bones[joint]} {{")
        lines.append("OFFSET " + " ".join(f"{value:.9f}" for value in offset))
        places = "" if parent >= 0 else "Xposition Yposition Zposition "
        lines.append(f"CHANNELS {3 if parent >= 0 else 6} {places}Zrotation Xrotation Yrotation")
        for child in children.get(joint, []):
            joint_lines(child)
        lines.append("}")

    joint_lines(0)
    lines.append(f"MOTION\nFrames: {motion.frames}\nFrame Time: {1 / motion.fps:.9f}")
    above = np.where(motion.parents[:, None, None] < 0, np.eye(3), motion.rotations[:, motion.parents])
    turns = np.swapaxes(above, -1, -2) @ motion.rotations
    for frame in range(motion.frames):
        angles = Rotation.from_matrix(turns[frame][order]).as_euler("ZXY", degrees=True)
        lines.append(" ".join(f"{value:.9f}" for value in (*motion.places[frame, 0], *angles.ravel())))
    path.write_text("\n".join(lines) + "\n")


def stick_rig(**above: object) -> Builder:
    """A person of boxes in the T pose, each vertex following the nearest stick, below a node with the given values."""
    build = Builder()
    mesh, joints = boxes(POSES["arms wide"], 3), stick(0.0, 1.0)
    end = joints.copy()
    for joint, parent in reversed(list(enumerate(PARENTS))):
        if parent > 0:
            end[parent] = joints[joint]
    along = end - joints
    from_start = mesh.vertices[:, None] - joints
    share = np.einsum("vji,ji->vj", from_start, along) / np.maximum(np.einsum("ji,ji->j", along, along), 1e-9)
    distance = np.linalg.norm(from_start - share.clip(0, 1)[..., None] * along, axis=2)
    follows = np.zeros((len(mesh.vertices), 4), np.uint8)
    follows[:, 0] = distance.argmin(axis=1)
    weights = np.tile(np.float32([1, 0, 0, 0]), (len(mesh.vertices), 1))
    attributes = {
        "POSITION": build.accessor(mesh.vertices),
        "JOINTS_0": build.accessor(follows, "u1"),
        "WEIGHTS_0": build.accessor(weights),
    }
    primitive = {"attributes": attributes, "indices": build.accessor(mesh.faces.ravel(), "u4")}
    build.add("meshes", {"primitives": [primitive]})
    for joint, parent in enumerate(PARENTS):
        start = joints[parent] if parent >= 0 else np.zeros(3)
        below = [child for child, other in enumerate(PARENTS) if other == joint]
        node = {"name": MIXAMO[joint], "translation": (joints[joint] - start).tolist()}
        build.add("nodes", {**node, **({"children": below} if below else {})})
    bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    bind[:, :3, 3] = -joints
    inverse = build.accessor(bind.transpose(0, 2, 1).reshape(-1, 16))
    build.add("skins", {"joints": list(range(len(joints))), "inverseBindMatrices": inverse})
    build.add("nodes", {"name": "person", "mesh": 0, "skin": 0})
    build.add("nodes", {"name": "Armature", "children": [0], **above})
    build.doc["scenes"] = [{"nodes": [len(joints), len(joints) + 1]}]
    return build
