"""Overlap of predicted and true masks at many thresholds at once, summed over a data set."""

import numpy as np

from zoo.metrics import segmentation


class ThresholdOverlap:
    """Counts pixels at every threshold and averages the overlap of the defective images.

    Args:
      thresholds: of pixel scores, in any order, at most 255 different ones as float32; a pixel is
        predicted where its score > threshold.

    Attributes:
      thresholds: float32 [T], in increasing order.
    """

    def __init__(self, thresholds):
        self.thresholds = np.unique(np.asarray(thresholds, np.float32))
        self._counts = np.zeros((len(self.thresholds), 3), np.int64)
        self._images = np.zeros(2, np.int64)  # of them defective, all
        self._sums = np.zeros((3, len(self.thresholds)))  # IoU, Dice, NVIDIA's Dice
        self._judged_pixels = 0

    def update(
        self, levels: np.ndarray, mask: np.ndarray, defective: bool
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Adds an image.

        Args:
          levels: uint8 [H, W], `segmentation.threshold_levels` at these thresholds.
          mask: uint8 [H, W], 0 background, 255 ignore, else defect.
          defective: whether the image counts in the means.

        Returns:
          Pixels int64 [T, 3] of the intersection, the prediction and the truth; IoU and Dice,
          float64 [T] each, of this image.
        """
        counts = segmentation.level_counts(levels, mask, len(self.thresholds))
        iou, dice = segmentation.iou(counts), segmentation.dice(counts)
        self._counts += counts
        judged_pixels = int((mask != segmentation.IGNORE).sum())
        judged = judged_pixels > 0
        self._images += (defective, judged)
        self._sums += (
            iou * defective,
            dice * defective,
            segmentation.nvidia_dice_mean(counts[None]) * judged,
        )
        self._judged_pixels += judged_pixels
        return counts, iou, dice

    def index(self, threshold: float) -> int:
        """Returns the position of one of the thresholds."""
        return int(np.searchsorted(self.thresholds, np.float32(threshold)))

    def best(self) -> int:
        """The position of the threshold with the best F1 of all pixels, which is their Dice."""
        return int(np.argmax(segmentation.dice(self._counts)))

    def confusion(self, index: int) -> np.ndarray:
        """Background and defect at one threshold: int64 [2, 2], rows the truth."""
        both, predicted, truth = self._counts[index].tolist()
        background = self._judged_pixels - truth - predicted + both
        return np.array([[background, predicted - both], [truth - both, both]])

    def curves(self) -> dict[str, list]:
        """Everything over the thresholds.

        Returns:
          `threshold`; `defect_iou`, `defect_dice`, means over the defective images, None without
          one; `set_iou`, `set_dice`, of the summed pixels; `nvidia_dice_mean`; `true_positive`,
          `false_positive`, `false_negative`, counts of pixels.
        """
        both, predicted, truth = self._counts.T
        defective, images = self._images
        mean_iou, mean_dice = (
            (sums / defective).tolist() if defective else [None] * len(self.thresholds)
            for sums in self._sums[:2]
        )
        return {
            "threshold": self.thresholds.astype(float).tolist(),
            "defect_iou": mean_iou,
            "defect_dice": mean_dice,
            "set_iou": segmentation.iou(self._counts).tolist(),
            "set_dice": segmentation.dice(self._counts).tolist(),
            "nvidia_dice_mean": (self._sums[2] / max(images, 1)).tolist(),
            "true_positive": both.tolist(),
            "false_positive": (predicted - both).tolist(),
            "false_negative": (truth - both).tolist(),
        }
