"""The mean-shape baseline against means and thresholds computed directly."""

import numpy as np
import pytest

from mpc.models.mean_occupancy import (
    MAX_VIEWS,
    THRESHOLDS,
    MeanOccupancy,
    choose_training_views,
    fit_mean_occupancy,
    load_mean_occupancy,
    save_mean_occupancy,
)


def balls(radii, count=60_000):
    """Points of the view cube for each radius and whether they lie in that ball."""
    rng = np.random.default_rng(0)
    views = []
    for radius in radii:
        points = rng.uniform(-1, 1, (count, 3))
        views.append((points, (np.linalg.norm(points, axis=1) < radius).astype(np.float32)))
    return views


def iou(predicted, labels):
    labels = labels > 0.5
    return (predicted & labels).sum() / (predicted | labels).sum()


def test_the_mean_occupancy_is_the_mean_of_a_cell():
    views = balls((0.4, 0.6))
    baseline = fit_mean_occupancy(views, cells=10)
    queries = np.array([[0.05, 0.05, 0.05], [0.3, 0.37, 0.1], [0.9, 0.9, 0.9]])
    assert baseline.values(queries)[0] == 1.0
    assert 0.3 < baseline.values(queries)[1] < 0.8
    assert baseline.values(queries)[2] == 0.0
    cell = [np.all(np.floor((points + 1) * 5) == [6, 6, 5], axis=1) for points, _ in views]
    labels = np.concatenate([labels[mask] for (_, labels), mask in zip(views, cell, strict=True)])
    assert baseline.values(queries)[1] == pytest.approx(labels.mean(), rel=1e-6)


def test_the_threshold_is_the_best_one_on_the_training_views():
    """One view shows a large ball, three a small one: 0.5 would be a ball for three views, and so it is found."""
    for radii in ((0.4, 0.6), (0.3, 0.3, 0.3, 0.7), (0.3, 0.7, 0.7, 0.7)):
        views = balls(radii, 5000)
        baseline = fit_mean_occupancy(views, cells=10)
        scores = [np.mean([iou(baseline.values(p) > t, y) for p, y in views]) for t in THRESHOLDS]
        assert baseline.threshold == THRESHOLDS[int(np.argmax(scores))]
        assert np.mean([iou(baseline.predict(p), y) for p, y in views]) == max(scores)
    assert max(scores) > np.mean([iou(baseline.values(p) > 0.95, y) for p, y in views])


def test_nothing_is_inside_without_views_or_outside_every_training_point():
    empty = fit_mean_occupancy([])
    assert not empty.predict(np.random.default_rng(0).uniform(-1, 1, (100, 3))).any()
    corner = fit_mean_occupancy([(np.full((5, 3), 0.99), np.ones(5))])
    # Beyond the cube the nearest cell answers.
    assert corner.predict(np.array([[0.99, 0.99, 0.99], [2.0, 2.0, 2.0], [0.5, 0.99, 0.99]])).tolist() == [
        True,
        True,
        False,
    ]


def test_training_views_are_evenly_spaced_and_bounded():
    assert choose_training_views(3) == [0, 1, 2]
    chosen = choose_training_views(10 * MAX_VIEWS)
    assert len(chosen) == MAX_VIEWS
    assert (chosen[0], chosen[-1]) == (0, 10 * MAX_VIEWS - 1)
    assert set(np.diff(chosen)) <= {10, 11}


def test_a_baseline_comes_back_from_its_file(tmp_path):
    baseline = MeanOccupancy(np.random.default_rng(0).random((4, 4, 4), np.float32), 0.35)
    save_mean_occupancy(tmp_path / "baseline.npz", baseline)
    again = load_mean_occupancy(tmp_path / "baseline.npz")
    assert np.array_equal(again.mean, baseline.mean)
    assert again.threshold == baseline.threshold
