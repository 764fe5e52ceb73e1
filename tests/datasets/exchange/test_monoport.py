"""MonoPort's folder, loaded as its ppl_dynamic.py loads it; balls, whose inside is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mpc.datasets.exchange.export import export_renders
from mpc.datasets.renders.layer_files import read_picture
from mpc.datasets.renders.read import read_renders
from mpc.geometry.camera import project
from support.balls import RADIUS, centre, make_renders

# Where some joints of a ball are, from its centre, metres.
JOINTS = {
    "pelvis": (0, -0.1, 0), "spine1": (0, 0, 0), "spine2": (0, 0.1, 0), "spine3": (0, 0.2, 0), "neck": (0, 0.3, 0),
    "head": (0, 0.4, 0.02), "left_wrist": (0.3, 0, 0.1), "right_wrist": None,
}  # fmt: skip


def labels(number: int, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """What scene.json says of a ball's joints."""
    known = {name: place for name, place in JOINTS.items() if name not in without}
    world = [None if place is None else (np.array(place) + centre(number)).tolist() for place in known.values()]
    return {"joints": {"names": list(known), "world": world}}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("monoport")
    make_renders(folder / "renders", balls=2, views=4, size=512, labels={n: labels(n) for n in range(2)})
    summary = export_renders(folder / "renders", folder / "out", "monoport", ratios=(0.5, 0.5, 0), jobs=1)
    assert (summary.written, summary.failures) == (2, ())
    assert next(notice for notice in summary.notices if "views" in notice).startswith("ball_0/scan_0000: 4 views;")
    return folder


def load_calib(path: Path) -> np.ndarray:
    rows = np.loadtxt(path, dtype=float)
    return rows[4:8] @ rows[:4]


def projection(points: np.ndarray, calib: np.ndarray) -> np.ndarray:
    return points @ calib[:3, :3].T + calib[:3, 3]


def motions(root: Path, split: str) -> list[tuple[str, str, int]]:
    held = np.loadtxt(root / "renderppl" / "val.txt", dtype=str)
    found = []
    for path in sorted(root.glob("*/*/*/render")):
        subject, action, frame = path.parts[-4:-1]
        if (subject in held) == (split != "train"):
            found.append((subject, action, int(frame)))
    return found


def test_its_loader_finds_and_keeps_every_scene(root: Path) -> None:
    out = root / "out"
    assert sorted(motions(out, "train") + motions(out, "val")) == [("ball_0", "scan", 0), ("ball_1", "scan", 0)]
    assert len(motions(out, "train")) == 1
    for subject, action, frame in motions(out, "train") + motions(out, "val"):
        folder = out / subject / action / f"{frame:06d}"
        for name in ("uv_render/270.jpg", "render/270.png", "mesh_poisson.obj", "calib/270.txt", "samples_0.05_v3"):
            assert (folder / name).exists()
        skeleton = np.loadtxt(folder / "skeleton.txt", usecols=[1, 2, 3]) / 100
        names = np.loadtxt(folder / "skeleton.txt", dtype=str, usecols=[0]).tolist()
        assert (names[1], names[6]) == ("pelvis", "head")
        assert "right_wrist" not in names  # not known
        assert skeleton[6, 1] > skeleton[1, 1]
        seen = projection(skeleton, load_calib(folder / "calib" / "270.txt"))
        assert seen.min() > -1
        assert seen.max() < 1
        number = int(subject[-1])
        expected = np.array([JOINTS[name] for name in names]) + centre(number)
        np.testing.assert_allclose(skeleton, expected, atol=1e-6)
        np.testing.assert_allclose(np.loadtxt(folder / "center.txt"), expected[1], atol=1e-9)


def test_pictures_calibrations_and_labels_agree(root: Path) -> None:
    for scene in read_renders(root / "renders").scenes:
        folder = root / "out" / scene.subject / "scan" / "000000"
        number = int(scene.subject[-1])
        for view in scene.views:
            stem = f"{round(view.yaw_deg):03d}"
            assert np.array_equal(np.asarray(Image.open(folder / "render" / f"{stem}.png")), read_picture(scene, view))
            calib = load_calib(folder / "calib" / f"{stem}.txt")
            places = np.random.default_rng(3).normal(size=(20, 3))
            ours = project(places, view.calibration)
            np.testing.assert_allclose(projection(places, calib), ours * [1, 1, -1], atol=1e-12)
            # What the loader shifts: the pelvis gets a depth of 0.
            middle = np.loadtxt(folder / "center.txt").reshape(1, 3)
            calib[2, 3] -= projection(middle, calib)[0, 2]
            assert projection(middle, calib)[0, 2] == pytest.approx(0, abs=1e-12)
        for kind, count in (("surface", 100_000), ("uniform", 25_000)):
            samples = np.load(folder / "samples_0.05_v3" / f"{kind}_0.npy")
            assert samples.shape == (count, 4)
            distance = np.linalg.norm(samples[:, :3] - centre(number), axis=1)
            clear = np.abs(distance - RADIUS) > 0.01 * RADIUS
            assert np.array_equal(samples[clear, 3] > 0.5, distance[clear] < RADIUS)
            assert 0.02 < samples[:, 3].mean() < 0.6
        spread = np.linalg.norm(np.load(folder / "samples_0.05_v3" / "surface_0.npy")[:, :3] - centre(number), axis=1)
        assert np.std(spread - RADIUS) == pytest.approx(0.05, rel=0.05)


def test_a_scene_without_joints_or_of_another_size_is_named(tmp_path: Path) -> None:
    make_renders(tmp_path / "renders", balls=2, views=4, size=512, labels={0: labels(0, ("head", "neck"))})
    failures = dict(export_renders(tmp_path / "renders", tmp_path / "out", "monoport", jobs=1).failures)
    assert "joints are not known (head)" in failures["ball_0/scan_0000"]
    assert "joints are not known (head, pelvis)" in failures["ball_1/scan_0000"]
    make_renders(tmp_path / "small", balls=1, views=4, size=32)
    ((_, reason),) = export_renders(tmp_path / "small", tmp_path / "out2", "monoport", jobs=1).failures
    assert "render with --size 512" in reason
