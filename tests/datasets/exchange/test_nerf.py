"""Folders for NeRF and nerfstudio: rays made as their loaders make them hit the surface where the mask says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpc.core.errors import SettingsError
from mpc.datasets.exchange.export import export_renders
from mpc.datasets.exchange.lenses import lens_of
from mpc.datasets.renders.format import SceneRecord, read_scene_mesh
from mpc.datasets.renders.layer_files import read_layer, read_picture
from mpc.datasets.renders.read import read_renders
from mpc.formats.png import read_png
from mpc.geometry.camera import OrthographicCamera, PerspectiveCamera, project, view_to_pixels
from mpc.geometry.rays import ray_scene
from support.balls import make_renders

SIZE, VIEWS = 48, 9


def make(root: Path, **more: Any) -> tuple[list[SceneRecord], Path, tuple[str, ...]]:
    """Two balls, rendered and exported: their scenes, the export, and its notices."""
    make_renders(root / "renders", balls=2, views=VIEWS, size=SIZE, layers=("mask",), boxed=True, **more)
    summary = export_renders(root / "renders", root / "nerf", "nerf", ratios=(0, 0, 1), jobs=1)
    assert (summary.written, summary.failures) == (2, ())
    return list(read_renders(root / "renders").scenes), root / "nerf", summary.notices


@pytest.fixture(scope="module")
def perspective(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[SceneRecord], Path, tuple[str, ...]]:
    return make(tmp_path_factory.mktemp("perspective"), fov_deg=40.0)


@pytest.fixture(scope="module")
def parallel(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[SceneRecord], Path, tuple[str, ...]]:
    return make(tmp_path_factory.mktemp("parallel"))


def nerfstudio_rays(meta: dict[str, Any], frame: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """As nerfstudio's Cameras.generate_rays: (H, W, 3) origins and directions, pixels centred at one half."""
    row, column = np.mgrid[: meta["h"], : meta["w"]] + 0.5
    x, y = (column - frame["cx"]) / frame["fl_x"], -(row - frame["cy"]) / frame["fl_y"]
    pose = np.array(frame["transform_matrix"])
    if meta["camera_model"] == "ORTHOPHOTO":
        places = np.stack([x, y, np.zeros_like(x), np.ones_like(x)], axis=-1)
        return places @ pose[:3].T, np.broadcast_to(pose[:3, :3] @ (0, 0, -1.0), (*x.shape, 3))
    assert meta["camera_model"] == "OPENCV"
    assert not any(meta[name] for name in ("k1", "k2", "p1", "p2"))
    return np.broadcast_to(pose[:3, 3], (*x.shape, 3)), np.stack([x, y, -np.ones_like(x)], axis=-1) @ pose[:3, :3].T


