"""The skeleton that joints are written in: 39 points of a person, their maps to others' skeletons, and where rigs have
them.

The names are the union of three skeletons in use: the 24 joints of SMPL (Loper et al. 2015; the first 22 of SMPL-X,
whose hands go on in fingers), the 17 points of COCO, and those points of BlazePose that are neither corners of eyes nor
of the mouth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..core.arrays import F64, I32, U8, Bools
from ..geometry.labels import PARTS
from .bones import SIDES, MatchedBones

_ARM = ("collar", "shoulder", "elbow", "wrist", "hand")
_LEG = ("hip", "knee", "ankle", "foot")
_REST = ("eye", "ear", "heel", "toe", "thumb", "index", "pinky")
JOINTS = (
    "pelvis", "spine1", "spine2", "spine3", "neck", "head", "nose",
    *(f"{side}_{name}" for name in (*_ARM, *_LEG, *_REST) for side in SIDES),
)  # fmt: skip
"""Names of the joints by their number; left and right are the person's own. docs/labels.md says where each is."""


def _sided(*names: str) -> tuple[str, ...]:
    return tuple(f"{side}_{name}" for name in names for side in SIDES)


COCO_17: tuple[str, ...] = (
    "nose", *_sided("eye", "ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle"),
)  # fmt: skip
"""The joint at each place of COCO's 17 keypoints."""
BLAZEPOSE_33: tuple[str | None, ...] = (
    "nose", None, "left_eye", None, None, "right_eye", None, "left_ear", "right_ear", None, None,
    *_sided("shoulder", "elbow", "wrist", "pinky", "index", "thumb", "hip", "knee", "ankle", "heel", "toe"),
)  # fmt: skip
"""The joint at each place of BlazePose's 33 landmarks; None for the corners of eyes and mouth."""
SMPL_24: tuple[str, ...] = (
    "pelvis", *_sided("hip"), "spine1", *_sided("knee"), "spine2", *_sided("ankle"), "spine3", *_sided("foot"), "neck",
    *_sided("collar"), "head", *_sided("shoulder", "elbow", "wrist", "hand"),
)  # fmt: skip
"""The joint at each place of SMPL's 24 joints; the first 22 are those of SMPL-X and SMPL-H, too."""

# How far up the spine SMPL's three joints are, from the pelvis to the neck: those of its mean shape.
_SPINE = (0.235, 0.497, 0.598)
_OF_ROLE = {
    "collar": "clavicle", "shoulder": "upperarm", "elbow": "lowerarm", "wrist": "hand", "hand": "middle1",
    "hip": "thigh", "knee": "shin", "ankle": "foot", "foot": "toe", "thumb": "thumb2", "index": "index1",
    "pinky": "pinky1",
}  # fmt: skip
# A foot's ends are the means of the vertices within these shares of its length, and of its height from the sole.
_END_SHARE, _SOLE_SHARE = 0.08, 0.4
_LEAST_VERTICES = 12


@dataclass(frozen=True, eq=False)
class BoundJoints:
    """The joints of a person at rest, each fixed to a bone.

    Attributes:
        places: (J, 3) float64, J = len(JOINTS), the rest pose's coordinates; NaN where a joint is not known.
        bones: (J,) int32 numbers of bones; -1 where a joint is not known.
    """

    places: F64
    bones: I32

    def posed(self, rest: F64, now: F64) -> F64:
        """The joints in a pose: (J, 3), NaN where not known.

        Args:
            rest: (N, 4, 4) matrices of the bones in the pose of `places`.
            now: (N, 4, 4) matrices of the bones in the pose that is asked for.
        """
        known = self.bones >= 0
        found = np.full_like(self.places, np.nan)
        bones = self.bones[known]
        moves = now[bones] @ np.linalg.inv(rest[bones])
        found[known] = np.einsum("jab,jb->ja", moves[:, :3, :3], self.places[known]) + moves[:, :3, 3]
        return found


def pick(names: tuple[str | None, ...], joints: F64) -> F64:
    """The joints (J, ...) in the order of another skeleton (K, ...), such as COCO_17; NaN where it has another point.

    Args:
        names: COCO_17, BLAZEPOSE_33 or SMPL_24.
        joints: (J, ...) float64, J = len(JOINTS).
    """
    numbers = [len(JOINTS) if name is None else JOINTS.index(name) for name in names]
    return np.concatenate([joints, np.full_like(joints[:1], np.nan)])[numbers]


