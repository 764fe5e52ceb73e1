"""Skeletons, animation clips and linear blend skinning in float64, after the glTF 2.0 specification."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from scipy.spatial.transform import Rotation

from ..core.arrays import F64, I32, I64

ChannelPath = Literal["translation", "rotation", "scale"]
Interpolation = Literal["LINEAR", "STEP", "CUBICSPLINE"]

_CHUNK = 200_000  # vertices blended at once, so that a scan of millions needs no more memory than a small one


@dataclass(frozen=True, eq=False)
class Skeleton:
    """A forest of N nodes with their rest pose.

    Attributes:
        names: from the file.
        parents: (N,) int32, -1 for a root.
        order: (N,) int32, parents before children.
        translation: (N, 3) local, at rest.
        rotation: (N, 4) quaternions x y z w, local, at rest.
        scale: (N, 3) local, at rest.
        matrix: local (4, 4) matrices of nodes that have one instead; animation of such a node replaces it.
    """

    names: tuple[str, ...]
    parents: I32
    order: I32
    translation: F64
    rotation: F64
    scale: F64
    matrix: dict[int, F64]


@dataclass(frozen=True, eq=False)
class Channel:
    """One animated property of one node.

    Attributes:
        node: index of the node.
        path: the property.
        times: (K,) seconds, increasing.
        values: (K, 3 or 4); for CUBICSPLINE (K, 3, 3 or 4): in-tangent, value, out-tangent.
        interpolation: between keys.
    """

    node: int
    path: ChannelPath
    times: F64
    values: F64
    interpolation: Interpolation = "LINEAR"


@dataclass(frozen=True, eq=False)
class Clip:
    """An animation with its frames: frame f is at `start_s + f * step_s`.

    Attributes:
        name: of the animation.
        channels: animated properties.
        start_s: time of the first frame, seconds.
        step_s: time between frames, seconds.
        frames: number of frames.
    """

    name: str
    channels: tuple[Channel, ...]
    start_s: float
    step_s: float
    frames: int

    def time_of(self, frame: int) -> float:
        """Time of a frame, in seconds of the clip's time axis."""
        return self.start_s + frame * self.step_s


@dataclass(frozen=True, eq=False)
class Rig:
    """A surface bound to a skeleton.

    Every vertex follows *slots*: pairs of a node and the matrix from the space in which the vertex is stored to the
    node's space (the inverse bind matrix; the identity for a mesh that is rigidly attached to a node).

    Attributes:
        skeleton: the nodes.
        vertices: (V, 3) float64, as stored.
        slot_node: (P,) int32 node of each slot.
        slot_inverse: (P, 4, 4) float64 matrix of each slot.
        joints: (V, K) int32 into the slots.
        weights: (V, K) float64, each row sums to 1.
        clips: in the file's order.
        pelvis: nodes whose mean position is the pelvis, () if unknown.
        hips: nodes where the left and the right leg begin, () if unknown.
        sides_crossed: whether bones named left are on the person's right (below a node that mirrors).
    """

    skeleton: Skeleton
    vertices: F64
    slot_node: I32
    slot_inverse: F64
    joints: I32
    weights: F64
    clips: tuple[Clip, ...]
    pelvis: tuple[int, ...] = ()
    hips: tuple[int, ...] = ()
    sides_crossed: bool = False

    def subset(self, used: I64) -> Rig:
        """The rig with the vertices of these numbers alone."""
        return replace(self, vertices=self.vertices[used], joints=self.joints[used], weights=self.weights[used])


def pose_rig(rig: Rig, clip: Clip | None, time_s: float = 0.0) -> tuple[F64, F64]:
    """Pose a rig at a time of a clip, or at rest if `clip` is None.

    Returns:
        (V, 3) float64 vertices and (N, 4, 4) float64 node matrices, both in the file's world space.
    """
    world = world_matrices(rig.skeleton, clip, time_s)
    return skin_vertices(rig.vertices, rig.joints, rig.weights, world[rig.slot_node] @ rig.slot_inverse), world


def skin_vertices(
    vertices: F64,  # (V, 3)
    joints: I32,  # (V, K)
    weights: F64,  # (V, K)
    matrices: F64,  # (P, 4, 4)
) -> F64:  # (V, 3)
    """Linear blend skinning: transform each vertex by the weighted mean of its joints' matrices."""
    result = np.empty_like(vertices)
    affine = matrices[:, :3, :]
    for start in range(0, len(vertices), _CHUNK):
        part = slice(start, start + _CHUNK)
        blended = np.zeros((len(vertices[part]), 3, 4))
        for column in range(joints.shape[1]):
            blended += weights[part, column, None, None] * affine[joints[part, column]]
        result[part] = np.einsum("vij,vj->vi", blended[:, :, :3], vertices[part]) + blended[:, :, 3]
    return result


