"""Skinning and interpolation against closed forms and an independent evaluation straight from the file's JSON."""

from __future__ import annotations

import base64
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy.interpolate import CubicHermiteSpline
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation, Slerp

from mpc.formats.gltf.read import read_gltf
from mpc.motion.skinning import (
    Channel,
    Clip,
    Rig,
    Skeleton,
    compose,
    pose_rig,
    quaternion_matrices,
    sample_channel,
    skin_vertices,
    slerp,
    strongest_weights,
    world_matrices,
)
from support.shared import MODELS, needs_models

F64 = npt.NDArray[np.float64]


def chain(count: int = 3) -> Skeleton:
    """Bones of length 1 along y, one below the other."""
    return Skeleton(
        names=tuple(f"bone_{i}" for i in range(count)),
        parents=np.arange(-1, count - 1, dtype=np.int32),
        order=np.arange(count, dtype=np.int32),
        translation=np.array([[0.0, float(i > 0), 0.0] for i in range(count)]),
        rotation=np.tile([0.0, 0.0, 0.0, 1.0], (count, 1)),
        scale=np.ones((count, 3)),
        matrix={},
    )


def turn_z(degrees: float) -> list[float]:
    half = np.radians(degrees) / 2
    return [0.0, 0.0, float(np.sin(half)), float(np.cos(half))]


def test_the_strongest_weights_are_kept_in_order_and_sum_to_one() -> None:
    weights = np.array([[0.1, 0.4, 0.2, 0.05, 0.25], [0.0, 0.0, 1.0, 0.0, 0.0]])
    joints, values = strongest_weights(weights, 3)
    assert joints.tolist() == [[1, 4, 2], [2, 0, 0]]
    np.testing.assert_allclose(values, [[0.4 / 0.85, 0.25 / 0.85, 0.2 / 0.85], [1.0, 0.0, 0.0]])


def test_forward_kinematics_of_a_bent_arm() -> None:
    """Root and elbow both turn by 90 degrees: the tip of the third bone ends at (-1, -1, 0) below... by hand."""
    keys = np.array([0.0, 1.0])
    channels = tuple(Channel(node, "rotation", keys, np.array([turn_z(0), turn_z(90)]), "LINEAR") for node in (0, 1))
    world = world_matrices(chain(), Clip("bend", channels, 0.0, 0.5, 3), 1.0)
    assert world[1, :3, 3] == pytest.approx([-1, 0, 0])
    assert world[2, :3, 3] == pytest.approx([-1, -1, 0])
    half = world_matrices(chain(), Clip("bend", channels, 0.0, 0.5, 3), 0.5)
    s = np.sqrt(0.5)
    assert half[1, :3, 3] == pytest.approx([-s, s, 0])
    assert half[2, :3, 3] == pytest.approx([-s - 1, s, 0])


def test_blending_is_the_weighted_mean_of_moved_points() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(50, 3))
    matrices = compose(rng.normal(size=(4, 3)), rng.normal(size=(4, 4)), rng.uniform(0.5, 2, (4, 3)))
    joints = rng.integers(0, 4, (50, 3)).astype(np.int32)
    weights = rng.dirichlet(np.ones(3), 50)
    expected = np.zeros((50, 3))
    for v in range(50):
        for k in range(3):
            moved = matrices[joints[v, k]] @ [*vertices[v], 1.0]
            expected[v] += weights[v, k] * moved[:3]
    assert skin_vertices(vertices, joints, weights, matrices) == pytest.approx(expected, abs=1e-12)


def test_rest_pose_with_bind_matrices_changes_nothing() -> None:
    skeleton = chain()
    inverse = np.linalg.inv(world_matrices(skeleton, None))
    vertices = np.random.default_rng(1).normal(size=(20, 3))
    joints = np.tile(np.array([0, 1, 2], np.int32), (20, 1))
    weights = np.random.default_rng(2).dirichlet(np.ones(3), 20)
    rig = Rig(skeleton, vertices, np.arange(3, dtype=np.int32), inverse, joints, weights, ())
    assert pose_rig(rig, None)[0] == pytest.approx(vertices, abs=1e-12)


