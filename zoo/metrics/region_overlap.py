"""PRO and sPRO: how much of each connected defect is found, every one weighing alike."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from zoo.metrics.ranking import Ranking
from zoo.metrics.regions import Regions


class ImageDefects(NamedTuple):
    """The defects of one image.

    Attributes:
      scores: float [N], of its defect pixels.
      regions: which of them belong together; None for an image without a mask.
    """

    scores: np.ndarray
    regions: Regions | None


class RegionOverlap:
    """The regions of all images, over the ranking of their pixels.

    Args:
      images: the defects of each image.
      ranking: of all their scores, one image after the other.
    """

    def __init__(self, images: Sequence[ImageDefects], ranking: Ranking):
        self._ranking = ranking
        self._sizes = np.array([image.scores.size for image in images], np.int64)
        self._counts = np.array(
            [len(image.regions.area) if image.regions else 0 for image in images]
        )
        self._regions = [image.regions for image in images if image.regions and image.scores.size]
        self.num_regions = int(self._counts.sum())
        first_pixel = (np.cumsum(self._sizes) - self._sizes)[self._counts > 0]
        first_region = (np.cumsum(self._counts) - self._counts)[self._counts > 0]
        self._pixel = _joined([r.pixel + n for r, n in zip(self._regions, first_pixel)], np.int64)
        self._region = _joined(
            [r.region + n for r, n in zip(self._regions, first_region)], np.int64
        )
        self._area = _joined([r.area for r in self._regions], np.int64)

    @property
    def saturated(self) -> bool:
        """Whether any region has a saturation area."""
        return any(each.saturation_area is not None for each in self._regions)

    def pro(self, limit: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns the area under the curve of each region's found share, over `limit`.

        Args:
          limit: the highest false positive rate, in (0, 1].

        Returns:
          float64 [R] in [0, 1], whose mean is AU-PRO, and its bounds.
        """
        return tuple(self._summed(x) / self._area for x in self._ranking.found_share(limit))

    def spro(self, limit: float) -> tuple[np.ndarray, np.ndarray]:
        """Computes `pro`, but a region counts whole once its saturation area is predicted.

        Args:
          limit: the highest false positive rate, in (0, 1].
        """
        scores = self._ranking.positives
        saturation = _joined(
            [r.area if r.saturation_area is None else r.saturation_area for r in self._regions],
            np.float64,
        )
        order = np.lexsort((-scores[self._pixel], self._region))
        rank = np.empty(order.size)
        rank[order] = (
            np.arange(order.size) - (np.cumsum(self._area) - self._area)[self._region[order]]
        )
        # The weights of equal scores add up to that of their group, so ties need no care.
        area = saturation[self._region]
        weights = np.minimum((rank + 1) / area, 1) - np.minimum(rank / area, 1)
        return tuple(self._summed(x, weights) for x in self._ranking.found_share(limit))

    def pixel_weights(self) -> np.ndarray:
        """Returns what each defect pixel adds to PRO, float64 [N], 1 in sum."""
        weights = 1 / (self._area * max(self.num_regions, 1))
        return np.bincount(
            self._pixel, weights=weights[self._region], minlength=int(self._sizes.sum())
        )

    def per_image(self, pro: dict[str, np.ndarray]) -> list[dict]:
        """Returns a dict for each image.

        It has `regions`, `pixel_auroc` of its pixels, means of `pro` of its regions.

        Args:
          pro: float [R] by name, as of `pro`; NaN stands where an image has no region or pixel.
        """
        share, _ = self._ranking.found_share(1.0)
        columns = {
            "regions": self._counts,
            "pixel_auroc": _means(share, self._sizes),
            **{name: _means(values, self._counts) for name, values in pro.items()},
        }
        return _records(columns)

    def per_region(self, pro: dict[str, np.ndarray], file_names: Sequence[str]) -> list[dict]:
        """Returns for each region: `file_name`, `region`, `area` in pixels, `box` and its `pro`.

        Args:
          pro: float [R] by name, as of `pro`.
          file_names: of all images.
        """
        names = np.repeat(np.array(file_names, object), self._counts)
        numbers = [np.arange(count) for count in self._counts]
        columns = {
            "file_name": names,
            "region": _joined(numbers, np.int64),
            "area": self._area,
            "box": np.concatenate([np.empty((0, 4)), *(each.box for each in self._regions)]),
            **pro,
        }
        return _records(columns)

    def _summed(self, values, weights=1.0) -> np.ndarray:
        """Sums values of defect pixels [N] over each region: [R]."""
        parts = values[self._pixel] * weights
        return np.bincount(self._region, weights=parts, minlength=self.num_regions)


def _joined(parts, dtype) -> np.ndarray:
    return np.concatenate([np.empty(0, dtype), *parts])


def _means(values, sizes) -> np.ndarray:
    """Returns the mean of each of consecutive groups of these sizes; NaN of an empty one."""
    group = np.repeat(np.arange(len(sizes)), sizes)
    sums = np.bincount(group, weights=values, minlength=len(sizes))
    return np.divide(sums, sizes, out=np.full(len(sizes), np.nan), where=sizes > 0)


def _records(columns: dict[str, np.ndarray]) -> list[dict]:
    return [dict(zip(columns, row)) for row in zip(*(c.tolist() for c in columns.values()))]
