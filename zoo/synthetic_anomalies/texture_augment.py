"""Ten random changes of a texture; three different ones make it unlike the picture it came from.

Source: the operations of TransFusion (arXiv 2311.09999), which takes them from DRAEM; their
implementations there need imgaug, which stops at NumPy 1. They are Pillow's here. A picture is a
Pillow image in mode L or RGB, and each change draws its strength from `rng`.
"""

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

CHANGES = 3
LEVELS = np.arange(256)
HUE_SHIFT = 50  # of 256 levels round the circle; saturation changes as much


def augmented(rng: np.random.Generator, texture: np.ndarray) -> np.ndarray:
    """Applies `CHANGES` different changes in random order.

    Args:
      rng: chooses them and their strengths.
      texture: uint8 [H, W, C], C 1 or 3; those of colour are left out where C is 1.

    Returns:
      uint8 [H, W, C].
    """
    grey = texture.shape[-1] == 1
    names = [name for name in AUGMENTATIONS if not (grey and name in COLOR_ONLY)]
    picture = Image.fromarray(texture[..., 0] if grey else texture)
    for number in rng.choice(len(names), CHANGES, replace=False):
        picture = AUGMENTATIONS[names[number]](rng, picture)
    return np.asarray(picture).reshape(texture.shape)


def gamma(rng, picture):
    """Bends the levels of each channel by a power from 0.5 to 2, as often below 1 as above."""
    powers = 2 ** rng.uniform(-1, 1, len(picture.getbands()))
    return _through_table(picture, [255 * (LEVELS / 255) ** power for power in powers])


def brightness(rng, picture):
    """Multiplies by 0.8 to 1.2, and adds up to 30 levels to either side."""
    levels = LEVELS * rng.uniform(0.8, 1.2) + rng.uniform(-30, 30)
    return _through_table(picture, [levels] * len(picture.getbands()))


def sharpness(rng, picture):
    """Mixes with a smoothed copy: 0 is smooth, 1 no change, 2 sharp."""
    return ImageEnhance.Sharpness(picture).enhance(rng.uniform(0, 2))


def hue_and_saturation(rng, picture):
    """Turns the hue and shifts the saturation, each by up to `HUE_SHIFT` levels."""
    hue, saturation = rng.integers(-HUE_SHIFT, HUE_SHIFT + 1, 2)
    tables = [(LEVELS + hue) % 256, LEVELS + saturation, LEVELS]
    return _through_table(picture.convert("HSV"), tables).convert("RGB")


def solarize(rng, picture):
    """Inverts the levels above a threshold of 32 to 128, every second time."""
    threshold = rng.uniform(32, 128)
    return ImageOps.solarize(picture, threshold) if rng.random() < 0.5 else picture


def posterize(rng, picture):
    """Keeps 1 to 7 bits of each level."""
    return ImageOps.posterize(picture, int(rng.integers(1, 8)))


def invert(rng, picture):
    """Turns the levels round."""
    del rng
    return ImageOps.invert(picture)


def autocontrast(rng, picture):
    """Stretches the levels of each channel to the full range, up to 20 % cut off at each end."""
    return ImageOps.autocontrast(picture, cutoff=rng.uniform(0, 20))


def equalize(rng, picture):
    """Makes all levels of each channel equally frequent."""
    del rng
    return ImageOps.equalize(picture)


def rotate(rng, picture):
    """Turns by up to 45 degrees to either side; corners from outside are black."""
    return picture.rotate(rng.uniform(-45, 45), Image.Resampling.BILINEAR)


def _through_table(picture, tables):
    """Replaces the levels of each channel by those of its table [256], rounded and clipped."""
    table = np.clip(np.round(np.concatenate(tables)), 0, 255).astype(int)
    return picture.point(table.tolist())


AUGMENTATIONS = {
    "gamma": gamma,
    "brightness": brightness,
    "sharpness": sharpness,
    "hue_and_saturation": hue_and_saturation,
    "solarize": solarize,
    "posterize": posterize,
    "invert": invert,
    "autocontrast": autocontrast,
    "equalize": equalize,
    "rotate": rotate,
}
COLOR_ONLY = ("hue_and_saturation",)
