"""From a teacher's anomaly map to the mask that a student learns: defect, good, or not known."""

import math
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from tfds_datasets.features import IGNORE

LEAST_PIXELS = 9  # of a region of a defect,
LEAST_SHARE = 1e-5  # and its share of the image
RING = 2  # px around a defect, where its outline is not known
_EIGHT = np.ones((3, 3), bool)  # diagonal neighbours belong together


class Levels(NamedTuple):
    """Thresholds of an anomaly map, each an exclusive lower bound.

    Attributes:
      low: pixels up to it are good; those above, up to `pixel`, are not known.
      pixel: pixels above it are defective, if a peak is among them.
      image: a peak is above it, and an image without one is good.
    """

    low: float
    pixel: float
    image: float

    def redraw(self, pixel: float) -> "Levels":
        """Returns the levels of somebody who sees a defect wherever the map exceeds `pixel`."""
        return Levels(low=min(self.low, pixel), pixel=pixel, image=pixel)


def pseudo_mask(anomaly_map: np.ndarray, levels: Levels) -> np.ndarray:
    """Marks a defect by hysteresis: what exceeds the lower threshold and reaches the higher one.

    Regions without a peak, regions of fewer than `LEAST_PIXELS` or `LEAST_SHARE`, pixels between
    good and defective, and a ring around each defect are left open. Holes that are as small are
    filled.

    Source: hysteresis is that of Canny, "A Computational Approach to Edge Detection", PAMI 1986.

    Args:
      anomaly_map: float [H, W].
      levels: chosen on good images that the teacher has not learnt from.

    Returns:
      uint8 [H, W]: 0 good, 1 defect, 255 to be ignored; all 0 without a peak.
    """
    if anomaly_map.max() <= levels.image:
        return np.zeros(anomaly_map.shape, np.uint8)
    return _marked(anomaly_map, levels, _least_region(anomaly_map.size))


def pseudo_mask_window(
    anomaly_map: np.ndarray, levels: Levels, rows: slice, columns: slice
) -> np.ndarray:
    """Cuts a window from `pseudo_mask(anomaly_map, levels)`, and draws little more than that.

    Where one threshold decides, a pixel depends on the regions and holes near it alone: one that
    reaches from the window out of its margin has as many pixels as it needs, wherever it ends.

    Args:
      anomaly_map: float [H, W], the whole.
      levels: whose `pixel` is not below `image`, as `Levels.redrawn` returns them.
      rows: of the window, from 0 <= start < stop <= H.
      columns: likewise, up to W.

    Returns:
      uint8 [h, w], pixel for pixel that part of the whole mask.

    Raises:
      ValueError: `pixel` is below `image`, so that a peak far away could decide.
    """
    if levels.pixel < levels.image:
        raise ValueError(
            "Argument `levels` must have a `pixel` that is not below `image`: use Levels.redrawn. "
            f"Received: {levels}"
        )
    if anomaly_map.max() <= levels.image:
        return np.zeros((rows.stop - rows.start, columns.stop - columns.start), np.uint8)
    least = _least_region(anomaly_map.size)
    # The ring needs the defect beyond the window, the defect its holes, and those the regions.
    margin = RING + 2 * math.ceil(least)
    top, left = max(rows.start - margin, 0), max(columns.start - margin, 0)
    part = anomaly_map[top : rows.stop + margin, left : columns.stop + margin]
    mask = _marked(part, levels, least)
    return mask[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]


def _least_region(pixels: int) -> float:
    """Returns pixels that a region of a defect has at least, in an image of so many."""
    return max(LEAST_PIXELS, LEAST_SHARE * pixels)


def _marked(anomaly_map: np.ndarray, levels: Levels, least: float) -> np.ndarray:
    regions, count = ndimage.label(anomaly_map > levels.pixel, _EIGHT)
    chosen = np.zeros(count + 1, bool)
    chosen[regions[anomaly_map > levels.image]] = True
    chosen &= np.bincount(regions.ravel(), minlength=count + 1) >= least
    chosen[0] = False  # what is no region
    defect = chosen[regions]
    # All that touches the border is one with what is beyond it, and no hole.
    holes, count = ndimage.label(np.pad(~defect, 1, constant_values=True))
    small = np.bincount(holes.ravel(), minlength=count + 1) < least
    defect |= small[holes[1:-1, 1:-1]]
    open_pixels = anomaly_map > levels.low
    if defect.any():
        open_pixels |= ndimage.binary_dilation(defect, _EIGHT, iterations=RING)
    return np.where(defect, 1, np.where(open_pixels, IGNORE, 0)).astype(np.uint8)
