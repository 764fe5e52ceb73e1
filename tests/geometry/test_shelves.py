"""Shelf packing against closed forms and by brute force over all pairs of boxes."""

import numpy as np
import pytest

from mpc.geometry.shelves import largest_scale, place_on_shelves


def test_equal_squares_fill_a_square_in_rows():
    places = place_on_shelves(np.ones((9, 2)), 3.0)
    assert places.tolist() == [[column, row] for row in range(3) for column in range(3)]
    assert place_on_shelves(np.ones((10, 2)), 3.0) is None


@pytest.mark.parametrize("margin", [0.0, 0.01])
def test_boxes_lie_in_the_square_and_apart_from_one_another(margin):
    rng = np.random.default_rng(3)
    boxes = rng.uniform(0.02, 0.2, (40, 2))
    boxes = boxes[np.argsort(-boxes[:, 1])]
    start = 4 * margin
    places = place_on_shelves(boxes, 1.0, margin=margin, start=start)
    assert places[0].tolist() == [start, margin]
    low, high = places - margin, places + boxes + margin
    assert low.min() >= -1e-12
    assert high.max() <= 1 + 1e-12
    for one in range(len(boxes)):
        for other in range(one):
            apart = (low[one] >= high[other] - 1e-12) | (low[other] >= high[one] - 1e-12)
            assert apart.any(), (one, other)


def test_a_box_wider_or_taller_than_the_square_does_not_fit():
    assert place_on_shelves(np.array([[1.1, 0.1]]), 1.0) is None
    assert place_on_shelves(np.array([[0.1, 1.1]]), 1.0) is None
    assert place_on_shelves(np.array([[0.9, 0.1]]), 1.0, margin=0.1) is None


def test_the_largest_scale_is_that_of_the_closed_form():
    """Four unit squares with a margin of 0.05 on all sides: 2 s + 4 * 0.05 = 1, so s = 0.4."""

    def place(scale):
        return place_on_shelves(np.ones((4, 2)) * scale, 1.0, margin=0.05)

    places, scale = largest_scale(place, 0.0, 1.0, 40)
    assert scale == pytest.approx(0.4, abs=1e-9)
    assert places == pytest.approx(np.array([[0.05, 0.05], [0.55, 0.05], [0.05, 0.55], [0.55, 0.55]]), abs=1e-8)
    assert largest_scale(place, 0.5, 1.0, 40) is None
