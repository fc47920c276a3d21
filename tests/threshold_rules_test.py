"""Thresholds against brute force, and what a rule promises."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.metrics.score_histogram import ScoreHistogram
from zoo.threshold_rules import (
    Rule,
    image_threshold,
    parse_rule,
    pixel_threshold,
    require_images,
)

BEST_F1 = Rule("best_f1")
# Zero, and anomaly scores that are no probabilities; then neighbours among the float32 numbers.
APART = [float(np.float32(x)) for x in (-70, -0.1, 0, 1e-30, 0.1, 0.3, 0.75, 1, 1e9)]
SCORES = APART + [float(np.nextafter(np.float32(x), np.float32(9))) for x in (-0.1, 0.3, 0.75, 1)]


def pairs_of(scores):
    return st.lists(st.tuples(st.sampled_from(scores), st.booleans()), min_size=1, max_size=30)


SHARES = st.sampled_from(["0", "0.05", "0.1", "0.29", "1/3", "0.5", "0.99"])


def f1(scores, positive, threshold):
    found = scores > threshold
    return 2 * (found & positive).sum() / (found.sum() + positive.sum())


def histogram(scores, bits=14):  # enough for those that lie apart
    counts = ScoreHistogram(bits)
    counts.add(np.asarray(scores, np.float32))
    return counts


@pytest.mark.parametrize(
    "field, text, rule",
    [
        ("pixel_rule", "best_f1", BEST_F1),
        ("image_rule", "best_f1", BEST_F1),
        ("pixel_rule", "false_alarms:0", Rule("false_alarms", Fraction(0))),
        ("image_rule", "false_alarms:0.29", Rule("false_alarms", Fraction(29, 100))),
        ("image_rule", "false_alarms:1e-3", Rule("false_alarms", Fraction(1, 1000))),
        ("image_rule", "conformal:1/20", Rule("conformal", Fraction(1, 20))),
    ],
)
def test_rules_are_read(field, text, rule):
    assert parse_rule(field, text) == rule


@pytest.mark.parametrize("field", ["pixel_rule", "image_rule"])
@pytest.mark.parametrize(
    "text",
    ["", "f1", "best_f1:", "best_f1:0.1", "false_alarms", "false_alarms:", "false_alarms:SHARE"]
    + [f"false_alarms:{number}" for number in ("1", "-0.1", "nan", "inf", "1/0")]
    + ["conformal", "conformal:0", "conformal:1"],
)
def test_other_text_is_refused(field, text):
    with pytest.raises(ValueError, match=f"`{field}` must be best_f1 or false_alarms:SHARE"):
        parse_rule(field, text)


def test_conformal_is_a_rule_of_images_alone():
    with pytest.raises(ValueError, match="must be best_f1 or false_alarms:SHARE, with"):
        parse_rule("pixel_rule", "conformal:0.05")


@pytest.mark.parametrize(
    "scores, defective, expected",
    [
        ([0.1, 0.2, 0.6, 0.8], [False, False, True, True], 0.4),
        ([0.1, 0.6, 0.4, 0.8], [False, False, True, True], 0.25),  # one alarm finds both
        ([0.5, 0.5], [False, True], 0.25),  # rejecting both is better than neither
        ([0.0, 0.0], [False, True], -0.5),
        ([0.5, 1.0], [True, True], 0.25),
    ],
)
def test_best_f1_of_images_by_hand(scores, defective, expected):
    assert image_threshold(BEST_F1, scores, defective) == pytest.approx(expected)


@settings(max_examples=100, deadline=None)
@given(pairs_of(SCORES))
def test_best_f1_of_images_beats_every_other_threshold(pairs):
    scores, defective = (np.array(column) for column in zip(*pairs))
    if defective.any():
        threshold = image_threshold(BEST_F1, scores, defective)
        best = max(f1(scores, defective, other) for other in [-100, *SCORES])
        # in float32 as well, where two neighbours have no middle
        for decided in (scores, np.float32(scores)):
            assert f1(decided, defective, threshold) == pytest.approx(best, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(pairs_of(APART))
def test_best_f1_of_pixels_beats_every_other_threshold(pairs):
    scores, positive = (np.array(column) for column in zip(*pairs))
    if positive.any():
        kinds = {"positive": histogram(scores[positive]), "negative": histogram(scores[~positive])}
        threshold = pixel_threshold(BEST_F1, **kinds)
        best = max(f1(scores, positive, other) for other in [-100, *APART])
        assert f1(np.float32(scores), positive, threshold) == pytest.approx(best, abs=1e-12)


@settings(max_examples=100, deadline=None)
@given(pairs_of(SCORES), SHARES)
def test_image_budget_gives_the_lowest_threshold_within_it(pairs, share):
    scores, defective = (np.array(column) for column in zip(*pairs))
    if defective.all():
        return
    good = scores[~defective]
    threshold = image_threshold(Rule("false_alarms", Fraction(share)), scores, defective)
    allowed = math.floor(Fraction(share) * good.size)
    assert threshold in good
    assert (np.float32(good) > threshold).sum() <= allowed
    assert (good >= threshold).sum() > allowed


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(APART), min_size=1, max_size=30), SHARES)
def test_pixel_budget_gives_the_lowest_threshold_within_it(scores, share):
    scores = np.float32(scores)
    threshold = pixel_threshold(Rule("false_alarms", Fraction(share)), good=histogram(scores))
    allowed = math.floor(Fraction(share) * scores.size)
    exceeding = scores > threshold
    assert exceeding.sum() <= allowed
    # the highest of the others would be one too many
    assert exceeding.sum() + (scores == scores[~exceeding].max()).sum() > allowed


def test_a_budget_is_exact():
    scores = np.arange(100.0)
    for percent in range(100):
        rule = parse_rule("image_rule", f"false_alarms:{percent / 100}")
        assert (scores > image_threshold(rule, scores, scores < 0)).sum() == percent


def test_pixel_budget_is_met_where_many_share_a_bin():
    scores = np.random.default_rng(0).random(10_000).astype(np.float32)
    threshold = pixel_threshold(Rule("false_alarms", Fraction("0.01")), good=histogram(scores, 17))
    assert 0 < (scores > threshold).sum() <= 100


@pytest.mark.parametrize(
    "alpha, num_good, rank",
    [("0.05", 19, 19), ("0.05", 20, 20), ("0.05", 39, 38), ("0.1", 9, 9), ("0.1", 29, 27)],
)
def test_conformal_rank(alpha, num_good, rank):
    scores = np.random.default_rng(0).permutation(np.arange(1.0, num_good + 1))
    rule = Rule("conformal", Fraction(alpha))
    assert image_threshold(rule, [*scores, 1e3], [False] * num_good + [True]) == rank


@pytest.mark.parametrize("decimals, exact", [(9, True), (0, False)])
def test_conformal_keeps_its_promise(decimals, exact):
    """Of new good images the share alpha is rejected, over many calibrations; with ties, less."""
    rng, trials, num_good = np.random.default_rng(0), 4000, 29
    rule = Rule("conformal", Fraction("0.1"))
    rejected = 0
    for _ in range(trials):
        *calibration, new = rng.normal(size=num_good + 1).round(decimals)
        rejected += new > image_threshold(rule, calibration, np.zeros(num_good, bool))
    deviation = math.sqrt(0.1 * 0.9 / trials)
    assert rejected / trials < 0.1 + 3 * deviation
    assert (rejected / trials > 0.1 - 3 * deviation) == exact


@pytest.mark.parametrize(
    "rule, good, defective, message",
    [
        (BEST_F1, 5, 0, "best_f1 needs a defective validation image"),
        (Rule("false_alarms", Fraction("0.1")), 0, 5, "needs 1 good .*Received: 0"),
        (Rule("conformal", Fraction("0.05")), 18, 5, "0.05 needs 19 good .*: 18.*a larger ALPHA"),
        (Rule("conformal", Fraction("0.3")), 2, 0, "needs 3 good"),
    ],
)
def test_too_few_images(rule, good, defective, message):
    with pytest.raises(ValueError, match=message):
        require_images(rule, good=good, defective=defective)
    with pytest.raises(ValueError, match=message):
        image_threshold(rule, range(good + defective), [False] * good + [True] * defective)
    if rule.name == "conformal":
        needed = math.ceil(1 / rule.share - 1)
        require_images(rule, good=needed, defective=0)


def test_too_few_pixels():
    with pytest.raises(ValueError, match="best_f1 needs a defect pixel"):
        pixel_threshold(BEST_F1, positive=histogram([]), negative=histogram([0.5]))
    with pytest.raises(ValueError, match=r"false_alarms with 0\.1 needs 1 good"):
        pixel_threshold(Rule("false_alarms", Fraction("0.1")), good=histogram([]))


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_must_be_finite(score):
    with pytest.raises(ValueError, match="must be finite"):
        image_threshold(BEST_F1, [0.5, score], [False, True])
