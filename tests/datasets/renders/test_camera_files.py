"""Cameras from files: three formats of one rig against the projection that each format defines."""

import json

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.camera_files import read_cameras
from mpc.datasets.renders.layer_files import read_layer
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.geometry.camera import camera_of, pixel_centres, project

WIDTH, HEIGHT, FX, FY, CX, CY = 640, 480, 700.0, 690.0, 300.0, 250.0
POINTS = np.random.default_rng(0).uniform(-0.8, 0.8, (50, 3)) + np.array([0.0, 0.9, 0.0])


def rig():
    """Rotation and shift, world to camera, of three cameras that look at a person at the origin from about 4 m."""
    found = []
    for yaw, pitch, roll in ((0.0, 0.0, 0.0), (130.0, 15.0, 4.0), (250.0, -10.0, -8.0)):
        away = -np.array([np.sin(np.radians(yaw)), 0.0, np.cos(np.radians(yaw))])
        right = np.array([-away[2], 0.0, away[0]])
        level = np.stack([right, [0.0, -1.0, 0.0], away])
        small = Rotation.from_euler("zx", (roll, pitch), degrees=True).as_matrix()
        rotation = small @ level
        eye = np.array([0.1, 0.9, -0.05]) - 4.0 * rotation[2]
        found.append((rotation, -rotation @ eye))
    return found


def seen(rotation, shift):
    """Pixels of POINTS by the textbook: K (R X + t), the picture's edge at 0."""
    view = POINTS @ rotation.T + shift
    return np.stack([FX * view[:, 0] / view[:, 2] + CX, FY * view[:, 1] / view[:, 2] + CY], axis=1)


def in_pixels(camera):
    """Pixels of POINTS by a camera of mpc, which sees a square about the optical axis."""
    view = project(POINTS, camera.calibration)
    reach = np.tan(np.radians(camera.fov_deg) / 2)
    return np.stack([view[:, 0] * reach * FX + CX, view[:, 1] * reach * FY + CY], axis=1)


def write_opencv(path):
    lens = [[FX, 0, CX - 0.5], [0, FY, CY - 0.5], [0, 0, 1]]
    rows = [
        {"name": f"cam {n}", "K": lens, "R": R.tolist(), "t": t.tolist(), "width": WIDTH, "height": HEIGHT}
        for n, (R, t) in enumerate(rig())
    ]
    path.write_text(json.dumps({"cameras": rows}))
    return path


def write_nerf(path, up="y"):
    frames = []
    for number, (rotation, shift) in enumerate(rig()):
        pose = np.eye(4)
        pose[:3, :3] = rotation.T @ np.diag([1.0, -1.0, -1.0])
        pose[:3, 3] = -rotation.T @ shift
        if up == "z":
            turn = np.eye(4)
            turn[:3, :3] = [[1, 0, 0], [0, 0, -1], [0, 1, 0]]
            pose = turn @ pose
        frames.append({"file_path": f"./train/cam_{number}.png", "transform_matrix": pose.tolist()})
    lens = {"fl_x": FX, "fl_y": FY, "cx": CX, "cy": CY, "w": WIDTH, "h": HEIGHT}
    path.write_text(json.dumps({**lens, "frames": frames}))
    return path


def write_colmap(folder):
    folder.mkdir()
    (folder / "cameras.txt").write_text(f"# cameras\n7 PINHOLE {WIDTH} {HEIGHT} {FX} {FY} {CX} {CY}\n")
    lines = ["# images"]
    for number, (rotation, shift) in enumerate(rig()):
        x, y, z, w = Rotation.from_matrix(rotation).as_quat()
        lines += [f"{number + 1} {w} {x} {y} {z} {' '.join(map(str, shift))} 7 cam_{number}.jpg", ""]
    (folder / "images.txt").write_text("\n".join(lines) + "\n")
    return folder


