"""Runs what was written, compares its answers with those of the model, and times it."""

import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable

import numpy as np

from builders.predictions import defect_probability

# What must hold of the answers. At the edge of a defect a rounded weight may move a probability
# far, so of lower precision it is the marked pixels that must agree; whether int8 is good enough
# only true masks can tell, see `python -m zoo evaluate`.
LARGEST_DIFFERENCE = {"float32": 1e-3, "float16": 1.0, "int8": 1.0}
NOTHING_MARKED = 0.1  # largest difference of lower precision where neither marks a pixel
LEAST_AGREEMENT = {"float32": 0.99, "float16": 0.9, "int8": 0.9}
# Relative; a threshold may lie next to 1, where sums in another order cross it.
ROUNDING = 1e-5
SIZE = (512, 512)  # of the images that are timed, where sizes are free
SECONDS, LEAST_RUNS = 2.0, 5  # of the timing

Answers = dict[str, np.ndarray]


def noise(size: tuple[int, int], channels: int) -> np.ndarray:
    """Returns one image float32 [1, H, W, C] in [0, 1]."""
    return np.random.default_rng(0).random((1, *size, channels), np.float32)


def odd_part(image: np.ndarray) -> np.ndarray:
    """Returns a part of an image [H, W, C], of odd height and width: what networks have to pad."""
    height, width = (side - side // 3 - 1 | 1 for side in image.shape[:2])
    return image[:height, :width]


def answers(run: Callable, image: np.ndarray) -> Answers:
    """Returns what a model says of one image [H, W, C]."""
    return {key: np.asarray(value) for key, value in run(image[None]).items()}


def compare(expected: Iterable[Answers], found: Iterable[Answers], threshold: float) -> dict:
    """Returns how far the answers on some images agree.

    Args:
      expected: the model's.
      found: of what was written, to the same images.
      threshold: probability above which a pixel is marked.

    Returns:
      `max_difference` of any probability, and `agreement`, the IoU of the marked pixels, where
      pixels that only rounding moves across the threshold are marked alike; None where neither
      marks any.
    """
    differences, apart, either = [], 0, 0
    for right, answer in zip(expected, found):
        if not all(_has_values(answer.get(key), value) for key, value in right.items()):
            return {"max_difference": float("inf"), "agreement": 0.0}
        differences += [np.abs(answer[key] - right[key]).max() for key in ("mask", "score")]
        defect = [defect_probability(each["mask"]) for each in (right, answer)]
        marked = [probability > threshold for probability in defect]
        moved = ~np.isclose(*defect, rtol=ROUNDING, atol=0.0)
        apart += (np.logical_xor(*marked) & moved).sum()
        either += np.logical_or(*marked).sum()
    return {
        "max_difference": float(np.max(differences)),
        "agreement": float(1 - apart / either) if either else None,
    }


def _has_values(answer, right) -> bool:
    """Returns whether an output is as large as the model's, and has numbers wherever that has."""
    return np.shape(answer) == right.shape and bool(np.isfinite(answer[np.isfinite(right)]).all())


def agrees(figures: dict, precision: str) -> bool:
    """Returns whether `compare` found answers that may be published; NaN is none."""
    allowed, agreement = LARGEST_DIFFERENCE[precision], figures["agreement"]
    if agreement is None:
        return figures["max_difference"] <= min(allowed, NOTHING_MARKED)
    return figures["max_difference"] <= allowed and agreement >= LEAST_AGREEMENT[precision]


def timing(run: Callable, image: np.ndarray) -> dict:
    """`milliseconds` of one image [1, H, W, C], the median after one to warm up, and of where."""
    run(image)
    times: list[float] = []
    while len(times) < LEAST_RUNS or sum(times) < SECONDS:
        start = time.perf_counter()
        run(image)
        times.append(time.perf_counter() - start)
    return {
        "milliseconds": round(1000 * statistics.median(times), 2),
        "timed_at": list(image.shape[1:3]),
        "cpu_cores": os.cpu_count(),
        "machine": platform.machine(),
    }
