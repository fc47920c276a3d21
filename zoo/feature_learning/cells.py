"""Draws cells of features from all images at once, defective ones more often than they come."""

from typing import NamedTuple

import numpy as np

from zoo.feature_learning.cache import Features

CELLS = 2048  # of a batch
DEFECTIVE = 0.125  # of them, where defects have masks
NOISY = 0.125  # of them, as many again where no defect has a mask
_CELLS = 11  # tells these draws from others by the same seed


class Cells(NamedTuple):
    """Cells of features, and what is known of them.

    Attributes:
      values: float16 [M, 1, 1, C].
      noisy: bool [M, 1, 1], which good ones noise is added to.
      masks: uint8 [M, k, k], as `Features` has them; 1 where noise is added.
    """

    values: np.ndarray
    noisy: np.ndarray
    masks: np.ndarray


class CellDraws:
    """Draws cells by a seed and a number.

    Args:
      features: of the images to draw from.

    Raises:
      ValueError: no cell is known to be good.
    """

    def __init__(self, features: Features):
        self._features = features
        count, *size = features.foregrounds.shape
        split = features.masks.shape[1] // size[0]
        parts = features.masks.reshape(count, size[0], split, size[1], split)
        self._parts = parts.transpose(0, 1, 3, 2, 4)
        good = (parts == 0).all(axis=(2, 4))
        self._good = np.flatnonzero(good)
        if not len(self._good):
            raise ValueError(
                "No place of any training image is known to be good. Add good images, or masks "
                "that leave some of each image free."
            )
        self._noisy = np.flatnonzero(good & features.foregrounds)
        self._defective = np.flatnonzero((parts == 1).any(axis=(2, 4)))

    def draw(self, seed: int, number: int) -> Cells:
        """Draws `CELLS` cells, those that are good, defective and noisy in this order."""
        generator = np.random.default_rng([seed, number, _CELLS])
        defective = round(DEFECTIVE * CELLS) if len(self._defective) else 0
        noisy = round((NOISY if defective else DEFECTIVE + NOISY) * CELLS)
        noisy = noisy if len(self._noisy) else 0
        kinds = (
            (self._good, CELLS - defective - noisy),
            (self._defective, defective),
            (self._noisy, noisy),
        )
        chosen = np.concatenate([_some(generator, *kind) for kind in kinds])
        places = np.unravel_index(chosen, self._features.foregrounds.shape)
        masks = self._parts[places]
        has_noise = np.arange(len(chosen)) >= len(chosen) - noisy
        masks[has_noise] = 1
        values = self._features.values[places]
        return Cells(values[:, None, None], has_noise[:, None, None], masks)


def _some(generator, members, count):
    return members[generator.integers(len(members), size=count)] if count else members[:0]
