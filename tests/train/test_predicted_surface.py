"""Points of the texture stage on the surface that the surface network predicts: closed forms on balls."""

import numpy as np
import pytest
import torch

from mpc.train.predicted_surface import move_to_surface


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
