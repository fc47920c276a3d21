"""Losses on 3x3 masks worked out by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from zoo import losses

BIG = 50.0  # a logit of certainty
TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)  # 4 pixels
# certain: 4 pixels, of which 2 are right
HALF = np.array([[0, 1, 1], [0, 1, 1], [0, 0, 0]])


def batch(array, dtype=np.uint8):
    return np.asarray(array, dtype)[None, ..., None]


def logits_of(prediction):
    return batch(np.where(prediction, BIG, -BIG), np.float32)


@pytest.mark.parametrize(
    "name, expected",
    [
        ("dice", 1 - 5 / 9),  # (2 * 2 + 1) / (4 + 4 + 1)
        ("squared_dice", 1 - 5 / 9),  # squares of 0 and 1 change nothing
        ("jaccard", 1 - 3 / 7),  # (2 + 1) / (6 + 1)
        ("bce", 4 * BIG / 9),  # four pixels are wrong by 50 nats
        ("bce_dice", 4 * BIG / 9 + 4 / 9),
        ("focal", (2 * 0.25 + 2 * 0.75) * BIG / 9),
    ],
)
def test_half_overlap(name, expected):
    assert float(losses.LOSSES[name](batch(TRUTH), logits_of(HALF))) == pytest.approx(expected)


def test_squared_dice_differs_on_uncertain_pixels():
    zeros = np.zeros((1, 3, 3, 1), np.float32)  # probability 1/2 everywhere
    assert float(losses.dice(batch(TRUTH), zeros)) == pytest.approx(1 - 5 / 9.5)
    assert float(losses.squared_dice(batch(TRUTH), zeros)) == pytest.approx(1 - 5 / 7.25)
    assert float(losses.jaccard(batch(TRUTH), zeros)) == pytest.approx(1 - 3 / 7.5)
    # focal: 9 pixels of ln 2 / 4, weight 1/4 for the four and 3/4 for the five
    focal = (4 * 0.25 + 5 * 0.75) * np.log(2) / 4 / 9
    assert float(losses.focal(batch(TRUTH), zeros)) == pytest.approx(focal)


@pytest.mark.parametrize("name", losses.LOSSES)
def test_right_is_almost_free_and_wrong_is_not(name):
    loss = losses.LOSSES[name]
    assert float(loss(batch(TRUTH), logits_of(TRUTH))) < 1e-6
    assert float(loss(batch(TRUTH), logits_of(1 - TRUTH))) > 0.5


@pytest.mark.parametrize("name", losses.LOSSES)
def test_ignored_pixels_count_nowhere(name):
    loss = losses.LOSSES[name]
    ignored = TRUTH.copy()
    ignored[2] = 255
    expected = loss(batch(TRUTH[:2]), logits_of(HALF[:2]))
    wild = HALF.copy()
    wild[2] = 1
    assert float(loss(batch(ignored), logits_of(wild))) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", losses.LOSSES)
def test_empty_masks_and_extreme_logits_are_finite(name):
    loss = losses.LOSSES[name]
    for mask in (np.zeros((3, 3)), np.full((3, 3), 255)):
        for logit in (-1e4, 0.0, 1e4):
            assert np.isfinite(float(loss(batch(mask), batch(np.full((3, 3), logit), np.float32))))


def test_adaptive_switches_where_dice_falls_below_the_limit():
    bad, good = logits_of(HALF), logits_of(TRUTH) / BIG * 3
    assert float(losses.adaptive(batch(TRUTH), bad)) == float(losses.bce(batch(TRUTH), bad))
    assert float(losses.dice(batch(TRUTH), good)) < losses.ADAPTIVE_SWITCH
    assert float(losses.adaptive(batch(TRUTH), good)) == float(losses.dice(batch(TRUTH), good))


def test_bce_is_that_of_keras():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 5, (2, 3, 3, 1)).astype(np.float32)
    mask = rng.integers(0, 2, (2, 3, 3, 1)).astype(np.uint8)
    ours = losses.bce(mask, logits)
    keras_loss = keras.losses.BinaryCrossentropy(from_logits=True)(
        ops.cast(mask, "float32"), logits
    )
    assert float(ours) == pytest.approx(float(keras_loss), rel=1e-5)