def joints_of_bones(matched: MatchedBones, heads: F64) -> BoundJoints:
    """The joints that bones tell of: a joint is where the bone of its role begins.

    The pelvis is the middle between the hips, and the spine's three joints divide the way from there to the neck as
    those of SMPL do, whatever the number of the rig's own.

    Args:
        matched: which bone is which.
        heads: (N, 3) where the bones begin, at rest.
    """
    places = np.full((len(JOINTS), 3), np.nan)
    bones = np.full(len(JOINTS), -1, np.int32)

    def put(name: str, bone: int, place: F64) -> None:
        places[JOINTS.index(name)], bones[JOINTS.index(name)] = place, bone

    roles = matched.roles
    for side in SIDES:
        for joint, role in _OF_ROLE.items():
            if f"{side}_{role}" in roles:
                bone = roles[f"{side}_{role}"]
                put(f"{side}_{joint}", bone, heads[bone])
    neck = matched.chains.get("neck", ())
    if neck:
        put("neck", neck[0], heads[neck[0]])
    if "head" in roles:
        put("head", roles["head"], heads[roles["head"]])
    if {"hips", "left_thigh", "right_thigh"} <= set(roles):
        pelvis = heads[[roles["left_thigh"], roles["right_thigh"]]].mean(axis=0)
        put("pelvis", roles["hips"], pelvis)
        chain = [bone for bone in matched.chains.get("spine", ()) if bone != roles["hips"]]
        if chain and neck:
            way = np.stack([pelvis, *heads[chain], heads[neck[0]]])
            for number, (place, step) in enumerate(_along(way, _SPINE), 1):
                put(f"spine{number}", [roles["hips"], *chain][step], place)
    return BoundJoints(places, bones)


def _along(way: F64, shares: tuple[float, ...]) -> list[tuple[F64, int]]:
    """The points at shares of the length of a line through points (P, 3), and the number of the piece each is on."""
    ends = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(way, axis=0), axis=1))])
    found = []
    for share in shares:
        step = min(int(np.searchsorted(ends, share * ends[-1], side="right")) - 1, len(way) - 2)
        length = max(ends[step + 1] - ends[step], 1e-12)
        found.append((way[step] + (share * ends[-1] - ends[step]) / length * (way[step + 1] - way[step]), step))
    return found


def with_feet(joints: BoundJoints, roles: Mapping[str, int], vertices: F64, vertex_part: U8) -> BoundJoints:
    """Add heels and toes, which few rigs have bones for: the ends of the feet's surface, bare or in shoes.

    Args:
        joints: with ankles.
        roles: bones by role, of which "left_foot" and "left_toe" are used.
        vertices: (V, 3) the surface at rest, y up.
        vertex_part: (V,) uint8, see geometry/labels.py.
    """
    places, bones = joints.places.copy(), joints.bones.copy()
    for side in SIDES:
        foot = vertices[vertex_part == PARTS.index(f"{side}_foot")]
        ankle = places[JOINTS.index(f"{side}_ankle")]
        if len(foot) < _LEAST_VERTICES or np.isnan(ankle).any():
            continue
        ball = places[JOINTS.index(f"{side}_foot")]
        ahead = (foot.mean(axis=0) if np.isnan(ball).any() else ball) - ankle
        ahead[1] = 0.0
        along = foot @ ahead / max(float(np.linalg.norm(ahead)), 1e-12)
        low: Bools = foot[:, 1] <= foot[:, 1].min() + _SOLE_SHARE * np.ptp(foot[:, 1])
        reach = _END_SHARE * np.ptp(along)
        ends = {"heel": along <= along[low].min() + reach, "toe": along >= along[low].max() - reach}
        for name, end in ends.items():
            number = JOINTS.index(f"{side}_{name}")
            role = f"{side}_toe" if name == "toe" and f"{side}_toe" in roles else f"{side}_foot"
            places[number], bones[number] = foot[end & low].mean(axis=0), roles[role]
    return BoundJoints(places, bones)
