"""Draws what a reviewer sees: the image, the masks upon it, the map, shrunk or a window of each."""

import functools
import io
import threading
from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy import ndimage

from tfds_datasets.features import IGNORE
from tfds_datasets.images import read_image
from zoo import pictures
from zoo.maps import read_map
from zoo.pseudo_mask import pseudo_mask, pseudo_mask_window
from zoo.review import paths, teacher_levels

LONGEST = 1024  # pixels of the longest side on the screen
SMALL = 96  # pixels of the longest side in the list
LINE = 2  # pixels that lines are wide on the screen
KEPT = 24  # images that are kept in memory, at most 7 MiB each,
KEPT_WHOLE = 2  # and at full size, 140 MB each where they have 20 megapixels
# Ids of what lies upon the image: red, green, blue, and the opacity, 0..255 each.
NOTHING, DEFECT, DEFECT_LINE, OPEN, STUDENT_LINE = range(5)
COLORS = {
    NOTHING: (0, 0, 0, 0),
    DEFECT: (*pictures.PALETTE[0], 70),
    DEFECT_LINE: (*pictures.PALETTE[0], 255),
    OPEN: (*pictures.PALETTE[2], 70),
    STUDENT_LINE: (*pictures.PALETTE[1], 255),
}


Window = tuple[slice, slice]  # rows and columns of an image, inside it


class ReviewPictures:
    """Keeps the images that were looked at last, since sliders ask for one again and again.

    Pictures are of the whole image, shrunk to the screen, or of a window of it, pixel for pixel.

    Args:
      root: the folder that is reviewed.
      students: bool [H, W] by file, where a student sees a defect; None without a student.
    """

    def __init__(self, root, students: Mapping[str, np.ndarray] | None = None):
        self._root = root
        self._students = students
        self._reading = threading.Lock()  # large images fill the memory if all are read at once
        self._whole_image = functools.lru_cache(KEPT_WHOLE)(self._read_image)
        self._whole_map = functools.lru_cache(KEPT_WHOLE)(self._read_map)
        self._image = functools.lru_cache(KEPT)(self._shrink_image)
        self._map = functools.lru_cache(KEPT)(self._shrink_map)

    def image(self, file: str, window: Window | None = None) -> bytes:
        """The image alone: the PNG that it is, or a JPEG if it is larger than the screen."""
        if window is not None:
            return pictures.png_bytes(self._whole_image(file)[window], level=1)
        path = paths(self._root, file)["image"]
        with Image.open(path) as image:
            fits = max(image.size) <= LONGEST
        return path.read_bytes() if fits else pictures.jpeg_bytes(self._image(file))

    def hottest(self, file: str) -> tuple[int, int]:
        """Row and column of the highest pixel of the map."""
        whole = self._whole_map(file)
        row, column = np.unravel_index(whole.argmax(), whole.shape)
        return int(row), int(column)

    def heat(self, entry: dict, window: Window | None = None) -> bytes:
        """The anomaly map as PNG, from black over red to yellow; red is the threshold of images.

        The scale is that of all images: a map that stays below the thresholds stays dark.
        """
        file = entry["file"]
        shown = self._map(file)[0] if window is None else self._whole_map(file)[window]
        threshold = teacher_levels(entry).image
        return pictures.png_bytes(pictures.heat(shown / (2 * threshold if threshold > 0 else 1)))

    def marks(
        self, entry: dict, threshold: float | None = None, window: Window | None = None
    ) -> tuple[bytes, int]:
        """What lies upon the image, as PNG that is clear elsewhere, and the pixels of the defect.

        Args:
          entry: of the image.
          threshold: shows the mask that would be drawn by it; None shows the mask that is there.
            Without a window, the mask of an image that is larger than the screen is drawn from its
            shrunk map then.
          window: where to look; None looks at all.

        Returns:
          The PNG, and the pixels of the defect in the whole image: estimated from the shrunk map
          where there is a threshold and the image is larger than the screen.
        """
        file = entry["file"]
        if threshold is None:
            whole = self._mask(file)
            mask = _shrink_mask(whole, pictures.thumbnail_size(whole.shape, LONGEST))
            pixels = int(np.count_nonzero(whole == 1))
            if window is not None:
                mask = whole[window]
        else:
            levels = teacher_levels(entry).redrawn(threshold)
            shrunk, shape = self._map(file)
            mask = pseudo_mask(shrunk, levels)
            share = np.count_nonzero(mask == 1) / mask.size
            pixels = round(share * shape[0] * shape[1])
            if window is not None:
                mask = pseudo_mask_window(self._whole_map(file), levels, *window)
        student = None
        if self._students is not None:
            whole = self._students[file]
            student = pictures.block_maximum(whole, mask.shape) if window is None else whole[window]
        return _clear_png(_marks(mask, student)), pixels

    def thumbnail(self, file: str) -> bytes:
        """The image with its mask, for the list, as JPEG."""
        image = pictures.thumbnail(self._image(file), SMALL)
        defect = pictures.block_maximum(self._mask(file) == 1, image.shape[:2])
        return pictures.jpeg_bytes(pictures.overlay(image, defect))

    def _mask(self, file):
        with self._reading:
            return np.asarray(Image.open(paths(self._root, file)["mask"]))

    def _read_image(self, file):
        with self._reading:
            return read_image(paths(self._root, file)["image"], channels=3)

    def _read_map(self, file):
        with self._reading:
            return read_map(paths(self._root, file)["map"])

    def _shrink_image(self, file):
        return pictures.thumbnail(self._whole_image(file), LONGEST)

    def _shrink_map(self, file):
        """The map at the size of the screen, no peak of it lost, and its own height and width."""
        whole = self._whole_map(file)
        size = pictures.thumbnail_size(whole.shape, LONGEST)
        return pictures.block_maximum(whole, size), whole.shape


def _shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    defect, is_open = (pictures.block_maximum(mask == value, size) for value in (1, IGNORE))
    return np.where(defect, 1, np.where(is_open, IGNORE, 0)).astype(np.uint8)


def _marks(mask: np.ndarray, student: np.ndarray | None) -> np.ndarray:
    """Ids of `COLORS`, of a mask and a student's; small ones grow, so that lines stay thin."""
    growth = max(1, LONGEST // max(mask.shape))
    mask = mask.repeat(growth, 0).repeat(growth, 1)
    marks = np.where(mask == IGNORE, OPEN, NOTHING).astype(np.uint8)
    defect = mask == 1
    marks[ndimage.binary_dilation(defect, iterations=LINE) & ~defect] = DEFECT_LINE
    marks[defect] = DEFECT
    if student is not None:
        student = student.repeat(growth, 0).repeat(growth, 1)
        # The one line lies outside, the other inside: where both agree, both are seen.
        inside = ndimage.binary_erosion(student, iterations=LINE, border_value=1)
        marks[student & ~inside] = STUDENT_LINE
    return marks


def _clear_png(marks: np.ndarray) -> bytes:
    image = Image.fromarray(marks)
    image.putpalette(bytes(value for color in COLORS.values() for value in color[:3]))
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=bytes(color[3] for color in COLORS.values()))
    return stream.getvalue()
