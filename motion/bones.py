"""Which bone is which: tables of the bone names of common rigs, and matching a skeleton against them.

A *role* is a bone of the person ("left_thigh"). A *map* lists the names that a family of rigs uses for the roles; those
of common rigs stand in motion/bone_schemes.toml, each with its source. Names are compared without name space, rig
prefix, case and punctuation, and the skeleton's shape decides what they leave open.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from ..core.arrays import F64, I32
from .skinning import Rig, world_matrices

SIDES = ("left", "right")
LIMBS = ("clavicle", "upperarm", "lowerarm", "hand", "thigh", "shin", "foot", "toe")
FINGERS = ("thumb", "index", "middle", "ring", "pinky")
# From the hips upwards; the number of their bones differs between rigs.
CHAINS = ("spine", "neck")
NEEDED = ("hips", *(f"{side}_{bone}" for side in SIDES for bone in ("upperarm", "lowerarm", "thigh", "shin")))

BoneMap = Mapping[str, tuple[str, ...]]

SCHEMES = Path(__file__).with_name("bone_schemes.toml")
# A bone named as an upper arm is a collar bone where the bone below it, which no scheme names otherwise, is the longer
# one of the two by so much.
COLLAR_SHARE = 0.75
# A prefix, or a number behind the name, that so many of the bones have says nothing of the bone.
COMMON_SHARE = 0.8
_NUMBER = re.compile(r"_\d{1,4}$")


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
    best = _best_map(names, maps)
    if best.missing:
        bare = bare_names(names)
        found = best if bare == list(names) else _best_map(bare, maps)
        best = found if len(found.missing) < len(best.missing) else best
    return best


def bare_names(names: Sequence[str]) -> list[str]:
    """Bones' names without what nearly all of them have in common.

    Such are the model's name in front ("rp_nathan_animated_003_walking_hip", "Skeleton_001_Hip") and the running
    numbers that a web page adds behind ("mixamorig:Hips_01").
    """
    used = [name for name in names if name]
    heads = Counter(name[: match.end()] for name in used for match in re.finditer(r"[_\-. :|]+", name))
    common = [head for head, count in heads.items() if count >= COMMON_SHARE * len(used)]
    head = max(common, key=len, default="")
    bare = [name.removeprefix(head) if len(name) > len(head) else name for name in names]
    numbered = sum(_NUMBER.search(name) is not None for name in used)
    return [_NUMBER.sub("", name) for name in bare] if numbered >= COMMON_SHARE * max(len(used), 1) else bare


def _best_map(names: Sequence[str], maps: Mapping[str, BoneMap] | None) -> MatchedBones:
    numbers = {plain(name): number for number, name in reversed(list(enumerate(names)))}
    best = MatchedBones("none", {}, {})
    for table, bones in {**(maps or {}), **built_in_maps()}.items():
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


def _expand(table: Mapping[str, Any]) -> BoneMap:
    """The names of a scheme's bones by role, both sides and all fingers."""
    bones: dict[str, tuple[str, ...]] = {}
    for role, value in table.items():
        templates = tuple(value) if isinstance(value, list) else (str(value),)
        if role in ("hips", "head", *CHAINS):
            bones[role] = templates
        elif role in LIMBS:
            for side in SIDES:
                bones[f"{side}_{role}"] = tuple(t.replace("{}", word) for t in templates for word in (side, side[0]))
        elif role == "finger":
            bones |= _fingers(templates[0], table.get("fingers", FINGERS), table.get("numbers", ("1", "2", "3")))
    return bones


def _fingers(template: str, words: Sequence[str], numbers: Sequence[str]) -> BoneMap:
    bones: dict[str, tuple[str, ...]] = {}
    for digit, (finger, word) in enumerate(zip(FINGERS, words, strict=True), 1):
        for position, number in enumerate(numbers, 1):
            text = template.replace("{finger}", word).replace("{number}", number).replace("{digit}", str(digit))
            for side in SIDES:
                bones[f"{side}_{finger}{position}"] = tuple(text.replace("{}", word) for word in (side, side[0]))
    return bones