def nerf_rays(angle: float, pose: list[list[float]], middle: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """As load_blender.py and get_rays_np of NeRF, whose pixels have their centres at whole numbers (`middle` of 0)."""
    focal = 0.5 * SIZE / np.tan(0.5 * angle)
    row, column = np.mgrid[:SIZE, :SIZE] + middle
    directions = np.stack([(column - SIZE * 0.5) / focal, -(row - SIZE * 0.5) / focal, -np.ones((SIZE, SIZE))], -1)
    matrix = np.array(pose)
    return np.broadcast_to(matrix[:3, 3], directions.shape), directions @ matrix[:3, :3].T


def hits(scene: SceneRecord, applied: list[list[float]], origins: np.ndarray, directions: np.ndarray) -> np.ndarray:
    """Which rays, in the file's world, hit the scene's surface."""
    mesh, _ = read_scene_mesh(scene)
    turn, shift = np.array(applied)[:, :3], np.array(applied)[:, 3]
    back = (origins.reshape(-1, 3) - shift) @ turn  # the inverse of a rotation is its transpose
    found = ray_scene(mesh).first_hit(
        np.ascontiguousarray(back), np.ascontiguousarray(directions.reshape(-1, 3) @ turn)
    )
    return found.hit.reshape(origins.shape[:2])


@pytest.mark.parametrize("kind", ["perspective", "parallel"])
def test_nerfstudio_sees_the_same_pixels(kind: str, request: pytest.FixtureRequest) -> None:
    scenes, out, _ = request.getfixturevalue(kind)
    assert (out / "test.txt").read_text().split() == ["ball_0_scan_0000", "ball_1_scan_0000"]
    for scene in scenes:
        folder = out / scene.key.replace("/", "_")
        meta = json.loads((folder / "transforms.json").read_text())
        assert len(meta["frames"]) == VIEWS
        for view, frame in zip(scene.views, meta["frames"], strict=True):
            assert np.array_equal(read_png(folder / frame["file_path"]), read_picture(scene, view))
            seen = hits(scene, meta["applied_transform"], *nerfstudio_rays(meta, frame))
            assert 50 < seen.sum() < SIZE * SIZE / 2
            assert np.array_equal(seen, read_layer(scene, view, "mask"))
            # And the other way: vertices are projected to the pixels where our calibration has them.
            mesh, _ = read_scene_mesh(scene)
            applied = np.array(meta["applied_transform"])
            world = np.pad(mesh.vertices @ applied[:, :3].T + applied[:, 3], ((0, 0), (0, 1)), constant_values=1)
            x, y, z, _ = np.linalg.inv(frame["transform_matrix"]) @ world.T
            depth = -z if kind == "perspective" else np.ones_like(z)
            across, down = frame["fl_x"] * x / depth, -frame["fl_y"] * y / depth
            pixels = np.stack([frame["cy"] + down, frame["cx"] + across], axis=1)
            ours = view_to_pixels(project(mesh.vertices, view.calibration), SIZE, SIZE)
            np.testing.assert_allclose(pixels - 0.5, ours, atol=1e-6)
        train, held = set(meta["train_filenames"]), set(meta["test_filenames"])
        assert held == {meta["frames"][0]["file_path"], meta["frames"][8]["file_path"]} == set(meta["val_filenames"])
        assert not train & held
        assert len(train | held) == VIEWS


def test_nerf_sees_them_within_the_half_pixel_of_its_loader(perspective: tuple[list[SceneRecord], Path, Any]) -> None:
    scenes, out, _ = perspective
    scene, folder = scenes[1], out / "ball_1_scan_0000"
    applied = json.loads((folder / "transforms.json").read_text())["applied_transform"]
    seen = []
    for split, count in (("train", VIEWS - 2), ("val", 2), ("test", 2)):
        meta = json.loads((folder / f"transforms_{split}.json").read_text())
        assert len(meta["frames"]) == count
        for frame in meta["frames"]:
            path = folder / f"{frame['file_path']}.png"
            assert path.is_file()
            view = next(view for view in scene.views if view.name == path.stem)
            mask = read_layer(scene, view, "mask")
            exact, found = (
                hits(scene, applied, *nerf_rays(meta["camera_angle_x"], frame["transform_matrix"], middle))
                for middle in (0.5, 0.0)
            )
            assert np.array_equal(exact, mask)
            shifts = [(np.roll(found, (r, c), (0, 1)) ^ mask).sum() for r in (-2, 0, 2) for c in (-2, 0, 2)]
            assert np.argmin(shifts) == 4
            if split != "val":
                seen.append(path.stem)
    assert sorted(seen) == [view.name for view in scene.views]


def test_what_these_files_cannot_say_is_told(
    perspective: tuple[list[SceneRecord], Path, Any], parallel: tuple[list[SceneRecord], Path, Any]
) -> None:
    assert not list(parallel[1].rglob("transforms_train.json"))
    told = "ball_0/scan_0000: orthographic, which NeRF's transforms_train.json cannot describe: `mpc render --fov`"
    assert any(notice.startswith(told) for notice in parallel[2])
    own = "ball_0/scan_0000: each view has light of its own, which a radiance field takes for the surface's"
    assert own in perspective[2]
    assert not any("orthographic" in notice for notice in perspective[2])


def test_calibrations_are_taken_apart_also_those_of_crops() -> None:
    rng = np.random.default_rng(5)
    for number in range(30):
        place, extent = tuple(rng.normal(size=3)), rng.uniform(0.5, 3.0)
        angles = (rng.uniform(0, 360), rng.uniform(-60, 60), rng.uniform(-180, 180))
        camera = OrthographicCamera(place, extent, *angles)
        if number % 2:
            camera = PerspectiveCamera(place, extent, *angles, fov_deg=rng.uniform(5, 70))
        crop = np.diag([2.5, 2.5, 1.0, 1.0])  # a part of the picture, enlarged: off the middle
        crop[:2, 3] = rng.uniform(-1, 1, 2)
        calibration = crop @ camera.calibration
        lens = lens_of(calibration, 200)
        points = np.asarray(place) + rng.uniform(-0.2, 0.2, (50, 3)) * extent
        x, y, z = lens.rotation @ (points - lens.eye).T
        depth = 1.0 if lens.orthographic else z
        assert (z > 0).all()
        pixels = [lens.focal[1] * y / depth + lens.principal[1], lens.focal[0] * x / depth + lens.principal[0]]
        ours = view_to_pixels(project(points, calibration), 200, 200)
        np.testing.assert_allclose(np.stack(pixels, axis=1) - 0.5, ours, atol=1e-9)
    with pytest.raises(SettingsError, match="mirrored"):
        lens_of(np.diag([-1.0, 1.0, 1.0, 1.0]) @ camera.calibration, 200)
