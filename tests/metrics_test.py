"""Metrics against hand-made masks, scikit-learn, and brute force."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from zoo.metrics import ranking, segmentation

TRUTH = np.array([[1, 1, 0], [1, 1, 0], [0, 0, 0]], np.uint8)
SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1
)


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
    counts = segmentation.pixel_counts(np.array(prediction, np.float32), TRUTH, [0.5])
    assert segmentation.iou(counts)[0] == pytest.approx(iou)
    assert segmentation.dice(counts)[0] == pytest.approx(dice)


def test_published_number_is_dice_and_rewards_good_images():
    # the half overlap that has IoU 0.60 and Dice 0.75
    counts = np.array([[[3, 4, 4]], [[0, 0, 0]]])
    assert segmentation.iou(counts[0])[0] == pytest.approx(0.6)
    assert segmentation.nvidia_dice_mean(counts[:1])[0] == pytest.approx(0.75, abs=1e-5)
    assert segmentation.nvidia_dice_mean(counts)[0] == pytest.approx(0.875, abs=1e-5)


def test_counts_at_every_threshold_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    probability = rng.choice(np.float32([0.0, 0.05, 0.3, 0.5, 0.99, 1.0]), (20, 20))
    mask = rng.choice(np.uint8([0, 1, 2, 255]), (20, 20))
    counts = segmentation.pixel_counts(probability, mask, np.float32(segmentation.THRESHOLDS))
    for row, threshold in zip(counts, np.float32(segmentation.THRESHOLDS)):
        found, truth = (probability > threshold) & (mask != 255), (mask > 0) & (mask != 255)
        assert row.tolist() == [(found & truth).sum(), found.sum(), truth.sum()]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match=r"must have one shape.*\(2, 3\) and \(3, 3\)"):
        segmentation.pixel_counts(np.zeros((2, 3)), TRUTH, [0.5])


def test_image_decisions():
    result = segmentation.image_decisions([0.9, 0.2, 0.6, 0.5], [True, True, False, False], 0.5)
    assert result == {"tp": 1, "fp": 1, "tn": 1, "fn": 1, "tpr": 0.5, "tnr": 0.5}
    assert segmentation.image_decisions([0.9], [False], 0.5)["tpr"] is None


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_rankings_equal_scikit_learn(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs))
    if positive.any():
        expected = sklearn_metrics.average_precision_score(positive, scores)
        assert ranking.average_precision(scores, positive) == pytest.approx(expected, abs=1e-12)
    if positive.any() and not positive.all():
        expected = sklearn_metrics.roc_auc_score(positive, scores)
        assert ranking.auroc(scores, positive) == pytest.approx(expected, abs=1e-12)
        histogram = ranking.ScoreHistogram()
        histogram.update(scores.astype(np.float32), positive)
        assert histogram.auroc() == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(ranking.auroc(scores, positive))


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_best_f1_threshold_beats_every_other(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs))
    histogram = ranking.ScoreHistogram()
    histogram.update(scores.astype(np.float32), positive)

    def f1(threshold):
        return sklearn_metrics.f1_score(positive, scores > threshold, zero_division=0)

    best = max(f1(t) for t in [0.0, *np.nextafter(scores, -1)])
    if positive.any() and not (scores[positive] == 0).any():
        assert f1(ranking.best_f1_threshold(scores, positive)) == pytest.approx(best)
        assert f1(histogram.best_f1_threshold()) == pytest.approx(best)


def test_histogram_is_close_to_exact_on_continuous_scores_and_adds_up():
    rng = np.random.default_rng(0)
    positive = rng.random(40_000) < 0.1
    scores = (1 / (1 + np.exp(-rng.normal(positive * 1.5 - 8, 2)))).astype(np.float32)
    histogram = ranking.ScoreHistogram()
    for part in np.array_split(np.arange(40_000), 7):
        histogram.update(scores[part], positive[part])
    assert histogram.auroc() == pytest.approx(
        sklearn_metrics.roc_auc_score(positive, scores), abs=1e-6
    )
    assert histogram.average_precision() == pytest.approx(
        sklearn_metrics.average_precision_score(positive, scores), abs=1e-4
    )


@pytest.mark.parametrize("value", [np.nan, -0.1, 1.1])
def test_histogram_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match=r"must lie in \[0, 1\]"):
        ranking.ScoreHistogram().update(np.float32([value]), np.array([True]))


def test_set_iou_of_batches_is_that_of_all_pixels():
    metric = segmentation.SetIoU()
    mask = np.array([1, 1, 0, 255], np.uint8).reshape(1, 2, 2, 1)
    metric.update_state(mask, np.float32([1, -1, -1, 1]).reshape(1, 2, 2, 1))
    metric.update_state(mask, np.float32([1, 1, 1, 1]).reshape(1, 2, 2, 1))
    assert float(metric.result()) == pytest.approx(3 / 5)
    assert isinstance(metric, keras.metrics.Metric)
