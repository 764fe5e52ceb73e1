"""`mpc render --fov 20:60` through sampling, training and evaluation: labels, pictures, a run and its measures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import trimesh
from scipy.ndimage import binary_dilation

from mpc.core.arrays import F32, F64
from mpc.core.files import read_json
from mpc.datasets.loading.views import ViewDataset
from mpc.datasets.renders.build import render_models
from mpc.datasets.renders.settings import RenderSettings
from mpc.datasets.shards.build import sample_renders
from mpc.datasets.shards.settings import SampleSettings
from mpc.evaluate.methods.method import GivenView, rebuild_field
from mpc.evaluate.run import evaluate
from mpc.evaluate.settings import EvaluationSettings, Workers
from mpc.geometry.camera import PerspectiveCamera, camera_of, project, unproject, view_to_pixels
from mpc.geometry.mesh import PosedMesh
from mpc.train.presets import choose_settings
from mpc.train.run import train
from support.figures import write_figure

LOW, HIGH, SIZE = 20.0, 60.0, 64


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two figures to train on and one to measure, four views each, each with its own angle of view."""
    root = tmp_path_factory.mktemp("perspective")
    for seed, name in enumerate(("one", "two", "three")):
        write_figure(root / "models" / name, seed)
    settings = RenderSettings(views=4, step_deg=90, size=SIZE, rays=16, fov_deg=LOW, fov_most_deg=HIGH)
    assert not render_models(root / "models", root / "renders", settings, renderer="embree", jobs=1).failures
    split = root / "split.json"
    split.write_text(json.dumps({"train": ["one", "two"], "test": ["three"]}))
    sampling = SampleSettings(near_points=8000, uniform_points=8000, colour_points=1000, split_file=split, meshes="all")
    sample_renders(root / "renders", root / "shards", sampling, jobs=1)
    return root / "shards"


def inside_parts(mesh: PosedMesh, points: F64) -> np.ndarray:
    """Whether points are inside of any of the closed parts that a figure is made of, by trimesh."""
    parts = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True).split()
    assert len(parts) == 7
    return np.any([part.contains(points) for part in parts], axis=0)


def test_points_lie_in_the_frustum_and_labels_are_those_of_trimesh(shards: Path) -> None:
    items = ViewDataset(shards, "test", points=1000, colour_points=500)
    angles = []
    for number in range(len(items)):
        item, camera = items[number], camera_of(items.calibration(number))
        assert isinstance(camera, PerspectiveCamera)
        angles.append(camera.fov_deg)
        points = item["points"].double().numpy()
        assert np.abs(project(points, items.calibration(number))).max() <= 1.0 + 1e-6
        labels = item["labels"].numpy() > 0.5
        assert 0.1 < labels.mean() < 0.9
        truth = inside_parts(items.scene_mesh(0), points)
        assert (labels == truth).mean() >= 0.999  # a point may lie on an edge
        # What is coloured on the surface lies in the picture's outline.
        places = view_to_pixels(project(item["colour_points"].double().numpy(), items.calibration(number)), SIZE, SIZE)
        row, column = np.clip(np.rint(places).astype(int), 0, SIZE - 1).T
        shown = binary_dilation(item["image"][3].numpy() > 0, np.ones((3, 3)))
        assert shown[row, column].mean() > 0.995
    assert len(set(np.round(angles, 3))) == 4
    assert all(LOW <= angle <= HIGH for angle in angles)


@pytest.mark.parametrize("fov", [LOW, HIGH])
def test_the_true_field_gives_the_true_surface(fov: float) -> None:
    """A ball off the middle of its view: the field is exact, so what is measured is the grid and the way back."""
    ball = trimesh.creation.icosphere(4, 0.4)
    middle = np.array([0.25, 1.1, -0.15])
    truth = PosedMesh(np.asarray(ball.vertices + middle), np.asarray(ball.faces, np.int32))
    camera = PerspectiveCamera((0.1, 0.9, 0.0), 2.4, 35.0, 10.0, fov_deg=fov)

    def distance(points_view: F64) -> F64:
        return np.asarray(np.linalg.norm(unproject(points_view, camera.calibration) - middle, axis=1))

    def occupancy(points_view: F32) -> F32:
        return np.asarray(1.0 / (1.0 + np.exp((distance(points_view.astype(np.float64)) - 0.4) / 0.05)), np.float32)

    points = np.random.default_rng(0).uniform(-1, 1, (4000, 3)).astype(np.float32).astype(np.float64)
    picture = np.full((32, 32, 4), 255, np.uint8)
    view = GivenView(picture, camera.calibration, points, distance(points) < 0.4, truth)
    rebuilt = rebuild_field(view, EvaluationSettings(resolution=65, use_mask=False), occupancy)
    assert rebuilt.mesh is not None
    assert rebuilt.iou == pytest.approx(1.0, abs=0.01)
    error = np.abs(np.linalg.norm(rebuilt.mesh.vertices - middle, axis=1) - 0.4)
    assert error.max() < 2e-3  # 2 mm, a twentieth of a node's distance to the next
    assert rebuilt.mesh.faces.shape[0] > 1000


@pytest.mark.slow
def test_a_run_is_trained_and_measured(shards: Path) -> None:
    words = ["surface.steps=3", "surface.points=256", "surface.batch=2", "threads=1", f"image_size={SIZE}"]
    settings, _ = choose_settings("tiny", assignments=words, stage="surface", device="cpu")
    run = train(shards, shards.parent / "runs", settings, name="short")
    data = read_json(run / "run.json")["data"]
    assert LOW <= data["fov_deg"] <= HIGH
    assert data["extent_m"] == pytest.approx(2.4, abs=1e-3)
    chosen = EvaluationSettings(resolution=33, views_per_scene=2, points=500)
    result = evaluate(run, shards, chosen, workers=Workers(jobs=1, device="cpu"))
    assert len(result.records) == 2
