"""Boxes of defects against the boxes round the true ones."""

import numpy as np

from zoo.metrics.regions import find_regions

IOU_LEVELS = (0.3, 0.5)


def box_iou(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """IoU of each pair of boxes.

    Args:
      one: float [N, 4], [ymin, xmin, ymax, xmax].
      other: float [M, 4].

    Returns:
      Float [N, M]; 0 where both boxes are empty.
    """
    one, other = np.asarray(one, np.float64)[:, None], np.asarray(other, np.float64)[None]
    sides = np.minimum(one[..., 2:], other[..., 2:]) - np.maximum(one[..., :2], other[..., :2])
    both = np.clip(sides, 0, None).prod(axis=-1)
    either = _area(one) + _area(other) - both
    return np.divide(both, either, out=np.zeros(both.shape), where=either > 0)


def _area(boxes) -> np.ndarray:
    return np.clip(boxes[..., 2:] - boxes[..., :2], 0, None).prod(axis=-1)


def found_boxes(predicted: np.ndarray, true: np.ndarray, level: float) -> int:
    """How many true boxes a predicted one covers with this IoU, each predicted one used once.

    Args:
      predicted: float [N, 4], the surest first, as detections are matched.
      true: float [M, 4].
      level: least IoU of a match.
    """
    iou = box_iou(predicted, true)
    found = 0
    for row in range(len(predicted)):
        best = int(iou[row].argmax()) if iou.shape[1] else 0
        if iou.shape[1] and iou[row, best] >= level:
            found += 1
            iou[:, best] = -1.0
    return found


class BoxCounts:
    """Counts the boxes of images, those that are true and those that were found.

    A box on a good image is a false one.
    """

    def __init__(self):
        self.images = self.true = self.predicted = 0
        self.iou = 0.0  # summed over the true boxes
        self.found = dict.fromkeys(IOU_LEVELS, 0)

    def add(self, predicted: np.ndarray, mask: np.ndarray) -> None:
        """Adds an image: its boxes float [N, 4], and its mask [H, W] of 0, 1 and 255, ignore."""
        *_, regions = find_regions(mask, name="an image")
        self.images += 1
        self.true += len(regions.box)
        self.predicted += len(predicted)
        if len(predicted) and len(regions.box):
            self.iou += float(box_iou(predicted, regions.box).max(axis=0).sum())
        for level in IOU_LEVELS:
            self.found[level] += found_boxes(predicted, regions.box, level)

    def result(self) -> dict | None:
        """Returns what was counted; None where no image was added.

        Returns:
          `images`, `true` and `predicted` boxes; `mean_iou`, of each true box with the predicted
          one that fits it best, 0 where there is none; and for each IoU `recall` and `precision`.
        """
        if not self.images:
            return None
        counts = {"images": self.images, "true": self.true, "predicted": self.predicted}
        counts["mean_iou"] = self.iou / self.true if self.true else None
        for level, found in self.found.items():
            counts[f"recall@{level}"] = found / self.true if self.true else None
            counts[f"precision@{level}"] = found / self.predicted if self.predicted else None
        return counts
