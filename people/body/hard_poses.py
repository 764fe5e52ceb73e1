"""Hard poses for scans: joint angles drawn at random from anatomical ranges, kept where no limb passes through another.

Limbs that reach towards a camera or away from it are what a network learns last, so each family (`pose_families.py`)
has some. What lies outside the ranges of `limits.py`, or penetrates, is drawn again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...core.errors import MpcError
from ...motion.makehuman.body import Body, skeleton
from ...motion.makehuman.limits import RANGES, beyond, joint_angles
from .capsules import Capsules, body_capsules, overlaps
from .legs import Leg, LegAngles
from .pose_families import FAMILIES, Build
from .posing import Pose, bone_transforms, leg_length_m, mirrored, pose_rotations
from .random_limbs import HEEL, Rng

MOST_DRAWS = 400


def build_of(body: Body, capsules: Capsules) -> Build:
    """Measure a body's proportions."""
    names = skeleton().names
    hip, knee = (body.heads[names.index(f"{bone}.L")] for bone in ("upperleg01", "lowerleg01"))
    length = leg_length_m(body)
    radius = dict(zip(capsules.names, capsules.radii, strict=True))
    return Build(
        hip=float(hip[1] / length),
        thigh=float(np.linalg.norm(hip - knee) / length),
        knee=float(radius["shin L"] / length),
        seat=float(radius["thigh L"] / length) * 1.1,
    )


def draw_hard_pose(body: Body, name: str, rng: Rng) -> Pose:
    """Draw a pose within the joints' ranges whose limbs do not pass through each other or the torso.

    Args:
        body: who takes it.
        name: of the family, one of FAMILIES.
        rng: source of randomness.

    Returns:
        The pose.

    Raises:
        MpcError: after MOST_DRAWS draws there is none.
    """
    capsules = body_capsules(body)
    build = build_of(body, capsules)
    for _ in range(MOST_DRAWS):
        pose = FAMILIES[name](rng, build)
        pose = mirrored(pose) if rng.random() < 0.5 else pose
        placed = bone_transforms(body, *pose_rotations(body, pose))
        angles = joint_angles(*placed)
        if settled := _feet_settled(pose, angles):
            pose = settled
            placed = bone_transforms(body, *pose_rotations(body, pose))
            angles = joint_angles(*placed)
        if not beyond(angles) and overlaps(capsules, body, *placed).max() <= 0:
            return pose
    raise MpcError(f"this body can take no pose of {name} (of {MOST_DRAWS} drawn)")


def _feet_settled(pose: Pose, angles: dict[str, float]) -> Pose | None:
    """The pose with heels or toes off the ground where flat feet would bend an ankle too far; None where none would."""
    low, high = RANGES["ankle"]

    def settled(leg: Leg | LegAngles, tag: str) -> Leg | LegAngles:
        now = angles[f"ankle {tag}"]
        lack = float(np.clip(now, low, high)) - now
        if isinstance(leg, LegAngles) or lack == 0:
            return leg
        # A raised heel raises the ankle, and so bends it a little more.
        pitch = leg.pitch + (1.3 * lack if lack > 0 else lack)
        before, after = (HEEL * float(np.sin(np.radians(max(value, 0.0)))) for value in (leg.pitch, pitch))
        return replace(leg, pitch=pitch, up=leg.up + after - before)

    left, right = settled(pose.left_leg, "L"), settled(pose.right_leg, "R")
    if left is pose.left_leg and right is pose.right_leg:
        return None
    return replace(pose, left_leg=left, right_leg=right)
