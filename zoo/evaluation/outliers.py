"""Finds the good images that look least like the others: a defect among them spoils what is learnt.

A model that learns from good images alone takes a defect among them for normal, and a threshold of
good validation images rises with it, both without a word. So the trained model scores all of them.
"""

import heapq
import itertools

import numpy as np

from zoo.evaluation.samples import ScoredImage, is_defective
from zoo.visualization import pictures

LIMIT = 3.5  # modified z-score above which an image is an outlier
MOST = 12  # outliers that are named
SIDE = 320  # pixels of the longest side of a picture
LEAST_SCORE = 1e-7  # has a logarithm
TRAINING, VALIDATION = "training", "validation"  # what an image was for


class OutlierSearch:
    """Remembers the scores of good images, and shrunk pictures of the `MOST` highest."""

    def __init__(self):
        self._scores = []
        self._heap = []
        self._order = itertools.count(0, -1)

    def add(self, sample: ScoredImage, role: str) -> None:
        """Takes a scored image in; defective ones are passed over.

        Args:
          sample: with its image.
          role: `TRAINING` or `VALIDATION`.
        """
        if is_defective(sample):
            return
        self._scores.append(sample.score)
        full = len(self._heap) >= MOST
        if full and sample.score <= self._heap[0][0]:
            return
        size = pictures.thumbnail_size(sample.anomaly_map.shape, SIDE)
        kept = {
            "row": {"file_name": sample.file_name, "score": sample.score, "role": role},
            "image": pictures.thumbnail(sample.image, SIDE),
            "map": pictures.block_maximum(sample.anomaly_map, size),
        }
        push = heapq.heappushpop if full else heapq.heappush
        push(self._heap, (sample.score, next(self._order), kept))

    def found(self, threshold: float) -> list[dict]:
        """Returns the outliers, worst first.

        Args:
          threshold: what the pictures mark exceeds it.

        Returns:
          At most `MOST` dicts of `file_name`, `score`, `role`, `z` (see `modified_z_scores`), and
          `pictures`, a dict of the data addresses of `image`, `map` and `marked`.
        """
        highest = sorted(self._heap, key=lambda item: item[:2], reverse=True)
        scores = np.sort(self._scores)[::-1]
        # The highest pixels of maps spread far upwards; their logarithms spread more evenly.
        z_scores = modified_z_scores(np.log(np.maximum(scores, LEAST_SCORE)))
        return [
            {**kept["row"], "z": float(z), "pictures": _encoded(kept, threshold)}
            for (*_, kept), z in zip(highest, z_scores)
            if z > LIMIT
        ]


def modified_z_scores(values: np.ndarray) -> np.ndarray:
    """How far values lie above their median, in standard deviations that outliers do not widen.

    Of normal values 0.02 % exceed 3.5, so that one of 300 images is named by chance in one case of
    14; of fewer than ten, in one of 12, since so few hardly tell their spread.

    Source: Iglewicz and Hoaglin, "How to Detect and Handle Outliers", 1993: the deviation from the
    median over the median of the absolute deviations, times 0.6745. That median is 0 where most
    values are equal; the mean of the absolute deviations stands in for it then.

    Args:
      values: [N], N 1 or more.

    Returns:
      float [N], 0 where all values are equal.
    """
    deviations = values - np.median(values)
    for average, normal in ((np.median, 0.6745), (np.mean, np.sqrt(2 / np.pi))):
        spread = average(np.abs(deviations))
        if spread > 0:
            return normal * deviations / spread
    return np.zeros(len(values))


def _encoded(kept, threshold) -> dict:
    image, anomaly_map = kept["image"], kept["map"]
    relative = anomaly_map / max(float(anomaly_map.max()), LEAST_SCORE)
    return {
        "image": pictures.jpeg_address(image),
        "map": pictures.jpeg_address(pictures.heat(relative)),
        "marked": pictures.jpeg_address(pictures.overlay(image, anomaly_map > threshold)),
    }
