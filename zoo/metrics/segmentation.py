"""Overlap of predicted and true masks: exact counts, IoU and Dice under names that say which."""

import keras
import numpy as np
from keras import ops

IGNORE = 255
# The thresholds that UNet_Industrial reports.
THRESHOLDS = (0.05, 0.125, 0.25, 0.5, 0.75, 0.85, 0.95, 0.99)
NVIDIA_SMOOTH = 1e-5


def pixel_counts(probability: np.ndarray, mask: np.ndarray, thresholds) -> np.ndarray:
    """Counts the pixels of one image at several thresholds, in one pass.

    Args:
      probability: float [H, W], of a defect.
      mask: uint8 [H, W], 0 background, 255 ignore, else defect.
      thresholds: increasing, T of them; a pixel is predicted where probability > threshold.

    Returns:
      int64 [T, 3]: pixels of the intersection, of the prediction and of the truth.

    Raises:
      ValueError: the shapes differ.
    """
    if probability.shape != mask.shape:
        raise ValueError(
            "Arguments `probability` and `mask` must have one shape. "
            f"Received: {probability.shape} and {mask.shape}"
        )
    valid = mask != IGNORE
    defect = (mask[valid] > 0).astype(np.int64)
    exceeded = np.searchsorted(thresholds, probability[valid], side="left")
    num = len(thresholds) + 1
    counts = np.bincount(exceeded + num * defect, minlength=2 * num).reshape(2, num)
    above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:]  # [background or defect, T]
    return np.stack([above[1], above.sum(axis=0), np.full(num - 1, defect.sum())], axis=1)


def iou(counts) -> np.ndarray:
    """Intersection over union of counts [..., 3]; 1 where both masks are empty."""
    both, predicted, truth = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    union = predicted + truth - both
    return np.where(union > 0, both / np.maximum(union, 1), 1.0)


def dice(counts) -> np.ndarray:
    """Dice coefficient, 2|AB| / (|A| + |B|), of counts [..., 3]; 1 where both masks are empty."""
    both, predicted, truth = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    total = predicted + truth
    return np.where(total > 0, 2 * both / np.maximum(total, 1), 1.0)


def nvidia_dice_mean(counts) -> np.ndarray:
    """What UNet_Industrial publishes as "IoU": Dice, averaged over defective and good images.

    A good image without a false pixel scores 1, so a model that predicts nothing at all scores
    0.85 to 0.88 on DAGM 2007. For comparison with its tables only.

    Args:
      counts: int [N, T, 3] of N images.

    Returns:
      float [T].
    """
    both, predicted, truth = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return ((2 * both + NVIDIA_SMOOTH) / (predicted + truth + NVIDIA_SMOOTH)).mean(axis=0)


def image_decisions(scores, defective, threshold: float) -> dict[str, int | float | None]:
    """The confusion table of images, "defect" being positive: score > threshold.

    Returns:
      Counts tp, fp, tn, fn; rates tpr (share of defective images that are found) and tnr (share of
      good images that pass), None where there is no such image.
    """
    found = np.asarray(scores) > threshold
    defective = np.asarray(defective, bool)
    tp, fn = int((found & defective).sum()), int((~found & defective).sum())
    fp, tn = int((found & ~defective).sum()), int((~found & ~defective).sum())
    return {
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "tpr": tp / (tp + fn) if tp + fn else None,
        "tnr": tn / (tn + fp) if tn + fp else None,
    }


class SetIoU(keras.metrics.Metric):
    """IoU of the pixels of a whole data set, at logit 0, for `fit`."""

    def __init__(self, name: str = "iou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.both = self.add_weight(name="both", initializer="zeros")
        self.either = self.add_weight(name="either", initializer="zeros")

    def update_state(self, mask, logits, sample_weight=None):
        """Adds a batch: mask uint8 [B, H, W, 1], 255 ignored, and logits [B, H, W, 1]."""
        valid = mask < IGNORE
        truth = ops.logical_and(mask > 0, valid)
        predicted = ops.logical_and(logits > 0, valid)
        self.both.assign_add(self._count(ops.logical_and(truth, predicted)))
        self.either.assign_add(self._count(ops.logical_or(truth, predicted)))

    def _count(self, pixels):
        return ops.sum(ops.cast(pixels, self.dtype))

    def result(self):
        return self.both / ops.maximum(self.either, 1.0)
