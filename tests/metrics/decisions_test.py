"""Confusion tables of images, and how sure they are."""

import math
import statistics

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from zoo.metrics.decisions import image_decisions, wilson_interval

DECISIONS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=30)


def test_by_hand():
    result = image_decisions([0.9, 0.2, 0.6, 0.5, 0.1], [True, True, False, False, False], 0.5)
    assert result == {
        "tp": 1,
        "fp": 1,
        "tn": 2,  # 0.5 does not exceed 0.5
        "fn": 1,
        "tpr": 1 / 2,
        "tnr": 2 / 3,
        "tpr_interval": wilson_interval(1, 2),
        "tnr_interval": wilson_interval(2, 3),
        "precision": 1 / 2,
        "f1": 1 / 2,
        "balanced_accuracy": (1 / 2 + 2 / 3) / 2,
        "macro_f1": pytest.approx((1 / 2 + 4 / 6) / 2),
    }


@pytest.mark.parametrize(
    "scores, defective, undefined",
    [
        ([0.1], [False], {"tpr", "tpr_interval", "precision", "f1"}),
        ([0.9], [False], {"tpr", "tpr_interval"}),
        ([0.1], [True], {"tnr", "tnr_interval", "precision"}),
        ([0.9], [True], {"tnr", "tnr_interval"}),
        ([0.9, 0.1], [True, False], set()),
    ],
)
def test_what_is_undefined_is_none(scores, defective, undefined):
    result = image_decisions(scores, defective, 0.5)
    one_class = set() if len(scores) > 1 else {"balanced_accuracy"}
    # without a decision for or against good there is no F1 of good
    no_good = {"macro_f1"} if result["tn"] + result["fp"] + result["fn"] == 0 else set()
    no_defect = {"macro_f1"} if result["f1"] is None else set()
    expected = undefined | one_class | no_good | no_defect
    assert {key for key, value in result.items() if value is None} == expected


@settings(max_examples=50, deadline=None)
@given(DECISIONS)
def test_equals_scikit_learn(decisions):
    found, defective = (np.array(column) for column in zip(*decisions))
    result = image_decisions(found.astype(np.float32), defective, 0.5)
    theirs = sklearn_metrics.confusion_matrix(defective, found, labels=[False, True])
    assert [[result["tn"], result["fp"]], [result["fn"], result["tp"]]] == theirs.tolist()
    expected = {
        "precision": sklearn_metrics.precision_score(defective, found, zero_division=0),
        "f1": sklearn_metrics.f1_score(defective, found, zero_division=0),
        "tpr": sklearn_metrics.recall_score(defective, found, zero_division=0),
        "tnr": sklearn_metrics.recall_score(~defective, ~found, zero_division=0),
    }
    for name, value in expected.items():
        assert (result[name] or 0) == pytest.approx(value, abs=1e-12)
    if defective.any() and not defective.all():
        value = sklearn_metrics.balanced_accuracy_score(defective, found)
        assert result["balanced_accuracy"] == pytest.approx(value, abs=1e-12)
        value = sklearn_metrics.f1_score(defective, found, average="macro", zero_division=0)
        assert result["macro_f1"] == pytest.approx(value, abs=1e-12)


# Newcombe, "Two-sided confidence intervals for the single proportion", Statistics in Medicine
# 1998, Table I, method 3
@pytest.mark.parametrize(
    "part, total, low, high",
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_interval_is_the_published_one(part, total, low, high):
    assert wilson_interval(part, total) == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize("part, total", [(0, 59), (5, 5), (1, 41), (20, 41), (0, 1), (3, 10**6)])
def test_wilson_interval_is_its_formula(part, total):
    z = statistics.NormalDist().inv_cdf(0.975)
    share, scale = part / total, 1 + z * z / total
    middle = (share + z * z / (2 * total)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / total + z * z / (4 * total**2))
    low, high = wilson_interval(part, total)
    assert (low, high) == pytest.approx((middle - half, middle + half), abs=1e-12)
    assert 0 <= low <= share <= high <= 1
    if not part:
        assert low == 0 and high == pytest.approx(z * z / (total + z * z))
    if part == total:
        assert high == 1


def test_wilson_interval_of_nothing():
    assert wilson_interval(0, 0) is None
