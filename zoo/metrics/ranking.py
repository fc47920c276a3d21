"""Metrics of scores against yes or no: AUROC, average precision, the threshold of the best F1."""

import numpy as np
from scipy import stats


def auroc(scores, positive) -> float:
    """Area under the ROC curve: P(positive scores higher) + P(equal) / 2.

    Args:
      scores: float [N], higher means more likely positive.
      positive: bool [N].

    Returns:
      A value in [0, 1]; NaN where one class is missing.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    num_positive, num_negative = positive.sum(), (~positive).sum()
    if not num_positive or not num_negative:
        return float("nan")
    rank_sum = stats.rankdata(scores)[positive].sum()
    return float((rank_sum - num_positive * (num_positive + 1) / 2) / num_positive / num_negative)


def average_precision(scores, positive) -> float:
    """Average precision, the sum of precision times gain in recall over distinct thresholds.

    Returns:
      A value in [0, 1]; NaN where there is no positive.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    _, bins = np.unique(scores, return_inverse=True)
    size = bins.max() + 1
    return _average_precision(
        np.bincount(bins[positive], minlength=size), np.bincount(bins[~positive], minlength=size)
    )


class ScoreHistogram:
    """Counts probabilities of very many pixels, finely enough for curves over them.

    A bin holds the float32 values that share sign, exponent and the first 12 bits of the mantissa,
    so it is 1/4096 of its value wide: like the metrics, the bins do not mind how values are spread.
    """

    _DROPPED_BITS = 11
    _NUM_BINS = (0x3F800000 >> _DROPPED_BITS) + 1  # 0x3F800000 is 1.0

    def __init__(self):
        self.positive = np.zeros(self._NUM_BINS, np.int64)
        self.negative = np.zeros(self._NUM_BINS, np.int64)

    def update(self, probability: np.ndarray, positive: np.ndarray) -> None:
        """Adds pixels.

        Args:
          probability: float32 in [0, 1], any shape.
          positive: bool of the same shape.

        Raises:
          ValueError: a probability is NaN or outside [0, 1].
        """
        probability = np.asarray(probability, np.float32)
        if not ((probability >= 0) & (probability <= 1)).all():
            raise ValueError(
                "Argument `probability` must lie in [0, 1]. Received values from "
                f"{probability.min()} to {probability.max()}"
            )
        # Bits of a non-negative float32 sort as the numbers do; + 0.0 turns -0.0 into 0.0.
        bins = (probability + np.float32(0)).view(np.uint32) >> self._DROPPED_BITS
        for counts, chosen in ((self.positive, positive), (self.negative, ~positive)):
            np.add(counts, np.bincount(bins[chosen], minlength=self._NUM_BINS), out=counts)

    def auroc(self) -> float:
        """Pixel AUROC; values of one bin count as equal."""
        total = float(self.positive.sum()) * float(self.negative.sum())
        if not total:
            return float("nan")
        below = np.cumsum(self.negative) - self.negative
        return float((self.positive * (below + self.negative / 2)).sum() / total)

    def average_precision(self) -> float:
        """Pixel average precision; values of one bin count as equal."""
        return _average_precision(self.positive, self.negative)

    def best_f1_threshold(self) -> float:
        """The threshold t for which `probability > t` has the best F1; 0.5 without positives."""
        if not self.positive.any():
            return 0.5
        true_positive = np.cumsum(self.positive[::-1])[::-1]
        predicted = true_positive + np.cumsum(self.negative[::-1])[::-1]
        f1 = 2 * true_positive / np.maximum(predicted + self.positive.sum(), 1)
        first_bin = int(np.argmax(f1))
        if not first_bin:
            return 0.0
        # the largest value of the bin below, so that a value of the chosen bin is above it
        bits = np.uint32((first_bin << self._DROPPED_BITS) - 1)
        return float(bits.view(np.float32))


def best_f1_threshold(scores, positive) -> float:
    """The middle between the scores around the best F1 of `score > threshold`.

    The middle rather than a score itself: a threshold on a score would call an equal image good.
    Returns 0.5 where there is no positive.
    """
    scores, positive = np.asarray(scores, np.float64), np.asarray(positive, bool)
    if not positive.any():
        return 0.5
    values, bins = np.unique(scores, return_inverse=True)
    hits = np.bincount(bins[positive], minlength=len(values))[::-1].cumsum()[::-1]
    alarms = np.bincount(bins[~positive], minlength=len(values))[::-1].cumsum()[::-1]
    first = int(np.argmax(2 * hits / (hits + alarms + positive.sum())))
    below = values[first - 1] if first else 0.0
    return float((below + values[first]) / 2)


def _average_precision(positive: np.ndarray, negative: np.ndarray) -> float:
    """From the counts of each distinct score, in increasing order."""
    if not positive.sum():
        return float("nan")
    true_positive = np.cumsum(positive[::-1])
    predicted = true_positive + np.cumsum(negative[::-1])
    precision = true_positive / np.maximum(predicted, 1)
    return float((positive[::-1] * precision).sum() / positive.sum())
