"""Draws what a reviewer sees, at the size of a screen: the image, the masks upon it, the map."""

import functools
from collections.abc import Mapping

import numpy as np
from PIL import Image

from tfds_datasets.features import IGNORE
from zoo.pseudo_masks.hysteresis import pseudo_mask
from zoo.review.decisions import teacher_levels
from zoo.review.files import ReviewFiles
from zoo.review.marks import clear_png, draw_marks
from zoo.visualization import pictures

LONGEST = 1024  # pixels of the longest side on the screen
SMALL = 96  # pixels of the longest side in the list
KEPT = 24  # images that are kept in memory, at most 7 MiB each


class ReviewPictures:
    """Keeps the images that were looked at last, since sliders ask for one again and again.

    Args:
      files: of the folder that is reviewed.
      students: bool [H, W] by file, where a student sees a defect; None without a student.
    """

    def __init__(self, files: ReviewFiles, students: Mapping[str, np.ndarray] | None = None):
        self._files = files
        self._students = students
        self._image = functools.lru_cache(KEPT)(self._shrink_image)
        self._map = functools.lru_cache(KEPT)(self._shrink_map)

    def image(self, file: str) -> bytes:
        """Returns the image alone.

        The PNG that it is, or a JPEG if it is larger than the screen.
        """
        path = self._files.image_path(file)
        with Image.open(path) as image:
            fits = max(image.size) <= LONGEST
        return path.read_bytes() if fits else pictures.jpeg_bytes(self._image(file))

    def heat(self, entry: dict) -> bytes:
        """Returns the anomaly map as PNG; see `heat_picture`."""
        shrunk, _ = self._map(entry["file"])
        return pictures.png_bytes(heat_picture(shrunk, entry))

    def marks(self, entry: dict, threshold: float | None = None) -> tuple[bytes, int]:
        """What lies upon the image, as PNG that is clear elsewhere, and the pixels of the defect.

        Args:
          entry: of the image.
          threshold: shows the mask that would be drawn by it; None shows the mask that is there.
            The mask of an image that is larger than the screen is drawn from its shrunk map then,
            and the number of pixels is an estimate.
        """
        file = entry["file"]
        if threshold is None:
            whole = self._files.mask(file)
            mask = _shrink_mask(whole, pictures.thumbnail_size(whole.shape, LONGEST))
            pixels = int(np.count_nonzero(whole == 1))
        else:
            shrunk, shape = self._map(file)
            mask = pseudo_mask(shrunk, teacher_levels(entry).redraw(threshold))
            share = np.count_nonzero(mask == 1) / mask.size
            pixels = round(share * shape[0] * shape[1])
        student = None
        if self._students is not None:
            student = pictures.block_maximum(self._students[file], mask.shape)
        growth = max(1, LONGEST // max(mask.shape))
        return clear_png(draw_marks(mask, student, growth)), pixels

    def thumbnail(self, file: str) -> bytes:
        """Returns the image with its mask, for the list, as JPEG."""
        image = pictures.thumbnail(self._image(file), SMALL)
        defect = pictures.block_maximum(self._files.mask(file) == 1, image.shape[:2])
        return pictures.jpeg_bytes(pictures.overlay(image, defect))

    def _shrink_image(self, file):
        return pictures.thumbnail(self._files.image(file), LONGEST)

    def _shrink_map(self, file):
        """The map at the size of the screen, no peak of it lost, and its own height and width."""
        whole = self._files.map(file)
        size = pictures.thumbnail_size(whole.shape, LONGEST)
        return pictures.block_maximum(whole, size), whole.shape


def heat_picture(anomaly_map: np.ndarray, entry: dict) -> np.ndarray:
    """Returns a map from black over red to yellow; red is the threshold of images.

    The scale is that of all images: a map that stays below the thresholds stays dark.

    Args:
      anomaly_map: float [H, W], or a part of it.
      entry: of the image.

    Returns:
      uint8 [H, W, 3].
    """
    threshold = teacher_levels(entry).image
    return pictures.heat(anomaly_map / (2 * threshold if threshold > 0 else 1))


def _shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    defect, is_open = (pictures.block_maximum(mask == value, size) for value in (1, IGNORE))
    return np.where(defect, 1, np.where(is_open, IGNORE, 0)).astype(np.uint8)
