"""An animated GLB of many frames: at any time one of them is there, whole, whoever reads the file."""

import numpy as np
import pytest
import trimesh
from PIL import Image

from mpc.core.errors import InputError
from mpc.formats.gltf import sequence
from mpc.formats.gltf.sequence import GlbFrame, write_sequence_glb
from mpc.formats.gltf.write import write_glb
from mpc.formats.mesh_files import read_mesh, read_mesh_file
from mpc.geometry.mesh import Material, PosedMesh
from support.sequence_files import COLOURS, DURATION, TIMES, box_frames, numbers, scales_at, split_glb


def test_one_frame_is_shown_at_any_time(tmp_path):
    write_sequence_glb(tmp_path / "all.glb", box_frames(tmp_path), DURATION)
    for seconds in (0.0, 0.25, 0.499, 0.5, 1.99, 2.0, 2.49, 2.5):
        shown = max(number for number, begin in enumerate(TIMES) if begin <= seconds)
        assert scales_at(tmp_path / "all.glb", seconds) == [[float(number == shown)] * 3 for number in range(3)]
    document, _ = split_glb(tmp_path / "all.glb")
    assert [node["scale"][0] for node in document["nodes"]] == [1, 0, 0]  # at rest: the first frame
    assert document["extensionsUsed"] == ["KHR_materials_unlit"]
    assert len(document["materials"]) == 1
    inputs = [document["accessors"][one["input"]] for one in document["animations"][0]["samplers"]]
    assert [one["max"] for one in inputs] == [[0.5], [2.0], [2.5]]


def test_frames_come_back_as_they_were(tmp_path):
    """Read by trimesh, which knows nothing of this file; a frame that is not shown is at the scale 0 there."""
    write_sequence_glb(tmp_path / "all.glb", box_frames(tmp_path), DURATION)
    scene = trimesh.load(tmp_path / "all.glb")
    assert sorted(scene.geometry) == ["box_0", "box_1", "box_2"]
    document, binary = split_glb(tmp_path / "all.glb")
    for number, colour in enumerate(COLOURS):
        alone = trimesh.load(tmp_path / f"box_{number}.glb", force="mesh")
        mesh = scene.geometry[f"box_{number}"]
        assert np.allclose(mesh.extents, 1 + number / 2)
        assert np.array_equal(mesh.triangles, alone.triangles)
        (primitive,) = document["meshes"][document["nodes"][number]["mesh"]]["primitives"]
        linear = numbers(document, binary, primitive["attributes"]["COLOR_0"])[:, :3] / 65535
        assert np.allclose(linear, ((np.array(colour) / 255 + 0.055) / 1.055) ** 2.4, atol=1e-5)  # sRGB, IEC 61966
    assert np.allclose(scene.extents, 1.0)
    # Our own reader takes what stands there at rest.
    mesh = read_mesh(tmp_path / "all.glb")
    assert np.allclose(np.ptp(mesh.vertices, axis=0), 1.0)
    assert len(mesh.faces) == 12
    assert np.array_equal(mesh.vertex_colours[0, :3], COLOURS[0])
    assert read_mesh_file(tmp_path / "all.glb").rig is None


def test_textures_stay_with_their_frames(tmp_path):
    frames = []
    for number, colour in enumerate(COLOURS[:2]):
        texture = np.full((4, 4, 4), (*colour, 255), np.uint8)
        uv, face = np.array([[0, 0], [1, 0], [0, 1]], np.float32), np.array([[0, 1, 2]], np.int32)
        corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float64)
        mesh = PosedMesh(corners, face, materials=(Material("skin", texture),), uv=uv, face_uv=face)
        write_glb(tmp_path / f"frame_{number}.glb", mesh, lit=False)
        frames.append(GlbFrame(tmp_path / f"frame_{number}.glb", float(number)))
    write_sequence_glb(tmp_path / "all.glb", frames, 2.0)
    geometry = trimesh.load(tmp_path / "all.glb").geometry
    for number, colour in enumerate(COLOURS[:2]):
        picture = geometry[f"frame_{number}"].visual.material.baseColorTexture
        assert isinstance(picture, Image.Image)
        assert np.asarray(picture.convert("RGB"))[2, 2].tolist() == list(colour)
    document, _ = split_glb(tmp_path / "all.glb")
    assert (len(document["materials"]), len(document["samplers"])) == (2, 1)


def test_what_cannot_be_joined_is_refused_and_nothing_is_written(tmp_path, monkeypatch):
    frames, path = box_frames(tmp_path), tmp_path / "all.glb"
    for times in ((0.0, 1.0, 1.0), (0.1, 1.0, 2.0)):
        with pytest.raises(ValueError, match="begin at 0 and rise"):
            write_sequence_glb(path, [GlbFrame(f.path, t) for f, t in zip(frames, times, strict=True)], 3.0)
    write_sequence_glb(path, frames, DURATION)
    with pytest.raises(InputError, match=r"all\.glb: is not one static mesh"):
        write_sequence_glb(tmp_path / "two.glb", [GlbFrame(path, 0.0)], 1.0)
    monkeypatch.setattr(sequence, "MOST_BYTES", path.stat().st_size - 1)
    with pytest.raises(InputError, match=r"3 frames would take 0\.0 GiB, and a GLB can have 4: take fewer"):
        write_sequence_glb(tmp_path / "two.glb", frames, DURATION)
    assert not list(tmp_path.glob("*two*"))
    monkeypatch.setattr(sequence, "MOST_BYTES", path.stat().st_size)
    write_sequence_glb(tmp_path / "two.glb", frames, DURATION)
    assert (tmp_path / "two.glb").read_bytes() == path.read_bytes()
