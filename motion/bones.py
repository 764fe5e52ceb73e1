"""Which bone is which: tables of the bone names of common rigs, and matching a skeleton against them.

A *role* is a bone of the person ("left_thigh"). A *map* lists the names that a family of rigs uses for the roles; `{}`
stands for the side. Names are compared without name space, rig prefix, case and punctuation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from .skinning import Rig

SIDES = ("left", "right")
LIMBS = ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "shin", "foot", "toe")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
# From the hips upwards; the number of their bones differs between rigs.
CHAINS = ("spine", "neck")
NEEDED = ("hips", *(f"{side}_{bone}" for side in SIDES for bone in ("upperarm", "lowerarm", "thigh", "shin")))

BoneMap = Mapping[str, tuple[str, ...]]

# A string lists alternatives, of which the first found is used; for a chain it lists the bones in order.
_TABLES: dict[str, dict[str, str]] = {
    "mixamo": {
        "hips": "Hips", "spine": "Spine Spine1 Spine2 Spine3", "neck": "Neck Neck1", "head": "Head",
        "clavicle": "{}Shoulder", "upperarm": "{}Arm", "lowerarm": "{}ForeArm", "hand": "{}Hand", "thigh": "{}UpLeg",
        "shin": "{}Leg", "foot": "{}Foot", "toe": "{}ToeBase", "finger": "{}Hand{finger}{number}",
    },
    "cmu": {
        "hips": "Hips", "spine": "LowerBack Spine Spine1", "neck": "Neck Neck1", "head": "Head",
        "clavicle": "{}Shoulder", "upperarm": "{}Arm", "lowerarm": "{}ForeArm", "hand": "{}Hand", "thigh": "{}UpLeg",
        "shin": "{}Leg", "foot": "{}Foot", "toe": "{}ToeBase",
    },
    "renderpeople": {
        "hips": "hip", "spine": "spine_01 spine_02 spine_03", "neck": "neck", "head": "head",
        "clavicle": "shoulder_{}", "upperarm": "upperarm_{}", "lowerarm": "lowerarm_{}", "hand": "hand_{}",
        "thigh": "upperleg_{}", "shin": "lowerleg_{}", "foot": "foot_{}", "toe": "ball_{} toe_{}",
        "finger": "{finger}_0{number}_{}",
    },
    "makehuman": {
        "hips": "root", "spine": "spine05 spine04 spine03 spine02 spine01", "neck": "neck01 neck02 neck03",
        "head": "head", "clavicle": "clavicle.{}", "upperarm": "upperarm01.{}", "lowerarm": "lowerarm01.{}",
        "hand": "wrist.{}", "thigh": "upperleg01.{}", "shin": "lowerleg01.{}", "foot": "foot.{}", "toe": "toe1-1.{}",
        "finger": "finger{digit}-{number}.{}",
    },
    "smpl": {
        "hips": "Pelvis", "spine": "Spine1 Spine2 Spine3", "neck": "Neck", "head": "Head",
        "clavicle": "{}_Collar", "upperarm": "{}_Shoulder", "lowerarm": "{}_Elbow", "hand": "{}_Wrist",
        "thigh": "{}_Hip", "shin": "{}_Knee", "foot": "{}_Ankle", "toe": "{}_Foot", "finger": "{}_{finger}{number}",
    },
    "unreal": {
        "hips": "pelvis", "spine": "spine_01 spine_02 spine_03 spine_04 spine_05", "neck": "neck_01 neck_02",
        "head": "head", "clavicle": "clavicle_{}", "upperarm": "upperarm_{}", "lowerarm": "lowerarm_{}",
        "hand": "hand_{}", "thigh": "thigh_{}", "shin": "calf_{}", "foot": "foot_{}", "toe": "ball_{}",
        "finger": "{finger}_0{number}_{}",
    },
    "biped": {
        "hips": "Pelvis", "spine": "Spine Spine1 Spine2 Spine3", "neck": "Neck", "head": "Head",
        "clavicle": "{} Clavicle", "upperarm": "{} UpperArm", "lowerarm": "{} Forearm", "hand": "{} Hand",
        "thigh": "{} Thigh", "shin": "{} Calf", "foot": "{} Foot", "toe": "{} Toe0",
    },
    "bvh": {
        "hips": "Hips Hip", "spine": "Abdomen Chest Chest2 Chest3 Chest4", "neck": "Neck", "head": "Head",
        "clavicle": "{}Collar", "upperarm": "{}UpArm {}Shoulder {}Shldr", "lowerarm": "{}LowArm {}Elbow {}ForeArm",
        "hand": "{}Hand {}Wrist", "thigh": "{}UpLeg {}Hip {}Thigh", "shin": "{}LowLeg {}Knee {}Shin",
        "foot": "{}Foot {}Ankle", "toe": "{}Toe {}ToeBase",
    },
    "blender": {
        "hips": "hips pelvis", "spine": "spine spine.001 spine.002 spine.003 chest", "neck": "neck neck.001",
        "head": "head", "clavicle": "shoulder.{}", "upperarm": "upper_arm.{}", "lowerarm": "forearm.{} lower_arm.{}",
        "hand": "hand.{}", "thigh": "thigh.{} upper_leg.{}", "shin": "shin.{} lower_leg.{}", "foot": "foot.{}",
        "toe": "toe.{} toes.{}",
    },
}  # fmt: skip


@dataclass(frozen=True)
class MatchedBones:
    """A skeleton's bones by role.

    Attributes:
        map_name: the table that fits best.
        roles: role to bone number.
        chains: numbers of the bones of "spine" and "neck", from the bottom up.
    """

    map_name: str
    roles: dict[str, int]
    chains: dict[str, tuple[int, ...]]

    @property
    def missing(self) -> list[str]:
        """Roles without a bone that retargeting to or from this skeleton needs."""
        return [role for role in NEEDED if role not in self.roles]

    @property
    def known(self) -> set[int]:
        """Bones that have a role."""
        return {*self.roles.values(), *(bone for chain in self.chains.values() for bone in chain)}


def all_roles() -> tuple[str, ...]:
    """Every role that a map may name."""
    sided = [*LIMBS, *(f"{finger}{number}" for finger in FINGERS for number in (1, 2, 3))]
    return ("hips", *CHAINS, "head", *(f"{side}_{bone}" for side in SIDES for bone in sided))


def without_name_space(name: str) -> str:
    """The last part of a name with name spaces ("mixamorig:Hips") or a path ("armature|hips")."""
    return re.split(r"[:|]", name)[-1]


def plain(name: str) -> str:
    """A bone's name without name space, rig prefix, case and punctuation; see also `landmarks.part_name`."""
    name = without_name_space(name)
    name = re.sub(r"^(?i:mixamorig\d*|bip0*1|def|[fm]_avg|smplx?)(?=[_\-. A-Z])[_\-. ]*", "", name)
    return re.sub(r"[^a-z0-9]", "", name.lower())


