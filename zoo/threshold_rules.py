"""Rules that choose a threshold from validation scores, written as text such as conformal:0.05.

Every threshold is an exclusive bound, `score > threshold`: a score equal to it is good.
"""

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from zoo.metrics.score_histogram import ScoreHistogram

# What a rule may be, by the field of the recipe that names it.
RULES = {
    "pixel_rule": ("best_f1", "false_alarms:SHARE"),
    "image_rule": ("best_f1", "false_alarms:SHARE", "conformal:ALPHA"),
}


class Rule(NamedTuple):
    """A rule that was read from text.

    Attributes:
      name: best_f1, the threshold of the best F1; false_alarms, the lowest one that at most a share
        of the good validation pixels or images exceeds; conformal, the lowest one that a new good
        image exceeds with a probability of at most alpha.
      share: SHARE or ALPHA, exactly as written, since 0.29 * 100 is less than 29 in floats.
    """

    name: str
    share: Fraction | None = None


def parse_rule(field: str, text: str) -> Rule:
    """Reads a rule.

    Args:
      field: key of `RULES`.
      text: one of its values, with a number in place of the word in capitals.

    Raises:
      ValueError: the text is no such rule, or SHARE is not in [0, 1) or ALPHA not in (0, 1).
    """
    name, _, number = text.partition(":")
    try:
        if not number and text in RULES[field]:
            return Rule(name)
        share = Fraction(number)
        known = name in [rule.partition(":")[0] for rule in RULES[field] if ":" in rule]
        if known and 0 <= share < 1 and (share or name != "conformal"):
            return Rule(name, share)
    except (ValueError, ZeroDivisionError):
        pass  # no number: said below
    raise ValueError(
        f"Argument `{field}` must be {' or '.join(RULES[field])}, with SHARE in [0, 1) and ALPHA "
        f"in (0, 1), such as 0.01. Received: {text!r}"
    )


def require_images(rule: Rule, *, good: int, defective: int) -> None:
    """Raises ValueError where a rule needs more validation images than there are."""
    if rule.name == "best_f1":
        if not defective:
            raise ValueError(
                "Rule best_f1 needs a defective validation image. Received none. Choose other "
                "validation folds, or a rule of good images alone, such as false_alarms:0.01"
            )
        return
    # The rank of the conformal threshold is at most `good` from here on.
    needed = math.ceil(1 / rule.share - 1) if rule.name == "conformal" else 1
    if good < needed:
        raise ValueError(
            f"Rule {rule.name} with {float(rule.share):g} needs {needed} good validation images or "
            f"more. Received: {good}. Choose more images to validate on"
            + (", or a larger ALPHA" if rule.name == "conformal" else "")
        )


def image_threshold(rule: Rule, scores, defective) -> float:
    """Chooses the threshold of image scores.

    Args:
      rule: a rule of `RULES["image_rule"]`.
      scores: float [N], of validation images.
      defective: bool [N].

    Returns:
      best_f1: the middle between the two scores around the best F1, the lowest of equals.
      false_alarms: a good score, the lowest that at most floor(SHARE * n) of n good ones exceed.
      conformal: the ceil((n + 1) * (1 - ALPHA))-th lowest of n good scores, which a new good image
      exceeds with a probability of at most ALPHA, provided that it and the n are exchangeable.
      Source: Vovk et al., "Algorithmic learning in a random world", Springer 2005.

    Raises:
      ValueError: there are too few images for the rule, or a score is no finite number.
    """
    scores, defective = np.asarray(scores, np.float64), np.asarray(defective, bool)
    if not np.isfinite(scores).all():
        raise ValueError(f"Argument `scores` must be finite. Received: {scores}")
    good = np.sort(scores[~defective])
    require_images(rule, good=len(good), defective=int(defective.sum()))
    if rule.name == "best_f1":
        values, bins = np.unique(scores, return_inverse=True)
        counts = (
            np.bincount(bins[kind], minlength=len(values)) for kind in (defective, ~defective)
        )
        first = _best_f1(*counts)
        return _between(values[first - 1] if first else None, values[first])
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
) -> float:
    """Chooses the threshold of pixel scores, as finely as the bins of the histograms are.

    Args:
      rule: a rule of `RULES["pixel_rule"]`.
      positive: scores of the defect pixels of validation images, for best_f1.
      negative: scores of all their other pixels, for best_f1.
      good: scores of the pixels of good validation images, for false_alarms: other pixels of
        defective images are often near a defect, or are defects that nobody marked.

    Returns:
      best_f1: the middle between the two bins around the best F1, the lowest of equals.
      false_alarms: the largest value of the lowest bin above which lie at most floor(SHARE * n) of
      the n good pixels.

    Raises:
      ValueError: there is no pixel of the kind that the rule needs.
    """
    if rule.name == "best_f1":
        if not positive.total:
            raise ValueError(
                "Rule best_f1 needs a defect pixel in the validation images. Received none. Choose "
                "other validation folds, or a rule of good images alone, such as false_alarms:0.001"
            )
        bins = np.flatnonzero(positive.counts + negative.counts)
        first = _best_f1(positive.counts[bins], negative.counts[bins])
        below = positive.edge(int(bins[first - 1])) if first else None
        return _between(below, _lowest(positive, int(bins[first])))
    require_images(rule, good=good.total, defective=0)
    bins = np.flatnonzero(good.counts)
    up_to = np.cumsum(good.counts[bins])
    allowed = math.floor(rule.share * good.total)
    return good.edge(int(bins[np.searchsorted(up_to, good.total - allowed)]))


def _best_f1(positive: np.ndarray, negative: np.ndarray) -> int:
    """The index of the lowest score to call positive, from counts by increasing score."""
    hits, alarms = (counts[::-1].cumsum()[::-1] for counts in (positive, negative))
    return int(np.argmax(2 * hits / (hits + alarms + positive.sum())))


def _lowest(histogram: ScoreHistogram, index: int) -> float:
    """The lowest number of a bin."""
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
