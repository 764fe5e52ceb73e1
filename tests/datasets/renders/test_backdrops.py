"""`--backgrounds`: the layer `photo`, against compositing by hand; the pictures themselves stay as they are."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mpc.core.errors import InputError, SettingsError
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.backdrops import Backdrop, Backdrops, open_backdrops
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.crops import read_crops
from mpc.datasets.renders.format import SceneRecord
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.geometry.camera import OrthographicCamera, crop_camera
from mpc.render.light.lights import rotate_light
from support.figures import write_figure
from support.labelled import write_labelled_scan

COLOUR = (210, 40, 120)
FEW: dict[str, Any] = {"views": 3, "step_deg": 120.0, "size": 48, "rays": 16, "longest_edge_m": 0.3}


def write_hdr(path: Path, half: int = 8) -> None:
    """A flat RGBE panorama, `half` pixels high and twice as wide, brighter on its right half."""
    row = bytes([128, 128, 128, 126]) * half + bytes([128, 128, 128, 130]) * half
    path.write_bytes(f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {half} +X {2 * half}\n".encode() + row * half)


def draw(models: Path, out: Path, jobs: int = 1, **settings: Any) -> dict[str, SceneRecord]:
    chosen = RenderSettings(**{**FEW, **settings})
    assert not render_models(models, out, chosen, renderer="embree", jobs=jobs, backend="threading").failures
    return {scene.subject: scene for scene in read_renders(out).scenes}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("backdrops") / "models"
    write_labelled_scan(root / "person")
    write_figure(root / "other", 1)
    return root


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    Image.new("RGB", (90, 60), COLOUR).save(folder / "plain.png")
    return folder


def test_the_photo_is_the_picture_before_the_photograph(models: Path, photographs: Path, tmp_path: Path) -> None:
    without = draw(models, tmp_path / "without")
    scenes = draw(models, tmp_path / "with", backgrounds=photographs)
    for name, scene in scenes.items():
        for view, plain in zip(scene.views, without[name].views, strict=True):
            assert view.path.read_bytes() == plain.path.read_bytes(), "the picture itself, its light and its alpha stay"
            rgba = read_picture(scene, view).astype(np.float64)
            share = rgba[..., 3:] / 255
            expected = np.rint(share * rgba[..., :3] + (1 - share) * COLOUR)
            photo = read_layer(scene, view, "photo")
            np.testing.assert_array_equal(photo[..., :3], expected)
            assert (photo[..., 3] == 255).all()
        content = json.loads((scene.folder / "scene.json").read_text())
        assert content["layers"] == ["photo"]
        for view_entry in content["views"]:
            left, top, edge = view_entry["background"]["box_px"]
            assert view_entry["background"]["file"] == "plain.png"
            assert 0.35 * 60 <= edge <= 60
            assert 0 <= left <= 90 - edge
            assert 0 <= top <= 60 - edge


def test_the_same_bytes_with_two_workers_and_after_another_place(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    (folder / "sub").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(3):
        Image.fromarray(rng.integers(0, 255, (40, 50, 3), np.uint8)).save(folder / "sub" / f"{number}.png")
    write_hdr(folder / "sky.hdr")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no picture")
    one = draw(models, tmp_path / "one", backgrounds=folder, layers=("mask",))
    shutil.copytree(folder, tmp_path / "elsewhere")
    two = draw(models, tmp_path / "two", backgrounds=tmp_path / "elsewhere", jobs=2, layers=("mask",))
    for name, scene in one.items():
        assert scene.files == two[name].files
        assert scene.sha256 == two[name].sha256
    files = {
        view["background"]["file"]
        for scene in one.values()
        for view in json.loads((scene.folder / "scene.json").read_text())["views"]
    }
    assert "broken.jpg" not in files
    assert len(files) > 1
    (folder / "sub" / "0.png").write_bytes((folder / "sub" / "1.png").read_bytes())
    open_backdrops.cache_clear()
    with pytest.raises(SettingsError, match="backgrounds_sha256"):
        draw(models, tmp_path / "one", backgrounds=folder, layers=("mask",))


def test_a_panorama_lights_whoever_stands_before_it(models: Path, tmp_path: Path) -> None:
    folder = tmp_path / "panoramas"
    folder.mkdir()
    write_hdr(folder / "sky.hdr")
    scene = draw(models, tmp_path / "out", backgrounds=folder)["person"]
    content = json.loads((scene.folder / "scene.json").read_text())
    backdrops = Backdrops(folder)
    original = backdrops._look(folder / "sky.hdr").light
    assert original is not None
    for view, entry in zip(scene.views, content["views"], strict=True):
        assert view.light_name == "sky"
        assert entry["background"]["panorama"]
        turned = rotate_light(original, np.radians(entry["background"]["yaw_deg"]))
        np.testing.assert_allclose(view.light, turned, atol=1e-5)
        photo, rgba = read_layer(scene, view, "photo"), read_picture(scene, view)
        grounds = np.unique(photo[rgba[..., 3] == 0].reshape(-1, 4), axis=0)
        assert len(grounds) >= 1
        assert (np.ptp(grounds[:, :3], axis=1) == 0).all(), "grey, as the panorama is"
    assert len({tuple(view.light.ravel()) for view in scene.views}) == 3, "each turned another way"


def test_a_picture_twice_as_wide_as_high_is_a_panorama(tmp_path: Path) -> None:
    Image.new("RGB", (64, 32), COLOUR).save(tmp_path / "around.png")
    Image.new("RGB", (64, 33), COLOUR).save(tmp_path / "front.png")
    backdrops = Backdrops(tmp_path)
    kinds = {}
    for seed in range(8):
        behind, told = backdrops.draw(np.random.default_rng(seed))
        assert not told
        kinds[behind.file] = behind.light is not None
    assert kinds == {"around.png": True, "front.png": False}
    clear, camera = np.zeros((8, 8, 4), np.uint8), OrthographicCamera((0, 0, 0), 2.0)
    for seed in range(4):
        shown = backdrops.behind(clear, backdrops.draw(np.random.default_rng(seed))[0], camera)
        assert (shown == (*COLOUR, 255)).all()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_square_is_where_it_is_said_to_be_and_a_crop_is_a_part_of_it(tmp_path: Path, mirrored: bool) -> None:
    column, row = np.meshgrid(np.arange(100.0), np.arange(80.0))
    Image.fromarray(np.stack([2 * column, 3 * row, 0 * row], -1).astype(np.uint8)).save(tmp_path / "ramp.png")
    backdrops, size = Backdrops(tmp_path), 20
    behind, camera = Backdrop("ramp.png", None, (30.0, 10.0, 40.0), mirrored), OrthographicCamera((0, 0, 0), 2.0)
    shown = backdrops.behind(np.zeros((size, size, 4), np.uint8), behind, camera).astype(float)
    middles = (np.arange(size) + 0.5) * 2  # of the pixels, in those of the square
    across = 40.0 - middles if mirrored else middles
    assert np.abs(shown[..., 0] - 2 * (30 + across - 0.5)[None, :]).max() < 1.5
    assert np.abs(shown[..., 1] - 3 * (10 + middles - 0.5)[:, None]).max() < 1.5
    crop = crop_camera(camera, (-0.5, 0.2), 0.4)  # columns 1 to 9 of the picture, rows 8 to 16
    part = backdrops.behind(np.zeros((80, 80, 4), np.uint8), behind, crop).astype(float)
    places = (np.arange(80) + 0.5) / 80 * 16  # in pixels of the square
    left = 40 - (2 + places) if mirrored else 2 + places
    assert np.abs(part[..., 0] - 2 * (30 + left - 0.5)[None, :]).max() < 1.5
    assert np.abs(part[..., 1] - 3 * (10 + 16 + places - 0.5)[:, None]).max() < 1.5
    beyond = crop_camera(camera, (-3.0, 0.0), 2.0)  # three edges to the left of the photograph
    outside = backdrops.behind(np.zeros((8, 8, 4), np.uint8), behind, beyond)
    assert (outside[:, 0, 0] == (198 if mirrored else 0)).all()


def test_crops_show_the_background_of_their_view(models: Path, photographs: Path, tmp_path: Path) -> None:
    scene = draw(models, tmp_path / "out", backgrounds=photographs, crops=("face",), crop_size=32)["person"]
    faces = read_crops(scene, "face")
    for view in faces.views:
        photo, rgba = read_layer(faces, view, "photo"), read_picture(faces, view)
        assert (photo[rgba[..., 3] == 0] == (*COLOUR, 255)).all()
        np.testing.assert_array_equal(photo[rgba[..., 3] == 255], rgba[rgba[..., 3] == 255])


def test_shards_carry_the_photo_beside_the_picture(models: Path, photographs: Path, tmp_path: Path) -> None:
    scenes = draw(models, tmp_path / "renders", backgrounds=photographs)
    few = {"near_points": 80, "uniform_points": 80, "colour_points": 8}
    settings = SampleSettings(**few, layers=("photo",), ratios=(1.0, 0.0, 0.0))  # type: ignore[arg-type]
    sample_renders(tmp_path / "renders", tmp_path / "shards", settings, jobs=1)
    items = ViewDataset(tmp_path / "shards", "train", points=8, colour_points=0, layers=("photo",))
    assert len(items) == 6
    for number in range(len(items)):
        place = items.views.place(number)
        scene = scenes[items.scene_keys[place[0]].partition("/")[0]]
        view = scene.views[number % 3]
        item = items[number]
        np.testing.assert_array_equal(item["image"].numpy(), read_picture(scene, view).transpose(2, 0, 1))
        np.testing.assert_array_equal(item["layers/photo"].numpy(), read_layer(scene, view, "photo").transpose(2, 0, 1))


def test_coco_shows_people_in_front_of_it(models: Path, photographs: Path, tmp_path: Path) -> None:
    scenes = draw(models, tmp_path / "renders", backgrounds=photographs)
    assert not export_renders(tmp_path / "renders", tmp_path / "coco", "coco", ratios=(1, 0, 0), jobs=1).failures
    masks = json.loads((tmp_path / "coco" / "annotations" / "instances_train.json").read_text())["annotations"]
    covered = []
    for name, scene in sorted(scenes.items()):
        for view in scene.views:
            with Image.open(tmp_path / "coco" / "images" / f"{name}_scan_0000" / view.path.name) as opened:
                assert opened.mode == "RGB"
                np.testing.assert_array_equal(np.asarray(opened), read_layer(scene, view, "photo")[..., :3])
            covered.append(int((read_picture(scene, view)[..., 3] >= 128).sum()))
    assert [mask["area"] for mask in masks] == covered, "the masks are the person's alone"


def test_large_panoramas_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_hdr(tmp_path / "sky.hdr", 64)
    whole = Backdrops(tmp_path)._look(tmp_path / "sky.hdr")
    monkeypatch.setattr("mpc.datasets.renders.backdrops._WIDEST", 64)
    small = Backdrops(tmp_path)._look(tmp_path / "sky.hdr")
    assert (whole.width, whole.height, small.width, small.height) == (128, 64, 64, 32)
    assert whole.light is not None
    assert small.light is not None
    np.testing.assert_allclose(small.light, whole.light, atol=2e-3)


def test_shards_of_renders_without_backgrounds_cannot_have_it(models: Path, tmp_path: Path) -> None:
    draw(models, tmp_path / "renders", views=1)
    with pytest.raises(SettingsError, match=r"holds no layer photo .*--backgrounds DIR"):
        sample_renders(tmp_path / "renders", tmp_path / "shards", SampleSettings(layers=("photo",)), jobs=1)


def test_folders_that_hold_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        Backdrops(tmp_path / "nowhere")
    with pytest.raises(InputError, match="no photograph and no panorama"):
        Backdrops(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"text")
    with pytest.raises(InputError, match=r"no background that can be read; backgrounds: a\.jpg is passed over"):
        Backdrops(tmp_path).draw(np.random.default_rng(0))