def test_quaternions_and_slerp_agree_with_scipy() -> None:
    rng = np.random.default_rng(3)
    quaternions = rng.normal(size=(40, 4))
    assert quaternion_matrices(quaternions) == pytest.approx(Rotation.from_quat(quaternions).as_matrix(), abs=1e-12)
    for a, b in zip(quaternions[::2], quaternions[1::2], strict=True):
        b = b if a @ b > 0 else -b  # scipy too takes the shorter way, after this
        for t in (0.0, 0.3, 0.5, 1.0):
            expected = Slerp([0, 1], Rotation.from_quat([a, b]))([t]).as_matrix()
            assert quaternion_matrices(slerp(a, -b, t)[None]) == pytest.approx(expected, abs=1e-9)


def test_slerp_of_equal_and_opposite_signs_is_steady() -> None:
    a = np.array([0.0, 0.0, 0.0, 1.0])
    assert slerp(a, -a, 0.4) == pytest.approx(a)
    assert slerp(a, a + 1e-12, 0.4) == pytest.approx(a)
    assert np.isfinite(slerp(np.zeros(4), a, 0.5)).all()


def test_interpolation_modes() -> None:
    times = np.array([1.0, 2.0, 4.0])
    values = np.array([[0.0, 0, 0], [1, 2, 3], [5, 5, 5]])
    linear = Channel(0, "translation", times, values, "LINEAR")
    assert sample_channel(linear, 3.0) == pytest.approx([3, 3.5, 4])
    assert sample_channel(linear, 0.0) == pytest.approx(values[0])
    assert sample_channel(linear, 9.0) == pytest.approx(values[2])
    step = Channel(0, "scale", times, values, "STEP")
    assert sample_channel(step, 1.999) == pytest.approx(values[0])
    assert sample_channel(step, 2.0) == pytest.approx(values[1])
    assert sample_channel(step, 3.999) == pytest.approx(values[1])


def test_cubic_spline_is_the_hermite_spline() -> None:
    rng = np.random.default_rng(4)
    times = np.array([0.0, 0.5, 2.0])
    value, slope = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    channel = Channel(0, "translation", times, np.stack([slope, value, slope], axis=1), "CUBICSPLINE")
    spline = CubicHermiteSpline(times, value, slope)
    for time in np.linspace(0, 2, 21):
        assert sample_channel(channel, float(time)) == pytest.approx(spline(time), abs=1e-12)
    turning = Channel(0, "rotation", times, rng.normal(size=(3, 3, 4)), "CUBICSPLINE")
    assert np.linalg.norm(sample_channel(turning, 0.7)) == pytest.approx(1.0)
    assert sample_channel(turning, 5.0) == pytest.approx(turning.values[2, 1] / np.linalg.norm(turning.values[2, 1]))


def test_a_node_with_a_matrix_keeps_it_unless_it_is_animated() -> None:
    skeleton = chain(1)
    skeleton.matrix[0] = compose(np.array([[7.0, 0, 0]]), np.array([[0.0, 0, 0, 1]]), np.ones((1, 3)))[0]
    assert world_matrices(skeleton, None)[0, 0, 3] == 7
    move = Channel(0, "translation", np.array([0.0]), np.array([[1.0, 2, 3]]))
    assert world_matrices(skeleton, Clip("c", (move,), 0, 1, 1), 0.0)[0, :3, 3].tolist() == [1, 2, 3]


# --- an independent evaluation: plain loops over the file's JSON, rotations by scipy ---


