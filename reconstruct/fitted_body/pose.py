"""Where the points of the fitted body are for given numbers, and how they move with each of them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...core.arrays import F64
from .model import SHAPES, BodyModel

# From the person's axes (left, up, ahead) to view space (right, down, away) for one who faces the camera.
FACING = np.diag([1.0, -1.0, -1.0])


@dataclass(frozen=True, eq=False)
class BodyNumbers:
    """What is to be found.

    Attributes:
        turn: (3, 3) float64, rotation of the root, from the person's axes to those of the view.
        place: (3,) float64, where the root begins, metres in the axes of the view from the middle of its cube.
        size: how large the body is, as a share of the average one.
        shapes: (SHAPES,) float64, steps of each shape.
        angles: (N,) float64, radians about each axis.
    """

    turn: F64
    place: F64
    size: float
    shapes: F64
    angles: F64

    @property
    def mix(self) -> F64:
        """(1 + SHAPES,) by which what the model holds is added up."""
        return np.asarray(self.size * np.concatenate([np.ones(1), self.shapes]), np.float64)

    def moved(self, step: F64) -> BodyNumbers:
        """The numbers after a step (6 + 1 + SHAPES + N,): turn, place, logarithm of size, shapes, angles."""
        return replace(
            self, turn=rotation(step[:3]) @ self.turn, place=self.place + step[3:6],
            size=self.size * float(np.exp(step[6])), shapes=self.shapes + step[7 : 7 + SHAPES],
            angles=self.angles + step[7 + SHAPES :],
        )  # fmt: skip


def rotation(vector: F64) -> F64:
    """Rotation (3, 3) about a vector (3,) by its length, radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    cross = np.array(
        [[0.0, -vector[2], vector[1]], [vector[2], 0.0, -vector[0]], [-vector[1], vector[0], 0.0]]
    )  # fmt: skip
    if angle < 1e-9:
        return np.asarray(np.eye(3) + cross)
    return np.asarray(np.eye(3) + np.sin(angle) / angle * cross + (1.0 - np.cos(angle)) / angle**2 * (cross @ cross))


@dataclass(frozen=True, eq=False)
class Posed:
    """The bones for given numbers.

    Attributes:
        turns: (G, 3, 3) float64, from the zero pose to the view.
        heads: (1 + SHAPES, G, 3) float64, where bones begin, relative to the root: the average's, and what one step of
            each shape adds to that.
        axes: (N, 3) float64, the axes of joints in the view.
    """

    turns: F64
    heads: F64
    axes: F64


def pose_bones(model: BodyModel, numbers: BodyNumbers) -> Posed:
    """Forward kinematics."""
    count = len(model.parents)
    turns, heads = np.empty((count, 3, 3)), np.zeros((1 + SHAPES, count, 3))
    axes = np.empty((len(model.axis), 3))
    first = np.searchsorted(model.axis_joint, np.arange(count + 1))
    for bone in range(count):
        parent = model.parents[bone]
        turn = numbers.turn if parent < 0 else turns[parent]
        if parent >= 0:
            heads[:, bone] = heads[:, parent] + model.offsets[:, bone] @ turn.T
        for axis in range(first[bone], first[bone + 1]):
            axes[axis] = turn @ model.axis[axis]
            turn = turn @ rotation(model.axis[axis] * numbers.angles[axis])
        turns[bone] = turn
    return Posed(turns, heads, axes)


def place_points(model: BodyModel, numbers: BodyNumbers, posed: Posed) -> tuple[F64, F64]:
    """The landmarks and points of the surface.

    Returns:
        (K + P, 3) places, metres in the axes of the view, and (6 + 1 + SHAPES + N, K + P, 3) how they change with each
        number (`BodyNumbers.moved`).
    """
    bone = model.point_bone
    parts = posed.heads[:, bone] + np.einsum("kij,ckj->cki", posed.turns[bone], model.points)
    relative = np.einsum("c,cki->ki", numbers.mix, parts)
    changes = np.zeros((7 + SHAPES + len(model.axis), len(bone), 3))
    for axis in range(3):
        changes[axis] = np.cross(np.eye(3)[axis], relative)
        changes[3 + axis, :, axis] = 1.0
    changes[6] = relative
    changes[7 : 7 + SHAPES] = numbers.size * parts[1:]
    pivots = np.einsum("c,cgi->gi", numbers.mix, posed.heads)[model.axis_joint]
    arms = np.cross(posed.axes[:, None], relative[None] - pivots[:, None])
    changes[7 + SHAPES :] = arms * model.within[bone][:, model.axis_joint].T[:, :, None]
    return relative + numbers.place, changes


def skin_body(model: BodyModel, numbers: BodyNumbers) -> F64:
    """(V, 3) the skin, metres in the axes of the view (linear blend skinning)."""
    posed = pose_bones(model, numbers)
    turns = posed.turns @ model.turns
    mix = numbers.mix
    heads = np.einsum("c,cgi->gi", mix, posed.heads)
    begins = np.einsum("c,cgi->gi", mix, model.bone_vertices)
    moves = heads - np.einsum("gij,gj->gi", turns, begins)
    vertices = np.einsum("c,cvi->vi", mix, model.vertices)
    blended = (model.weights @ np.concatenate([turns, moves[:, :, None]], axis=2).reshape(len(turns), 12)).reshape(
        -1, 3, 4
    )
    return np.asarray(np.einsum("vij,vj->vi", blended[:, :, :3], vertices) + blended[:, :, 3] + numbers.place)
