"""Reads the mask files of test sets and foregrounds."""

import pathlib

import numpy as np
from PIL import Image, ImageOps

MASK_LEVELS = (0, 1, 255)  # background, and defect in either of the usual ways


def read_mask(path: pathlib.Path, ground_truth_threshold: float | None = None) -> np.ndarray:
    """Reads a mask file as bool [H, W].

    Args:
      path: a grey image, or one in colours that are all grey.
      ground_truth_threshold: grey levels above it are defect. None allows 0, 1 and 255 alone.

    Raises:
      ValueError: the file is unreadable, in colour, or has other grey levels.
    """
    grey = read_grey(path)
    if ground_truth_threshold is not None:
        return grey > ground_truth_threshold
    others = np.setdiff1d(grey, MASK_LEVELS)
    if others.size:
        raise ValueError(
            f"{path} has the grey levels {', '.join(map(str, others[:5]))}"
            f"{', ...' if others.size > 5 else ''}: a mask must have 0 (background) and 255 or 1 "
            "(defect) alone. Save it without smoothing or JPEG, or set `ground_truth_threshold`: "
            "what is above it is defect."
        )
    return grey > 0


def read_grey(path: pathlib.Path) -> np.ndarray:
    """Reads the grey levels of an image file as they are, [H, W]; ValueError if it is in colour."""
    # Not `read_image`, which scales 16 bits and mixes colours: here a grey level is a word.
    try:
        with Image.open(path) as image:
            image = ImageOps.exif_transpose(image)
            pixels = np.asarray(image)
            colors = np.asarray(image.convert("RGB")) if image.mode == "P" else pixels
    except Exception as error:  # what damaged files raise has no common class
        raise unreadable_image(path, error) from error
    if colors.ndim == 3:
        channels = 3 if colors.shape[-1] > 2 else 1  # alpha says nothing
        if (colors[..., :channels] == colors[..., :1]).all():
            pixels = colors[..., 0]  # of a palette too: black and white may be in any order
        elif pixels.ndim == 3:
            raise ValueError(f"{path} is in colour. Save the mask in grey: 0 and 255.")
        # of a coloured palette the index counts
    return pixels.astype(np.uint8) if pixels.dtype == bool else pixels


def unreadable_image(path: pathlib.Path, error: BaseException) -> ValueError:
    """Names a file that could not be read."""
    return ValueError(f"{path} is truncated or no image ({error}). Save or download it again.")
