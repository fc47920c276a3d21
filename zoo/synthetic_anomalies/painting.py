"""Synthetic anomalies: textures in the shape of Perlin noise, laid over images of good parts.

What is drawn depends on the seed and on the image's index alone, whatever order or worker draws it.

Source: Fučka, Zavrtanik and Skočaj, "TransFusion", ECCV 2024 (arXiv 2311.09999), and its code,
MaticFuc/ECCV_TransFusion; shapes and textures go back to DRAEM (Zavrtanik et al., ICCV 2021).
Differences: a mask that no pixel of the part is in is drawn anew, up to `MOST_REDRAWS` times, where
the original trains on it; the sources of textures are those of `textures`; small images get no
lattice finer than 4 px.
"""

from typing import NamedTuple

import numpy as np
from PIL import Image

from zoo.synthetic_anomalies import perlin
from zoo.synthetic_anomalies.textures import Textures, draw_texture

THRESHOLD = 0.5  # of a field in -1..1: where it is beyond, in either direction, is the anomaly
MOST_REDRAWS = 10  # of a mask that is empty
FIELD_TURN = 90.0  # degrees to either side
IMAGE_TURN = 20.0  # the same, of image and masks together
IMAGE_TURN_SHARE = 0.3  # of the images of a batch
OPACITY = (0.2, 1.0)  # of an anomaly that a student learns


class AnomalyMask(NamedTuple):
    """Where an anomaly is, how a network might have marked it, and how many empty ones preceded."""

    mask: np.ndarray  # bool [H, W]
    corrupted: np.ndarray  # bool [H, W]
    redraws: int


def draw_mask(rng: np.random.Generator, foreground: np.ndarray) -> AnomalyMask:
    """Draws the shape of an anomaly, which is empty if the last of `MOST_REDRAWS` is.

    Args:
      rng: decides what is drawn.
      foreground: bool [H, W], where it may lie.
    """
    redraws = 0
    field, mask = _draw_field(rng, foreground)
    while not mask.any() and redraws < MOST_REDRAWS:
        field, mask = _draw_field(rng, foreground)
        redraws += 1
    corruption = list(CORRUPTIONS.values())[rng.integers(len(CORRUPTIONS))]
    corrupted = (np.abs(field) > corruption(rng, field)) & foreground
    return AnomalyMask(mask, corrupted, redraws)


def transfusion_batch(
    images: np.ndarray,
    foregrounds: np.ndarray,
    indices: np.ndarray,
    *,
    seed: int,
    textures: Textures,
) -> dict[str, np.ndarray]:
    """Makes a training batch of TransFusion: anomalies in the first half, none in the second.

    Three in ten are turned as a whole. The original turns blended images; without
    interpolation, turning what they are blended from is the same.

    Args:
      images: uint8 [B, H, W, C] of good parts, C 1 or 3.
      foregrounds: bool [B, H, W], where anomalies may lie; see `foreground`.
      indices: int [B], another for each image of every epoch, such as epoch * images + number.
      seed: of the training.
      textures: from `textures.find_textures`.

    Returns:
      A dict of `normal` float32 [B, H, W, C], the images in [-1, 1]; `anomaly`, the same of the
      texture, 0 beside the mask; `mask` and `corrupted_mask` float32 [B, H, W, 1], 0 or 1; and
      `redraws` int [B], how often a mask was empty and drawn anew. The odd image of a batch is
      among those with anomalies.

    Raises:
      ValueError: the images are not uint8, or shapes do not fit.
    """
    _check(images, foregrounds, indices)
    normal = _signed(images)
    anomaly = np.zeros_like(normal)
    mask = np.zeros((*images.shape[:3], 1), np.float32)
    corrupted_mask = np.zeros_like(mask)
    redraws = np.zeros(len(images), int)
    for number, index in enumerate(indices):
        rng = _generator(seed, index)
        if number < (len(images) + 1) // 2:
            drawn = draw_mask(rng, foregrounds[number])
            texture = draw_texture(textures, rng, images[number])
            mask[number, ..., 0] = drawn.mask
            corrupted_mask[number, ..., 0] = drawn.corrupted
            anomaly[number][drawn.mask] = _signed(texture[drawn.mask])
            redraws[number] = drawn.redraws
        if rng.random() < IMAGE_TURN_SHARE:
            parts = [array[number] for array in (normal, anomaly, mask, corrupted_mask)]
            _turn(parts, rng.uniform(-IMAGE_TURN, IMAGE_TURN))
    return {
        "normal": normal,
        "anomaly": anomaly,
        "mask": mask,
        "corrupted_mask": corrupted_mask,
        "redraws": redraws,
    }


