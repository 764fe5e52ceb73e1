"""PSHuman's and Era3D's folders, loaded as their dreamdata.py loads them; balls, whose pictures are known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mpc.datasets.exchange.export import export_renders
from mpc.datasets.renders.format import read_scene_mesh
from mpc.datasets.renders.read import read_renders
from support.balls import COLOUR, RADIUS, centre, make_renders

SIZE = 64
# Where the balls face, in our world; the third does not say.
FACING = {0: (1.0, 0.0, 0.0), 1: (0.0, 0.0, -1.0)}
# The light of the first view: a quarter of white.
SHADED = np.array(COLOUR) * 0.25 ** (1 / 2.2)


@pytest.fixture(scope="module")
def renders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_renders(tmp_path_factory.mktemp("multiview") / "renders", balls=3, views=4, size=24, facing=FACING)


@pytest.fixture(scope="module")
def pshuman(renders: Path) -> tuple[Path, tuple[str, ...]]:
    out = renders.parent / "pshuman"
    summary = export_renders(renders, out, "pshuman", ratios=(1, 0, 0), size=SIZE, jobs=1)
    assert (summary.written, summary.failures) == (3, ())
    assert export_renders(renders, out, "pshuman", ratios=(1, 0, 0), size=SIZE, jobs=1).kept == 3
    return out, summary.notices


@pytest.fixture(scope="module")
def era3d(renders: Path) -> Path:
    out = renders.parent / "era3d"
    assert export_renders(renders, out, "era3d", ratios=(1, 0, 0), size=SIZE, jobs=1).failures == ()
    return out


def camera_of(root: Path, name: str, number: int) -> dict[str, Any]:
    found: dict[str, Any] = np.load(root / name / "camera" / f"{number:03d}.npy", allow_pickle=True).item()
    return found


def load_image(path: Path, background: float, size: int) -> tuple[np.ndarray, np.ndarray]:
    rgba = np.array(Image.open(path).resize((size, size))).astype(np.float32) / 255.0
    assert rgba.shape[-1] == 4
    alpha = rgba[..., 3:4]
    assert alpha.sum() > 1e-8
    return rgba[..., :3] * alpha + background * (1 - alpha), alpha


def load_normal(path: Path, alpha: np.ndarray, start: np.ndarray, size: int) -> np.ndarray:
    """Normals in the camera of the view that one starts from, x right, y up, z towards the camera; 0 outside."""
    stored = np.array(Image.open(path).resize((size, size)))[:, :, :3]
    assert stored.dtype == np.uint8  # Pillow reads 16 bits so
    world = stored / 255.0 * 2 - 1
    seen = np.dot(world.reshape(-1, 3), start[:3, :3].T).reshape(world.shape)
    seen /= np.linalg.norm(seen, axis=-1, keepdims=True) + 1e-6
    seen[..., 1:] *= -1
    return seen * alpha


def load(root: Path, name: str, start: int, relative: Sequence[int], step: int, total: int) -> list[dict[str, Any]]:
    """The views that the network is to predict, as `__getitem_norm__` loads them, without prompts and flips."""
    first = sorted(json.loads((root / "train.json").read_text()))[0]
    poses = [camera_of(root, first, number) for number in range(0, total, step)]
    assert all(pose["camera"] == "ortho" for pose in poses)
    views = []
    for number in [(start // step * step + offset * step) % total for offset in relative]:
        image, alpha = load_image(root / name / "image" / f"{number:03d}.png", 1.0, SIZE)
        pose = poses[start // step]["extrinsic"]
        normal = load_normal(root / name / "normal" / f"{number:03d}.png", alpha, pose, SIZE)
        views.append({"number": number, "image": image, "alpha": alpha[..., 0], "normal": normal})
    return views


def of_ball(root: Path, name: str, number: int) -> tuple[np.ndarray, np.ndarray]:
    """Alpha and world normals of a ball, whose bounding box has a diagonal of 1, by the recorded camera."""
    camera = camera_of(root, name, number)
    turn, shift, lens = camera["extrinsic"][:, :3], camera["extrinsic"][:, 3], camera["intrinsic"]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-6)
    radius = 1 / (2 * np.sqrt(3))
    row, column = np.mgrid[:SIZE, :SIZE] + 0.5
    x, y = (column - lens[0, 2]) / lens[0, 0] - shift[0], (row - lens[1, 2]) / lens[1, 1] - shift[1]
    inside = np.hypot(x, y) < radius
    z = -np.sqrt(np.maximum(radius**2 - x**2 - y**2, 0))
    return inside, np.stack([x, y, z], axis=-1) / radius @ turn


def check_views(root: Path, name: str, views: list[dict[str, Any]], start: np.ndarray) -> None:
    for view in views:
        inside, normals = of_ball(root, name, view["number"])
        assert 0.2 < inside.mean() < 0.3  # pi / 12
        assert np.abs((view["alpha"] > 0.5) ^ inside).sum() < 0.03 * inside.sum()  # a ball of 1280 triangles
        solid = (view["alpha"] == 1) & inside
        np.testing.assert_allclose(view["image"][solid] * 255, np.broadcast_to(SHADED, (solid.sum(), 3)), atol=1.0)
        expected = normals @ start[:3, :3].T * [1, -1, -1]
        cosine = (view["normal"] * expected).sum(axis=-1)[solid]
        assert np.quantile(cosine, 0.02) > 0.99
        assert (np.linalg.norm(view["normal"][view["alpha"] > 0], axis=-1) > 0).all()  # soft edges have normals, too


@pytest.mark.parametrize("number", range(3))
def test_pshumans_loader_sees_six_views_of_eight(pshuman: tuple[Path, Any], number: int) -> None:
    root, _ = pshuman
    name = f"ball_{number}_scan_0000"
    assert name in json.loads((root / "train.json").read_text())
    assert len(list((root / name / "image").iterdir())) == 8
    faces = np.load(root / name / "face_info.npy", allow_pickle=True).item()
    front = faces["top3_vid"][0]
    assert front in {key for key in faces if key != "top3_vid"}
    # random_views: 3, predict_relative_views: [0, 1, 2, 4, 6, 7], azi_interval: 45.0
    views = load(root, name, front, [0, 1, 2, 4, 6, 7], 4, 32)
    assert [view["number"] for view in views] == [24, 28, 0, 8, 16, 20]
    pose = camera_of(root, name, front)["extrinsic"]
    check_views(root, name, views, pose)
    np.testing.assert_allclose(pose[:, :3] @ (0, -1, 0), (0, 0, -1), atol=1e-6)  # who faces -y looks into the camera
    middle = views[0]["normal"][SIZE // 2, SIZE // 2]
    np.testing.assert_allclose(middle, (0, 0, 1), atol=0.1)
    back = views[3]["normal"][SIZE // 2, SIZE // 2]
    np.testing.assert_allclose(back, (0, 0, -1), atol=0.1)
    right = views[2]["normal"][SIZE // 2, SIZE // 2]  # seen from azimuth 0, the viewer's right of the front
    np.testing.assert_allclose(right, (1, 0, 0), atol=0.1)


def test_the_front_is_where_the_person_faces(renders: Path, pshuman: tuple[Path, tuple[str, ...]]) -> None:
    root, notices = pshuman
    told = "ball_2/scan_0000: it is not known where the person faces: +z is taken for the front"
    assert [notice for notice in notices if "faces" in notice] == [told]
    for number, facing in {**FACING, 2: (0.0, 0.0, 1.0)}.items():
        mesh, _ = read_scene_mesh(read_renders(renders).scenes[number])
        camera = camera_of(root, f"ball_{number}_scan_0000", 24)
        vertex = mesh.vertices[np.argmax(mesh.vertices @ facing)]
        # By hand: what faces us in our world, turned to -y, is the nearest point of the front picture.
        x, _, z = facing
        ours = vertex - np.array(centre(number))
        across, forward = ours @ (z, 0, -x), ours @ facing
        theirs = np.array([across, -forward, ours[1]]) / (2 * RADIUS * np.sqrt(3))
        seen = camera["extrinsic"][:, :3] @ theirs + camera["extrinsic"][:, 3]
        assert seen[2] == pytest.approx(1.5 - 1 / (2 * np.sqrt(3)), abs=1e-3)
        np.testing.assert_allclose(seen[:2], [0, 0], atol=0.06)


def test_era3ds_loader_sees_six_views_of_sixteen(era3d: Path) -> None:
    name = "ball_1_scan_0000"
    # random_views: 4, predict_relative_views: [0, 2, 4, 8, 12, 14], azi_interval: 22.5; the front is number 12
    views = load(era3d, name, 12 * 5, [0, 2, 4, 8, 12, 14], 5, 80)
    check_views(era3d, name, views, camera_of(era3d, name, 60)["extrinsic"])
    np.testing.assert_allclose(camera_of(era3d, name, 60)["extrinsic"][:, :3] @ (0, -1, 0), (0, 0, -1), atol=1e-6)
    lenses, elevations = set(), set()
    for index in (12, 8, 0, 10, 14):  # from which its loader starts, with a random one of the five numbers
        for number in range(index * 5, index * 5 + 5):
            camera = camera_of(era3d, name, number)
            _, alpha = load_image(era3d / name / "image" / f"{number:03d}.png", 1.0, SIZE)
            turn, shift, lens = camera["extrinsic"][:, :3], camera["extrinsic"][:, 3], camera["intrinsic"]
            eye = -turn.T @ shift
            azimuth, elevation = np.degrees(np.arctan2(eye[1], eye[0])), np.degrees(np.arcsin(eye[2] / shift[2]))
            assert (azimuth - index * 22.5 + 180) % 360 == pytest.approx(180, abs=1e-3)
            assert elevation == pytest.approx(camera["elevation"], abs=1e-3)
            raised = number % 5 != 0
            assert raised == (camera["elevation"] != 0)
            assert camera["camera"] == ("persp" if number % 5 in (1, 2, 3) else "ortho")
            radius = 1 / (2 * np.sqrt(3))
            if camera["camera"] == "persp":
                lenses.add(camera["focal"])
                radius = radius / np.sqrt(shift[2] ** 2 - radius**2)  # the tangent of the cone around the ball
            elevations.add(camera["elevation"])
            assert np.sqrt(alpha.sum() / np.pi) == pytest.approx(lens[0, 0] * radius, abs=0.4)
    assert lenses <= {35, 50, 85, 105, 135}
    assert len(lenses) > 1
    assert len(elevations) == 2
    assert -20 <= max(elevations, key=abs) <= 40


def test_starts_depend_on_the_seed_alone(renders: Path, era3d: Path) -> None:
    again = renders.parent / "again"
    export_renders(renders, again, "era3d", ratios=(1, 0, 0), size=SIZE, jobs=1)
    files = sorted(path.relative_to(era3d) for path in era3d.rglob("*.[pn]*") if path.suffix in (".png", ".npy"))
    assert len(files) == 3 * (36 + 16 + 36)
    assert all((again / path).read_bytes() == (era3d / path).read_bytes() for path in files)
