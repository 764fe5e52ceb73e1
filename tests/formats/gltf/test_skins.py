"""Several meshes and skins in one glTF, sparse weights and integer rotations, each against a closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mpc.formats.gltf.read import read_gltf
from mpc.motion.skinning import pose_rig
from support.gltf_files import rigged


def test_two_skins_share_bones_with_bind_matrices_of_their_own(tmp_path: Path) -> None:
    """A second rectangle, bound to the chest alone where it is stored: at the origin, seen from the chest 1 m up."""
    build = rigged()
    attributes = {
        "JOINTS_0": build.accessor([[0, 0, 0, 0]] * 4, "u1"),
        "WEIGHTS_0": build.accessor(np.float32([[1, 0, 0, 0]] * 4)),
    }
    build.add("meshes", {"primitives": [build.primitive(**attributes)]})
    build.add("skins", {"joints": [2], "inverseBindMatrices": build.accessor(np.eye(4).reshape(1, 16))})
    build.add("nodes", {"mesh": 1, "skin": 1})
    build.add("nodes", {"mesh": 1, "skin": 0, "translation": [5, 5, 5]})  # one mesh, two skins: follows the hips here
    build.doc["scenes"] = [{"nodes": [0, 1, 3, 4]}]
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    assert read.joints == (1, 2)
    posed, _ = pose_rig(read.rig, read.rig.clips[0], 9.0)
    expected = [
        *[[0, 0, 0], [1, 0, 0], [-1, 2, 0], [-1, 1, 0]],  # the first rectangle, its upper corners turned
        *[[0, 1, 0], [0, 2, 0], [-2, 2, 0], [-2, 1, 0]],  # on the chest: up by one, turned to the left
        *[[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0]],  # on the hips, which stand still
    ]
    distance = np.linalg.norm(posed[:, None] - np.array(expected, np.float64), axis=2)
    assert distance.min(axis=1).max() < 1e-6
    assert distance.min(axis=0).max() < 1e-6


def test_sparse_weights(tmp_path: Path) -> None:
    build = rigged()
    weights = build.doc["meshes"][0]["primitives"][0]["attributes"]["WEIGHTS_0"]
    build.doc["accessors"][weights]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": build.view(np.array([2], "<u2").tobytes()), "componentType": 5123},
        "values": {"bufferView": build.view(np.array([0.5, 0.5, 0, 0], "<f4").tobytes())},
    }
    joints = build.doc["meshes"][0]["primitives"][0]["attributes"]["JOINTS_0"]
    build.doc["accessors"][joints]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": build.view(np.array([2], "u1").tobytes()), "componentType": 5121},
        "values": {"bufferView": build.view(np.array([0, 1, 0, 0], "u1").tobytes())},
    }
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    posed, _ = pose_rig(read.rig, read.rig.clips[0], 9.0)
    halfway = 0.5 * np.array([1, 2, 0]) + 0.5 * np.array([-1, 2, 0])
    assert np.linalg.norm(posed - halfway, axis=1).min() < 1e-6


@pytest.mark.parametrize(("kind", "top"), [("i1", 127), ("i2", 32767), ("u1", 255), ("u2", 65535)])
def test_integer_rotations_are_normalised(tmp_path: Path, kind: str, top: int) -> None:
    build = rigged()
    half = np.sqrt(0.5)
    quaternions = np.rint(np.array([[0, 0, 0, 1], [0, 0, half, half]]) * top)
    build.doc["animations"][0]["samplers"] = [
        {"input": build.accessor([0.0, 1.0]), "output": build.accessor(quaternions, kind, normalized=True)}
    ]
    read = read_gltf(build.glb(tmp_path))
    assert read.rig is not None
    posed, _ = pose_rig(read.rig, read.rig.clips[0], 1.0)
    assert posed[2:] == pytest.approx(np.array([[-1, 2, 0], [-1, 1, 0]]), abs=1e-6)
