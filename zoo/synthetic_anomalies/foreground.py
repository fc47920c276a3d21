"""Tells the part from the ground it lies on, so that synthetic anomalies hit the part.

TransFusion takes these masks from SAM, a large network. Here the ground is what is connected to the
corners of the image and looks like them; where that fails, the part is what differs from the
corners by more than Otsu's threshold; where that fails too, anomalies may lie anywhere.

Source: Otsu, "A Threshold Selection Method from Gray-Level Histograms", IEEE SMC 1979.
"""

import pathlib
from collections.abc import Sequence

import numpy as np
from absl import logging
from PIL import Image
from scipy import ndimage

from zoo.data.mask_files import read_mask

TOLERANCE = 15.0  # CIE76 difference in Lab to the colour of a corner; 100 from black to white
NOISE_SIGMA = 1.0  # px: smoothed before colours are compared
CORNER = 32  # a corner's colour is the median of this part of each side
SHARES = (0.05, 0.95)  # of the image that a part may cover
MARGIN = 5  # px: masks are dilated by a square of this side, as TransFusion does
BINS = 256
# Surfaces that fill their images: True for all classes of a data set, else those named.
SURFACES = {
    "dagm2007": True,
    "dagm_synthetic": True,
    "kolektor_sdd": True,
    "magnetic_tile": True,
    "msd": True,
    "neu_seg": True,
    "mvtec_ad": ("carpet", "grid", "leather", "tile", "wood", "zipper"),
}
# Linear RGB to XYZ relative to the white point D65, after IEC 61966-2-1.
XYZ_OF_RGB = np.array(
    [
        [0.4124 / 0.9505, 0.3576 / 0.9505, 0.1805 / 0.9505],
        [0.2126, 0.7152, 0.0722],
        [0.0193 / 1.0890, 0.1192 / 1.0890, 0.9505 / 1.0890],
    ]
)


def foreground_masks(
    images: np.ndarray,
    file_names: Sequence[str],
    *,
    dataset: str,
    mask_dir: str | pathlib.Path | None = None,
) -> np.ndarray:
    """Marks where an anomaly may lie in each image.

    Args:
      images: uint8 [N, H, W, C].
      file_names: of the images, as the data set has them.
      dataset: name/config; all of an image is marked in those of `SURFACES`.
      mask_dir: folder of masks of your own, PNG files under the names of the images, in which the
        part is white; images that have none there are marked as without the folder.

    Returns:
      bool [N, H, W], `MARGIN` beyond the part.

    Raises:
      ValueError: a mask is unreadable or not black and white.
    """
    name, _, config = dataset.partition("/")
    surface = SURFACES.get(name, ())
    filled = surface is True or config in surface
    masks = np.ones(images.shape[:3], bool)
    not_found = []
    for mask, image, file_name in zip(masks, images, file_names):
        own = mask_dir and _own_mask(mask_dir, file_name)
        if own and own.is_file():
            size = mask.shape[::-1]
            found = Image.fromarray(read_mask(own)).resize(size, Image.Resampling.NEAREST)
        elif filled:
            continue
        else:
            found = find_foreground(image)
        if found is None:
            not_found.append(file_name)
        else:
            mask[:] = ndimage.binary_dilation(found, np.ones((MARGIN, MARGIN)))
    if not_found:
        logging.warning(
            "No part was told from its ground in %d of %d images (%s%s): anomalies may lie "
            "anywhere in them.",
            len(not_found),
            len(images),
            ", ".join(not_found[:3]),
            ", ..." if len(not_found) > 3 else "",
        )
    return masks


def require_own_masks(mask_dir: str | pathlib.Path, file_names: Sequence[str]) -> None:
    """Raises ValueError where a folder has no mask of its own for any of these images."""
    if not pathlib.Path(mask_dir).is_dir():
        raise ValueError(
            "Argument `mask_dir` must be a folder of foreground masks, or None. "
            f"Received: {mask_dir}"
        )
    if not any(_own_mask(mask_dir, name).is_file() for name in file_names):
        raise ValueError(
            "Argument `mask_dir` must hold masks under the names of the images, such as "
            f"{_own_mask('', file_names[0])}. Received: {mask_dir}"
        )


def find_foreground(image: np.ndarray) -> np.ndarray | None:
    """Tells a part from an even ground that reaches the corners of the image.

    Args:
      image: uint8 [H, W, C], C 1 or 3.

    Returns:
      bool [H, W], without holes; None where what is found covers less or more than `SHARES`.
    """
    lab = ndimage.gaussian_filter(_lab(image), (NOISE_SIGMA, NOISE_SIGMA, 0))
    distances = [np.linalg.norm(lab - color, axis=-1) for color in _corner_colors(lab)]
    nearest = np.minimum.reduce(distances)
    for found in (~_connected_ground(distances), nearest > _otsu_threshold(nearest)):
        found = ndimage.binary_fill_holes(found)
        if SHARES[0] <= found.mean() <= SHARES[1]:
            return found
    return None


def _lab(image):
    """CIE L*a*b* of sRGB, float64 [H, W, 3]; a and b are 0 where the image is grey."""
    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)[image]
    xyz = np.broadcast_to(linear, (*image.shape[:2], 3)) @ XYZ_OF_RGB.T
    bent = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = np.moveaxis(bent, -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _corner_colors(lab):
    height, width = (max(size // CORNER, 1) for size in lab.shape[:2])
    return [
        np.median(lab[rows, columns], axis=(0, 1))
        for rows in (slice(height), slice(-height, None))
        for columns in (slice(width), slice(-width, None))
    ]


def _connected_ground(distances):
    """Pixels that are like a corner and connected to it through such pixels, bool [H, W]."""
    ground = np.zeros(distances[0].shape, bool)
    for distance, corner in zip(distances, ((0, 0), (0, -1), (-1, 0), (-1, -1))):
        regions, _ = ndimage.label(distance <= TOLERANCE)
        if regions[corner]:
            ground |= regions == regions[corner]
    return ground


def _otsu_threshold(values):
    """The threshold between two groups of values that differ most, in proportion to their sizes."""
    counts, edges = np.histogram(values, BINS)
    centres = (edges[:-1] + edges[1:]) / 2
    below, sum_below = np.cumsum(counts), np.cumsum(counts * centres)
    above, sum_above = below[-1] - below, sum_below[-1] - sum_below
    difference = sum_below / np.maximum(below, 1) - sum_above / np.maximum(above, 1)
    return edges[1:][np.argmax(below * above * difference**2)]


def _own_mask(mask_dir, file_name: str) -> pathlib.Path:
    """Returns where a folder of foreground masks has that of an image, if it has one."""
    return pathlib.Path(mask_dir, file_name).with_suffix(".png")
