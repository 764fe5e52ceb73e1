"""`--crops`: squares of each view drawn anew, against the closed form and against a larger picture of the same view."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.import_folder import import_folder
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.crops import crop_box, crop_places, read_crops
from mpc.datasets.renders.format import SceneRecord
from mpc.datasets.renders.joints import read_view_joints, read_world_joints
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.verify import verify_folder
from mpc.geometry.camera import CroppedCamera, OrthographicCamera, PerspectiveCamera, project, view_to_pixels
from mpc.motion.joints import JOINTS
from support.figures import write_figure
from support.labelled import PLACES, write_labelled_scan

SIZE, TIMES = 48, 4
# Of the person, by hand: the trunk is the 0.7 m from pelvis to head, in the middle of the view cube of 2.4 m.
FACE_PX = 7  # ceil(0.5 * 0.7 / 2.4 * 48)
LAYERS = ("mask", "depth_front", "normal_front", "position", "part_front", "body_depth_front")
ALL = {"views": 3, "step_deg": 55.0, "rays": 16, "longest_edge_m": 0.3, "layers": LAYERS}


def draw(models: Path, out: Path, **settings: Any) -> dict[str, SceneRecord]:
    chosen = RenderSettings(**{**ALL, **settings})
    assert not render_models(models, out, chosen, renderer="embree", jobs=1).failures
    return {scene.subject: scene for scene in read_renders(out).scenes}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("crops") / "models"
    write_labelled_scan(root / "person")
    write_figure(root / "unknown", 1)
    return root


@dataclass(frozen=True)
class Drawn:
    """Scenes with crops, the person in larger pictures, and the cameras of both."""

    crops: dict[str, SceneRecord]
    large: SceneRecord
    cameras: dict[str, Any]


@pytest.fixture(scope="module", params=[{}, {"fov_deg": 30.0, "jitter_deg": (5.0, 5.0, 5.0)}], ids=["ortho", "persp"])
def drawn(models: Path, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Drawn:
    root = tmp_path_factory.mktemp("drawn")
    crops = draw(models, root / "crops", size=SIZE, crops=("face", "upper"), crop_size=64, **request.param)
    large = draw(models, root / "large", size=SIZE * TIMES, **request.param)["person"]
    return Drawn(crops, large, request.param)


def test_joints_lie_where_the_square_puts_them(drawn: Drawn) -> None:
    scene = drawn.crops["person"]
    world = read_world_joints(scene)
    assert world is not None
    known = [JOINTS.index(name) for name in PLACES]
    for kind in ("face", "upper"):
        cropped = read_crops(scene, kind)
        assert [view.name for view in cropped.views] == [f"{view.name}@{kind}" for view in scene.views]
        for view, crop in zip(scene.views, cropped.views, strict=True):
            left, top, edge = view.crops[kind]["box_px"]
            whole = view_to_pixels(project(world[known], view.calibration), SIZE, SIZE)
            # The square's corner, its middle of a pixel at 0, and its scale, by hand.
            expected = (whole + 0.5 - [top, left]) * (64 / edge) - 0.5
            found = project(world[known], crop.calibration)
            np.testing.assert_allclose(view_to_pixels(found, 64, 64), expected, atol=1e-9)
            np.testing.assert_allclose(found[:, 2], project(world[known], view.calibration)[:, 2], atol=1e-12)
            joints, own = read_view_joints(cropped, crop), read_view_joints(scene, view)
            assert joints is not None
            assert own is not None
            np.testing.assert_allclose(joints.px[known], expected[:, ::-1], atol=0.001 * 64 / edge)
            np.testing.assert_allclose(joints.view[known], found, atol=1e-3)
            inside = (np.abs(found[:, :2]) <= 1).all(axis=1)
            np.testing.assert_array_equal(joints.visible[known], own.visible[known] & inside)
        names = [name for name, shown in zip(PLACES, inside, strict=True) if shown]
        assert ("pelvis" in names) == (kind == "upper")
        assert "head" in names
        assert "left_knee" not in names


def test_squares_have_their_size_in_metres() -> None:
    joints = np.full((len(JOINTS), 3), np.nan)
    joints[[JOINTS.index("pelvis"), JOINTS.index("head")]] = PLACES["pelvis"], PLACES["head"]
    places = crop_places(joints, ("face", "upper"))
    np.testing.assert_allclose(places["face"][0], (0, 1.6 + 0.13 * 0.7, 0))
    np.testing.assert_allclose(places["upper"][0], (0, 0.9 + 1.3 * 0.7 / 2, 0))
    flat = OrthographicCamera((0.0, 0.9, 0.0), 2.4, 70.0)
    assert crop_box(*places["face"], flat, SIZE)[2] == FACE_PX
    for fov in (20.0, 60.0):  # twice as near is twice as large
        camera = PerspectiveCamera((0.0, 1.691, 0.0), 2.4, 70.0, fov_deg=fov)
        left, top, edge = crop_box(*places["face"], camera, SIZE)
        assert edge == FACE_PX
        assert {left, top} <= {20, 21}  # 20.5, whichever way it is rounded
        nearer = places["face"][0] - camera.rotation[2] * camera.distance_m / 2
        assert crop_box(nearer, places["face"][1], camera, SIZE)[2] == 2 * FACE_PX
    joints[[JOINTS.index("left_ear"), JOINTS.index("right_ear")]] = (0.08, 1.66, 0.0), (-0.08, 1.66, 0.02)
    middle, edge_m = crop_places(joints, ("face",))["face"]
    np.testing.assert_allclose(middle, (0, 1.66, 0.01))
    assert edge_m == pytest.approx(2.2 * np.hypot(0.16, 0.02))


@pytest.mark.parametrize("kind", ["face", "upper"])
def test_pixels_are_those_of_a_larger_picture(models: Path, drawn: Drawn, kind: str, tmp_path: Path) -> None:
    scene, large = drawn.crops["person"], drawn.large
    size = max(16, TIMES * max(view.crops[kind]["box_px"][2] for view in scene.views))
    redrawn = draw(models, tmp_path, size=SIZE, crops=(kind,), crop_size=size, **drawn.cameras)
    again = read_crops(redrawn["person"], kind)
    compared = 0
    for view, crop, whole in zip(scene.views, again.views, large.views, strict=True):
        left, top, edge = view.crops[kind]["box_px"]
        if edge * TIMES != size:  # its pixels are not those of the larger picture
            continue
        compared += 1
        part = np.s_[top * TIMES : top * TIMES + size, left * TIMES : left * TIMES + size]
        one, other = read_picture(again, crop).astype(int), read_picture(large, whole)[part].astype(int)
        # Whether a pixel of the border is on an edge depends on neighbours that the crop lacks.
        assert (np.abs(one - other).max(axis=2) > 1)[1:-1, 1:-1].mean() < 0.002
        assert 0.1 < (one[..., 3] > 127).mean() < 0.9
        for name in LAYERS:
            one, other = read_layer(again, crop, name), read_layer(large, whole, name)[part]
            np.testing.assert_array_equal(np.isnan(one.astype(float)), np.isnan(other.astype(float)))
            different = np.abs(np.nan_to_num(one.astype(float)) - np.nan_to_num(other.astype(float))) > 2e-4
            assert different.mean() < 0.002, name
    assert compared


def test_who_has_no_joints_is_told(drawn: Drawn) -> None:
    scene = drawn.crops["unknown"]
    assert read_crops(scene, "face").views == ()
    told = "no crops (face, upper): the joints that say where are not known"
    assert told in scene.notes["notices"]
    assert not [name for name in scene.files if "@" in name]
    with pytest.raises(InputError, match="render with --crops face"):
        read_crops(drawn.large, "face")
    with pytest.raises(SettingsError, match="crops"):
        RenderSettings(crops=("hand",))


def test_crops_go_through_webdataset_and_back(drawn: Drawn, tmp_path: Path) -> None:
    scene = drawn.crops["person"]
    renders = scene.folder.parent.parent
    assert verify_folder(renders, deep=True, jobs=1).problems == ()
    assert not export_renders(renders, tmp_path / "tar", "webdataset", jobs=1).failures
    assert not import_folder(tmp_path / "tar", tmp_path / "back", "webdataset", jobs=1).failures
    for name in ("person/scan_0000", "unknown/scan_0000"):
        before = {path.name: path.read_bytes() for path in (renders / name).iterdir()}
        assert {path.name: path.read_bytes() for path in (tmp_path / "back" / name).iterdir()} == before
    content = json.loads((renders / "person/scan_0000/scene.json").read_text())
    assert content["crop_size"] == 64
    assert isinstance(scene.views[0].crops["face"]["box_px"], list)


def test_a_crop_of_a_crop_is_a_crop() -> None:
    whole = PerspectiveCamera((0.1, 0.9, 0.2), 2.0, 30.0, 10.0, 5.0, fov_deg=40.0)
    crop = CroppedCamera(whole.centre_world, 1.0, whole=whole, middle=(0.2, -0.3), share=0.5)
    xy = np.random.default_rng(0).uniform(-1, 1, (20, 2))
    origins, rays = crop.rays(xy)
    points = origins + rays * 3.1
    np.testing.assert_allclose(project(points, crop.calibration)[:, :2], xy, atol=1e-12)
    np.testing.assert_allclose(crop.depth_m(points), 3.1)