def world_matrices(skeleton: Skeleton, clip: Clip | None, time_s: float = 0.0) -> F64:
    """Compute the node-to-world matrices (N, 4, 4) float64 of a pose; at rest if `clip` is None."""
    translation, rotation, scale = skeleton.translation.copy(), skeleton.rotation.copy(), skeleton.scale.copy()
    targets = {"translation": translation, "rotation": rotation, "scale": scale}
    animated: set[int] = set()
    for channel in () if clip is None else clip.channels:
        targets[channel.path][channel.node] = sample_channel(channel, time_s)
        animated.add(channel.node)
    local = compose(translation, rotation, scale)
    for node, matrix in skeleton.matrix.items():
        if node not in animated:
            local[node] = matrix
    world = np.empty_like(local)
    for node in skeleton.order:
        parent = skeleton.parents[node]
        world[node] = local[node] if parent < 0 else world[parent] @ local[node]
    return world


def compose(translation: F64, rotation: F64, scale: F64) -> F64:
    """Matrices T R S (N, 4, 4) of translations (N, 3), quaternions (N, 4) x y z w of any length, and scales (N, 3)."""
    matrix = np.zeros((len(translation), 4, 4))
    matrix[:, :3, :3] = quaternion_matrices(rotation) * scale[:, None, :]
    matrix[:, :3, 3] = translation
    matrix[:, 3, 3] = 1.0
    return matrix


def quaternion_matrices(quaternion: F64) -> F64:
    """Rotations (N, 3, 3) of quaternions (N, 4) x y z w, which are normalised first; zero gives the identity."""
    with np.errstate(over="ignore"):
        length = np.linalg.norm(quaternion, axis=1, keepdims=True)
    unit = np.divide(quaternion, length, out=np.tile([0.0, 0.0, 0.0, 1.0], (len(quaternion), 1)), where=length > 1e-12)
    x, y, z, w = unit.T
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)


def sample_channel(channel: Channel, time_s: float) -> F64:
    """A channel at a time: (3,) or (4,), constant before the first and after the last key (glTF 2.0, app. C)."""
    times, values = channel.times, channel.values
    cubic = channel.interpolation == "CUBICSPLINE"
    key = int(np.searchsorted(times, time_s, side="right")) - 1
    if key < 0 or key >= len(times) - 1:
        edge = values[0 if key < 0 else -1]
        return _unit_if_rotation(channel, edge[1] if cubic else edge)
    if channel.interpolation == "STEP":
        return _unit_if_rotation(channel, values[key])
    span = times[key + 1] - times[key]
    t = (time_s - times[key]) / span
    if cubic:
        start, out_tangent = values[key, 1], values[key, 2] * span
        in_tangent, end = values[key + 1, 0] * span, values[key + 1, 1]
        blended: F64 = (
            (2 * t**3 - 3 * t**2 + 1) * start
            + (t**3 - 2 * t**2 + t) * out_tangent
            + (-2 * t**3 + 3 * t**2) * end
            + (t**3 - t**2) * in_tangent
        )
        return _unit_if_rotation(channel, blended)
    if channel.path == "rotation":
        return slerp(values[key], values[key + 1], t)
    linear: F64 = values[key] + t * (values[key + 1] - values[key])
    return linear


def slerp(a: F64, b: F64, t: float) -> F64:
    """Spherical interpolation of two quaternions along the shorter arc; `t` in [0, 1]."""
    a, b = _unit(a), _unit(b)
    cosine = float(a @ b)
    if cosine < 0.0:
        b, cosine = -b, -cosine
    if cosine > 1.0 - 1e-9:  # the sine below would vanish; a straight line is as exact
        return _unit(a + t * (b - a))
    angle = np.arccos(cosine)
    return _unit((np.sin((1.0 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle))


def _unit_if_rotation(channel: Channel, value: F64) -> F64:
    return _unit(value) if channel.path == "rotation" else value


def _unit(quaternion: F64) -> F64:
    length = float(np.linalg.norm(quaternion))
    return quaternion / length if length > 1e-12 else np.array([0.0, 0.0, 0.0, 1.0])


def matrix_quaternions(rotations: F64) -> F64:
    """Unit quaternions (N, 4) x y z w of rotations (N, 3, 3), with signs so that neighbours interpolate shortest."""
    quaternions = np.asarray(Rotation.from_matrix(rotations).as_quat(), np.float64)
    flips = np.cumsum((quaternions[1:] * quaternions[:-1]).sum(axis=1) < 0.0) % 2 == 1
    quaternions[1:][flips] *= -1.0
    return quaternions


def strongest_weights(weights: F64, count: int = 4) -> tuple[I32, F64]:
    """The largest weights of each vertex; four are what glTF stores in one set.

    Args:
        weights: (V, B), one column a joint, each row with a positive sum.
        count: how many to keep, K.

    Returns:
        (V, K) int32 joints, largest weight first, 0 where the weight is 0; (V, K) float64 weights, rows sum to 1.
    """
    joints = np.argsort(-weights, axis=1, kind="stable")[:, :count]
    values = np.take_along_axis(weights, joints, axis=1)
    values = values / values.sum(axis=1, keepdims=True)
    return np.where(values > 0, joints, 0).astype(np.int32), values
