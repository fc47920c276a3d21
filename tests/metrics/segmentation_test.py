"""Masks against masks worked out by hand, scikit-learn, and loops."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from zoo import losses
from zoo.metrics import boundary, segmentation

TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)
CLASSES = 4
PIXELS = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.sampled_from([*range(CLASSES), 255])),
    min_size=1,
    max_size=40,
)


def pixel_counts(scores, mask, thresholds):
    """Counts of one image, as `evaluate` makes them."""
    levels = segmentation.threshold_levels(scores, thresholds)
    return segmentation.level_counts(levels, mask, len(thresholds))


@pytest.mark.parametrize(
    "prediction, iou, dice",
    [
        ([[1, 1, 0], [1, 1, 0], [0, 0, 0]], 1.0, 1.0),
        ([[0, 1, 1], [0, 1, 1], [0, 0, 0]], 2 / 6, 4 / 8),
        ([[1, 1, 0], [0, 0, 0], [0, 0, 0]], 2 / 4, 4 / 6),
        ([[0, 0, 1], [0, 0, 1], [1, 1, 1]], 0.0, 0.0),
        ([[0, 0, 0], [0, 0, 0], [0, 0, 0]], 0.0, 0.0),
    ],
)
def test_overlap(prediction, iou, dice):
    counts = pixel_counts(np.array(prediction, np.float32), TRUTH, [0.5])
    assert segmentation.iou(counts)[0] == pytest.approx(iou)
    assert segmentation.dice(counts)[0] == pytest.approx(dice)


def test_published_number_is_dice_and_rewards_good_images():
    # the half overlap that has IoU 0.60 and Dice 0.75
    counts = np.array([[[3, 4, 4]], [[0, 0, 0]]])
    assert segmentation.iou(counts[0])[0] == pytest.approx(0.6)
    assert segmentation.nvidia_dice_mean(counts[:1])[0] == pytest.approx(0.75, abs=1e-5)
    assert segmentation.nvidia_dice_mean(counts)[0] == pytest.approx(0.875, abs=1e-5)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_counts_at_every_threshold_are_those_of_a_loop(dtype):
    rng = np.random.default_rng(0)
    # 0.05 and 0.99 are thresholds too: a pixel on the threshold is not predicted
    scores = rng.choice([0.0, 0.05, 0.3, 0.5, 0.99, 1.0], (20, 20)).astype(dtype)
    mask = rng.choice(np.uint8([0, 1, 2, 255]), (20, 20))
    counts = pixel_counts(scores, mask, segmentation.THRESHOLDS)
    assert counts.dtype == np.int64
    compared = scores.astype(np.result_type(dtype, np.float32))
    for row, threshold in zip(counts, segmentation.THRESHOLDS):
        found, truth = (compared > threshold) & (mask != 255), (mask > 0) & (mask != 255)
        assert row.tolist() == [(found & truth).sum(), found.sum(), truth.sum()]


def test_levels_hold_the_picture_at_every_threshold():
    scores = np.random.default_rng(0).normal(size=(9, 7)).astype(np.float32)
    thresholds = np.linspace(-2, 2, segmentation.MOST_LEVELS, dtype=np.float32)
    thresholds[100] = scores[0, 0]
    thresholds.sort()
    levels = segmentation.threshold_levels(scores, thresholds)
    assert levels.dtype == np.uint8
    for index, threshold in enumerate(thresholds):
        np.testing.assert_array_equal(levels > index, scores > threshold)


def test_levels_of_extreme_scores():
    scores = np.array([[-np.inf, 0.5, 1.0, np.inf]])
    assert segmentation.threshold_levels(scores, [0.5, 0.5]).tolist() == [[0, 0, 2, 2]]
    assert segmentation.threshold_levels(scores, []).tolist() == [[0] * 4]


@pytest.mark.parametrize(
    "scores, thresholds, message",
    [
        ([[0.5, np.nan]], [0.5], "must be numbers"),
        ([[0.5]], [0.5, 0.4], "in increasing order"),
        ([[0.5]], np.arange(256), "at most 255"),
    ],
)
def test_levels_refuse(scores, thresholds, message):
    with pytest.raises(ValueError, match=message):
        segmentation.threshold_levels(np.array(scores), thresholds)


def test_shapes_must_agree():
    for measure in (
        lambda prediction: pixel_counts(prediction, TRUTH, [0.5]),
        lambda prediction: segmentation.confusion_matrix(prediction, TRUTH, 2),
        lambda prediction: boundary.boundary_f1(prediction, TRUTH),
    ):
        with pytest.raises(ValueError, match=r"must have one shape.*\(2, 3\) and \(3, 3\)"):
            measure(np.zeros((2, 3)))


def test_confusion_by_hand():
    truth = np.array([[0, 0, 1], [1, 2, 255], [0, 2, 2]], np.uint8)
    prediction = np.array([[0, 1, 1], [0, 2, 1], [0, 2, 1]], np.uint8)
    confusion = segmentation.confusion_matrix(prediction, truth, 4)
    assert confusion.dtype == np.int64
    assert confusion.tolist() == [[2, 1, 0, 0], [1, 1, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0]]
    scores = segmentation.type_scores(confusion)
    np.testing.assert_allclose(scores["iou"], [2 / 4, 1 / 4, 2 / 3, np.nan])
    np.testing.assert_allclose(scores["dice"], [4 / 6, 2 / 5, 4 / 5, np.nan])
    np.testing.assert_allclose(scores["precision"], [2 / 3, 1 / 3, 1, np.nan])
    np.testing.assert_allclose(scores["recall"], [2 / 3, 1 / 2, 2 / 3, np.nan])
    assert segmentation.mean_iou(confusion, True) == pytest.approx((1 / 2 + 1 / 4 + 2 / 3) / 3)
    assert segmentation.mean_iou(confusion, False) == pytest.approx((1 / 4 + 2 / 3) / 2)


def test_undefined_scores_of_types():
    nothing_but_background = segmentation.confusion_matrix(TRUTH * 0, TRUTH * 0, 2)
    assert segmentation.mean_iou(nothing_but_background, True) == 1.0
    assert np.isnan(segmentation.mean_iou(nothing_but_background, False))
    missed = segmentation.type_scores(segmentation.confusion_matrix(TRUTH * 0, TRUTH, 2))
    assert np.isnan(missed["precision"][1])
    assert missed["recall"][1] == missed["iou"][1] == missed["dice"][1] == 0
    everything_ignored = segmentation.confusion_matrix(TRUTH, TRUTH * 0 + 255, 2)
    assert everything_ignored.tolist() == [[0, 0], [0, 0]]
    assert np.isnan(segmentation.mean_iou(everything_ignored, True))


@pytest.mark.parametrize(
    "prediction, truth, message",
    [
        (TRUTH * 2, TRUTH, "`prediction` must hold classes from 0 to 1.*from 0 to 2"),
        (TRUTH, TRUTH * 3, "`truth` must hold classes from 0 to 1.*from 0 to 3"),
        (TRUTH * np.int8(-1), TRUTH, "from -1 to 0"),
        (TRUTH * 255, TRUTH, "`prediction` must hold"),
    ],
)
def test_unknown_classes_are_refused(prediction, truth, message):
    with pytest.raises(ValueError, match=message):
        segmentation.confusion_matrix(prediction, truth, 2)


@settings(max_examples=50, deadline=None)
@given(PIXELS)
def test_confusion_and_scores_equal_scikit_learn(pixels):
    prediction, truth = np.array(pixels, np.uint8).T
    confusion = segmentation.confusion_matrix(prediction[None], truth[None], CLASSES)
    valid = truth != 255
    if not valid.any():
        assert not confusion.any()
        return
    prediction, truth, labels = prediction[valid], truth[valid], range(CLASSES)
    expected = sklearn_metrics.confusion_matrix(truth, prediction, labels=labels)
    assert confusion.tolist() == expected.tolist()
    scores = segmentation.type_scores(confusion)
    for name, function in (
        ("iou", sklearn_metrics.jaccard_score),
        ("dice", sklearn_metrics.f1_score),
        ("precision", sklearn_metrics.precision_score),
        ("recall", sklearn_metrics.recall_score),
    ):
        theirs = function(truth, prediction, labels=labels, average=None, zero_division=0)
        np.testing.assert_allclose(np.nan_to_num(scores[name]), theirs, atol=1e-12)
    present = sorted({*truth, *prediction})
    expected = sklearn_metrics.jaccard_score(
        truth, prediction, labels=present, average="macro", zero_division=0
    )
    assert segmentation.mean_iou(confusion, True) == pytest.approx(expected, abs=1e-12)


@settings(max_examples=30, deadline=None)
@given(PIXELS)
def test_binary_counts_and_confusion_agree(pixels):
    prediction, truth = (column[None] for column in np.array(pixels, np.uint8).T)
    counts = pixel_counts(prediction.astype(np.float32), truth, [0.0])
    defect = np.where(truth == 255, 255, truth > 0).astype(np.uint8)
    confusion = segmentation.confusion_matrix((prediction > 0).astype(np.uint8), defect, 2)
    assert counts[0].tolist() == [confusion[1, 1], confusion[:, 1].sum(), confusion[1].sum()]
    if counts.any():
        assert segmentation.iou(counts)[0] == segmentation.type_scores(confusion)["iou"][1]


def test_set_iou_of_batches_is_that_of_all_pixels():
    metric = segmentation.SetIoU()
    mask = np.array([1, 1, 0, 255], np.uint8).reshape(1, 2, 2, 1)
    metric.update_state(mask, np.float32([1, -1, -1, 1]).reshape(1, 2, 2, 1))
    metric.update_state(mask, np.float32([1, 1, 1, 1]).reshape(1, 2, 2, 1))
    assert float(metric.result()) == pytest.approx(3 / 5)
    assert isinstance(metric, keras.metrics.Metric)


def test_set_iou_of_types_is_that_of_the_confusion_matrix():
    rng = np.random.default_rng(0)
    metric = segmentation.SetIoU(num_classes=4)
    confusion = 0
    for _ in range(3):
        mask = rng.choice(np.uint8([0, 1, 3, 255]), (2, 5, 4, 1))  # type 2 is nowhere true
        logits = rng.normal(0, 1, (2, 5, 4, 4)).astype(np.float32)
        metric.update_state(mask, logits)
        confusion = confusion + segmentation.confusion_matrix(
            logits.argmax(axis=-1), mask[..., 0], 4
        )
    expected = segmentation.type_scores(confusion)["iou"][[1, 3]].mean()
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)
    assert segmentation.SetIoU.from_config(metric.get_config()).num_classes == 4
    metric.reset_state()
    assert float(metric.result()) == 0


def test_set_iou_counts_beyond_what_float32_holds():
    metric = segmentation.SetIoU()
    # a batch of 2**24 + 1 pixels, and then one by one, which float32 would not see any more
    metric._add(np.int32([2**24 + 1, 2**25 + 3, 0]).reshape(3, 1))
    for _ in range(5):
        metric._add(np.ones((3, 1), np.int32))
    counts = np.float64(metric.units) * metric.UNIT + np.float64(metric.pixels)
    assert counts[:, 0].tolist() == [2**24 + 6, 2**25 + 8, 5]


def test_set_iou_and_a_loss_of_types_work_in_fit_under_xla():
    rng = np.random.default_rng(0)
    image = rng.random((4, 8, 8, 1), np.float32)
    mask = np.digitize(image, [0.4, 0.7]).astype(np.uint8)
    mask[:, 0] = 255
    inputs = keras.Input((8, 8, 1))
    outputs = keras.layers.Conv2D(3, 1, name="mask_logits")(inputs)
    model = keras.Model(inputs, {"mask_logits": outputs})
    model.compile(
        "sgd",
        loss={"mask_logits": losses.get_loss("ce+dice+lovasz")},
        metrics={"mask_logits": [segmentation.SetIoU(3)]},
        jit_compile=True,
    )
    data = tf.data.Dataset.from_tensor_slices((image, {"mask_logits": mask})).batch(2)
    model.fit(data, verbose=0)
    history = model.evaluate(data, verbose=0, return_dict=True)
    confusion = segmentation.confusion_matrix(
        model(image)["mask_logits"].numpy().argmax(axis=-1), mask[..., 0], 3
    )
    expected = segmentation.type_scores(confusion)["iou"][1:].mean()
    assert history["iou"] == pytest.approx(expected, rel=1e-6)