def with_anomalies(
    images: np.ndarray,
    foregrounds: np.ndarray,
    indices: np.ndarray,
    *,
    seed: int,
    textures: Textures,
) -> tuple[np.ndarray, np.ndarray]:
    """Lays an anomaly of random opacity over each image, for networks that learn masks.

    Where a texture happens to look like the image, the mask marks what cannot be seen.

    Args:
      images: uint8 [B, H, W, C] of good parts, C 1 or 3.
      foregrounds: bool [B, H, W], where anomalies may lie; see `foreground`.
      indices: int [B], another for each image of every epoch.
      seed: of the training.
      textures: from `textures.find_textures`.

    Returns:
      The images, and their masks uint8 [B, H, W, 1], 1 where the anomaly is; 0 throughout where
      the last of `MOST_REDRAWS` is empty.

    Raises:
      ValueError: the images are not uint8, or shapes do not fit.
    """
    _check(images, foregrounds, indices)
    images = images.copy()
    masks = np.zeros((*images.shape[:3], 1), np.uint8)
    for image, mask, foreground, index in zip(images, masks, foregrounds, indices):
        rng = _generator(seed, index)
        marked = draw_mask(rng, foreground).mask
        texture = draw_texture(textures, rng, image)[marked].astype(np.float32)
        opacity = np.float32(rng.uniform(*OPACITY))
        image[marked] = np.round((1 - opacity) * image[marked] + opacity * texture)
        mask[marked] = 1
    return images, masks


def _draw_field(rng, foreground):
    """A field float32 [H, W], and the part of the foreground where it is beyond `THRESHOLD`."""
    shape = foreground.shape
    field = perlin.perlin_field(rng, shape, perlin.random_cells(rng, shape))
    field = perlin.turned(field, rng.uniform(-FIELD_TURN, FIELD_TURN))
    return field, (np.abs(field) > THRESHOLD) & foreground


def _check(images, foregrounds, indices):
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
        raise ValueError(
            "Argument `images` must be uint8 [B, H, W, 1] or [B, H, W, 3]; "
            "tfds_datasets.images.read_image makes that of 16-bit files. "
            f"Received: {images.dtype} {list(images.shape)}"
        )
    if foregrounds.shape != images.shape[:3] or foregrounds.dtype != bool:
        raise ValueError(
            f"Argument `foregrounds` must be bool {list(images.shape[:3])}. "
            f"Received: {foregrounds.dtype} {list(foregrounds.shape)}"
        )
    if len(indices) != len(images):
        raise ValueError(
            f"Argument `indices` must have one for each of the {len(images)} images. "
            f"Received: {len(indices)}"
        )


def _generator(seed, index) -> np.random.Generator:
    return np.random.default_rng([seed, int(index)])


def _signed(image):
    signed = image * np.float32(2 / 255)
    signed -= 1
    return signed


def _turn(arrays, degrees):
    """Turns arrays float32 [H, W, C] in place: the nearest pixel, 0 from outside."""
    for array in arrays:
        for channel in np.moveaxis(array, -1, 0):
            channel[:] = perlin.turned(channel, degrees, Image.Resampling.NEAREST)


# Thresholds of the corrupted mask. Above the highest value of the field, the lowest ones may still
# be beyond it: such a mask is nearly empty.
CORRUPTIONS = {
    "nearly_empty": lambda rng, field: field.max(),
    "too_small": lambda rng, field: rng.uniform(THRESHOLD, 1),
    "exact": lambda rng, field: THRESHOLD,
    "too_large": lambda rng, field: rng.uniform(0, THRESHOLD),
}
