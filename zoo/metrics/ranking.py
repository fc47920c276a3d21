"""How well scores rank positives above negatives: AUROC, average precision, and their curves."""

import numpy as np

from zoo.metrics.score_histogram import ScoreHistogram, SortedScores


class Ranking:
    """Positives, image by image or pixel by pixel, among the scores of all negatives.

    Figures come as pairs: the value, and how far off it may be at most, which is 0 where the
    negatives' scores are kept exactly.

    Args:
      positives: float [N], finite.
      negatives: the scores of all negatives.

    Attributes:
      positives: as given.
      num_positives, num_negatives: how many there are.
      low, high: float64 [N], shares of the negatives that score higher than each positive, and
        higher or equal: the false positive rates between which it comes to be found.
    """

    def __init__(self, positives: np.ndarray, negatives: SortedScores | ScoreHistogram):
        self.exact = negatives.exact
        self.num_positives = len(positives)
        self.num_negatives = negatives.total
        self._order = np.argsort(positives)
        self._scores = positives[self._order]
        self.positives = positives
        if not self.num_positives or not self.num_negatives:
            self._above = self._at_or_above = self.low = self.high = np.full(len(positives), np.nan)
            return
        # in order: neighbours in the search are neighbours in memory
        self._above, self._at_or_above = negatives.exceeding(self._scores)
        self.low, self.high = np.empty((2, len(positives)))
        self.low[self._order] = self._above / self.num_negatives
        self.high[self._order] = self._at_or_above / self.num_negatives

    def found_share(self, limit: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the share of the rates up to a limit at which each positive is detected.

        Between the two rates of a positive the curve is a straight line, since a tie has no order:
        there it counts as found in part.

        Args:
          limit: the highest false positive rate, in (0, 1].

        Returns:
          float64 [N] in [0, 1] and its bounds.
        """
        most = np.maximum(limit - self.low, 0) / limit
        least = np.maximum(limit - self.high, 0) / limit
        width = self.high - self.low
        rising = (np.minimum(self.high, limit) - self.low).clip(min=0)
        share = least + rising**2 / np.where(width > 0, 2 * width * limit, 1)
        if self.exact:
            return share, np.zeros_like(share)
        return share, np.maximum(most - share, share - least)

    def auroc(self) -> tuple[float, float]:
        """Area under the ROC curve: P(a positive scores higher) + P(equal) / 2; may be NaN."""
        if not self.num_positives:
            return float("nan"), 0.0
        share, bound = self.found_share(1.0)
        return float(share.mean()), float(bound.mean())

    def average_precision(self) -> tuple[float, float]:
        """Returns the sum of precision times gain in recall over distinct scores; NaN without both.

        Without negatives every order of the positives has the precision 1, which says nothing.
        """
        if not self.num_positives:
            return float("nan"), 0.0
        found = self._found()
        worst = found / (found + self._at_or_above)
        if self.exact:
            return float(worst.mean()), 0.0
        best = found / (found + self._above)
        middle = found / (found + (self._above + self._at_or_above) / 2)
        bound = np.maximum(best - middle, middle - worst)
        return float(middle.mean()), float(bound.mean())

    def roc(self, weights: np.ndarray | None = None, points: int = 300) -> dict[str, list[float]]:
        """Returns the ROC curve, or PRO over the false positive rate, thinned for drawing.

        Args:
          weights: float [N] that add up to 1, of each positive; None weighs all alike.
          points: about how many vertices are kept.

        Returns:
          `x` and `y`, increasing, from (0, 0) to (1, 1).
        """
        if weights is None:
            weights = np.full(self.num_positives, 1 / self.num_positives)
        last = self._last_of_ties()
        rate = np.cumsum(weights[self._order][::-1])[last]
        above, at_or_above = (c[::-1][last] / self.num_negatives for c in self._counts())
        kept = _spread((rate, above, np.sqrt(above)), points // 2)
        x = np.stack([above, at_or_above], axis=1)[kept].ravel()
        y = np.stack([np.append(0, rate[:-1]), rate], axis=1)[kept].ravel()
        return {"x": [0.0, *x.tolist(), 1.0], "y": [0.0, *np.minimum(y, 1).tolist(), 1.0]}

    def precision_recall(self, points: int = 300) -> dict[str, list[float]]:
        """Precision over recall at distinct scores, thinned for drawing; `x` is the recall."""
        last = self._last_of_ties()
        found = self._found()[::-1][last]
        precision = found / (found + self._at_or_above[::-1][last])
        recall = found / self.num_positives
        kept = _spread((recall, precision), points)
        return {"x": recall[kept].tolist(), "y": precision[kept].tolist()}

    def _found(self) -> np.ndarray:
        """How many positives score at least as high as each one, in increasing order of scores."""
        return self._scores.size - np.searchsorted(self._scores, self._scores, side="left")

    def _counts(self):
        return self._above, self._at_or_above

    def _last_of_ties(self) -> np.ndarray:
        """Finds the last positive of each distinct score, from the highest down."""
        scores = self._scores[::-1]
        return np.flatnonzero(np.append(scores[1:] != scores[:-1], True))


def plant_rates(scores, positive, rate: float) -> tuple[float, float]:
    """Returns what is left of one error when the other may happen in a share `rate` of all cases.

    Args:
      scores: float [N] of images.
      positive: bool [N], which are defective.
      rate: in [0, 1).

    Returns:
      PG, the highest share of good images passed while at most `rate` of the defective ones are;
      PB, the highest share of defective images found while at most `rate` of the good ones are
      rejected; both NaN where a kind is missing.
    """
    scores, positive = np.asarray(scores), np.asarray(positive, bool)
    good, bad = np.sort(scores[~positive]), np.sort(scores[positive])
    if not good.size or not bad.size:
        return float("nan"), float("nan")
    # A rate of 0.29 allows 29 of 100, though 0.29 * 100 is 28.999...
    missed, rejected = (int(rate * len(group) + 1e-9) for group in (bad, good))
    passed = np.searchsorted(good, bad[missed], side="left") / good.size
    found = 1 - np.searchsorted(bad, good[-1 - rejected], side="right") / bad.size
    return float(passed), float(found)


def _spread(curves, points: int) -> np.ndarray:
    """Indices of vertices that lie about evenly along each of these coordinates."""
    count = len(curves[0])
    if count <= points:
        return np.arange(count)
    chosen = [np.array([0, count - 1])]
    for values in curves:
        steps = np.abs(np.diff(values, prepend=values[0])).cumsum()
        wanted = np.linspace(0, steps[-1], points // len(curves))
        chosen.append(np.searchsorted(steps, wanted).clip(max=count - 1))
    return np.unique(np.concatenate(chosen))
