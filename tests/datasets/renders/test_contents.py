"""Every file of a scene is compared with its recorded checksum when it is read, and named when it has changed."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from mpc.core.errors import InputError
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.layer_files import read_layer
from mpc.datasets.renders.read import read_renders
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings

FEW = SampleSettings(near_points=800, uniform_points=400, colour_points=80)


@pytest.fixture(scope="module")
def original(figures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two textured figures, two views each, with masks."""
    models = tmp_path_factory.mktemp("two")
    for name in ("one", "two"):
        (models / name).symlink_to(figures / name)
    settings = RenderSettings(views=2, step_deg=90, size=48, rays=16, layers=("mask",))
    render_models(models, models / "renders", settings, renderer="embree", jobs=1)
    return models / "renders"


@pytest.fixture
def renders(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "renders")
    return tmp_path / "renders"


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def swap_pictures(scene: Path) -> Path:
    """Overwrite a picture with another whole one."""
    shutil.copy(scene / "090.png", scene / "000.png")
    return scene / "000.png"


def swap_meshes(scene: Path) -> Path:
    """Overwrite the mesh with another person's."""
    shutil.copy(scene.parent.parent / "two" / "scan_0000" / "mesh.npz", scene / "mesh.npz")
    return scene / "mesh.npz"


def swap_textures(scene: Path) -> Path:
    """Overwrite the texture with another person's."""
    texture, other = (next((scene.parent.parent / name / "textures").iterdir()) for name in ("one", "two"))
    shutil.copy(other, texture)
    return texture


def edit_description(scene: Path) -> Path:
    """Change one digit of scene.json, which stays JSON."""
    path = scene / "scene.json"
    path.write_text(path.read_text().replace('"frame": 0', '"frame": 7'))
    return path


CHANGES = [swap_pictures, swap_meshes, swap_textures, edit_description]


USES = [*(("sample", change) for change in CHANGES), ("icon", swap_pictures), ("icon", swap_textures),
        ("pifu", swap_pictures), ("pifu", swap_meshes)]  # fmt: skip


@pytest.mark.parametrize(("use", "change"), USES)
def test_a_changed_file_is_refused_by_name(renders: Path, tmp_path: Path, use: Any, change: Any) -> None:
    changed = change(renders / "one" / "scan_0000")
    if use == "sample":
        summary: Any = sample_renders(renders, tmp_path / "shards", FEW, jobs=1)
        done = summary.scenes
    else:
        summary = export_renders(renders, tmp_path / "set", use, jobs=1)
        done = summary.written
    assert done == 1
    ((key, reason),) = summary.failures
    assert key == "one/scan_0000"
    assert str(changed) in reason


def test_a_changed_layer_is_refused_by_name(renders: Path) -> None:
    scene = read_renders(renders).scenes[0]
    assert read_layer(scene, scene.views[0], "mask").any()
    flip(scene.folder / "000.mask.png")
    with pytest.raises(InputError, match=r"000\.mask\.png: damaged scene.*--repair"):
        read_layer(scene, scene.views[0], "mask")


def test_what_is_whole_is_read(renders: Path) -> None:
    for scene in read_renders(renders).scenes:
        mesh, _ = read_scene_mesh(scene)
        assert mesh.materials[0].texture is not None
        assert set(scene.files) == {path.name for path in scene.folder.iterdir()} - {"scene.json"}
        assert all(scene.read_file(name) == (scene.folder / name).read_bytes() for name in scene.files)
