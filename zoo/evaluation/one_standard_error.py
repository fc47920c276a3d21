"""A threshold that a few images cannot throw: as good as the best, as far as they can tell."""

import numpy as np

# Probabilities that lie evenly as logits: a sigmoid crowds what it is sure of near 0 and 1.
LOGIT_THRESHOLDS = 1 / (1 + np.exp(-np.linspace(-10, 10, 241)))


def nearest_to_even(counts: np.ndarray, best_f1: float) -> float | None:
    """Chooses the threshold nearest to 0.5 whose F1 is within one standard error of the best.

    A few images leave the F1 nearly level over wide ranges of thresholds, and chance says where its
    highest point lies. A network that learnt probabilities has its own threshold, an even chance,
    which is left only as far as the images demand it. Distances have no such threshold.

    Source: the one-standard-error rule of Breiman, Friedman, Olshen and Stone, "Classification and
    regression trees", 1984, section 3.4.3. F1 is a ratio of two sums over images, since the pixels
    of one image are not independent; its standard error is that of Cochran, "Sampling techniques",
    1977, chapter 6. Leaving out one image at a time says the same, but leaves no F1 where that
    image is the only defective one.

    Args:
      counts: int [N, T, 3] of N images, of which one at least shows a defect: pixels found rightly,
        all found and all defective ones, at each of the T `LOGIT_THRESHOLDS`.
      best_f1: the highest F1 of all thresholds, these or others.

    Returns:
      One of `LOGIT_THRESHOLDS`; None where not one is good enough, as where all scores lie between
      two of them.
    """
    upper, lower = 2 * counts[..., 0], counts[..., 1] + counts[..., 2]
    total = lower.sum(axis=0)
    f1 = upper.sum(axis=0) / total
    best = int(np.argmax(f1))
    residuals = upper[:, best] - f1[best] * lower[:, best]
    freedom = max(len(counts) - 1, 1)  # of one image, the residual is 0
    error = np.sqrt(len(counts) / freedom * (residuals**2).sum()) / total[best]
    within = LOGIT_THRESHOLDS[f1 >= best_f1 - error]
    return float(within[np.argmin(np.abs(within - 0.5))]) if within.size else None


def image_counts(scores: np.ndarray, defective: np.ndarray) -> np.ndarray:
    """Counts images as `nearest_to_even` wants it, each like one pixel: int [N, T, 3].

    Args:
      scores: float [N].
      defective: bool [N].
    """
    found = scores[:, None] > LOGIT_THRESHOLDS
    defect = np.broadcast_to(defective[:, None], found.shape)
    return np.stack([found & defect, found, defect], axis=-1).astype(np.int64)
