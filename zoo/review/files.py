"""Reads the images of a review, their maps and masks, at full resolution."""

import functools
import pathlib
import threading

import numpy as np
from PIL import Image

from tfds_datasets.images import read_image
from zoo.review.decisions import paths
from zoo.saved_maps.maps import read_map

KEPT = 2  # images and maps that are kept in memory; of 20 megapixels they take 60 and 80 MB each


class ReviewFiles:
    """Reads one file after the other, since large ones fill the memory, and keeps the last ones.

    Args:
      root: the folder that is reviewed.
    """

    def __init__(self, root):
        self._root = root
        self._reading = threading.Lock()  # who asks for the same image at once waits for it
        self._image = functools.lru_cache(KEPT)(self._read_image)
        self._map = functools.lru_cache(KEPT)(self._read_map)
        self._shape = functools.cache(self._read_shape)

    def image_path(self, file: str) -> pathlib.Path:
        """Returns where an image lies."""
        return paths(self._root, file)["image"]

    def shape(self, file: str) -> tuple[int, int]:
        """Returns height and width of an image."""
        return self._shape(file)

    def image(self, file: str) -> np.ndarray:
        """Returns an image in colour, uint8 [H, W, 3]."""
        with self._reading:
            return self._image(file)

    def map(self, file: str) -> np.ndarray:
        """Returns its anomaly map, float32 [H, W]."""
        with self._reading:
            return self._map(file)

    def mask(self, file: str) -> np.ndarray:
        """Returns its mask as it is on disk now, uint8 [H, W]."""
        with self._reading:
            return np.asarray(Image.open(paths(self._root, file)["mask"]))

    def _read_image(self, file):
        return read_image(self.image_path(file), channels=3)

    def _read_map(self, file):
        return read_map(paths(self._root, file)["map"])

    def _read_shape(self, file):
        with Image.open(paths(self._root, file)["mask"]) as mask:
            return mask.height, mask.width
