"""How well the outlines of two masks agree, which the overlap of large areas hardly shows."""

import math

import numpy as np
from scipy import ndimage

from zoo.metrics.segmentation import IGNORE

TOLERANCE = 0.0075  # of the image's diagonal


def boundary_f1(prediction: np.ndarray, truth: np.ndarray, tolerance: float = TOLERANCE) -> float:
    """F1 of the outlines: which share of each lies within a tolerance of the other.

    Precision is the share of the predicted outline that lies within the tolerance of the true one,
    recall the share of the true outline that lies within it of the predicted one. An outline is
    made of the pixels of a mask that have one of their four neighbours outside it.

    Source: Perazzi et al., "A benchmark dataset and evaluation methodology for video object
    segmentation", CVPR 2016, and its evaluation code, which rounds the tolerance up to whole
    pixels. Here the frame of the image counts as outside, so that every defect has an outline, and
    outlines lie inside their masks, where theirs lie outside at the left and at the top.

    Args:
      prediction: bool [H, W].
      truth: uint8 [H, W], 0 background, 255 ignore, else defect. Ignored pixels count as
        background in both masks.
      tolerance: distance between pixel centres, as a share of the image's diagonal.

    Returns:
      A value in [0, 1]: 1 where both masks are empty, 0 where one is.

    Raises:
      ValueError: the shapes differ.
    """
    if prediction.shape != truth.shape:
        raise ValueError(
            "Arguments `prediction` and `truth` must have one shape. "
            f"Received: {prediction.shape} and {truth.shape}"
        )
    valid = truth != IGNORE
    predicted, true = prediction.astype(bool) & valid, (truth > 0) & valid
    if not predicted.any() or not true.any():
        return float(predicted.any() == true.any())
    predicted, true = (mask & ~ndimage.binary_erosion(mask) for mask in (predicted, true))
    radius = math.ceil(tolerance * math.hypot(*truth.shape))
    # Nothing farther from the true outline can match, so distances there need not be known.
    window = _bounding_box(true, margin=radius)
    hits = predicted[window] & _within(true[window], radius)
    found = true[window] & _within(predicted[window], radius)
    precision, recall = hits.sum() / predicted.sum(), found.sum() / true.sum()
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def _within(outline, radius) -> np.ndarray:
    """Returns the pixels at most so far from the outline; none where there is no outline."""
    if not outline.any():
        return outline
    return ndimage.distance_transform_edt(~outline) <= radius


def _bounding_box(mask, margin: int) -> tuple[slice, slice]:
    lines = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    return tuple(slice(max(line[0] - margin, 0), line[-1] + margin + 1) for line in lines)