def match_bones(names: Sequence[str], maps: Mapping[str, BoneMap] | None = None) -> MatchedBones:
    """Match a skeleton's bones to roles by the map that finds most of them.

    Args:
        names: of the bones.
        maps: the user's maps by name, which are tried before the built-in ones.
    """
    numbers = {plain(name): number for number, name in reversed(list(enumerate(names)))}
    best = MatchedBones("none", {}, {})
    for table, bones in {**(maps or {}), **_BUILT_IN}.items():
        found = _match(table, bones, numbers)
        if (not found.missing, len(found.known)) > (not best.missing, len(best.known)):
            best = found
    return best


def _match(table: str, bones: BoneMap, numbers: Mapping[str, int]) -> MatchedBones:
    roles: dict[str, int] = {}
    chains: dict[str, tuple[int, ...]] = {}
    for role, names in bones.items():
        found = [numbers[key] for name in names if (key := plain(name)) in numbers]
        if role in CHAINS:
            chains[role] = tuple(dict.fromkeys(found))
        elif found:
            roles[role] = found[0]
    return MatchedBones(table, roles, chains)


def _expand(table: Mapping[str, str]) -> BoneMap:
    bones: dict[str, tuple[str, ...]] = {}
    for role, text in table.items():
        if "{}" not in text:
            names = tuple(text.split())
            bones[role] = names
            continue
        templates = text.split() if role not in ("finger",) and not text.startswith("{} ") else [text]
        for side in SIDES:
            words = (side, side[0])
            if role == "finger":
                for digit, finger in enumerate(FINGERS, 1):
                    for number in (1, 2, 3):
                        filled = text.replace("{finger}", finger).replace("{number}", str(number))
                        filled = filled.replace("{digit}", str(digit))
                        bones[f"{side}_{finger}{number}"] = tuple(filled.replace("{}", word) for word in words)
            else:
                bones[f"{side}_{role}"] = tuple(t.replace("{}", word) for t in templates for word in words)
    return bones


_BUILT_IN: dict[str, BoneMap] = {name: _expand(table) for name, table in _TABLES.items()}


def rig_bones(rig: Rig, maps: Mapping[str, BoneMap] | None = None) -> MatchedBones:
    """Match only the nodes that are bones of a rig: meshes and lamps may have names of bones."""
    bones: set[int] = set()
    for node in np.unique(rig.slot_node).tolist():
        while node >= 0 and node not in bones:
            bones.add(node)
            node = int(rig.skeleton.parents[node])
    names = [name if number in bones else "" for number, name in enumerate(rig.skeleton.names)]
    matched = match_bones(names, maps)
    return replace(matched, roles=_crossed(matched.roles)) if rig.sides_crossed else matched


def _crossed(roles: Mapping[str, int]) -> dict[str, int]:
    """Roles with left and right exchanged."""
    other = {"left": "right", "right": "left"}
    parts = ((*role.partition("_"), bone) for role, bone in roles.items())
    return {other.get(side, side) + line + rest: bone for side, line, rest, bone in parts}
