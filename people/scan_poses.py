"""The poses that people take: of a scan an everyday one, a hard one drawn from joint angles, or a frame of a user's
motion; of a rig a clip of hard ones."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..core.arrays import F64
from ..core.errors import MpcError
from ..core.randomness import derive_rng
from ..formats.motions import read_motion_file
from ..motion.makehuman.body import Body
from ..motion.makehuman.rotations import rotation_about
from .body.capsules import body_capsules, overlaps
from .body.hard_poses import draw_hard_pose
from .body.pose_families import FAMILIES, SKIRTED
from .body.poses import POSES, vary
from .body.posing import bone_transforms, pose_rotations
from .bvh_clips import motion_files, retarget_body
from .clothes.wardrobe import plan_person
from .rig import BodyClip

# Of the hard poses of a data set with motions, this share are frames of them.
MOTION_SHARE = 1 / 3
# Frames of a motion that are tried; where limbs meet in all of them, the one where they do least is taken.
FRAMES_TRIED = 12


@dataclass(frozen=True)
class ScanPose:
    """What is decided about a scan's pose before its body is there.

    Attributes:
        kind: "everyday", "hard" or "motion".
        name: of the everyday pose, of the family of hard ones, or of the motion's file.
    """

    kind: str
    name: str


def plan_scan_pose(seed: int, name: str, *, hard_poses: float, bvh: Path | None = None) -> ScanPose:
    """Decide what a scan does; consecutive scans take different poses.

    Args:
        seed: of the data set.
        name: of the scan, with its number at the end.
        hard_poses: share of the scans that take hard poses; they are spread evenly over the numbers.
        bvh: folder of motions for some of these, or None.
    """
    number = int(name.rsplit("_", 1)[1])
    hard_before = math.floor(number * hard_poses)
    skirted = is_skirted(seed, name)
    if math.floor((number + 1) * hard_poses) == hard_before:
        pose = _take_turns(seed, "poses", sorted(POSES), number - hard_before)
        return ScanPose(
            "everyday", {"sitting": "contrapposto", "lunge": "relaxed"}.get(pose, pose) if skirted else pose
        )
    if skirted:
        return ScanPose("hard", _take_turns(seed, "skirted poses", SKIRTED, hard_before))
    rng = derive_rng(seed, name, "scan", 0, "motion")
    if bvh is not None and rng.random() < MOTION_SHARE:
        files = motion_files(bvh)
        return ScanPose("motion", str(files[int(rng.integers(len(files)))].relative_to(bvh)))
    return ScanPose("hard", _take_turns(seed, "hard poses", sorted(FAMILIES), hard_before))


def is_skirted(seed: int, name: str) -> bool:
    """Whether a person wears a skirt: cloth is not simulated, so that of somebody who sits would stand out in front."""
    return any(worn.garment.kind == "skirt" for worn in plan_person(seed, name).worn)


def pose_clip(body: Body, count: int, rng: np.random.Generator, *, skirted: bool) -> BodyClip:
    """A clip of unrelated hard poses, a frame each, the families in turn.

    Args:
        body: who takes them.
        count: number of frames.
        rng: source of randomness.
        skirted: keep to the poses that suit a skirt.

    Returns:
        The clip "poses".

    Raises:
        MpcError: no pose of any family suits the body.
    """
    families = list(SKIRTED if skirted else sorted(FAMILIES))
    drawn: list[tuple[F64, F64]] = []
    while len(drawn) < count:
        if not families:
            raise MpcError("this body can take none of the hard poses")
        for family in rng.permutation(families).tolist():
            try:
                drawn.append(pose_rotations(body, draw_hard_pose(body, family, rng)))
            except MpcError:
                families.remove(family)
    rotations, offsets = zip(*drawn[:count], strict=True)
    return BodyClip("poses", np.stack(rotations), np.stack(offsets))


def _take_turns(seed: int, purpose: str, names: list[str] | tuple[str, ...], number: int) -> str:
    order = derive_rng(seed, "scans", "people", 0, purpose).permutation(len(names))
    return names[int(order[number % len(names)])]


def scan_rotations(plan: ScanPose, body: Body, rng: np.random.Generator, bvh: Path | None = None) -> tuple[F64, F64]:
    """The planned pose of a body.

    Args:
        plan: see `plan_scan_pose`.
        body: who takes it.
        rng: source of randomness.
        bvh: folder of motions, for a plan of kind "motion".

    Returns:
        Local rotations (B, 3, 3) of the bones and the root's offset (3,), metres.

    Raises:
        MpcError: no pose of the family suits the body.
        InputError: a motion file that cannot be used.
    """
    if plan.kind == "everyday":
        return pose_rotations(body, vary(POSES[plan.name], rng))
    if plan.kind == "hard":
        return pose_rotations(body, draw_hard_pose(body, plan.name, rng))
    assert bvh is not None
    return _motion_frame(bvh / plan.name, body, rng)


def _motion_frame(path: Path, body: Body, rng: np.random.Generator) -> tuple[F64, F64]:
    """A random frame of a motion, turned to face +z, in which no limb passes through another where there is one."""
    motions = read_motion_file(path)
    clip = retarget_body(motions[int(rng.integers(len(motions)))], body, name=path.stem)
    capsules = body_capsules(body)
    best: tuple[float, F64, F64] | None = None
    for frame in rng.permutation(len(clip.rotations))[:FRAMES_TRIED].tolist():
        local, offset = clip.rotations[frame].copy(), np.zeros(3)
        ahead = local[0][:, 2]
        local[0] = rotation_about((0, 1, 0), -float(np.degrees(np.arctan2(ahead[0], ahead[2])))) @ local[0]
        depth = float(overlaps(capsules, body, *bone_transforms(body, local, offset)).max())
        if best is None or depth < best[0]:
            best = depth, local, offset
        if depth <= 0:
            break
    assert best is not None
    return best[1], best[2]
