"""Rankings and counts of scores against scikit-learn and plain loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from zoo.metrics.ranking import Ranking, plant_rates
from zoo.metrics.score_histogram import ScoreHistogram, SortedScores

VALUES = st.sampled_from([-3e38, -1.5, -1e-45, -0.0, 0.0, 1e-45, 0.1, 0.100001, 0.5, 1.0, 7e9])
SCORES = st.lists(st.tuples(VALUES, st.booleans()), min_size=1)


def split(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs))
    return scores.astype(np.float32), positive


def ranking(scores, positive, negatives):
    negatives.add(scores[~positive])
    return Ranking(scores[positive], negatives)


@settings(max_examples=150, deadline=None)
@given(SCORES)
def test_equals_scikit_learn(pairs):
    scores, positive = split(pairs)
    exact = ranking(scores, positive, SortedScores())
    if positive.all() or not positive.any():
        assert np.isnan(exact.auroc()[0]) and np.isnan(exact.average_precision()[0])
        return
    # ranks, since scikit-learn rounds 1e-45 to 0
    ranks = np.unique(scores, return_inverse=True)[1]
    auroc = sklearn_metrics.roc_auc_score(positive, ranks)
    average_precision = sklearn_metrics.average_precision_score(positive, ranks)
    assert exact.auroc() == (pytest.approx(auroc, abs=1e-12), 0)
    assert exact.average_precision() == (pytest.approx(average_precision, abs=1e-12), 0)
    counted = ranking(scores, positive, ScoreHistogram(12))
    for (value, bound), expected in (
        (counted.auroc(), auroc),
        (counted.average_precision(), average_precision),
    ):
        assert abs(value - expected) <= bound + 1e-12


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, min_size=1), st.lists(VALUES, min_size=1), st.integers(9, 22))
def test_counts_enclose_those_of_a_loop(counted, asked, bits):
    counted, asked = np.float32(counted), np.float32(asked)
    greater = [(counted > score).sum() for score in asked]
    at_least = [(counted >= score).sum() for score in asked]
    exact, histogram = SortedScores(), ScoreHistogram(bits)
    for part in np.array_split(counted, 3):
        exact.add(part)
        histogram.add(part)
    assert [counts.tolist() for counts in exact.exceeding(asked)] == [greater, at_least]
    fewest, most = histogram.exceeding(asked)
    assert (fewest <= greater).all() and (most >= at_least).all()
    assert histogram.total == exact.total == counted.size


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, min_size=1), VALUES)
def test_an_edge_parts_the_bins(counted, score):
    histogram = ScoreHistogram(14)
    histogram.add(np.float32([score]))
    edge = histogram.edge(int(np.flatnonzero(histogram.counts)[0]))
    assert np.float32(score) <= edge
    histogram = ScoreHistogram(14)
    histogram.add(np.float32(counted))
    fewest, _ = histogram.exceeding(np.float32([score]))
    assert fewest[0] == (np.float32(counted) > edge).sum()


def test_histograms_of_other_bits_do_not_merge():
    with pytest.raises(ValueError, match="must have 12 bits as well"):
        ScoreHistogram(12).merge(ScoreHistogram(13))


def test_a_curve_of_many_scores_is_thinned_and_keeps_its_area():
    rng = np.random.default_rng(0)
    positive = rng.random(30_000) < 0.02
    drawn = ranking(rng.normal(size=30_000) + 2 * positive, positive, SortedScores())
    curve = drawn.roc(points=200)
    assert len(curve["x"]) <= 450
    assert np.trapezoid(curve["y"], curve["x"]) == pytest.approx(drawn.auroc()[0], abs=2e-3)
    pr = drawn.precision_recall(points=200)
    assert len(pr["x"]) <= 210 and max(pr["y"]) <= 1


@pytest.mark.parametrize("rate, passed, found", [(0.0, 0.5, 0.5), (0.25, 0.75, 0.75)])
def test_plant_rates_by_hand(rate, passed, found):
    scores = [0.1, 0.2, 0.5, 0.6, 0.3, 0.55, 0.8, 0.9]
    positive = [False] * 4 + [True] * 4
    # none missed: cut below 0.3, 0.1 and 0.2 pass; one missed: cut below 0.55, 0.5 passes too
    assert plant_rates(scores, positive, rate) == (passed, found)
    assert np.isnan(plant_rates(scores[:4], positive[:4], rate)).all()
