"""PaMIR's folder, loaded as its dataloader.py and dataloader_tex.py load it; balls, whose inside is known."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from scipy.io import loadmat

from mpc.datasets.exchange.export import export_renders
from support.balls import COLOUR, make_renders
from support.exr import read_exr

VIEWS, FOCAL = 3, 5000
NAME = "ball_0_scan_0000"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pamir")
    make_renders(folder / "renders", balls=2, views=VIEWS, size=24)
    summary = export_renders(folder / "renders", folder / "pamir", "pamir", ratios=(0.5, 0.5, 0), jobs=1)
    assert (summary.written, summary.failures) == (2, ())
    return folder / "pamir"


def load_image(root: Path, item: str, view: int) -> tuple[np.ndarray, np.ndarray]:
    folder = root / "image_data" / item
    image = np.float32(Image.open(folder / "color" / f"{view:04d}.jpg")) / 255
    mask = np.float32(Image.open(folder / "mask" / f"{view:04d}.png").convert("RGB")) / 255
    assert image.shape == mask.shape == (512, 512, 3)
    return image * mask + (1 - mask), mask[..., 0]


def load_camera(root: Path, item: str, view: int) -> tuple[np.ndarray, np.ndarray]:
    cameras = loadmat(root / "image_data" / item / "meta" / "cam_data.mat", verify_compressed_data_integrity=False)
    camera = cameras["cam"][0][view]
    centre, direction, right, up = (camera[name][0, 0].reshape(-1) for name in ("center", "direction", "right", "up"))
    rotation = np.stack([right, -up, direction])
    return rotation, -rotation @ centre


def load_points(root: Path, item: str) -> tuple[np.ndarray, np.ndarray]:
    data = loadmat(root / "image_data" / item / "sample" / "samples.mat", verify_compressed_data_integrity=False)
    kinds = [f"{kind}_points_{side}" for kind in ("surface", "uniform") for side in ("inside", "outside")]
    assert all(len(data[kind]) > 300 for kind in kinds)
    points = np.concatenate([data[kind] for kind in kinds])
    return points, np.concatenate([np.full(len(data[kind]), kind.endswith("inside")) for kind in kinds])


def project(points: np.ndarray, rotation: np.ndarray, shift: np.ndarray) -> np.ndarray:
    seen = points @ rotation.T + shift
    return seen[:, :2] * FOCAL / seen[:, 2:] / 256


def rotate(points: np.ndarray, view: int) -> np.ndarray:
    angle = 2 * np.pi * view / VIEWS
    x = points[:, 0] * math.cos(angle) - points[:, 2] * math.sin(angle)
    z = points[:, 0] * math.sin(angle) + points[:, 2] * math.cos(angle)
    return np.stack([x, points[:, 1], z], axis=1)


def radius_of(root: Path) -> float:
    mesh: Any = trimesh.load(root / "mesh_data" / NAME / "mesh" / f"{NAME}.obj", process=False)
    low, high = mesh.bounds
    np.testing.assert_allclose(low, -high, atol=1e-6)
    assert 0.75 <= (high - low).max() <= 0.9
    return float(high.max())


def test_pictures_and_cameras_agree(root: Path) -> None:
    listed = [(root / name).read_text().split("\n") for name in ("data_list.txt", "data_list_val.txt")]
    assert sorted(listed) == [["ball_0_scan_0000"], ["ball_1_scan_0000"]]
    radius = radius_of(root)
    row, column = np.mgrid[:512, :512] + 0.5
    disc = np.hypot(column - 256, row - 256) < FOCAL * radius / math.sqrt(100 - radius**2)
    mesh: Any = trimesh.load(root / "mesh_data" / NAME / "mesh" / f"{NAME}.obj", process=False)
    for view in range(VIEWS):
        image, mask = load_image(root, NAME, view)
        assert ((mask > 0.5) ^ disc).sum() < 0.01 * disc.sum()
        assert (image[mask == 0] == 1).all()
        shown = np.array(COLOUR) * ((view + 1) / 4) ** (1 / 2.2)
        assert np.abs(image[mask == 1] * 255 - shown).mean() < 1.5  # JPEG
        rotation, shift = load_camera(root, NAME, view)
        np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
        places = project(mesh.vertices, rotation, shift)
        # Its network sees points that are turned, in front of its default camera: the same place of the picture.
        turned = project(rotate(mesh.vertices, view), np.diag([1.0, -1.0, -1.0]), np.array([0, 0, 10.0]))
        np.testing.assert_allclose(places, turned, atol=1e-9)
        pixels = places * 256 + 256
        rows, columns = np.flatnonzero(mask.max(axis=1) > 0.5), np.flatnonzero(mask.max(axis=0) > 0.5)
        np.testing.assert_allclose(pixels.min(axis=0), [columns[0], rows[0]], atol=1.0)
        np.testing.assert_allclose(pixels.max(axis=0), [columns[-1] + 1, rows[-1] + 1], atol=1.0)


def test_labels_are_those_of_the_ball(root: Path) -> None:
    radius = radius_of(root)
    points, inside = load_points(root, NAME)
    distance = np.linalg.norm(points, axis=1)
    clear = np.abs(distance - radius) > 0.01 * radius  # the ball has 1280 flat faces
    assert clear.mean() > 0.7
    assert np.array_equal(inside[clear], distance[clear] < radius)
    assert np.abs(points).max() < 0.7


def test_coloured_points_lie_on_the_surface(root: Path) -> None:
    folder, radius = root / "image_data" / NAME, radius_of(root)
    mask = np.asarray(Image.open(folder / "meta" / "uv_mask.png"))
    places = read_exr(folder / "meta" / "uv_pos.exr", *mask.shape)[mask != 0]
    np.testing.assert_allclose(np.linalg.norm(places, axis=1), radius, rtol=0.01)
    normals = np.asarray(Image.open(folder / "meta" / "uv_nml.png"))[mask != 0] / 255.0 * 2 - 1
    assert ((normals * places).sum(axis=1) / np.linalg.norm(places, axis=1) > 0.98).all()
    for view in range(VIEWS):
        colours = np.asarray(Image.open(folder / "color_uv" / f"{view:04d}.png"))[mask != 0]
        shown = np.array(COLOUR) * ((view + 1) / 4) ** (1 / 2.2)
        np.testing.assert_allclose(colours, np.broadcast_to(shown, colours.shape), atol=1)


def test_views_that_its_loader_would_misplace_are_refused(tmp_path: Path) -> None:
    renders = make_renders(tmp_path / "renders", balls=1, views=4, size=24)
    scene = renders / "ball_0" / "scan_0000" / "scene.json"
    text = scene.read_text()
    assert '"yaw_deg": 90.0' in text
    scene.write_text("".join(line for line in text.replace('"yaw_deg": 90.0', '"yaw_deg": 91.0').splitlines(True)))
    content = scene.read_text()
    scene.write_text(content[: content.rindex(',\n "sha256"')] + "\n}\n")  # without its seal
    ((key, reason),) = export_renders(renders, tmp_path / "out", "pamir", jobs=1).failures
    assert key == "ball_0/scan_0000"
    assert "takes view k of N for one at k * 360 / N degrees" in reason


def test_fits_that_the_user_put_there_stay(root: Path) -> None:
    fits = root / "mesh_data" / NAME / "smpl" / "smpl_param.pkl"
    fits.parent.mkdir()
    fits.write_bytes(b"mine")
    (root / "image_data" / NAME / "meta" / "uv_mask.png").unlink()
    before = (root / "image_data" / NAME / "sample" / "samples.mat").read_bytes()
    assert export_renders(root.parent / "renders", root, "pamir", ratios=(0.5, 0.5, 0), jobs=1).written == 1
    assert fits.read_bytes() == b"mine"
    assert (root / "image_data" / NAME / "sample" / "samples.mat").read_bytes() == before
