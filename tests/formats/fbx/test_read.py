"""FBX against closed forms: unit and axes, polygons, skin, clip, pictures; damage; the binding's references."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from mpc.core.errors import InputError, MpcError
from mpc.formats.fbx.container import FbxUnavailable
from mpc.formats.fbx.read import peek_fbx, read_fbx, read_fbx_motion
from mpc.motion.skinning import pose_rig, world_matrices
from mpc.subjects.find import find_subjects
from mpc.subjects.scenes import SceneSpec, list_scenes, load_subject, pose_scene
from support.fbx_file import write_post

pytest.importorskip("ufbx", reason="the extra fbx is not installed")


@pytest.mark.parametrize(("unit_cm", "z_up"), [(1.0, False), (100.0, False), (2.54, True), (1.0, True)])
def test_metres_and_y_up_from_any_unit_and_axes(tmp_path: Path, unit_cm: float, z_up: bool) -> None:
    read = read_fbx(write_post(tmp_path / "post.fbx", unit_cm=unit_cm, z_up=z_up))
    assert read.mesh.bounds == pytest.approx(np.array([[-0.1, 0.0, -0.1], [0.1, 2.0, 0.1]]), abs=1e-6)
    assert len(read.mesh.vertices) == 12
    assert len(read.mesh.faces) == 16
    normals = read.mesh.face_normals
    middle = read.mesh.corners.mean(axis=1) * [1, 0, 1]
    assert (np.einsum("fi,fi->f", normals, middle) > 0.05).all()  # faces look outwards
    (material,) = read.mesh.materials
    assert material.colour == (1.0, 0.5, 0.25, 1.0)


@pytest.mark.parametrize("z_up", [False, True])
def test_the_skin_bends_as_the_closed_form_says(tmp_path: Path, z_up: bool) -> None:
    read = read_fbx(write_post(tmp_path / "post.fbx", z_up=z_up))
    assert read.rig is not None
    assert [read.rig.skeleton.names[joint] for joint in read.joints] == ["lower", "upper"]
    assert any("normalised" in notice for notice in read.notices)
    (clip,) = read.rig.clips
    assert (clip.name, clip.frames) == ("bend", 31)
    assert clip.step_s == pytest.approx(1 / 30)
    rest = read.mesh.vertices
    for frame in range(0, 31, 3):
        angle = np.radians(3.0 * frame)
        turn = np.array([[1, 0, 0], [0, np.cos(angle), -np.sin(angle)], [0, np.sin(angle), np.cos(angle)]])
        joint = np.array([0.0, 1.0, 0.0])
        expected = np.where(rest[:, 1:2] > 0.5, (rest - joint) @ turn.T + joint, rest)
        posed, _ = pose_rig(read.rig, clip, clip.time_of(frame))
        np.testing.assert_allclose(posed, expected, atol=2e-6)


def test_a_scan_has_no_rig_and_a_clip_no_body(tmp_path: Path) -> None:
    scan = write_post(tmp_path / "post.fbx", skin=False, clip=False)
    assert peek_fbx(scan) == (True, False)
    assert read_fbx(scan).rig is None
    skeleton, clips = read_fbx_motion(write_post(tmp_path / "moving.fbx"))
    assert {"lower", "upper"} <= set(skeleton.names)
    assert [clip.frames for clip in clips] == [31]


@pytest.mark.parametrize(("unit_cm", "z_up"), [(1.0, False), (2.54, True)])
def test_a_clip_without_a_body_rests_in_its_bind_pose(tmp_path: Path, unit_cm: float, z_up: bool) -> None:
    path = tmp_path / "clip.fbx"
    upright = []
    for bind_pose in (True, False):
        skeleton, (clip,) = read_fbx_motion(
            write_post(path, unit_cm=unit_cm, z_up=z_up, body=False, bind_pose=bind_pose)
        )
        node = skeleton.names.index("upper")
        rest = world_matrices(skeleton, None)[node]
        np.testing.assert_allclose(rest[:3, 3], [0, 1, 0], atol=1e-6)
        upright.append(rest[:3, :3] / np.linalg.norm(rest[:3, :3], axis=0))
        # The clip itself is what it was: 90 degrees at its end.
        end = world_matrices(skeleton, clip, clip.time_of(30))[node, :3, :3]
        turn = upright[0].T @ (end / np.linalg.norm(end, axis=0))
        assert np.degrees(np.arccos((np.trace(turn) - 1) / 2)) == pytest.approx(90.0, abs=1e-3)
    np.testing.assert_allclose(upright[0], upright[1], atol=1e-6)


@pytest.mark.parametrize(("unit_cm", "z_up"), [(1.0, False), (2.54, True)])
@pytest.mark.parametrize("morph", [0.0, 40.0, 100.0])
def test_shapes_rest_at_their_weights(tmp_path: Path, unit_cm: float, z_up: bool, morph: float) -> None:
    read = read_fbx(write_post(tmp_path / "post.fbx", unit_cm=unit_cm, z_up=z_up, morph=morph))
    top = 2.0 + 0.5 * morph / 100.0
    assert read.mesh.bounds == pytest.approx(np.array([[-0.1, 0.0, -0.1], [0.1, top, 0.1]]), abs=1e-6)
    assert np.sort(read.mesh.vertices[:, 1]) == pytest.approx(np.repeat([0.0, 1.0, top], 4), abs=1e-6)
    assert "morph targets stay as the file gives them at rest" in read.notices


def test_what_is_hidden_is_left_out_and_told(tmp_path: Path) -> None:
    path = write_post(tmp_path / "post.fbx", hidden=True)
    with pytest.raises(InputError, match="holds no surface but of hidden nodes"):
        read_fbx(path)
    # A second, visible node shows the same surface half a metre to the left.
    text = path.read_text().replace("Connections: {", 'Connections: {\nC: "OO",21,0\nC: "OO",10,21\nC: "OO",30,21')
    node = 'Model: 21, "Model::shown", "Mesh" {\nVersion: 232\nProperties70: {\n'
    node += 'P: "Lcl Translation", "Lcl Translation", "", "A",50,0,0\n}\n}\n'
    path.write_text(text.replace("Objects: {\n", "Objects: {\n" + node))
    read = read_fbx(path)
    assert len(read.mesh.faces) == 16
    assert "a hidden node is left out" in read.notices


def test_subjects_and_scenes_of_fbx(tmp_path: Path) -> None:
    write_post(tmp_path / "rig.fbx")
    write_post(tmp_path / "still.fbx", skin=False, clip=False)
    (tmp_path / "walk.fbx").write_text("; FBX 7.4.0 project file\nObjects: {\n}\n")  # no surface: not a subject
    rig, still = find_subjects(tmp_path)
    assert (rig.kind, still.kind) == ("rigged", "scan")
    specs = list_scenes(rig, seed=0)
    assert [spec.animation for spec in specs] == ["bend"] * 3
    scene = pose_scene(load_subject(rig), SceneSpec("rig", "bend", 30))
    assert scene.mesh.bounds[1] == pytest.approx([0.1, 1.1, 1.0], abs=1e-5)
    assert pose_scene(load_subject(still), list_scenes(still, seed=0)[0]).mesh.bounds[1, 1] == pytest.approx(2.0)


def test_pictures_are_found_in_tex_and_refused_outside(tmp_path: Path) -> None:
    (tmp_path / "a" / "tex").mkdir(parents=True)
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:2] = (255, 0, 0)  # the upper half is red, and so is the upper end of each quad
    iio.imwrite(tmp_path / "a" / "tex" / "rp_anna_dif.png", picture)
    path = write_post(tmp_path / "a" / "post.fbx", texture="C:\\\\work\\\\rp_anna_dif.png")
    read = read_fbx(path)
    texture = read.mesh.materials[0].texture
    assert texture is not None
    assert (texture[0, 0] == (255, 0, 0, 255)).all()
    assert read.mesh.materials[0].wrap == ("repeat", "repeat")
    path = write_post(tmp_path / "a" / "post.fbx", texture="C:\\\\work\\\\rp_anna_dif.png", clamp=True)
    assert read_fbx(path).mesh.materials[0].wrap == ("clamp", "repeat")
    assert read.mesh.uv is not None
    assert read.mesh.face_uv is not None
    high = read.mesh.corners[..., 1] > 1.5
    assert (read.mesh.uv[read.mesh.face_uv][high][:, 1] == 1.0).all()
    # A name that is not there: the one diffuse picture of the pack is taken.
    assert read_fbx(write_post(path, texture="lost.png")).mesh.materials[0].texture is not None
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match="is not there"):
        read_fbx(write_post(tmp_path / "b" / "post.fbx", texture="lost.png"))
    with pytest.raises(InputError, match="outside"):
        read_fbx(write_post(tmp_path / "b" / "post.fbx", texture="../a/tex/rp_anna_dif.png"))


@pytest.mark.parametrize("content", [b"", b"x", b"Kaydara FBX Binary  \x00\x1a\x00" + b"\xff" * 40, b"; FBX 7.4.0 p\n"])
def test_damage_is_an_error_with_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.fbx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"bad\.fbx"):
        read_fbx(path)


@pytest.mark.parametrize(
    ("cut", "words"),
    [
        (lambda text: text[: text.index("Deformer:")], r"line \d+: the brace is not closed; the file is cut off"),
        (lambda text: text.replace('"Mesh"', '"Mesh', 1), "not closed"),
        (lambda text: "}\n" + text, "line 1: a brace is closed that was not opened"),
        (lambda text: '; {"\n' + text + '"', r"line {last}: the quotation mark is not closed"),
        (lambda text: text.replace("Vertices: *", "Vertices: ?", 1), "export it anew as binary FBX 2011 or later"),
    ],
)
def test_an_ascii_file_that_is_not_whole_is_refused(tmp_path: Path, cut: Callable[[str], str], words: str) -> None:
    path = write_post(tmp_path / "post.fbx")
    text = cut(path.read_text())
    path.write_text(text)
    with pytest.raises(InputError, match=words.replace("{last}", str(text.count("\n") + 1))):
        read_fbx(path)


def test_mutated_files_never_crash(tmp_path: Path) -> None:
    good = write_post(tmp_path / "good.fbx").read_bytes()
    rng = np.random.default_rng(0)
    path = tmp_path / "mutant.fbx"
    errors: list[str] = []
    for _ in range(150):
        content = bytearray(good)
        for _ in range(int(rng.integers(1, 6))):
            start = int(rng.integers(len(content)))
            if rng.random() < 0.5:
                content[start] = int(rng.integers(32, 127))
            else:
                del content[start : start + int(rng.integers(1, 40))]
        path.write_bytes(bytes(content))
        try:
            read_fbx(path)
        except MpcError as error:
            errors.append(str(error))
    assert len(errors) > 5
    assert all("mutant.fbx" in error for error in errors)


def test_reading_again_and_again_keeps_the_same_bytes(tmp_path: Path) -> None:
    path = write_post(tmp_path / "post.fbx")
    first = read_fbx(path)
    for _ in range(30):
        again = read_fbx(path)
        assert (again.mesh.vertices == first.mesh.vertices).all()
        assert (again.mesh.faces == first.mesh.faces).all()


def test_without_the_package_the_error_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ufbx", None)
    with pytest.raises(FbxUnavailable, match=r"mpc\[fbx\]"):
        read_fbx(write_post(tmp_path / "post.fbx"))
