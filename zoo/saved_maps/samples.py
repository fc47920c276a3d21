"""Reads saved anomaly maps and their ground truth as the samples that metrics take."""

from collections.abc import Iterator

import numpy as np

from tfds_datasets.features import GOOD
from tfds_datasets.images import read_image
from zoo.evaluation.samples import ScoredImage, judged_mask
from zoo.saved_maps import ground_truth, maps


def saved_samples(
    items: list[maps.MapFile],
    *,
    resize_maps: bool = False,
    ground_truth_threshold: float | None = None,
) -> Iterator[ScoredImage]:
    """Reads saved anomaly maps; the highest score of a map is the image's.

    Args:
      items: from `zoo.saved_maps.layouts.find_maps`.
      resize_maps: whether a map of another size than its ground truth is resized, bilinearly.
      ground_truth_threshold: see `zoo.saved_maps.ground_truth.read_truth`.

    Raises:
      ValueError: a file is broken, or a map has another size than its ground truth.
    """
    shape = ground_truth.common_shape(items)
    for item in items:
        scores = maps.read_map(item.map_path)
        truth = ground_truth.read_truth(
            item, shape=shape or scores.shape, ground_truth_threshold=ground_truth_threshold
        )
        regions = truth if isinstance(truth, list) else None
        mask = np.logical_or.reduce([region.mask for region in regions]) if regions else truth
        score = float(scores.max())  # before resizing, which may flatten the peak
        if scores.shape != mask.shape:
            if not resize_maps:
                raise ValueError(
                    f"{item.map_path} has {_size(scores)} pixels and its ground truth "
                    f"{_size(mask)}. Resize the maps to the ground truth by --resize_maps."
                )
            scores = maps.resize_map(scores, mask.shape)
        yield ScoredImage(
            file_name=item.name,
            label=item.label,
            image=_image(item, mask.shape),
            mask=judged_mask(mask.astype(np.uint8), item.label != GOOD),
            anomaly_map=scores,
            score=score,
            regions=regions,
        )


def _image(item, shape) -> np.ndarray | None:
    if item.image_path is None:
        return None
    image = read_image(item.image_path, channels=3)
    if image.shape[:2] != shape:
        raise ValueError(
            f"{item.image_path} has {_size(image)} pixels and its ground truth "
            f"{shape[0]}x{shape[1]}. They must be of one size."
        )
    return image


def _size(array) -> str:
    return f"{array.shape[0]}x{array.shape[1]}"
