"""Clips of the rig of free people as BVH files."""

from __future__ import annotations

from pathlib import Path

from scipy.spatial.transform import Rotation

from mpc.motion.makehuman.body import Body, skeleton
from mpc.people.rig import BodyClip


def write_bvh(path: Path, body: Body, clip: BodyClip, scale: float) -> None:
    """Write a clip of the rig of free people as BVH, in other units."""
    rig = skeleton()
    lines = ["HIERARCHY"]

    def joint(bone: int) -> None:
        start = body.heads[bone] - (body.heads[rig.parents[bone]] if rig.parents[bone] >= 0 else 0)
        lines.append(f"{'ROOT' if bone == 0 else 'JOINT'} {rig.names[bone]}")
        lines.append("{\nOFFSET " + " ".join(f"{x * scale:.8f}" for x in start))
        lines.append(
            f"CHANNELS {'6 Xposition Yposition Zposition' if bone == 0 else '3'} Zrotation Xrotation Yrotation"
        )
        for child in range(len(rig.names)):
            if rig.parents[child] == bone:
                joint(child)
        lines.append("}")

    joint(0)
    order: list[int] = []

    def walk(bone: int) -> None:
        order.append(bone)
        for child in range(len(rig.names)):
            if rig.parents[child] == bone:
                walk(child)

    walk(0)
    lines.append(f"MOTION\nFrames: {len(clip.rotations)}\nFrame Time: {1 / 30:.9f}")
    for frame in range(len(clip.rotations)):
        angles = Rotation.from_matrix(clip.rotations[frame][order]).as_euler("ZXY", degrees=True)
        root = (body.heads[0] + clip.offsets[frame]) * scale
        lines.append(" ".join(f"{x:.8f}" for x in (*root, *angles.ravel())))
    path.write_text("\n".join(lines) + "\n")