@cache
def built_in_maps() -> dict[str, BoneMap]:
    """The bone maps of motion/bone_schemes.toml by the names of their schemes."""
    return {name: _expand(table) for name, table in read_schemes().items()}


def read_schemes() -> dict[str, dict[str, Any]]:
    """The schemes as the file has them: roles, and `source` and `also`, where the names stand in public."""
    with SCHEMES.open("rb") as file:
        return tomllib.load(file)


def settle_by_shape(matched: MatchedBones, names: Sequence[str], parents: I32, places: F64) -> MatchedBones:
    """Decide by the skeleton's own shape what its names leave open.

    "LeftShoulder" is a collar bone in some files and an upper arm in others. The upper arm is the bone whose child
    begins the lower arm; where a bone without a role stands between a short "upper arm" and the lower arm, it is the
    upper arm, and the short one the collar bone. That is not open where the names give a collar bone already, or where
    the two names differ only in a number: then the bone between is the second part of a divided upper arm. A spine or
    neck of which no name is known consists of the bones between hips, neck and head.

    Args:
        matched: bones by their names.
        names: of the J bones.
        parents: (J,) -1 for a root.
        places: (J, 3) at rest, any unit.
    """
    roles, chains = dict(matched.roles), dict(matched.chains)
    for side in SIDES:
        upper, lower = roles.get(f"{side}_upperarm"), roles.get(f"{side}_lowerarm")
        if upper is None or lower is None or f"{side}_clavicle" in roles:
            continue
        between = int(parents[lower])
        if between < 0 or between == upper or int(parents[between]) != upper or between in matched.known:
            continue
        if _without_digits(names[between]) == _without_digits(names[upper]):
            continue
        short, long = (float(np.linalg.norm(places[b] - places[a])) for a, b in ((upper, between), (between, lower)))
        if short < COLLAR_SHARE * long and "twist" not in names[between].lower():
            roles[f"{side}_upperarm"] = between
            roles[f"{side}_clavicle"] = upper
    top = chains.get("neck", ())[:1] or tuple(roles[role] for role in ("head",) if role in roles)
    if not chains.get("spine") and top:
        collars = {roles.get(f"{side}_clavicle") for side in SIDES}
        chain = [bone for bone in _path(parents, roles.get("hips", -1), top[0]) if bone not in collars]
        chains["spine"] = tuple(bone for bone in chain if bone not in roles.values())
    elif top:
        path = _path(parents, roles.get("hips", -1), top[0])
        known = {plain(names[bone]) for bone in chains["spine"]}
        if set(chains["spine"]) <= set(path):  # a name that two joints of the spine share stands for both
            chains["spine"] = tuple(bone for bone in path if plain(names[bone]) in known)
    return replace(matched, roles=roles, chains=chains)


def _without_digits(name: str) -> str:
    return re.sub(r"[0-9]", "", plain(name))


def _path(parents: I32, start: int, end: int) -> list[int]:
    """The bones between two bones, from the upper one's child down; empty where one is not above the other."""
    found: list[int] = []
    bone = int(parents[end])
    while bone >= 0 and bone != start:
        found.append(bone)
        bone = int(parents[bone])
    return found[::-1] if bone == start and start >= 0 else []


def rig_bones(rig: Rig, maps: Mapping[str, BoneMap] | None = None) -> MatchedBones:
    """Match only the nodes that are bones of a rig: meshes and lamps may have names of bones."""
    bones: set[int] = set()
    for node in np.unique(rig.slot_node).tolist():
        while node >= 0 and node not in bones:
            bones.add(node)
            node = int(rig.skeleton.parents[node])
    names = [name if number in bones else "" for number, name in enumerate(rig.skeleton.names)]
    matched = match_bones(names, maps)
    matched = settle_by_shape(matched, names, rig.skeleton.parents, world_matrices(rig.skeleton, None)[:, :3, 3])
    return replace(matched, roles=crossed(matched.roles)) if rig.sides_crossed else matched


def crossed(roles: Mapping[str, int]) -> dict[str, int]:
    """Roles with left and right exchanged."""
    other = {"left": "right", "right": "left"}
    parts = ((*role.partition("_"), bone) for role, bone in roles.items())
    return {other.get(side, side) + line + rest: bone for side, line, rest, bone in parts}