WRITERS = {
    "opencv": lambda folder: (write_opencv(folder / "rig.json"), "y"),
    "nerf": lambda folder: (write_nerf(folder / "transforms.json"), "y"),
    "nerf, z up": lambda folder: (write_nerf(folder / "transforms.json", "z"), "z"),
    "colmap": lambda folder: (write_colmap(folder / "sparse"), "y"),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_points_fall_on_the_pixels_that_the_format_says(kind, tmp_path):
    cameras = read_cameras(*WRITERS[kind](tmp_path))
    assert [camera.name for camera in cameras] == ["cam_0", "cam_1", "cam_2"]
    for camera, (rotation, shift) in zip(cameras, rig(), strict=True):
        own = camera.facing((0.0, 0.9, 0.0))
        assert np.abs(in_pixels(own) - seen(rotation, shift)).max() < 1e-6
        again = camera_of(own.calibration)
        assert np.abs(in_pixels(again) - seen(rotation, shift)).max() < 1e-6, "as scenes are read"
        assert not camera.distorted


def test_the_square_covers_the_whole_picture(tmp_path):
    camera = read_cameras(write_opencv(tmp_path / "rig.json"))[0]
    reach = np.tan(np.radians(camera.fov_deg) / 2)
    edges = [CX / FX, (WIDTH - CX) / FX, CY / FY, (HEIGHT - CY) / FY]
    assert reach == pytest.approx(max(edges))


def test_the_angle_of_the_first_nerf_files_is_that_across(tmp_path):
    path = write_nerf(tmp_path / "transforms.json")
    content = json.loads(path.read_text())
    path.write_text(json.dumps({"camera_angle_x": 0.69, "frames": content["frames"]}))
    assert read_cameras(path)[0].fov_deg == pytest.approx(np.degrees(0.69))


def test_scenes_are_drawn_by_the_cameras_of_a_file(figures, tmp_path):
    settings = RenderSettings(
        size=64, rays=16, camera_file=write_colmap(tmp_path / "sparse"), layers=("position",), lights_per_view=2
    )
    assert settings.pictures == 6
    summary = render_models(figures, tmp_path / "renders", settings, renderer="embree", jobs=1)
    assert not summary.failures
    for scene in read_renders(tmp_path / "renders").scenes:
        assert [view.name for view in scene.views][:2] == ["cam_0", "cam_0_light2"]
        for view in scene.views:
            position = read_layer(scene, view, "position")
            shown = np.isfinite(position[..., 0])
            assert shown.sum() > 50
            places = project(position[shown].astype(np.float64), view.calibration)[:, :2]
            assert np.abs(places - pixel_centres(64, 64)[shown]).max() < 1e-3
    # Another file at the same place is another setting.
    (tmp_path / "sparse" / "cameras.txt").write_text("7 PINHOLE 640 480 900 900 320 240\n")
    read_cameras.cache_clear()
    with pytest.raises(SettingsError, match="cameras_sha256"):
        render_models(figures, tmp_path / "renders", settings, renderer="embree", jobs=1)


def test_who_is_not_seen_is_named_with_the_camera(figures, tmp_path):
    content = json.loads(write_opencv(tmp_path / "rig.json").read_text())
    content["cameras"][1]["K"] = [[5000, 0, 320], [0, 5000, 240], [0, 0, 1]]
    (tmp_path / "close.json").write_text(json.dumps(content))
    settings = RenderSettings(size=32, rays=16, camera_file=tmp_path / "close.json")
    failures = render_models(figures, tmp_path / "out", settings, renderer="embree", jobs=1).failures
    assert failures
    assert all("camera cam_1 of" in reason and "does not see the whole person" in reason for _, reason in failures)
    content["cameras"][1] = {**content["cameras"][0], "t": [0, 0, -9]}
    (tmp_path / "behind.json").write_text(json.dumps(content))
    settings = RenderSettings(camera_file=tmp_path / "behind.json")
    with pytest.raises(SettingsError, match="looks away from the person"):
        settings.cameras((0.0, 0.9, 0.0))


def change(path, **entries):
    content = json.loads(path.read_text())
    content["cameras"][1].update(entries)
    path.write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"R": [[1, 0, 0], [0, 1, 0], [0, 0, -1]]}, "camera 1: its rotation is none"),
        ({"R": [[1, 0], [0, 1]]}, "camera 1: R has the shape"),
        ({"K": [[0, 0, 1], [0, 0, 1], [0, 0, 1]]}, "camera 1: focal lengths 0, 0"),
        ({"K": [[50, 0, 320], [0, 50, 240], [0, 0, 1]]}, "camera 1: it sees .* at most 85"),
        ({"t": ["a", 0, 0]}, "camera 1: could not convert"),
    ],
)
def test_a_camera_that_makes_no_sense_is_named(tmp_path, entries, reason):
    path = write_opencv(tmp_path / "rig.json")
    change(path, **entries)
    with pytest.raises(InputError, match=reason):
        read_cameras(path)


def test_other_files_are_refused_with_what_is_read(tmp_path):
    for text, reason in (("[", "not readable as JSON"), ("{}", "neither .frames."), ('{"cameras": []}', "no camera")):
        (tmp_path / "file.json").write_text(text)
        read_cameras.cache_clear()
        with pytest.raises(InputError, match=reason):
            read_cameras(tmp_path / "file.json")
    with pytest.raises(InputError, match="no such file"):
        read_cameras(tmp_path / "nowhere.json")
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "images.bin").write_bytes(b"")
    with pytest.raises(InputError, match="--output_type TXT"):
        read_cameras(folder)
    write_colmap(tmp_path / "sparse")
    (tmp_path / "sparse" / "cameras.txt").write_text("7 THIN_PRISM_FISHEYE 640 480 1 1 1 1\n")
    with pytest.raises(InputError, match="line 1: the model THIN_PRISM_FISHEYE is not read"):
        read_cameras(tmp_path / "sparse")


def test_distortion_is_told_and_names_are_made_apart(tmp_path):
    path = write_opencv(tmp_path / "rig.json")
    change(path, dist=[0.1, 0, 0, 0, 0], name="cam 0")
    found = read_cameras(path)
    assert [camera.distorted for camera in found] == [False, True, False]
    assert [camera.name for camera in found] == ["cam_0", "cam_0_2", "cam_2"]
