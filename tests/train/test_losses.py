"""Losses, IoU, schedules and the baseline against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from mpc.train.data import collate, drawn_views, spread
from mpc.train.ellipsoids import EllipsoidViews, ellipsoid_people
from mpc.train.losses import colour_loss, iou, occupancy_loss
from mpc.train.optimise import MovingAverage, rate_factor
from mpc.train.settings import StageSettings
from mpc.train.validate import mean_occupancy_baseline


def logit(p: float) -> float:
    return math.log(p / (1 - p))


def test_mse_averages_points_and_stacks_and_skips_outside() -> None:
    logits = [torch.tensor([[logit(0.9), logit(0.2), 50.0]]), torch.tensor([[0.0, 0.0, 50.0]])]
    inside = torch.tensor([[True, True, False]])
    labels = torch.tensor([[1.0, 0.0, 0.0]])
    expected = ((0.1**2 + 0.2**2) / 2 + 0.25) / 2
    assert occupancy_loss(logits, inside, labels, kind="mse").item() == pytest.approx(expected, rel=1e-5)


def test_balanced_bce_gives_both_sides_half() -> None:
    """One inner among eight: with equal surprise everywhere both sides add the same."""
    labels = torch.tensor([[1.0] + [0.0] * 7])
    raw = torch.full((1, 8), 1.3, requires_grad=True)
    signed = raw * (2 * labels - 1)
    loss = occupancy_loss([signed], torch.ones(1, 8, dtype=torch.bool), labels, kind="balanced-bce")
    assert loss.item() == pytest.approx(math.log1p(math.exp(-1.3)), rel=1e-5)
    (gradient,) = torch.autograd.grad(loss.sum(), raw)
    assert gradient[0, 0].item() == pytest.approx(gradient[0, 1:].sum().item(), rel=1e-5)
    plain = occupancy_loss([torch.tensor([[2.0, -1.0]])], torch.ones(1, 2, dtype=torch.bool), labels[:, :2], kind="bce")
    assert plain.item() == pytest.approx((math.log1p(math.exp(-2.0)) + math.log1p(math.exp(-1.0))) / 2, rel=1e-5)


def test_point_mining_weighs_by_error_and_keeps_the_scale() -> None:
    labels, inside = torch.tensor([[1.0, 1.0]]), torch.ones(1, 2, dtype=torch.bool)
    logits = torch.tensor([[logit(0.9), logit(0.3)]])
    weights = [math.exp(0.1 / 0.5), math.exp(0.7 / 0.5)]
    scale = 2 / sum(weights)
    expected = (weights[0] * 0.01 + weights[1] * 0.49) * scale / 2
    assert occupancy_loss([logits], inside, labels, kind="mse", point_alpha=0.5).item() == pytest.approx(expected, 1e-4)
    same = torch.full((1, 5), 0.4)
    even = occupancy_loss([same], torch.ones(1, 5, dtype=torch.bool), torch.ones(1, 5), kind="mse", point_alpha=0.5)
    plain = occupancy_loss([same], torch.ones(1, 5, dtype=torch.bool), torch.ones(1, 5), kind="mse")
    assert even.item() == pytest.approx(plain.item())


def test_iou_counts() -> None:
    torch.manual_seed(0)
    occupancy, labels = torch.rand(4, 200), (torch.rand(4, 200) > 0.6).float()
    for row, value in enumerate(iou(occupancy, labels).tolist()):
        a = {i for i, p in enumerate(occupancy[row].tolist()) if p > 0.5}
        b = {i for i, y in enumerate(labels[row].tolist()) if y > 0.5}
        assert value == pytest.approx(len(a & b) / len(a | b))
    assert iou(torch.zeros(1, 3), torch.zeros(1, 3)).item() == 1.0
    assert iou(torch.ones(1, 3), torch.zeros(1, 3)).item() == 0.0


def test_colour_loss_is_the_mean_absolute_difference() -> None:
    a, b = torch.rand(2, 9, 3), torch.rand(2, 9, 3)
    torch.testing.assert_close(colour_loss(a, b), (a - b).abs().mean(dim=(1, 2)))


def test_learning_rates() -> None:
    step = StageSettings(schedule="step", decay_at=(0.5, 0.75))
    assert [rate_factor(p, step) for p in (0.0, 0.49, 0.5, 0.8)] == pytest.approx([1, 1, 0.1, 0.01])
    cosine = StageSettings(schedule="cosine", warmup=0.1)
    assert rate_factor(0.05, cosine) < 0.55
    assert rate_factor(1.0, cosine) == pytest.approx(0.01)
    assert rate_factor(0.55, cosine) == pytest.approx(0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * 0.55)))
    assert rate_factor(0.9, StageSettings(schedule="constant")) == 1.0


def test_moving_average_follows_the_formula() -> None:
    network = torch.nn.Linear(1, 1)
    average = MovingAverage(network, 0.5)
    expected = network.weight.item()
    for step in range(12):
        with torch.no_grad():
            network.weight.add_(1.0)
        average.update(step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * network.weight.item()
        assert average.network.weight.item() == pytest.approx(expected, rel=1e-5)
    assert MovingAverage(network, 0.0).network is network


def test_baseline_knows_a_constant_shape_and_nothing_else() -> None:
    """One person from one side: the mean is the answer up to the cells' size. People that differ: it is poor."""
    options = {"size": 8, "points": 2048, "colour_points": 1}
    person = ellipsoid_people(1, seed=3)
    draws = [EllipsoidViews(person * 3, yaws_deg=(0.0,), seed=seed, **options) for seed in (0, 9)]
    alike = mean_occupancy_baseline(*draws)
    train = EllipsoidViews(ellipsoid_people(6, seed=0), yaws_deg=(0.0, 90.0), **options)
    held_out = EllipsoidViews(ellipsoid_people(3, seed=0, first=50), yaws_deg=(0.0, 90.0), **options)
    mixed = mean_occupancy_baseline(train, held_out)
    assert alike.iou > 0.55
    assert 0.15 < mixed.iou < alike.iou - 0.1
    assert (alike.views, mixed.views) == (3, 6)


