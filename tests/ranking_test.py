"""Rankings against scikit-learn and brute force."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from zoo.metrics import ranking

SCORES = st.lists(
    st.tuples(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), st.booleans()), min_size=1
)


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
        histogram = ranking._OldHistogram()
        histogram.update(scores.astype(np.float32), positive)
        assert histogram.auroc() == pytest.approx(expected, abs=1e-12)
    else:
        assert np.isnan(ranking.auroc(scores, positive))


@settings(max_examples=60, deadline=None)
@given(SCORES)
def test_best_f1_threshold_beats_every_other(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs))
    histogram = ranking._OldHistogram()
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
    histogram = ranking._OldHistogram()
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
        ranking._OldHistogram().update(np.float32([value]), np.array([True]))
