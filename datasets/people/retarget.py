"""Bringing BVH motions onto the rigs: bones matched by name, rest poses made equal, the root scaled by leg length."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...geometry.errors import InputError
from ..bvh import BvhMotion, read_bvh
from .body import Body, skeleton
from .posing import bone_transforms
from .write import Clip

F64 = npt.NDArray[np.float64]

FPS = 30.0
MAX_FRAMES = 900
MAX_FILES = 200

# Common names (CMU, Mixamo, 3ds Max, Blender exports), lower case without punctuation, of the bones that move most.
_ALIASES: dict[str, tuple[str, ...]] = {
    "root": ("hips", "hip", "pelvis", "root"),
    "spine05": ("lowerback", "spine05"),
    "spine04": ("spine", "spine1st", "abdomen", "spine04"),
    "spine03": ("spine1", "spine03"),
    "spine02": ("spine2", "chest", "thorax", "spine02"),
    "spine01": ("spine3", "chest2", "upperchest", "spine01"),
    "neck01": ("neck", "neck01"),
    "neck02": ("neck1", "neck02"),
    "head": ("head",),
}
_LIMBS: dict[str, tuple[str, ...]] = {
    "clavicle": ("shoulder", "collar", "clavicle"),
    "upperarm01": ("arm", "uparm", "upperarm", "upperarm01"),
    "lowerarm01": ("forearm", "lowarm", "lowerarm", "lowerarm01"),
    "wrist": ("hand", "wrist"),
    "upperleg01": ("upleg", "thigh", "upperleg", "upperleg01"),
    "lowerleg01": ("leg", "lowleg", "shin", "calf", "lowerleg", "lowerleg01"),
    "foot": ("foot", "ankle"),
}
# Bones whose direction at rest is made equal, and the bone that each points to.
_TOWARDS = {"upperarm01": "lowerarm01", "lowerarm01": "wrist", "upperleg01": "lowerleg01", "lowerleg01": "foot"}
_NEEDED = frozenset({"root", *(f"{bone}.{tag}" for bone in _TOWARDS for tag in "LR")})


def _plain(name: str) -> str:
    name = re.sub(r"^.*:", "", name).lower()
    return re.sub(r"[^a-z0-9]", "", re.sub(r"^(mixamorig|bip0*1)", "", name))


def match_bones(motion: BvhMotion) -> dict[str, int]:
    """Rig bone name to joint number: equal names first (MakeHuman), then well-known ones."""
    exact = {joint.name: j for j, joint in reversed(list(enumerate(motion.joints)))}
    names = [name for name in skeleton().names if name in exact]
    if len(names) > 10:
        return {name: exact[name] for name in names}
    plain = {_plain(joint.name): j for j, joint in reversed(list(enumerate(motion.joints)))}
    result = {}
    for bone, aliases in _ALIASES.items():
        for alias in aliases:
            if alias in plain:
                result[bone] = plain[alias]
                break
    for bone, aliases in _LIMBS.items():
        for tag, sides in (("L", ("left", "l")), ("R", ("right", "r"))):
            options = [f"{side}{alias}" for alias in aliases for side in sides]
            options += [f"{alias}{side}" for alias in aliases for side in sides]
            for option in options:
                if option in plain:
                    result[f"{bone}.{tag}"] = plain[option]
                    break
    return result


def retarget(motion: BvhMotion, body: Body, *, name: str) -> Clip:
    """A BVH motion as a clip of a body's rig, at 30 frames a second, at most MAX_FRAMES long.

    Each matched bone gets the source bone's global rotation, after the rest directions of the limbs were made equal;
    the lowest foot of the whole motion stands on the floor. The motion must have the bones `read_motions` asks for.
    """
    rig = skeleton()
    index = {bone: i for i, bone in enumerate(rig.names)}
    matched = match_bones(motion)
    step = 1.0 / (FPS * motion.frame_time_s)
    count = max(2, min(MAX_FRAMES, round((len(motion.values) - 1) / step) + 1))
    pick = np.minimum(np.rint(np.arange(count) * step).astype(int), len(motion.values) - 1)
    short = BvhMotion(motion.joints, motion.frame_time_s, motion.values[pick])
    rest = motion.rest_positions()
    turn = _upright(rest, matched)
    source = _global_rotations(short)
    correction = _rest_corrections(rest @ turn.T, matched, body, index)
    rotations = np.tile(np.eye(3), (count, len(rig.names), 1, 1))
    world = np.empty_like(rotations)
    for bone, bone_name in enumerate(rig.names):
        parent = rig.parents[bone]
        above = world[:, parent] if parent >= 0 else np.tile(np.eye(3), (count, 1, 1))
        if bone_name in matched:
            joint = matched[bone_name]
            world[:, bone] = turn @ source[:, joint] @ turn.T @ correction[bone]
            rotations[:, bone] = above.transpose(0, 2, 1) @ world[:, bone]
        else:
            world[:, bone] = above
    offsets = _offsets(short, rest, turn, matched, body, index, rotations)
    return Clip(name, rotations, offsets, FPS)


def _global_rotations(motion: BvhMotion) -> F64:
    result = motion.rotations()
    for j, joint in enumerate(motion.joints):
        if joint.parent >= 0:
            result[:, j] = result[:, joint.parent] @ result[:, j]
    return result


def _upright(rest: F64, matched: dict[str, int]) -> F64:
    """Rotation that brings the file's axes to y up: the legs' direction tells which axis that is."""
    top = 0.5 * (rest[matched["upperleg01.L"]] + rest[matched["upperleg01.R"]])
    feet = [key for key in ("foot.L", "foot.R", "lowerleg01.L", "lowerleg01.R") if key in matched][:2]
    up = top - np.mean([rest[matched[key]] for key in feet], axis=0)
    if abs(up[2]) > abs(up[1]):
        return np.array([[1.0, 0, 0], [0, 0, 1.0], [0, -1.0, 0]])
    return np.eye(3)


def _between(start: F64, end: F64) -> F64:
    a, b = start / np.linalg.norm(start), end / np.linalg.norm(end)
    cross, cosine = np.cross(a, b), float(a @ b)
    if cosine < -0.9999:
        return np.diag([-1.0, -1.0, 1.0])
    skew = np.array([[0, -cross[2], cross[1]], [cross[2], 0, -cross[0]], [-cross[1], cross[0], 0]])
    return np.asarray(np.eye(3) + skew + skew @ skew / (1 + cosine))


def _rest_corrections(rest: F64, matched: dict[str, int], body: Body, index: dict[str, int]) -> F64:
    result = np.tile(np.eye(3), (len(index), 1, 1))
    for bone, after in _TOWARDS.items():
        for tag in "LR":
            here, there = f"{bone}.{tag}", f"{after}.{tag}"
            if here not in matched or there not in matched:
                continue
            aim = rest[matched[there]] - rest[matched[here]]
            own = body.heads[index[there]] - body.heads[index[here]]
            if np.linalg.norm(aim) < 1e-9:
                continue
            fix = _between(own, aim)
            result[index[here]] = fix
            # The second half of a split bone follows by name or by inheritance.
            second = here.replace("01", "02")
            if second in matched:
                result[index[second]] = fix
    return result


def _offsets(
    motion: BvhMotion, rest: F64, turn: F64, matched: dict[str, int], body: Body, index: dict[str, int], rotations: F64
) -> F64:
    chain = [body.heads[index[f"{bone}.L"]] for bone in ("upperleg01", "lowerleg01", "foot")]
    own = sum(float(np.linalg.norm(b - a)) for a, b in pairwise(chain))
    legs = [matched[f"{b}.L"] for b in ("upperleg01", "lowerleg01")] + [matched.get("foot.L", matched["lowerleg01.L"])]
    length = sum(float(np.linalg.norm(rest[b] - rest[a])) for a, b in pairwise(legs))
    scale = own / length if length > 0 else 0.0
    places = motion.positions()[:, matched["root"]] @ turn.T
    offsets = (places - places[0]) * scale
    feet = [index[f"foot.{tag}"] for tag in "LR"]
    low = np.inf
    for frame in range(len(rotations)):
        heads = bone_transforms(body, rotations[frame], offsets[frame])[1]
        low = min(low, float(heads[feet, 1].min()))
    offsets[:, 1] += float(body.heads[feet, 1].min()) - low
    return np.asarray(offsets)


def read_motions(folder: Path) -> list[tuple[Path, BvhMotion]]:
    """All BVH files of a folder, searched recursively, sorted, each with the bones a rig needs.

    Raises:
        InputError: no or too many BVH files, or one that cannot be used.
    """
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".bvh" and path.is_file())
    if not files:
        raise InputError(folder, "holds no .bvh file")
    if len(files) > MAX_FILES:
        raise InputError(folder, f"holds {len(files)} .bvh files, more than {MAX_FILES}")
    motions = [(path, read_bvh(path)) for path in files]
    for path, motion in motions:
        missing = sorted(_NEEDED - set(match_bones(motion)))
        if missing:
            raise InputError(path, f"has no joint known as {', '.join(missing)}")
    return motions


def bvh_clips(folder: Path, body: Body, taken: set[str] | None = None) -> list[Clip]:
    """The motions of `read_motions` as clips of a body's rig, named after the files; `taken` names get a prefix."""
    used = set(taken or ())
    clips = []
    for path, motion in read_motions(folder):
        name = path.stem
        while name in used:
            name = f"bvh_{name}"
        used.add(name)
        clips.append(retarget(motion, body, name=name))
    return clips
