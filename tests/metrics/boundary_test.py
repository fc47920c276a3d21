"""Outlines by hand and by brute force."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hypothesis_numpy

from zoo.metrics.boundary import boundary_f1


def square(top, left, size=3, shape=(12, 12)):
    mask = np.zeros(shape, np.uint8)
    mask[top : top + size, left : left + size] = 1
    return mask


def outline_of(mask):
    """Pixels with one of four neighbours outside the mask, by looking at each."""
    height, width = mask.shape
    return [
        (y, x)
        for y, x in np.argwhere(mask)
        if not all(
            0 <= j < height and 0 <= i < width and mask[j, i]
            for j, i in ((y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1))
        )
    ]


def brute_force(prediction, truth, tolerance):
    valid = truth != 255
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    found, wanted = outline_of((prediction > 0) & valid), outline_of((truth > 0) & valid)
    if not found or not wanted:
        return float(found == wanted)

    def near(first, second):
        return sum(any(math.dist(p, q) <= radius for q in second) for p in first) / len(first)

    precision, recall = near(found, wanted), near(wanted, found)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@pytest.mark.parametrize(
    "prediction, truth, expected",
    [
        (square(4, 4), square(4, 4), 1.0),
        # radius 0: 4 of the 8 pixels of each ring of 3x3 lie on the other's, shifted by one
        (square(4, 5), square(4, 4), 4 / 8),
        # the middle of a 3x3 square is no outline: a single pixel there matches nothing
        (square(5, 5, size=1), square(4, 4), 0.0),
        (square(0, 0, size=0), square(4, 4), 0.0),
        (square(4, 4), square(0, 0, size=0), 0.0),
        (square(0, 0, size=0), square(0, 0, size=0), 1.0),
        # the frame of the image is an outline
        (square(0, 0, size=12), square(0, 0, size=12), 1.0),
        (square(8, 8), square(0, 0), 0.0),
    ],
)
def test_by_hand(prediction, truth, expected):
    assert boundary_f1(prediction > 0, truth, tolerance=0) == pytest.approx(expected)


def test_tolerance_is_a_share_of_the_diagonal():
    truth, prediction = square(20, 20, 9, (60, 80)), square(20, 22, 9, (60, 80))
    assert boundary_f1(prediction, truth, tolerance=0.02) == 1.0  # 2 of 100 pixels
    assert boundary_f1(prediction, truth) < 1.0  # 0.75 pixels, rounded up to 1
    assert boundary_f1(square(20, 21, 9, (60, 80)), truth) == 1.0


def test_ignored_pixels_do_not_count():
    truth = square(4, 4)
    truth[:, 7:] = 255
    wider = np.maximum(square(4, 4), square(4, 7))
    assert boundary_f1(wider, truth, tolerance=0) == 1.0
    assert boundary_f1(wider, square(4, 4), tolerance=0) < 1.0
    assert boundary_f1(square(0, 9), np.where(truth == 1, 0, truth)) == 1.0  # both empty


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: st.tuples(
            hypothesis_numpy.arrays(bool, shape),
            hypothesis_numpy.arrays(np.uint8, shape, elements=st.sampled_from([0, 1, 2, 255])),
        )
    ),
    st.sampled_from([0.0, 0.05, 0.2, 0.5]),
)
def test_equals_brute_force(masks, tolerance):
    prediction, truth = masks
    expected = brute_force(prediction, truth, tolerance)
    assert boundary_f1(prediction, truth, tolerance) == pytest.approx(expected, abs=1e-12)


def test_equals_brute_force_where_the_prediction_is_far_off():
    rng = np.random.default_rng(0)
    truth = square(5, 30, 7, (40, 60))
    prediction = rng.random((40, 60)) < 0.1
    expected = brute_force(prediction, truth, 0.05)
    assert 0 < expected < 1
    assert boundary_f1(prediction, truth, 0.05) == pytest.approx(expected, abs=1e-12)
