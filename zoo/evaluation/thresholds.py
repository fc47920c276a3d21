"""Chooses a threshold from validation scores by a rule.

Every threshold is an exclusive bound, `score > threshold`: a score equal to it is good.
"""

import math

import numpy as np
from scipy import special

from zoo.evaluation.one_standard_error import image_counts, nearest_to_even
from zoo.metrics.score_histogram import ScoreHistogram
from zoo.recipes.threshold_rules import Rule, require_images

# float32 knows no number between this and 1.
_MOST = 1 - float(np.finfo(np.float32).epsneg)


def require_probabilities(rule: Rule, scores) -> None:
    """Raises ValueError where a rule needs probabilities and a score is none."""
    if rule.needs_probabilities and not 0 <= np.min(scores) <= np.max(scores) <= 1:
        raise ValueError(
            f"Rule {rule.name} needs scores in [0, 1], which have logits. Received scores from "
            f"{np.min(scores):g} to {np.max(scores):g}. Choose best_f1 or false_alarms:0.05"
        )


def image_threshold(rule: Rule, scores, defective) -> float:
    """Chooses the threshold of image scores.

    Args:
      rule: a rule of `RULES["image_rule"]`.
      scores: float [N], of validation images.
      defective: bool [N].

    Returns:
      best_f1: the middle between the two scores around the best F1, the lowest of equals.
      best_f1_1se: see `nearest_to_even`; that of best_f1 where it knows none.
      false_alarms: a good score, the lowest that at most floor(SHARE * n) of n good ones exceed.
      conformal: the ceil((n + 1) * (1 - ALPHA))-th lowest of n good scores, which a new good image
      exceeds with a probability of at most ALPHA, provided that it and the n are exchangeable.
      Source: Vovk et al., "Algorithmic learning in a random world", Springer 2005.
      normal: the upper prediction limit for the score of one new good image, at the confidence
      1 - ALPHA, of a normal distribution of logits. Source: Hahn and Meeker, "Statistical
      intervals", Wiley 1991, a prediction interval for a single future observation.

    Raises:
      ValueError: there are too few images for the rule, or a score is no finite number, or none in
        [0, 1] where the rule needs its logit.
    """
    scores, defective = np.asarray(scores, np.float64), np.asarray(defective, bool)
    if not np.isfinite(scores).all():
        raise ValueError(f"Argument `scores` must be finite. Received: {scores}")
    good = np.sort(scores[~defective])
    require_images(rule, good=len(good), defective=int(defective.sum()))
    require_probabilities(rule, scores)
    if rule.needs_defects:
        values, bins = np.unique(scores, return_inverse=True)
        counts = (
            np.bincount(bins[kind], minlength=len(values)) for kind in (defective, ~defective)
        )
        first, f1 = _best_f1(*counts)
        if rule.name == "best_f1_1se":
            near = nearest_to_even(image_counts(scores, defective), f1)
            if near is not None:
                return near
        return _between(values[first - 1] if first else None, values[first])
    if rule.name == "normal":
        return _prediction_limit(good, float(rule.share))
    if rule.name == "false_alarms":
        rank = len(good) - math.floor(rule.share * len(good))
    else:
        rank = math.ceil((len(good) + 1) * (1 - rule.share))
    return float(good[rank - 1])


def pixel_threshold(
    rule: Rule,
    *,
    positive: ScoreHistogram | None = None,
    negative: ScoreHistogram | None = None,
    good: ScoreHistogram | None = None,
    counts: np.ndarray | None = None,
) -> float:
    """Chooses the threshold of pixel scores, as finely as the bins of the histograms are.

    Args:
      rule: a rule of `RULES["pixel_rule"]`.
      positive: scores of the defect pixels of validation images, for best_f1 and best_f1_1se.
      negative: scores of all their other pixels, for the same.
      good: scores of the pixels of good validation images, for false_alarms: other pixels of
        defective images are often near a defect, or are defects that nobody marked.
      counts: of each image at some thresholds, for best_f1_1se; see `nearest_to_even`.

    Returns:
      best_f1: the middle between the two bins around the best F1, the lowest of equals.
      best_f1_1se: see `nearest_to_even`; that of best_f1 where it knows none.
      false_alarms: the largest value of the lowest bin above which lie at most floor(SHARE * n) of
      the n good pixels.

    Raises:
      ValueError: there is no pixel of the kind that the rule needs.
    """
    if rule.needs_defects:
        if not positive.total:
            raise ValueError(
                f"Rule {rule.name} needs a defect pixel in the validation images. Received none. "
                "Choose other validation folds, or a rule of good images alone, such as "
                "false_alarms:0.001"
            )
        bins = np.flatnonzero(positive.counts + negative.counts)
        first, f1 = _best_f1(positive.counts[bins], negative.counts[bins])
        if rule.name == "best_f1_1se":
            near = nearest_to_even(counts, f1)
            if near is not None:
                return near
        below = positive.edge(int(bins[first - 1])) if first else None
        return _between(below, _lowest(positive, int(bins[first])))
    require_images(rule, good=good.total, defective=0)
    bins = np.flatnonzero(good.counts)
    up_to = np.cumsum(good.counts[bins])
    allowed = math.floor(rule.share * good.total)
    return good.edge(int(bins[np.searchsorted(up_to, good.total - allowed)]))


def _best_f1(positive: np.ndarray, negative: np.ndarray) -> tuple[int, float]:
    """Returns the index of the lowest score to call positive, and its F1, from counts by score."""
    hits, alarms = (counts[::-1].cumsum()[::-1] for counts in (positive, negative))
    f1 = 2 * hits / (hits + alarms + positive.sum())
    best = int(np.argmax(f1))
    return best, float(f1[best])


def _prediction_limit(scores: np.ndarray, alpha: float) -> float:
    """What one more score exceeds with the probability alpha, of sorted scores in [0, 1]."""
    if scores[0] == scores[-1]:
        return float(scores[0])  # no rounded logit, which a score may exceed
    logits = special.logit(np.clip(scores, 1 - _MOST, _MOST))
    factor = special.stdtrit(len(logits) - 1, 1 - alpha) * math.sqrt(1 + 1 / len(logits))
    return float(min(special.expit(logits.mean() + factor * logits.std(ddof=1)), _MOST))


def _lowest(histogram: ScoreHistogram, index: int) -> float:
    """Returns the lowest number of a bin."""
    below = np.float32(histogram.edge(index - 1))
    return float(np.nextafter(below, np.float32(np.inf)))


def _between(below: float | None, first: float) -> float:
    """The middle of two scores, or the lower one where float32 rounds their middle to the higher.

    Args:
      below: the next lower score; None where there is none.
      first: the lowest score that shall exceed the threshold.
    """
    if below is None:
        below = 0.0 if first > 0 else 2 * first - 1
    middle = float(np.float32((below + first) / 2))
    return middle if below <= middle < first else float(below)
