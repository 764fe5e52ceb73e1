"""Which bone is which: names of the rigs in use, as tables, and the user's own map from a TOML file.

A *role* is a bone of the person ("left_thigh"); a *map* says which names a family of rigs uses for the roles. `{}`
stands for the side. Names are compared without name space, rig prefix, case and punctuation.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..core.errors import InputError

SIDES = ("left", "right")
LIMBS = ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "shin", "foot", "toe")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
CHAINS = ("spine", "neck")  # from the hips upwards; their numbers of bones differ between rigs
NEEDED = ("hips", *(f"{side}_{bone}" for side in SIDES for bone in ("upperarm", "lowerarm", "thigh", "shin")))

BoneMap = Mapping[str, tuple[str, ...]]

# A string lists alternatives, the first found counts; for a chain it lists the bones in order.
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
        map_name: the table that fits best. roles: role to bone number. chains: "spine" and "neck", bottom up.
    """

    map_name: str
    roles: dict[str, int]
    chains: dict[str, tuple[int, ...]]

    @property
    def missing(self) -> list[str]:
        """Roles without which a clip cannot be brought to or from this skeleton."""
        return [role for role in NEEDED if role not in self.roles]

    @property
    def known(self) -> set[int]:
        """Bones that have a role."""
        return {*self.roles.values(), *(bone for chain in self.chains.values() for bone in chain)}


def all_roles() -> tuple[str, ...]:
    """Every role a map may name."""
    sided = [*LIMBS, *(f"{finger}{number}" for finger in FINGERS for number in (1, 2, 3))]
    return ("hips", *CHAINS, "head", *(f"{side}_{bone}" for side in SIDES for bone in sided))


def plain(name: str) -> str:
    """A bone's name without name space, rig prefix, case and punctuation."""
    name = re.split(r"[:|]", name)[-1]
    name = re.sub(r"^(?i:mixamorig\d*|bip0*1|def|[fm]_avg|smplx?)(?=[_\-. A-Z])[_\-. ]*", "", name)
    return re.sub(r"[^a-z0-9]", "", name.lower())


def match_bones(names: Sequence[str], maps: Mapping[str, BoneMap] | None = None) -> MatchedBones:
    """The bones of a skeleton by role, after the map that finds most of them; the user's maps go first."""
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


def read_bone_maps(path: Path) -> dict[str, BoneMap]:
    """The user's maps: a table a family of rigs, `role = "bone"` or, for "spine" and "neck", a list bottom up.

    Raises:
        InputError: not TOML, an unknown role, or a value that is no name; the reason says which.
    """
    try:
        with path.open("rb") as stream:
            document = tomllib.load(stream)
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(path, f"cannot be read as TOML ({error})") from error
    if not document:
        raise InputError(path, 'holds no map; write a table such as [my_rig] with lines such as hips = "Pelvis"')
    maps: dict[str, BoneMap] = {}
    for table, bones in document.items():
        if not isinstance(bones, dict):
            raise InputError(path, f"{table!r} stands outside a table; begin with a line such as [my_rig]")
        entries: dict[str, tuple[str, ...]] = {}
        for role, value in bones.items():
            if role not in all_roles():
                raise InputError(path, f"[{table}] {role!r} is no role; the roles are {', '.join(all_roles())}")
            names = value if isinstance(value, list) else [value]
            if not names or not all(isinstance(name, str) and name for name in names):
                raise InputError(path, f"[{table}] {role}: expected a bone's name or a list of names")
            entries[role] = tuple(names)
        maps[table] = entries
    return maps


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
