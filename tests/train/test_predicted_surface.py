"""Points of the texture stage on the predicted surface, or around the true one: closed forms on balls."""

import numpy as np
import pytest
import torch

from mpc.models.surface import SurfaceNetwork
from mpc.train.data import collate
from mpc.train.distributed import Group
from mpc.train.predicted_surface import move_to_surface, scatter_along_normals
from mpc.train.stages import TextureStage
from mpc.train.step import augment_batch
from support.toy_runs import people, toy


class Ball:
    """Stands for a surface network that believes in a ball about the origin, with a soft edge."""

    def __init__(self, radius):
        self.radius = radius

    def query(self, features, points, calibrations):
        return torch.sigmoid((self.radius - points.norm(dim=-1)) * 60.0)


def moved_from(true_radius, predicted_radius, reach_m=0.04):
    """Distances from the origin of points that lay on a ball of `true_radius`."""
    directions = torch.nn.functional.normalize(
        torch.randn(2, 300, 3, generator=torch.Generator().manual_seed(0)), dim=-1
    )
    points = true_radius * directions
    found = move_to_surface(Ball(predicted_radius), None, points, directions, torch.eye(4).expand(2, 4, 4), reach_m)
    assert found.shape == points.shape
    return found.norm(dim=-1).numpy()


@pytest.mark.parametrize("error", [-0.035, -0.01, 0.0, 0.004, 0.03])
def test_points_move_onto_the_predicted_surface(error):
    assert moved_from(0.5, 0.5 + error) == pytest.approx(0.5 + error, abs=1e-3)


@pytest.mark.parametrize("error", [-0.06, 0.06])
def test_points_stay_where_no_surface_is_within_reach(error):
    assert moved_from(0.5, 0.5 + error) == pytest.approx(0.5, abs=1e-6)


def test_the_nearest_of_two_surfaces_that_face_outward_is_taken():
    """A shell 2 cm behind the point and a ball's surface 3 cm before it; what faces inward is no surface to colour."""

    class Shells:
        def query(self, features, points, calibrations):
            radius = points.norm(dim=-1)
            return ((radius < 0.48) | ((radius > 0.505) & (radius < 0.53))).float()

    points = torch.tensor([[[0.0, 0.0, 0.5]]])
    found = move_to_surface(Shells(), None, points, points / 0.5, torch.eye(4)[None], 0.04)
    assert float(found[0, 0, 2]) == pytest.approx(0.48, abs=0.008)
    assert np.isfinite(found.numpy()).all()


def test_points_scatter_along_their_normals_whatever_the_number_of_processes():
    """A normal distance of 1 mm, the same for one process and for two that share the batch."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(4, 5000, 3, generator=generator)
    normals = torch.nn.functional.normalize(torch.randn(4, 5000, 3, generator=generator), dim=-1)

    def scattered(rows):
        rng = np.random.default_rng(3)
        return scatter_along_normals(points[rows], normals[rows], 0.001, rng=rng, rows=rows, count=4)

    moved = scattered(slice(None)) - points
    along = (moved * normals).sum(dim=-1)
    assert float((moved - along[..., None] * normals).abs().max()) < 1e-6
    assert float(along.mean()) == pytest.approx(0.0, abs=4e-5)
    assert float(along.std()) == pytest.approx(0.001, rel=0.03)
    halves = [scattered(slice(rank, None, 2)) for rank in (0, 1)]
    torch.testing.assert_close(torch.stack(halves, dim=1).flatten(0, 1), scattered(slice(None)), rtol=0, atol=0)


def test_the_texture_stage_asks_around_the_surface_and_validation_on_it(tmp_path):
    """`colour_sigma_m` moves the points of training batches alone."""
    asked = {}

    def watch(model, images, features, points, calibrations):
        asked["points"] = points
        return torch.zeros_like(points)

    settings = toy(colour_reach_m=0.0, colour_sigma_m=0.002)
    stage = TextureStage(
        settings.texture_network, SurfaceNetwork(settings.surface_network), settings.texture, settings.mining
    )
    data = people()
    batch = collate([data[view] for view in range(4)])
    group = Group(0, 1, torch.device("cpu"), "")
    distances = []
    for step in (0, 1):
        moved = augment_batch(batch, stage, settings, step, group)
        stage.losses(lambda *given: watch(None, *given), moved)
        distance = ((asked["points"] - batch["colour_points"]) * batch["colour_normals"]).sum(dim=-1)
        assert float(distance.std()) == pytest.approx(0.002, rel=0.25)
        distances.append(distance)
    assert not torch.equal(*distances)
    still = augment_batch(batch, stage, toy(colour_reach_m=0.0), 0, group)
    assert torch.equal(still["colour_points"], batch["colour_points"])
