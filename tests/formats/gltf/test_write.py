"""Rigs written as GLB: read back, they stand and move as before."""

import json
import struct
from dataclasses import replace

import numpy as np
import pytest
import trimesh

from mpc.formats.gltf.read import read_gltf
from mpc.formats.gltf.write import write_glb
from mpc.geometry.mesh import Material, PosedMesh
from mpc.motion.skinning import Channel, Clip, Rig, Skeleton, pose_rig

FACES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3], [3, 2, 4]], np.int32)


def quaternions(rng, count):
    """(N, 4) unit quaternions."""
    values = rng.normal(size=(count, 4))
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def rig(influences=4, seed=0):
    """Five vertices on seven joints that are turned, scaled and bound away from the origin, and three clips."""
    rng = np.random.default_rng(seed)
    skeleton = Skeleton(
        names=tuple(f"bone {n}" for n in range(7)),
        parents=np.array([-1, 0, 1, 1, 0, 4, 5], np.int32),
        order=np.arange(7, dtype=np.int32),
        translation=rng.normal(size=(7, 3)),
        rotation=quaternions(rng, 7),
        scale=rng.uniform(0.5, 2.0, (7, 3)),
        matrix={6: np.diag([1.0, 2.0, 3.0, 1.0])},
    )
    inverse = np.tile(np.eye(4), (7, 1, 1))
    inverse[:, :3] = rng.normal(size=(7, 3, 4))
    weights = rng.dirichlet(np.ones(influences), 5)
    joints = np.stack([rng.permutation(7)[:influences] for _ in range(5)]).astype(np.int32)
    times = np.array([0.0, 0.5, 1.0])  # float32 holds them exactly, so that STEP changes at the same moment
    clips = (
        Clip("turn", (Channel(2, "rotation", times, quaternions(rng, 3)),), 0.0, 0.1, 11),
        Clip("jump", (Channel(0, "translation", times, rng.normal(size=(3, 3)), "STEP"),), 0.0, 0.1, 11),
        Clip(
            "all at once",
            (
                Channel(0, "rotation", times, quaternions(rng, 9).reshape(3, 3, 4), "CUBICSPLINE"),
                Channel(4, "scale", times, rng.uniform(0.5, 2, (3, 3))),
                Channel(5, "translation", np.array([0.0, 1.0]), rng.normal(size=(2, 3))),
            ),
            0.0,
            0.1,
            11,
        ),
    )
    slots = np.array([3, 0, 1, 2, 6, 5, 4], np.int32)  # joints need not be in the order of the nodes
    return Rig(skeleton, rng.normal(size=(5, 3)), slots, inverse, joints, weights, clips)


def surface(made, texture=None):
    """The rest pose, with texture coordinates that split every corner where there is a texture."""
    mesh = PosedMesh(pose_rig(made, None)[0], FACES)
    if texture is None:
        return mesh
    uv = np.random.default_rng(3).random((15, 2)).astype(np.float32)
    corner = np.arange(15, dtype=np.int32).reshape(5, 3)
    return replace(mesh, materials=(Material("skin", texture),), uv=uv, face_uv=corner)


def document(path):
    content = path.read_bytes()
    return json.loads(content[20 : 20 + struct.unpack("<I", content[12:16])[0]])


@pytest.mark.parametrize("influences", [1, 4, 6])
@pytest.mark.parametrize("textured", [False, True])
def test_a_rig_moves_as_before(tmp_path, influences, textured):
    made = rig(influences)
    texture = np.random.default_rng(4).integers(0, 256, (8, 8, 4), np.uint8) if textured else None
    write_glb(tmp_path / "rig.glb", surface(made, texture), made)
    back = read_gltf(tmp_path / "rig.glb")
    assert [clip.name for clip in back.rig.clips] == ["turn", "jump", "all at once"]
    assert back.rig.skeleton.names[:7] == made.skeleton.names
    for number, clip in enumerate(made.clips):
        for time in (0.0, 0.17, 0.5, 0.83, 1.0):
            wanted, world = pose_rig(made, clip, time)
            found, found_world = pose_rig(back.rig, back.rig.clips[number], time)
            np.testing.assert_allclose(found_world[:7], world, atol=1e-5)
            np.testing.assert_allclose(found[back.mesh.faces], wanted[FACES], atol=3e-5)
    np.testing.assert_allclose(back.mesh.corners, surface(made).corners, atol=1e-5)


def test_the_file_says_no_more_than_it_must(tmp_path):
    """Key times that are equal are stored once; bones without turn or scale say nothing of them."""
    made = rig()
    plain = replace(made.skeleton, rotation=np.tile([0.0, 0, 0, 1], (7, 1)), scale=np.ones((7, 3)), matrix={})
    write_glb(tmp_path / "rig.glb", surface(made), replace(made, skeleton=plain))
    found = document(tmp_path / "rig.glb")
    assert all(set(node) <= {"name", "translation", "children"} for node in found["nodes"][:7])
    assert "animations" in found
    inputs = [sampler["input"] for sampler in found["animations"][2]["samplers"]]
    assert inputs[0] == inputs[1] != inputs[2]
    write_glb(tmp_path / "still.glb", surface(made), replace(made, clips=()))
    assert "animations" not in document(tmp_path / "still.glb")


def test_lit_meshes_have_normals_and_others_are_unlit(tmp_path):
    sphere = trimesh.creation.icosphere(2)
    mesh = PosedMesh(np.array(sphere.vertices), np.array(sphere.faces, np.int32))
    for lit in (True, False):
        write_glb(tmp_path / "ball.glb", mesh, lit=lit)
        found = document(tmp_path / "ball.glb")
        attributes = found["meshes"][0]["primitives"][0]["attributes"]
        assert ("NORMAL" in attributes) == lit
        assert ("KHR_materials_unlit" in found.get("extensionsUsed", [])) != lit
        (read,) = trimesh.load(tmp_path / "ball.glb", process=False).geometry.values()
        assert np.allclose(read.vertices, mesh.vertices, atol=1e-7)
        if lit:  # of a sphere the direction from the middle, to within the size of its facets
            assert np.abs(read.vertex_normals - mesh.vertices).max() < 0.03
    inward = -mesh.vertices
    write_glb(tmp_path / "ball.glb", mesh, normals=inward)
    (read,) = trimesh.load(tmp_path / "ball.glb", process=False).geometry.values()
    assert np.allclose(read.vertex_normals, inward, atol=1e-6)


def test_two_matrices_for_one_node_are_refused(tmp_path):
    made = rig()
    twice = replace(made, slot_node=np.zeros(7, np.int32))
    with pytest.raises(ValueError, match="two inverse bind matrices"):
        write_glb(tmp_path / "rig.glb", surface(made), twice)
    assert list(tmp_path.iterdir()) == []
