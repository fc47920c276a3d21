"""What the masks of MSD say: which pixels are defect, and of which type.

The masks of the copies in use are palette images or colour images in the colours of PASCAL VOC, or
only black and white. The numbers of the types are stated nowhere, and the copies need not agree, so
they are learnt: each number means the type whose images mostly show it.
"""

import collections
import io
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageOps

from tfds_datasets.features import GOOD, IGNORE
from tfds_datasets.images import BrokenImageError

DEFECT_TYPES = ("scratch", "stain", "oil")  # in the order of the mask ids 1, 2, 3
LABELS = (GOOD, *DEFECT_TYPES)
UNNAMED = 254  # value of a pixel that is defect, of a type that the mask does not tell
# The first colours of the PASCAL VOC palette, and the one around objects that counts for nothing.
VOC_COLORS = {(128, 0, 0): 1, (0, 128, 0): 2, (128, 128, 0): 3, (224, 224, 192): IGNORE}
# JPEG blurs a mask. Half of the darkest VOC colour, 128, tells defect from background.
LOSSY_LEVEL = 63


def read_values(file) -> np.ndarray:
    """Reads a mask in the numbers of its own.

    Args:
      file: a path-like object with `read_bytes()`, also inside a zip file.

    Returns:
      uint8 [H, W, 1]: 0 background, 1..3 the types as the mask numbers them, `UNNAMED` defect
      without a type, 255 ignore.

    Raises:
      BrokenImageError: the file is truncated or no image.
    """
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            values = _decode(ImageOps.exif_transpose(image))
    except Exception as error:  # what damaged files raise has no common class
        raise BrokenImageError(
            f"{file} is truncated or no image ({error}). Replace the file, or leave it out."
        ) from error
    return values[..., None]


def find_types(counts: Mapping[str, np.ndarray], labels: Mapping[str, int]) -> dict[int, int]:
    """Learns which type each number of the masks means.

    Args:
      counts: pixels of each of the 256 values of a mask, int64 [256], by the image's name.
      labels: label id of each image, by the image's name.

    Returns:
      The label id of each number in 1..3 that tells a type: that of most images which show it more
      than the other numbers. Nothing where all masks have the same number.
    """
    votes = collections.defaultdict(collections.Counter)
    for name, count in counts.items():
        if labels[name] and count[1:4].any():
            votes[1 + int(count[1:4].argmax())][labels[name]] += 1
    types = {}
    for number, labels_of_number in votes.items():
        label, most = labels_of_number.most_common(1)[0]
        if len(votes) > 1 and 2 * most > labels_of_number.total():
            types[number] = label
    return types


def to_ids(values: np.ndarray, label: int, types: Mapping[int, int]) -> np.ndarray:
    """Turns the numbers of a mask into label ids; numbers without a type mean the image's label.

    Args:
      values: of `read_values`.
      label: label id of the image.
      types: of `find_types`.

    Returns:
      uint8 of the same shape: 0 background, 1..3 the defect types, 255 ignore.
    """
    table = np.zeros(256, np.uint8)
    table[[1, 2, 3, UNNAMED]] = label
    table[list(types)] = list(types.values())
    table[IGNORE] = IGNORE
    return table[values]


def find_contradictions(
    counts: Mapping[str, np.ndarray], labels: Mapping[str, int], types: Mapping[int, int]
) -> list[str]:
    """Says which masks contradict the labels of their images, for a message.

    A mask may show another type beside its own: 22 of the official ones do.
    """
    contradictions = []
    for name, count in counts.items():
        label, shown = labels[name], shown_types(count, labels[name], types)
        if not label and count[1:IGNORE].any():
            contradictions.append(f"{name} is good, and its mask marks {count[1:IGNORE].sum()} px")
        elif label and not shown:
            contradictions.append(f"{name} has {LABELS[label]}, and its mask marks nothing")
        elif label and label not in shown:
            others = " and ".join(LABELS[other] for other in shown)
            contradictions.append(f"{name} has {LABELS[label]}, and its mask marks {others}")
    return contradictions


def shown_types(count: np.ndarray, label: int, types: Mapping[int, int]) -> Sequence[int]:
    """Returns the label ids of the defects in a mask, from the pixels of each of its values."""
    ids = np.unique(to_ids(np.flatnonzero(count), label, types))
    return ids[(ids > 0) & (ids < IGNORE)].tolist()


def _decode(image: Image.Image) -> np.ndarray:
    if image.format in ("JPEG", "MPO"):
        brightest = np.asarray(image.convert("RGB")).max(axis=-1)
        return np.where(brightest > LOSSY_LEVEL, UNNAMED, 0).astype(np.uint8)
    if image.mode == "P":
        values = _from_colors(np.asarray(image.convert("RGB")))
        return _from_numbers(np.asarray(image)) if (values == UNNAMED).any() else values
    if image.mode in ("1", "L", "I", "F") or image.mode.startswith("I;16"):
        return _from_numbers(np.asarray(image))
    pixels = np.asarray(image.convert("RGB"))
    if (pixels == pixels[..., :1]).all():
        return _from_numbers(pixels[..., 0])
    return _from_colors(pixels)


def _from_numbers(numbers: np.ndarray) -> np.ndarray:
    """Keeps 0..3 and 255 where there is nothing else; other grey levels tell defect alone."""
    shown = set(np.unique(numbers).tolist())
    if shown <= {0, 1, 2, 3, IGNORE} and shown & {1, 2, 3}:
        return numbers.astype(np.uint8)
    return np.where(numbers != 0, UNNAMED, 0).astype(np.uint8)


def _from_colors(pixels: np.ndarray) -> np.ndarray:
    codes = (pixels.astype(np.uint32) << np.uint32([16, 8, 0])).sum(axis=-1)
    values = np.where(codes != 0, UNNAMED, 0).astype(np.uint8)
    for (red, green, blue), number in VOC_COLORS.items():
        values[codes == (red << 16) + (green << 8) + blue] = number
    return values
