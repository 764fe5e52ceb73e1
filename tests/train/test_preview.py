"""Pictures during training: a known body is drawn where it is, and a run leaves them at the steps asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mpc.core.errors import SettingsError
from mpc.core.files import read_json
from mpc.core.pictures import LIGHT_GREY
from mpc.formats.mesh_files import read_mesh
from mpc.geometry.camera import OrthographicCamera, project
from mpc.models.features import PixelFeatures
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.presets import preset
from mpc.train.preview import SIDE, make_preview
from mpc.train.run import train_views

CENTRE, RADII = torch.tensor([0.3, -0.2, 0.4]), torch.tensor([0.2, 0.5, 0.1])


class Ellipsoid(torch.nn.Module):
    """Answers like a surface network that knows the body."""

    def __init__(self, radii: torch.Tensor) -> None:
        super().__init__()
        self.radii = torch.nn.Parameter(radii)

    def encode(self, images: torch.Tensor) -> PixelFeatures:
        return PixelFeatures((images,))

    def depth_range(self, features: PixelFeatures, xy: torch.Tensor) -> None:
        """Nothing is proved."""

    def query(self, features: PixelFeatures, points: torch.Tensor, calibrations: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(20 * (1 - (((points - CENTRE) / self.radii) ** 2).sum(dim=-1)))


ITEM = {
    "image": torch.full((4, 16, 16), 255, dtype=torch.uint8),
    "calibration": torch.from_numpy(OrthographicCamera((0.1, 0.9, 0.2), 2.0, yaw_deg=90.0).calibration).float(),
}


def network_of(radii: torch.Tensor) -> Any:
    return Ellipsoid(radii)


def panels(radii: torch.Tensor) -> list[np.ndarray]:
    picture = make_preview(network_of(radii), None, ITEM).picture
    assert picture.shape == (SIDE, 4 * SIDE, 3)
    return np.split(picture, 4, axis=1)


def test_a_known_body_is_seen_where_it_is() -> None:
    given, front, side, back = panels(RADII)
    assert (given == 255).all()
    pixel = 2 / SIDE
    # (middle column, half width): x from the front, z from the picture's right, -x from behind; y in all.
    for panel, middle, half in ((front, 0.3, 0.2), (side, 0.4, 0.1), (back, -0.3, 0.2)):
        rows, columns = np.nonzero((panel != LIGHT_GREY[0]).any(axis=2))
        for places, where, reach in ((columns, middle, half), (rows, -0.2, 0.5)):
            low, high = (places.min() + 0.5) * pixel - 1, (places.max() + 0.5) * pixel - 1
            assert (low + high) / 2 == pytest.approx(where, abs=pixel)
            assert (high - low) / 2 == pytest.approx(reach, abs=1.5 * pixel)


def test_the_mesh_of_a_known_body_lies_on_it_in_the_world() -> None:
    mesh = make_preview(network_of(RADII), None, ITEM).mesh
    assert mesh is not None
    assert mesh.vertex_colours is None
    view = project(mesh.vertices, ITEM["calibration"].double().numpy())
    away = np.linalg.norm((view - CENTRE.numpy()) / RADII.numpy(), axis=1)
    # Cells of the grid are a third of the shortest radius.
    assert away.mean() == pytest.approx(1.0, abs=0.02)
    assert away == pytest.approx(1.0, abs=0.15)
    assert len(mesh.faces) > 500


def test_nobody_gives_empty_panels_and_no_mesh() -> None:
    for panel in panels(torch.full((3,), 1e-3))[1:]:
        assert (panel == LIGHT_GREY[0]).all()
    assert make_preview(network_of(torch.full((3,), 1e-3)), None, ITEM).mesh is None


def test_a_run_leaves_pictures_and_what_its_networks_cost(tmp_path: Path) -> None:
    data = EllipsoidViews(ellipsoid_people(2, seed=0), yaws_deg=(0.0, 180.0), size=32, points=64, colour_points=16)
    stage = {"steps": 4, "batch": 2, "points": 64, "validation_views": 2, "validate_every": 2}
    settings = preset("tiny", threads=1, surface=stage, texture={**stage, "steps": 3}, tensorboard=True)
    run = train_views(data, data, tmp_path, settings, name="run")
    drawn = sorted(path.relative_to(run).as_posix() for path in run.rglob("pictures/*.png"))
    assert drawn == [
        "surface/pictures/000002.png", "surface/pictures/000004.png",
        "texture/pictures/000002.png", "texture/pictures/000003.png",
    ]  # fmt: skip
    assert np.asarray(Image.open(run / drawn[0])).shape == (SIDE, 4 * SIDE, 3)
    # The body of the last step, in colours of the texture network that hold the light already.
    mesh = read_mesh(run / "texture/pictures/000003.glb")
    assert mesh.vertex_colours is not None
    assert read_mesh(run / "surface/pictures/000004.glb").vertex_colours is None
    board = EventAccumulator(str(run / "tensorboard"))
    board.Reload()
    assert [event.step for event in board.Images("surface/reconstruction")] == [2, 4]
    assert {"surface/loss", "surface/val_iou", "surface/stale_steps"} <= set(board.Tags()["scalars"])
    networks = read_json(run / "run.json")["networks"]
    weights = sum(networks["surface"][f"{part}_weights"] for part in ("encoder", "head"))
    assert weights == read_json(run / "run.json")["stages"]["surface"]["parameters"]
    header = read_json(run / "surface" / "best.json")
    assert header["data_sha256"] == read_json(run / "run.json")["data"]["train_sha256"]
    assert header["versions"]["torch"] == torch.__version__
    for every, expected in ((3, ["000003.png"]), (-1, [])):
        again = preset("tiny", threads=1, stages="surface", surface=stage, picture_every=every)
        other = train_views(data, data, tmp_path, again, name=str(every))
        assert sorted(path.name for path in other.rglob("pictures/*.png")) == expected
    with pytest.raises(SettingsError, match="picture_every -2"):
        preset("tiny", picture_every=-2)
