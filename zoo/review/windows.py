"""Cuts what a reviewer sees from an image at full resolution, pixel for pixel."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from zoo.pseudo_masks.hysteresis import pseudo_mask_window
from zoo.review.decisions import teacher_levels
from zoo.review.files import ReviewFiles
from zoo.review.marks import LINE, clear_png, draw_marks
from zoo.review.views import LONGEST, heat_picture
from zoo.visualization import pictures

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

    def widen(self, by: int, shape: tuple[int, int]) -> "Window":
        """Returns the window and so many pixels around it, as far as the image goes."""
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
    """What `ReviewPictures` shows, of a window and not shrunk.

    Args:
      files: of the folder that is reviewed.
      students: see `ReviewPictures`.
    """

    def __init__(self, files: ReviewFiles, students: Mapping[str, np.ndarray] | None = None):
        self._files = files
        self._students = students

    def hottest(self, file: str) -> tuple[int, int]:
        """Row and column of the highest pixel of the map, the first where several are."""
        whole = self._files.map(file)
        row, column = np.unravel_index(np.argmax(whole), whole.shape)
        return int(row), int(column)

    def image(self, file: str, window: Window) -> bytes:
        """Returns the image alone, as PNG."""
        part = self._files.image(file)[window.rows, window.columns]
        return pictures.png_bytes(part, pictures.FASTEST)

    def heat(self, entry: dict, window: Window) -> bytes:
        """Returns the anomaly map as PNG; see `ReviewPictures.heat`."""
        part = self._files.map(entry["file"])[window.rows, window.columns]
        return pictures.png_bytes(heat_picture(part, entry), pictures.FASTEST)

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
        around = window.widen(math.ceil(LINE / growth), self._files.shape(file))
        if threshold is None:
            mask = self._files.mask(file)[around.rows, around.columns]
        else:
            levels = teacher_levels(entry).redraw(threshold)
            mask = pseudo_mask_window(self._files.map(file), levels, around.rows, around.columns)
        student = None
        if self._students is not None:
            student = self._students[file][around.rows, around.columns]
        inner = window._replace(top=window.top - around.top, left=window.left - around.left)
        grown = Window(*(growth * side for side in inner))
        marks = draw_marks(mask, student, growth)[grown.rows, grown.columns]
        return clear_png(marks), int(np.count_nonzero(mask[inner.rows, inner.columns] == 1))
