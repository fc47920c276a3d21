"""Thresholds against brute force, and what a rule promises."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.evaluation.one_standard_error import LOGIT_THRESHOLDS, nearest_to_even
from zoo.evaluation.thresholds import image_threshold, pixel_threshold
from zoo.metrics.score_histogram import ScoreHistogram
from zoo.recipes.threshold_rules import Rule, parse_rule, require_images

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
        ("image_rule", "normal:0.05", Rule("normal", Fraction(1, 20))),
        ("pixel_rule", "best_f1_1se", Rule("best_f1_1se")),
    ],
)
def test_rules_are_read(field, text, rule):
    assert parse_rule(field, text) == rule


@pytest.mark.parametrize("field", ["pixel_rule", "image_rule"])
@pytest.mark.parametrize(
    "text",
    ["", "f1", "best_f1:", "best_f1:0.1", "false_alarms", "false_alarms:", "false_alarms:SHARE"]
    + [f"false_alarms:{number}" for number in ("1", "-0.1", "nan", "inf", "1/0")]
    + ["conformal", "conformal:0", "conformal:1", "normal:0", "best_f1_1se:1"],
)
def test_other_text_is_refused(field, text):
    with pytest.raises(ValueError, match=f"`{field}` must be best_f1 or .*false_alarms:SHARE"):
        parse_rule(field, text)


@pytest.mark.parametrize("text", ["conformal:0.05", "normal:0.05"])
def test_rules_of_images_alone(text):
    with pytest.raises(ValueError, match="or best_f1_1se or false_alarms:SHARE, with"):
        parse_rule("pixel_rule", text)


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


def sigmoid(logits):
    return 1 / (1 + np.exp(-np.asarray(logits, float)))


def test_normal_limit_by_hand():
    """Logits 0, 1, 2: mean 1, deviation 1, and Student's t of 2 degrees of freedom is 2.920."""
    rule, good = Rule("normal", Fraction("0.05")), [False] * 3
    threshold = image_threshold(rule, [*sigmoid([2, 0, 1]), 0.999], [*good, True])
    assert threshold == pytest.approx(sigmoid(1 + 2.920 * math.sqrt(4 / 3)), abs=1e-5)


def test_normal_keeps_its_promise_with_few_images():
    rng, trials = np.random.default_rng(0), 2000
    rule, good = Rule("normal", Fraction("0.1")), np.zeros(5, bool)
    logits = rng.normal(2, 0.3, size=(trials, 6))
    rejected = sum(new > image_threshold(rule, few, good) for *few, new in sigmoid(logits))
    assert rejected / trials == pytest.approx(0.1, abs=3 * math.sqrt(0.1 * 0.9 / trials))


@pytest.mark.parametrize("score", [0.0, np.float32(0.3), 1.0])
def test_normal_of_equal_scores_is_that_score(score):
    assert image_threshold(Rule("normal", Fraction("0.05")), [score] * 2, [False] * 2) == score


def test_normal_of_the_surest_scores():
    threshold = image_threshold(Rule("normal", Fraction("0.05")), [0, 1, 1], [False] * 3)
    assert 0.5 < np.float32(threshold) < 1  # so that a defect can exceed it


def test_normal_needs_probabilities():
    with pytest.raises(ValueError, match=r"normal needs scores in \[0, 1\].*from 0\.5 to 7"):
        image_threshold(Rule("normal", Fraction("0.05")), [0.5, 7], [False] * 2)


@pytest.mark.parametrize(
    "rule, good, defective, message",
    [
        (BEST_F1, 5, 0, "best_f1 needs a defective validation image"),
        (Rule("false_alarms", Fraction("0.1")), 0, 5, "needs 1 good .*Received: 0"),
        (Rule("conformal", Fraction("0.05")), 18, 5, "0.05 needs 19 good .*: 18.*a larger ALPHA"),
        (Rule("conformal", Fraction("0.3")), 2, 0, "needs 3 good"),
        (Rule("normal", Fraction("0.05")), 1, 1, "normal with 0.05 needs 2 good .*Received: 1"),
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


def counts_of_two_images(hits, positives):
    """Those of 10 defect pixels each, below, around and above an even chance: 0.3 and 0.7."""
    zone = np.searchsorted([0.3, 0.7], LOGIT_THRESHOLDS)
    counts = np.stack([np.array(hits)[zone], np.array(positives)[zone]], axis=-1)
    counts = np.insert(counts, 2, 10, axis=-1)
    return np.swapaxes(counts, 0, 1)


@pytest.mark.parametrize("alarms, even", [(3, True), (4, False)])
def test_one_standard_error_by_hand(alarms, even):
    """Above 0.7, F1 is (20 + 10) / (20 + 15) = 6 / 7, which misses 20 by 20 / 7, and 10 as much.

    The standard error is sqrt(2 * 2 * (20 / 7)^2) / 35 = 0.163, and 0.694 is good enough. Around an
    even chance, F1 is 28 / 40 = 0.700 or, with one alarm more, 28 / 41 = 0.683.
    """
    hits = [(10, 10), (9, 5), (10, 5)]
    counts = counts_of_two_images(hits, [(30, 30), (9 + 3, 5 + alarms), (10, 5)])
    threshold = nearest_to_even(counts, best_f1=30 / 35)
    assert threshold == (0.5 if even else LOGIT_THRESHOLDS[LOGIT_THRESHOLDS > 0.7][0])


def test_one_standard_error_of_one_image_is_zero():
    counts = counts_of_two_images([(10, 10), (9, 9), (10, 5)], [(30, 30), (10, 12), (10, 5)])
    assert nearest_to_even(counts[:1], best_f1=1.0) == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(
    "scores, expected",
    [
        ([0.1, 0.2, 0.6, 0.8], 0.5),  # where best_f1 takes the middle, 0.4
        ([0.1, 0.6, 0.7, 0.8], 0.6),  # the lowest that still tells all apart
        ([0.5001, 0.5002, 0.5003, 0.5004], 0.50025),  # none lies between them: as best_f1
    ],
)
def test_one_standard_error_of_images_by_hand(scores, expected):
    """A perfect F1 has no error."""
    found = image_threshold(Rule("best_f1_1se"), scores, [False, False, True, True])
    assert found == pytest.approx(expected, abs=0.02 if expected == 0.6 else 1e-6)


@pytest.mark.parametrize("score", [math.nan, math.inf])
def test_scores_must_be_finite(score):
    with pytest.raises(ValueError, match="must be finite"):
        image_threshold(BEST_F1, [0.5, score], [False, True])
