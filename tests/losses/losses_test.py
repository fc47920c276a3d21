"""Losses on 3x3 masks worked out by hand."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from zoo import losses
from zoo.losses.mask import ADAPTIVE_SWITCH

BIG = 50.0  # a logit of certainty
TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)  # 4 pixels
# certain: 4 pixels, of which 2 are right
HALF = np.array([[0, 1, 1], [0, 1, 1], [0, 0, 0]])


def batch(array, dtype=np.uint8):
    return np.asarray(array, dtype)[None, ..., None]


def logits_of(prediction):
    return batch(np.where(prediction, BIG, -BIG), np.float32)


# two types; the prediction takes a pixel of type 1 for type 2 and misses another of it
TYPES = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 2]], np.uint8)
MIXED = np.array([[1, 2, 0], [0, 0, 0], [0, 0, 2]])
ONE_CHANNEL = [name for name in losses.LOSSES if name != "type_ce"]


def class_logits_of(prediction, num_classes=3):
    return (BIG * (np.arange(num_classes) == np.asarray(prediction)[None, ..., None])).astype("f")


def gradient(loss, mask, logits):
    """The gradient by the logits, of TensorFlow: the tests run on its backend."""
    logits = tf.constant(logits)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        value = loss(mask, logits)
    return tape.gradient(value, logits).numpy()


@pytest.mark.parametrize(
    "name, expected",
    [
        ("dice", 1 - 5 / 9),  # (2 * 2 + 1) / (4 + 4 + 1)
        ("defect_dice", 1 - 5 / 9),
        ("squared_dice", 1 - 5 / 9),  # squares of 0 and 1 change nothing
        ("jaccard", 1 - 3 / 7),  # (2 + 1) / (6 + 1)
        ("bce", 4 * BIG / 9),  # four pixels are wrong by 50 nats
        ("bce_dice", 4 * BIG / 9 + 4 / 9),
        ("focal", (2 * 0.25 + 2 * 0.75) * BIG / 9),
        ("ce", 4 * BIG / 9),
        ("tversky", 1 - 3 / 5),  # (2 + 1) / (2 + 0.3 * 2 + 0.7 * 2 + 1)
        ("lovasz", (1 + BIG) * 4 / 6),  # the four wrong pixels, of a union of six
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


@pytest.mark.parametrize(
    "name, expected",
    [
        ("ce", 2 * BIG / 9),  # two pixels are wrong by 50 nats
        ("focal", 2 * BIG / 9),
        ("dice", 1 - (2 * 1 / (3 + 1) + 2 * 1 / (1 + 2)) / 2),
        ("defect_dice", 1 - 7 / 8),  # (2 * 3 + 1) / (4 + 3 + 1): a pixel is missed, no type counts
        # one of four pixels is of the other type by 50 nats; of the missed one no type is likelier
        ("type_ce", (BIG + np.log(2)) / 4),
        ("squared_dice", 1 - (2 * 1 / (3 + 1) + 2 * 1 / (1 + 2)) / 2),
        ("jaccard", 1 - (1 / 3 + 1 / 2) / 2),
        ("tversky", 1 - (1 / (1 + 0.7 * 2) + 1 / (1 + 0.3 * 1)) / 2),
        ("lovasz", 1 - (1 / 3 + 1 / 2 + 5 / 6) / 3),  # the background has a place in it
        ("adaptive", 2 * BIG / 9),
    ],
)
def test_two_types(name, expected):
    loss = losses.LOSSES[name](batch(TYPES), class_logits_of(MIXED))
    assert float(loss) == pytest.approx(expected)


@pytest.mark.parametrize("name", ["dice", "squared_dice", "jaccard", "tversky"])
def test_all_background_scores_nothing(name):
    loss = losses.LOSSES[name]
    background = class_logits_of(np.zeros((3, 3)), 6)
    assert float(loss(batch(TYPES), background)) == pytest.approx(1.0)
    # and the four types that are absent do not make a right prediction better or worse
    assert float(loss(batch(TYPES), class_logits_of(TYPES, 6))) == pytest.approx(0.0, abs=1e-6)
    # of a good batch everything predicted is false: (0 + 1) / (9 + 1), or Tversky's 1 / (2.7 + 1)
    good = np.zeros((3, 3))
    assert float(loss(batch(good), background)) == pytest.approx(0.0, abs=1e-6)
    expected = 1 - (1 + 1 / (3.7 if name == "tversky" else 10)) / 2
    wrong = loss(batch(good), class_logits_of(np.ones((3, 3))))
    assert float(wrong) == pytest.approx(expected)


@pytest.mark.parametrize("num_classes", [1, 2, 4])
def test_lovasz_is_the_integral_of_jaccard_losses(num_classes):
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (2, 4, 4, num_classes)).astype("f")
    mask = rng.integers(0, min(num_classes, 3) + (num_classes == 1), (2, 4, 4, 1)).astype(np.uint8)
    mask[0, 0, :2] = 255
    valid = mask[..., 0] < 255

    def area(truth, errors):
        """Of the Jaccard loss where all pixels with an error above t are wrong, over t > 0."""
        levels = np.concatenate([[0], np.unique(errors[errors > 0])])
        total = 0.0
        for low, high in itertools.pairwise(levels):
            wrong = errors > low
            total += (high - low) * (1 - (truth & ~wrong).sum() / (truth | wrong).sum())
        return total

    if num_classes == 1:
        truth = (mask[..., 0] > 0)[valid]
        errors = 1 - np.where(truth, 1, -1) * logits[valid][..., 0]
        expected = area(truth, errors)
    else:
        probability = ops.convert_to_numpy(ops.softmax(logits))[valid]
        truths = [mask[valid][:, 0] == index for index in range(num_classes)]
        expected = np.mean(
            [
                area(truth, np.abs(truth - probability[:, index]))
                for index, truth in enumerate(truths)
                if truth.any()
            ]
        )
    assert float(losses.lovasz(mask, logits)) == pytest.approx(expected, rel=1e-5)


def test_lovasz_of_a_good_batch_is_the_worst_pixel():
    logits = batch([[-3, 0.5], [0, -0.25]], np.float32)
    assert float(losses.lovasz(batch(np.zeros((2, 2))), logits)) == pytest.approx(1.5)


def test_cross_entropy_is_that_of_keras_and_weighs_classes():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 3, 3, 3)).astype("f")
    mask = rng.integers(0, 3, (2, 3, 3, 1)).astype(np.uint8)
    pixels = ops.convert_to_numpy(
        keras.losses.sparse_categorical_crossentropy(mask[..., 0], logits, from_logits=True)
    )
    assert float(losses.ce(mask, logits)) == pytest.approx(pixels.mean(), rel=1e-5)
    weights = (0.1, 2.0, 5.0)
    expected = np.average(pixels, weights=np.take(weights, mask[..., 0]))
    weighted = losses.get_loss("ce", weights)
    assert float(weighted(mask, logits)) == pytest.approx(expected, rel=1e-5)
    # K = 1: four pixels of the defect, two of them wrong, and two false ones
    halved = losses.get_loss("ce", (1.0, 3.0))(batch(TRUTH), logits_of(HALF))
    assert float(halved) == pytest.approx((2 * 3 + 2) * BIG / (4 * 3 + 5))


def test_sums_are_named():
    mask, logits = batch(TYPES), class_logits_of(MIXED) / BIG
    expected = sum(float(losses.LOSSES[name](mask, logits)) for name in ("ce", "dice", "lovasz"))
    assert float(losses.get_loss("ce + dice+lovasz")(mask, logits)) == pytest.approx(expected)
    weights = (1.0, 2.0, 3.0)
    expected = losses.ce(mask, logits, weights) + losses.dice(mask, logits)
    assert float(losses.get_loss("ce+dice", weights)(mask, logits)) == pytest.approx(
        float(expected)
    )


def test_unknown_names_and_wrong_weights_are_refused():
    with pytest.raises(ValueError, match=r"one of ce, bce, .*Received: 'ce\+dise'"):
        losses.get_loss("ce+dise")
    with pytest.raises(ValueError, match="belongs to the losses ce, focal"):
        losses.get_loss("dice", (1.0, 2.0))
    with pytest.raises(ValueError, match="must be 3 numbers"):
        losses.get_loss("ce", (1.0, 2.0))(batch(TYPES), class_logits_of(MIXED))
    with pytest.raises(ValueError, match=r"use ce.*Received 3"):
        losses.LOSSES["bce_dice"](batch(TYPES), class_logits_of(MIXED))


@pytest.mark.parametrize("num_classes", [1, 4])
@pytest.mark.parametrize("name", losses.LOSSES)
def test_ignored_pixels_get_no_gradient(name, num_classes):
    if (num_classes > 1 and "bce" in name) or (num_classes == 1 and name not in ONE_CHANNEL):
        return
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (2, 4, 4, num_classes)).astype("f")
    mask = rng.integers(0, max(num_classes, 2), (2, 4, 4, 1)).astype(np.uint8)
    mask[:, 1:3, 1:3] = 255
    logits[:, 1:3, 1:3] *= 1e4
    slope = gradient(losses.LOSSES[name], mask, logits)
    ignored = np.broadcast_to(mask == 255, slope.shape)
    assert np.isfinite(slope).all() and not slope[ignored].any() and slope[~ignored].any()


@pytest.mark.parametrize("name", [name for name in losses.LOSSES if "bce" not in name])
def test_several_types_stay_finite(name):
    wild = np.stack(np.meshgrid([-1e4, 0, 1e4], [1e4, 0, -1e4]), axis=-1)
    logits = np.concatenate([wild, np.zeros((3, 3, 1))], axis=-1)[None].astype("f")
    for mask in (TYPES, np.zeros((3, 3)), np.full((3, 3), 255)):
        assert np.isfinite(float(losses.LOSSES[name](batch(mask), logits)))
        assert np.isfinite(gradient(losses.LOSSES[name], batch(mask), logits)).all()


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_right_is_almost_free_and_wrong_is_not(name):
    loss = losses.LOSSES[name]
    assert float(loss(batch(TRUTH), logits_of(TRUTH))) < 1e-6
    assert float(loss(batch(TRUTH), logits_of(1 - TRUTH))) > 0.5


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_ignored_pixels_count_nowhere(name):
    loss = losses.LOSSES[name]
    ignored = TRUTH.copy()
    ignored[2] = 255
    expected = loss(batch(TRUTH[:2]), logits_of(HALF[:2]))
    wild = HALF.copy()
    wild[2] = 1
    assert float(loss(batch(ignored), logits_of(wild))) == pytest.approx(float(expected))


@pytest.mark.parametrize("name", ONE_CHANNEL)
def test_empty_masks_and_extreme_logits_are_finite(name):
    loss = losses.LOSSES[name]
    for mask in (np.zeros((3, 3)), np.full((3, 3), 255)):
        for logit in (-1e4, 0.0, 1e4):
            assert np.isfinite(float(loss(batch(mask), batch(np.full((3, 3), logit), np.float32))))


def test_type_ce_is_of_several_types():
    with pytest.raises(ValueError, match="type_ce is for several defect types"):
        losses.get_loss("ce+type_ce")(batch(TRUTH), logits_of(HALF))


def test_adaptive_switches_where_dice_falls_below_the_limit():
    bad, good = logits_of(HALF), logits_of(TRUTH) / BIG * 3
    assert float(losses.adaptive(batch(TRUTH), bad)) == float(losses.bce(batch(TRUTH), bad))
    assert float(losses.dice(batch(TRUTH), good)) < ADAPTIVE_SWITCH
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
