"""Reads the ground truth of one image: defects, their connected regions, ignored pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import ndimage

IGNORE = 255
_EIGHT_NEIGHBOURS = np.ones((3, 3), bool)


class Region(NamedTuple):
    """One annotated region of MVTec LOCO, which is neither split nor joined.

    Attributes:
      mask: bool [H, W].
      saturation_area: pixels that have to be found for the region to count as found whole.
    """

    mask: np.ndarray
    saturation_area: float


class Regions(NamedTuple):
    """The R regions of one image, as lists of its N defect pixels.

    Attributes:
      pixel: int32 [E], index of a defect pixel among all of the image, row by row.
      region: int32 [E], the region that this pixel belongs to; regions of LOCO may share pixels.
      area: int64 [R], in pixels.
      saturation_area: float64 [R], in pixels; None where none was given.
      box: float64 [R, 4], [ymin, xmin, ymax, xmax] in [0, 1].
    """

    pixel: np.ndarray
    region: np.ndarray
    area: np.ndarray
    saturation_area: np.ndarray | None
    box: np.ndarray


def find_regions(
    ground_truth: np.ndarray | Sequence[Region],
    *,
    name: str,
    ignore: int | None = IGNORE,
    ground_truth_threshold: float | None = None,
) -> tuple[np.ndarray, np.ndarray | None, Regions]:
    """Finds the connected defects of a mask, pixels that touch diagonally included.

    Args:
      ground_truth: a mask [H, W] of bool, or of 0 (good), 1 (defect) and `ignore`; or the `Region`s
        of an image of MVTec LOCO, which may overlap.
      name: the image, for messages.
      ignore: the value of pixels that do not count; None where there are none and 255 marks the
        defect, as in the PNG files of MVTec AD.
      ground_truth_threshold: grey levels above it are defects, all others good; None accepts no
        grey levels.

    Returns:
      Which pixels are defects, bool [H, W]; which pixels count, bool [H, W], or None where all do;
      and the regions.

    Raises:
      ValueError: the mask has other values, or a region is empty.
    """
    if isinstance(ground_truth, np.ndarray):
        defect, valid = _defect_and_valid(ground_truth, name, ignore, ground_truth_threshold)
        labels, count = ndimage.label(defect, structure=_EIGHT_NEIGHBOURS)
        region = labels[defect] - 1
        pixel = np.arange(region.size, dtype=np.int32)
        boxes = [_box(where, defect.shape) for where in ndimage.find_objects(labels, count)]
        area = np.bincount(region, minlength=count)
        return defect, valid, Regions(pixel, region.astype(np.int32), area, None, _rows(boxes))

    masks = [np.asarray(each.mask, bool) for each in ground_truth]
    for index, (mask, saturation_area) in enumerate(ground_truth):
        if not np.any(mask) or not saturation_area > 0:
            raise ValueError(
                f"{name}: region {index} must have defect pixels and a saturation area above 0. "
                f"Received: {int(np.sum(mask))} pixels, saturation area {saturation_area}"
            )
        if np.shape(mask) != masks[0].shape:
            raise ValueError(
                f"{name}: all regions must have one shape. Received: {masks[0].shape} and "
                f"{np.shape(mask)}"
            )
    defect = np.logical_or.reduce(masks)
    number = np.cumsum(defect, dtype=np.int32).reshape(defect.shape) - 1
    pixels = [number[mask] for mask in masks]
    area = np.array([len(each) for each in pixels])
    saturation_area = np.minimum([float(each.saturation_area) for each in ground_truth], area)
    boxes = [_box(ndimage.find_objects(mask.astype(np.int8))[0], defect.shape) for mask in masks]
    region = np.repeat(np.arange(len(masks), dtype=np.int32), area)
    regions = Regions(np.concatenate(pixels), region, area, saturation_area, _rows(boxes))
    return defect, None, regions


def _defect_and_valid(mask, name, ignore, threshold):
    if threshold is not None:
        return mask > threshold, None
    if mask.dtype == bool:
        return mask, None
    defect = mask == 1
    other = ~defect & (mask != 0)
    if not other.any():
        return defect, None
    levels = np.unique(mask[other])
    if levels.tolist() == [ignore]:
        return defect, ~other
    if ignore is None and levels.tolist() == [IGNORE]:
        return defect | other, None
    allowed = "0, 1 or 255" if ignore is None else f"0, 1 or {ignore} (ignored)"
    raise ValueError(
        f"{name}: the ground truth must be bool or hold {allowed}. Received grey levels such as "
        f"{', '.join(map(str, levels[:5]))}. Set `ground_truth_threshold` to say which are defects."
    )


def _box(where, shape) -> list[float]:
    (top, bottom), (left, right) = ((each.start, each.stop) for each in where)
    height, width = shape
    return [top / height, left / width, bottom / height, right / width]


def _rows(boxes) -> np.ndarray:
    return np.array(boxes, np.float64).reshape(-1, 4)
