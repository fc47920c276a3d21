"""Overlap of predicted and true masks: exact counts, IoU and Dice under names that say which."""

import keras
import numpy as np
from keras import ops

from zoo.metrics.regions import IGNORE

MOST_LEVELS = 255  # what a uint8 can count
# The thresholds that UNet_Industrial reports.
THRESHOLDS = (0.05, 0.125, 0.25, 0.5, 0.75, 0.85, 0.95, 0.99)
NVIDIA_SMOOTH = 1e-5


def is_defect(mask):
    """Returns where an index mask shows a defect of any type: neither background nor ignored."""
    return (mask > 0) & (mask < IGNORE)


def threshold_levels(scores: np.ndarray, thresholds) -> np.ndarray:
    """Says how many thresholds each score exceeds: one small picture for every threshold.

    Args:
      scores: float [H, W], without NaN.
      thresholds: in increasing order, T of them, at most 255. Scores of float32 or less are
        compared in float32, as `scores > threshold` compares them.

    Returns:
      uint8 [H, W] from 0 to T; `levels > i` is `scores > thresholds[i]`.

    Raises:
      ValueError: a score is NaN, or the thresholds are too many or not in order.
    """
    scores = np.asarray(scores)
    thresholds = np.asarray(thresholds, np.result_type(scores, np.float32))
    if len(thresholds) > MOST_LEVELS or (np.diff(thresholds) < 0).any():
        raise ValueError(
            f"Argument `thresholds` must be at most {MOST_LEVELS} numbers in increasing order. "
            f"Received {len(thresholds)}: {thresholds}"
        )
    if np.isnan(scores).any():
        raise ValueError("Argument `scores` must be numbers. Received: NaN")
    return np.searchsorted(thresholds, scores, side="left").astype(np.uint8)


def level_counts(levels: np.ndarray, mask: np.ndarray, num_thresholds: int) -> np.ndarray:
    """Counts the pixels of one image at each threshold.

    Args:
      levels: uint8 [H, W], as `threshold_levels` returns them.
      mask: uint8 [H, W], 0 background, 255 ignore, else defect.
      num_thresholds: T.

    Returns:
      int64 [T, 3]: pixels of the intersection, of the prediction and of the truth.

    Raises:
      ValueError: the shapes differ.
    """
    _check_shapes(levels, mask)
    ignored = mask == IGNORE
    defect = _histogram(levels[(mask > 0) & ~ignored], num_thresholds)
    valid = _histogram(levels.ravel(), num_thresholds) - _histogram(levels[ignored], num_thresholds)
    # entry i of a reversed running sum: pixels of level i or more, that is, above i thresholds
    both, predicted = (np.cumsum(counts[::-1])[::-1] for counts in (defect, valid))
    return np.stack([both[1:], predicted[1:], np.full(num_thresholds, both[0])], axis=1)


def confusion_matrix(prediction: np.ndarray, truth: np.ndarray, num_classes: int) -> np.ndarray:
    """Counts the pixels of each pair of classes; sums of matrices are those of the images.

    Args:
      prediction: class of each pixel, integers from 0 to num_classes - 1.
      truth: the same, of the same shape; 255 ignores the pixel.
      num_classes: C, background included.

    Returns:
      int64 [C, C]: rows are the truth, columns the prediction.

    Raises:
      ValueError: the shapes differ, or there is a class that is none.
    """
    _check_shapes(prediction, truth)
    valid = truth != IGNORE
    # Most masks ignore nothing, and choosing pixels takes longer than counting them.
    if not valid.all():
        prediction, truth = prediction[valid], truth[valid]
    for name, classes in (("prediction", prediction), ("truth", truth)):
        if classes.size and not 0 <= classes.min() <= classes.max() < num_classes:
            raise ValueError(
                f"Argument `{name}` must hold classes from 0 to {num_classes - 1}. Received "
                f"values from {classes.min()} to {classes.max()}"
            )
    pairs = truth.astype(np.intp) * num_classes + prediction
    return _histogram(pairs.ravel(), num_classes**2 - 1).reshape(num_classes, num_classes)


