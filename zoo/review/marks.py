"""Draws what lies upon an image under review: a mask, and the outline of what a student marks."""

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from tfds_datasets.features import IGNORE
from zoo.visualization import pictures

LINE = 2  # pixels that lines are wide on the screen
# Ids of what lies upon the image: red, green, blue, and the opacity, 0..255 each.
NOTHING, DEFECT, DEFECT_LINE, OPEN, STUDENT_LINE = range(5)
COLORS = {
    NOTHING: (0, 0, 0, 0),
    DEFECT: (*pictures.PALETTE[0], 70),
    DEFECT_LINE: (*pictures.PALETTE[0], 255),
    OPEN: (*pictures.PALETTE[2], 70),
    STUDENT_LINE: (*pictures.PALETTE[1], 255),
}


def draw_marks(mask: np.ndarray, student: np.ndarray | None, growth: int = 1) -> np.ndarray:
    """Ids of `COLORS`, of a mask and a student's.

    Args:
      mask: uint8 [H, W], 0 good, 1 defect, 255 not known.
      student: bool [H, W], where a student sees a defect; None without a student.
      growth: how many pixels of the result each pixel is high and wide, so that lines stay thin.

    Returns:
      uint8 [growth * H, growth * W].
    """
    mask = _grown(mask, growth)
    marks = np.where(mask == IGNORE, OPEN, NOTHING).astype(np.uint8)
    defect = mask == 1
    marks[ndimage.binary_dilation(defect, iterations=LINE) & ~defect] = DEFECT_LINE
    marks[defect] = DEFECT
    if student is not None:
        student = _grown(student, growth)
        # The one line lies outside, the other inside: where both agree, both are seen.
        inside = ndimage.binary_erosion(student, iterations=LINE, border_value=1)
        marks[student & ~inside] = STUDENT_LINE
    return marks


def clear_png(marks: np.ndarray) -> bytes:
    """Encodes ids of `COLORS` as a palette PNG that is clear where there is nothing."""
    image = Image.fromarray(marks)
    image.putpalette(bytes(value for color in COLORS.values() for value in color[:3]))
    stream = io.BytesIO()
    image.save(stream, "PNG", transparency=bytes(color[3] for color in COLORS.values()))
    return stream.getvalue()


def _grown(mask: np.ndarray, growth: int) -> np.ndarray:
    return mask.repeat(growth, 0).repeat(growth, 1)
