"""Cuts what a reviewer sees from an image at full resolution, pixel for pixel."""

import functools
import math
import re
import threading
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from PIL import Image

from tfds_datasets.images import read_image
from zoo import pictures
from zoo.maps import read_map
from zoo.pseudo_mask import pseudo_mask_window
from zoo.review import paths, teacher_levels
from zoo.review_marks import LINE, clear_png, draw_marks
from zoo.review_pictures import LONGEST, heat_picture

KEPT = 2  # images and maps that are kept in memory; of 20 megapixels they take 60 and 80 MB each
FASTEST = 1  # of zlib's levels; the pictures do not leave this machine
FORM = re.compile("([0-9]{1,7}),([0-9]{1,7}),([0-9]{1,7}),([0-9]{1,7})")


class Window(NamedTuple):
    """A part of an image, in pixels."""

    top: int
    left: int
    height: int
    width: int

    @property
    def rows(self) -> slice:
        return slice(self.top, self.top + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.left, self.left + self.width)

    def widened(self, by: int, shape: tuple[int, int]) -> "Window":
        """The window and so many pixels around it, as far as the image goes."""
        top, left = max(self.top - by, 0), max(self.left - by, 0)
        bottom, right = min(self.rows.stop + by, shape[0]), min(self.columns.stop + by, shape[1])
        return Window(top, left, bottom - top, right - left)


def parse_window(text: str, shape: tuple[int, int]) -> Window:
    """Reads `top,left,height,width`.

    Args:
      text: whole numbers.
      shape: height and width of the image.

    Raises:
      ValueError: it is something else, is empty or too large, or leaves the image.
    """
    numbers = FORM.fullmatch(text)
    window = Window(*map(int, numbers.groups())) if numbers else Window(0, 0, 0, 0)
    if (
        not (1 <= window.height <= LONGEST and 1 <= window.width <= LONGEST)
        or window.rows.stop > shape[0]
        or window.columns.stop > shape[1]
    ):
        raise ValueError(
            f"Argument `window` must be top,left,height,width inside the image, {shape[0]} pixels "
            f"high and {shape[1]} wide, and at most {LONGEST} a side. Received: {text[:40]!r}"
        )
    return window


class ReviewWindows:
    """Keeps the images that were looked at last whole, since a window moves upon one.

    Args:
      root: the folder that is reviewed.
      students: see `ReviewPictures`.
    """

    def __init__(self, root, students: Mapping[str, np.ndarray] | None = None):
        self._root = root
        self._students = students
        self._reading = threading.Lock()  # who asks for the same image at once waits for it
        self._image = functools.lru_cache(KEPT)(self._read_image)
        self._map = functools.lru_cache(KEPT)(self._read_map)

    def shape(self, file: str) -> tuple[int, int]:
        """Height and width of an image."""
        with Image.open(paths(self._root, file)["mask"]) as mask:
            return mask.height, mask.width

    def hottest(self, file: str) -> tuple[int, int]:
        """Row and column of the highest pixel of the map, the first where several are."""
        whole = self._whole_map(file)
        row, column = np.unravel_index(np.argmax(whole), whole.shape)
        return int(row), int(column)

    def image(self, file: str, window: Window) -> bytes:
        """The image alone, as PNG."""
        with self._reading:
            whole = self._image(file)
        return pictures.png_bytes(whole[window.rows, window.columns], FASTEST)

    def heat(self, entry: dict, window: Window) -> bytes:
        """The anomaly map as PNG; see `ReviewPictures.heat`."""
        part = self._whole_map(entry["file"])[window.rows, window.columns]
        return pictures.png_bytes(heat_picture(part, entry), FASTEST)

    def marks(self, entry: dict, threshold: float | None, window: Window) -> tuple[bytes, int]:
        """What lies upon the image, as PNG that is clear elsewhere, and the window's defect pixels.

        Args:
          entry: of the image.
          threshold: shows the very mask that would be saved; None shows the one that is there.
          window: to cut.
        """
        file = entry["file"]
        growth = max(1, LONGEST // max(window.height, window.width))
        # Lines that begin outside reach into it.
        around = window.widened(math.ceil(LINE / growth), self.shape(file))
        if threshold is None:
            mask = self._mask(file)[around.rows, around.columns]
        else:
            levels = teacher_levels(entry).redrawn(threshold)
            mask = pseudo_mask_window(self._whole_map(file), levels, around.rows, around.columns)
        student = None
        if self._students is not None:
            student = self._students[file][around.rows, around.columns]
        inner = window._replace(top=window.top - around.top, left=window.left - around.left)
        grown = Window(*(growth * side for side in inner))
        marks = draw_marks(mask, student, growth)[grown.rows, grown.columns]
        return clear_png(marks), int(np.count_nonzero(mask[inner.rows, inner.columns] == 1))

    def _mask(self, file):
        with self._reading:
            return np.asarray(Image.open(paths(self._root, file)["mask"]))

    def _whole_map(self, file):
        with self._reading:
            return self._map(file)

    def _read_image(self, file):
        return read_image(paths(self._root, file)["image"], channels=3)

    def _read_map(self, file):
        return read_map(paths(self._root, file)["map"])