def type_scores(confusion: np.ndarray) -> dict[str, np.ndarray]:
    """Scores of each class, from the summed confusion matrix of a data set.

    Args:
      confusion: int [C, C], rows the truth, columns the prediction.

    Returns:
      `iou`, `dice`, `precision` and `recall`, float64 [C] each. NaN stands where a score is
      undefined: precision of a class that is nowhere predicted, recall of one that is nowhere
      true, IoU and Dice of one that is neither.
    """
    confusion = np.asarray(confusion, np.float64)
    both, truth, predicted = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    return {
        "iou": _ratio(both, truth + predicted - both),
        "dice": _ratio(2 * both, truth + predicted),
        "precision": _ratio(both, predicted),
        "recall": _ratio(both, truth),
    }


def mean_iou(confusion: np.ndarray, include_background: bool) -> float:
    """Returns mean IoU over the classes that are true or predicted somewhere.

    NaN where there is none.

    Args:
      confusion: int [C, C], rows the truth, columns the prediction, background first.
      include_background: whether class 0 belongs to the mean. It is large and easy to find, so
        a mean with it is higher than one without.
    """
    ious = type_scores(confusion)["iou"][0 if include_background else 1 :]
    present = ious[~np.isnan(ious)]
    return float(present.mean()) if present.size else float("nan")


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
    """Returns what UNet_Industrial publishes as "IoU".

    Dice, averaged over defective and good images.

    A good image without a false pixel scores 1, so a model that predicts nothing at all scores
    0.85 to 0.88 on DAGM 2007. For comparison with its tables only.

    Args:
      counts: int [N, T, 3] of N images.

    Returns:
      float [T].
    """
    both, predicted, truth = np.moveaxis(np.asarray(counts, np.float64), -1, 0)
    return ((2 * both + NVIDIA_SMOOTH) / (predicted + truth + NVIDIA_SMOOTH)).mean(axis=0)


def _check_shapes(prediction, mask):
    if prediction.shape != mask.shape:
        raise ValueError(
            "Prediction and mask must have one shape. "
            f"Received: {prediction.shape} and {mask.shape}"
        )


def _histogram(values, highest) -> np.ndarray:
    return np.bincount(values, minlength=highest + 1)


def _ratio(part, whole) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)


class SetIoU(keras.metrics.Metric):
    """IoU of the pixels of a whole data set, for `fit`: exact however many pixels there are.

    Of the defect at logit 0 for K = 1. For K > 1 of the class with the highest logit, the mean over
    the defect types that are true somewhere in the data; background does not count.
    """

    UNIT = 2.0**20  # pixels in one of the large units: float32 counts to 2**24 alone

    def __init__(self, num_classes: int = 1, name: str = "iou", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_classes = num_classes
        # rows: pixels of the intersection, of the union and of the truth; one column for each type
        shape = (3, max(num_classes - 1, 1))
        self.units = self.add_weight(name="units", shape=shape, initializer="zeros")
        self.pixels = self.add_weight(name="pixels", shape=shape, initializer="zeros")

    def update_state(self, mask, logits, sample_weight=None):
        """Adds a batch: mask uint8 [B, H, W, 1], 255 ignored, and logits [B, H, W, K]."""
        mask = ops.cast(mask, "int32")
        valid = mask < IGNORE
        if self.num_classes == 1:
            truth, predicted = mask > 0, logits > 0
        else:
            types = ops.arange(1, self.num_classes, dtype="int32")
            truth = mask == types
            predicted = ops.cast(ops.argmax(logits, axis=-1), "int32")[..., None] == types
        truth, predicted = ops.logical_and(truth, valid), ops.logical_and(predicted, valid)
        both, either = ops.logical_and(truth, predicted), ops.logical_or(truth, predicted)
        self._add(ops.stack([self._count(pixels) for pixels in (both, either, truth)]))

    def result(self):
        both, either, truth = ops.unstack(self.units * self.UNIT + self.pixels, 3)
        ious = both / ops.maximum(either, 1.0)
        if self.num_classes == 1:
            return ious[0]
        present = ops.cast(truth > 0, self.dtype)
        return ops.sum(ious * present) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {**super().get_config(), "num_classes": self.num_classes}

    def _count(self, pixels):
        # in float32 along a row, which GPUs do fast, and exactly among rows
        rows = ops.sum(ops.cast(pixels, self.dtype), axis=2)
        return ops.sum(ops.cast(rows, "int32"), axis=(0, 1))

    def _add(self, counts):
        units = counts // int(self.UNIT)
        pixels = self.pixels + ops.cast(counts - units * int(self.UNIT), self.dtype)
        full = ops.floor(pixels / self.UNIT)
        self.units.assign_add(ops.cast(units, self.dtype) + full)
        self.pixels.assign(pixels - full * self.UNIT)