class Plain:
    """Reads what the shared rigs use (LINEAR and STEP, one skin, no sparse accessors)."""

    def __init__(self, path: Path) -> None:
        self.cache: dict[int, F64] = {}
        content = path.read_bytes()
        if content[:4] == b"glTF":
            length = struct.unpack("<I", content[12:16])[0]
            self.doc: dict[str, Any] = json.loads(content[20 : 20 + length])
            self.data = content[28 + length :]
        else:
            self.doc = json.loads(content)
            self.data = base64.b64decode(self.doc["buffers"][0]["uri"].split(",")[1])

    def read(self, index: int) -> F64:
        if index not in self.cache:
            self.cache[index] = self.unpack(index)
        return self.cache[index].copy()

    def unpack(self, index: int) -> F64:
        entry = self.doc["accessors"][index]
        view = self.doc["bufferViews"][entry["bufferView"]]
        kind = {5121: "B", 5123: "H", 5125: "I", 5126: "f"}[entry["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[entry["type"]]
        row = struct.Struct(f"<{width}{kind}")
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        stride = view.get("byteStride") or row.size
        rows = [row.unpack_from(self.data, start + i * stride) for i in range(entry["count"])]
        top = {"B": 255.0, "H": 65535.0}.get(kind, 1.0) if entry.get("normalized") else 1.0
        return np.array(rows, np.float64) / top

    def locals(self, animation: int, time: float) -> list[F64]:
        pose = [dict(node) for node in self.doc["nodes"]]
        clip = self.doc["animations"][animation]
        for channel in clip["channels"]:
            sampler = clip["samplers"][channel["sampler"]]
            times, values = self.read(sampler["input"])[:, 0], self.read(sampler["output"])
            key = max(0, int(np.sum(times <= time + 0.0)) - 1)
            value = values[key]
            if key + 1 < len(times) and time > times[0] and sampler.get("interpolation", "LINEAR") == "LINEAR":
                t = (time - times[key]) / (times[key + 1] - times[key])
                if channel["target"]["path"] == "rotation":
                    value = Slerp([0, 1], Rotation.from_quat(values[key : key + 2]))([t])[0].as_quat()
                else:
                    value = (1 - t) * values[key] + t * values[key + 1]
            pose[channel["target"]["node"]].pop("matrix", None)
            pose[channel["target"]["node"]][channel["target"]["path"]] = value
        result = []
        for node in pose:
            matrix = np.eye(4)
            if "matrix" in node:
                matrix = np.array(node["matrix"], np.float64).reshape(4, 4, order="F")
            else:
                turn = Rotation.from_quat(node.get("rotation", [0, 0, 0, 1])).as_matrix()
                matrix[:3, :3] = turn @ np.diag(node.get("scale", [1, 1, 1]))
                matrix[:3, 3] = node.get("translation", [0, 0, 0])
            result.append(matrix)
        return result

    def skin(self, animation: int, time: float) -> F64:
        local = self.locals(animation, time)
        parent = {child: i for i, node in enumerate(self.doc["nodes"]) for child in node.get("children", [])}
        skin = self.doc["skins"][0]
        inverse = self.read(skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
        matrices = []
        for joint, bind in zip(skin["joints"], inverse, strict=True):
            world, node = local[joint], joint
            while node in parent:
                node = parent[node]
                world = local[node] @ world
            matrices.append(world @ bind)
        points = []
        for primitive in self.doc["meshes"][0]["primitives"]:
            attributes = primitive["attributes"]
            position, joints = self.read(attributes["POSITION"]), self.read(attributes["JOINTS_0"]).astype(int)
            weights = self.read(attributes["WEIGHTS_0"])
            weights /= weights.sum(axis=1, keepdims=True)
            for v in range(0, len(position), 29):  # a sample of the vertices keeps the plain loops short
                total = sum(w * (matrices[j] @ [*position[v], 1.0]) for j, w in zip(joints[v], weights[v], strict=True))
                points.append(total[:3])
        return np.array(points)


@needs_models
@pytest.mark.parametrize("name", ["CesiumMan.gltf", "rig_03.glb", "rig_04.glb"])
def test_shared_rigs_match_the_plain_evaluation(name: str) -> None:
    path = MODELS / "rigged" / name
    plain, read = Plain(path), read_gltf(path)
    assert read.rig is not None
    clip = read.rig.clips[0]
    for frame in np.linspace(0, clip.frames - 1, 10).astype(int):
        time = clip.time_of(int(frame)) + 0.004 * (frame % 2)  # also between keys
        posed, _ = pose_rig(read.rig, clip, time)
        expected = plain.skin(0, time)
        distance, _ = cKDTree(posed).query(expected)
        assert distance.max() < 1e-5, f"{name} frame {frame}"  # float32 files; the goal is 1e-4 m
