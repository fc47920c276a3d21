"""Reads the ground truth of one image: a mask, or the overlapping regions of MVTec LOCO."""

import pathlib
import warnings
from collections.abc import Iterable

import numpy as np
from PIL import ExifTags, Image

from tfds_datasets.features import GOOD
from zoo.data.mask_files import read_grey, read_mask, unreadable_image
from zoo.metrics.regions import Region
from zoo.saved_maps.maps import MapFile


def read_truth(
    item: MapFile,
    *,
    shape: tuple[int, int] | None = None,
    ground_truth_threshold: float | None = None,
) -> np.ndarray | list[Region]:
    """Reads the ground truth of one image.

    Args:
      item: from `zoo.saved_maps.layouts.find_maps`.
      shape: (H, W) of a good image that has neither a mask nor an image file; see `common_shape`.
      ground_truth_threshold: grey levels above it are defect. None allows 0, 1 and 255 alone.

    Returns:
      A mask, bool [H, W]; of a defective image of MVTec LOCO the regions, one for each channel,
      which may overlap.

    Raises:
      ValueError: a file is unreadable, has other grey levels, or contradicts the label.
    """
    if item.defects is not None and ground_truth_threshold is not None:
        raise ValueError(
            "Argument `ground_truth_threshold` must be None in MVTec LOCO, where grey levels name "
            f"defects. Received: {ground_truth_threshold}"
        )
    if not item.truth_paths:
        shape = truth_shape(item) or shape
        if shape is None:
            raise ValueError(
                f"The size of {item.map_path}'s ground truth is unknown. Add its image or a black "
                "mask to the ground truth, or set `shape`."
            )
        return np.zeros(shape, bool)
    if item.defects is not None:
        return _read_regions(item)
    mask = read_mask(item.truth_paths[0], ground_truth_threshold)
    if item.label == GOOD and mask.any():
        raise ValueError(
            f"{item.truth_paths[0]} marks a defect in an image that is labelled {GOOD}. Move the "
            "image to the folder of its defect type, or make the mask black."
        )
    return mask


def truth_shape(item: MapFile) -> tuple[int, int] | None:
    """(H, W) of an image's ground truth, from its mask or the image itself; None if neither is."""
    path = item.truth_paths[0] if item.truth_paths else item.image_path
    if path is None:
        return None
    try:
        with Image.open(path) as image:  # reads the header alone
            turned = image.getexif().get(ExifTags.Base.Orientation, 1) >= 5
            return image.size if turned else image.size[::-1]
    except Exception as error:  # what damaged files raise has no common class
        raise unreadable_image(path, error) from error


def common_shape(items: Iterable[MapFile]) -> tuple[int, int] | None:
    """(H, W) of all ground truth whose size is known, for images without any; None if it differs.

    Good images must count in pixels of the same size as defective ones, whatever size their map
    has, or the share of false alarms is wrong.
    """
    shapes = {truth_shape(item) for item in items} - {None}
    return shapes.pop() if len(shapes) == 1 else None


def _read_regions(item: MapFile) -> list[Region]:
    """Returns the channels of a LOCO image; saturation areas as in the official evaluation.

    Source: Bergmann et al., "Beyond Dents and Scratches", IJCV 2022. A relative saturation area is
    rounded down, as there, but here to no less than one pixel.
    """
    regions = []
    for path in item.truth_paths:
        grey = read_grey(path)
        levels = np.setdiff1d(grey, 0)
        if len(levels) != 1 or int(levels[0]) not in item.defects:
            raise ValueError(
                f"{path} must have one grey level beside 0, one of the `pixel_value`s of "
                f"defects_config.json ({', '.join(map(str, item.defects))}). "
                f"Received: {', '.join(map(str, levels[:5])) or 'none'}. Download the file again."
            )
        if regions and grey.shape != regions[0].mask.shape:
            raise ValueError(
                f"{path} has the size {grey.shape}, the channel before it "
                f"{regions[0].mask.shape}. Download the folder again."
            )
        regions.append(_saturate(grey > 0, item.defects[int(levels[0])], path))
    return regions


def _saturate(mask: np.ndarray, defect: dict, path: pathlib.Path) -> Region:
    area, threshold = int(mask.sum()), defect["saturation_threshold"]
    if defect["relative_saturation"]:
        return Region(mask, float(max(1, int(threshold * area))))
    if threshold > area:
        warnings.warn(
            f"{path} marks {area} pixels, fewer than the saturation threshold {threshold} of "
            f"{defect['defect_name']}: all of them must be found.",
            stacklevel=4,
        )
    return Region(mask, float(min(threshold, area)))
