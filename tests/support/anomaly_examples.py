"""Examples of anomaly maps and how closely they are measured."""

import numpy as np
from scipy import ndimage

from zoo.metrics.anomaly import AnomalyEvaluator

LIMITS = (1.0, 0.3, 0.05)


CLOSE = {"rel": 0, "abs": 1e-10}


def measure(maps, masks, *, mode="exact", limits=LIMITS, **options):
    evaluator = AnomalyEvaluator(limits, mode, **options)
    for anomaly_map, mask in zip(maps, masks):
        evaluator.update(anomaly_map, mask)
    return evaluator.compute()


def example(seed=0, images=6, shape=(24, 31), decimals=None):
    rng = np.random.default_rng(seed)
    masks = [
        ndimage.binary_dilation(rng.random(shape) < 0.004, iterations=2) for _ in range(images)
    ]
    masks[0][:] = False
    maps = [rng.normal(size=shape) + 1.5 * mask for mask in masks]
    if decimals is not None:
        maps = [np.round(a, decimals) for a in maps]
    return [a.astype(np.float32) for a in maps], masks