def test_the_baseline_never_sees_the_views_it_is_scored_on() -> None:
    """Other held-out people change the score, but neither the mean nor the threshold."""
    options = {"size": 8, "points": 2048, "colour_points": 1}
    train = EllipsoidViews(ellipsoid_people(6, seed=0), yaws_deg=(0.0, 90.0), **options)
    scores = [
        mean_occupancy_baseline(
            train, EllipsoidViews(ellipsoid_people(3, seed=0, first=first), yaws_deg=(0.0, 90.0), **options)
        )
        for first in (50, 90)
    ]
    assert scores[0].threshold == scores[1].threshold
    assert scores[0].iou != scores[1].iou


def test_spread_is_even_and_bounded() -> None:
    assert spread(10, 5) == [0, 2, 4, 6, 8]
    assert spread(3, 64) == [0, 1, 2]


def test_validation_views_do_not_alias_with_yaw() -> None:
    """Of 64 scenes with 36 views each, evenly spaced views are all fronts; drawn ones have as many yaws as expected."""
    chosen = drawn_views(64 * 36, 64)
    assert len(set(chosen)) == 64
    assert chosen == drawn_views(64 * 36, 64)
    assert len({view % 36 for view in spread(64 * 36, 64)}) == 1
    assert len({view % 36 for view in chosen}) > 20  # 36 (1 - (35/36)^64) = 30 on average
    assert drawn_views(3, 64) == [0, 1, 2]


def test_analytic_labels_and_pictures_agree() -> None:
    """Inside points project into the mask (half a pixel of slack); the items are reproducible and differ by draw."""
    people = EllipsoidViews(ellipsoid_people(2, seed=1), size=96, points=2000, colour_points=50)
    batch = collate([people[(3, 0)], people[(6, 0)]])
    from mpc.models.features import project_points

    position = project_points(batch["points"], batch["calibration"])
    for row in range(2):
        mask = torch.nn.functional.max_pool2d((batch["image"][row, 3] > 0).float()[None], 3, 1, 1)[0]
        pixel = ((position[row, :, :2] + 1) * 48).long()
        hits = mask[pixel[:, 1], pixel[:, 0]][batch["labels"][row] > 0.5]
        assert hits.mean() == 1.0
    assert torch.equal(people[(3, 5)]["points"], people[(3, 5)]["points"])
    assert not torch.equal(people[(3, 5)]["points"], people[(3, 6)]["points"])
