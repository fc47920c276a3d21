"""Random changes of a training batch, as pure functions of uniform random numbers.

The numbers come from outside, so that equal seeds give equal batches on every backend and inside
`tf.data`; Keras' preprocessing layers draw theirs from a state, and each interpolates anew.
What moves pixels moves image and mask alike; what changes their values changes the image alone.

The operations of antillia's ImageMask-Dataset-Offline-Augmentation-Tool, in these terms:

| its operation      | here                                                                   |
|--------------------|------------------------------------------------------------------------|
| hflip, vflip       | `symmetry="d4"`                                                        |
| rotation           | `rotation`, by any angle                                               |
| shrink             | `zoom`, to both sides                                                  |
| shear              | `shear`, of rows and columns                                           |
| distortion         | `elastic`: 0.02 of the image, as smooth as its sigma of 40 pixels      |
| deformation        | left out: a shift of 26 pixels that changes within 8 tears the image   |
| barrel, pincushion | left out: the lens in front of an inspected part does not change       |
| brighten           | `brightness` and `contrast`, of the image alone, not of the mask       |
| sharpen            | left out: a camera gets out of focus, `blur`, and not too sharp        |
| -                  | `perspective`, `noise`                                                 |
"""

import functools
import math

import numpy as np
from keras import ops

from zoo.data import warp

# The largest value of each strength: beyond it images fold or say nothing any more.
LIMITS = {
    "rotation": 180.0,
    "shear": 0.5,
    "zoom": 3.0,
    "perspective": 0.4,
    "elastic": 0.5 / warp.ELASTIC_CELLS,
    "brightness": 1.0,
    "contrast": 1.0,
    "blur": 8.0,
    "noise": 1.0,
}
# How many of the random numbers each change uses, in their order.
_NUMBERS = {
    "symmetry": 3,
    "contrast": 1,
    "brightness": 1,
    "rotation": 1,
    "shear": 2,
    "zoom": 1,
    "perspective": 2,
    "blur": 1,
    "noise": 2,
    "elastic": 2 * warp.CONTROL_POINTS**2,
}
NUM_NUMBERS = sum(_NUMBERS.values())
BLUR_REACH = 2.5  # standard deviations to each side
NOISE_VALUES = 2**20


def augment(
    image,
    mask,
    numbers,
    *,
    symmetry: str,
    rotation: float = 0.0,
    shear: float = 0.0,
    zoom: float = 0.0,
    perspective: float = 0.0,
    elastic: float = 0.0,
    brightness: float = 0.0,
    contrast: float = 0.0,
    blur: float = 0.0,
    noise: float = 0.0,
):
    """Changes each image of a batch by its own random numbers.

    Every strength is the largest change, drawn evenly from none to that; 0 leaves it out.

    Args:
      image: float32 [B, H, W, C] in [0, 1].
      mask: uint8 [B, H, W, 1].
      numbers: float32 [B, NUM_NUMBERS] in [0, 1).
      symmetry: key of `SYMMETRIES`.
      rotation: degrees to either side; 180 for any angle.
      shear: shift of rows and columns, relative to their distance from the centre.
      zoom: magnification minus 1; the image shrinks by as large a factor.
      perspective: relative change of scale from the centre to a border.
      elastic: displacement, relative to the shorter side.
      brightness: shift, in units of the full range.
      contrast: relative change of the distance to the image's mean.
      blur: standard deviation of the Gaussian, in pixels.
      noise: standard deviation of the normal noise, in units of the full range.

    Returns:
      The changed image, clipped to [0, 1], and the mask, 255 where a warp shows nothing of it.

    Raises:
      ValueError: a strength is out of its range, 0 to `LIMITS`.
    """
    strengths = {
        "rotation": rotation,
        "shear": shear,
        "zoom": zoom,
        "perspective": perspective,
        "elastic": elastic,
        "brightness": brightness,
        "contrast": contrast,
        "blur": blur,
        "noise": noise,
    }
    check_strengths(strengths)
    image, mask = SYMMETRIES[symmetry](image, mask, numbers)
    if rotation or shear or zoom or perspective or elastic:
        image, mask = _warped(image, mask, numbers, strengths)
    if blur:
        image = _blurred(image, blur * _drawn(numbers, "blur"), math.ceil(BLUR_REACH * blur))
    if contrast:
        mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
        image = mean + (image - mean) * (1 + contrast * _per_image(numbers, "contrast"))
    if brightness:
        image = image + brightness * _per_image(numbers, "brightness")
    if noise:
        image = image + noise * _noise(image, _drawn(numbers, "noise"))
    return ops.clip(image, 0.0, 1.0), mask


def strengths_of(recipe) -> dict[str, float]:
    """Returns the strengths that a recipe names, as `augment` takes them."""
    return {name: getattr(recipe, name) for name in LIMITS}


def check_strengths(strengths: dict[str, float]):
    """Raises where a strength is out of its range.

    Args:
      strengths: values of keys of `LIMITS`.

    Raises:
      ValueError: one of them is below 0 or above its limit.
    """
    for name, strength in strengths.items():
        if not 0 <= strength <= LIMITS[name]:
            raise ValueError(
                f"Argument `{name}` must be from 0 to {LIMITS[name]:g}. Received: {strength}"
            )


def d4(image, mask, numbers):
    """Returns one of the eight symmetries of the square, each equally likely.

    Four if H and W differ.
    """
    flip_rows, flip_columns, transpose = (numbers[:, i, None, None, None] < 0.5 for i in range(3))

    def move(x):
        x = ops.where(flip_rows, ops.flip(x, axis=1), x)
        x = ops.where(flip_columns, ops.flip(x, axis=2), x)
        if x.shape[1] is not None and x.shape[1] == x.shape[2]:
            x = ops.where(transpose, ops.transpose(x, (0, 2, 1, 3)), x)
        return x

    return move(image), move(mask)


def nvidia(image, mask, numbers):
    """Returns a flip with probability 1/2, then 0, 90 or 180 degrees, as UNet_Industrial does.

    The original never draws 270 degrees: its upper bound is exclusive. An image that is not square
    is turned by 180 degrees or not at all.
    """
    flip = numbers[:, 0, None, None, None] < 0.5
    turns = ops.floor(3 * numbers[:, 1, None, None, None])

    def move(x):
        x = ops.where(flip, ops.flip(x, axis=2), x)
        if x.shape[1] is not None and x.shape[1] == x.shape[2]:
            x = ops.where(turns == 1, ops.flip(ops.transpose(x, (0, 2, 1, 3)), axis=1), x)
        return ops.where(turns == 2, ops.flip(x, axis=(1, 2)), x)

    return move(image), move(mask)


def identity(image, mask, numbers):
    """Leaves the batch as it is."""
    del numbers
    return image, mask


def _drawn(numbers, name):
    """Returns the numbers [B, n] of a change."""
    names = list(_NUMBERS)
    start = sum(_NUMBERS[before] for before in names[: names.index(name)])
    return numbers[:, start : start + _NUMBERS[name]]


def _signed(numbers, name):
    return 2 * _drawn(numbers, name) - 1


def _per_image(numbers, name):
    return _signed(numbers, name)[..., None, None]


def _warped(image, mask, numbers, strengths):
    height, width = image.shape[1:3]
    shear = strengths["shear"] * _signed(numbers, "shear")
    perspective = strengths["perspective"] * _signed(numbers, "perspective")
    matrix = warp.projection(
        strengths["rotation"] * _signed(numbers, "rotation")[:, 0],
        shear[:, 0],
        shear[:, 1],
        (1 + strengths["zoom"]) ** _signed(numbers, "zoom")[:, 0],
        perspective / ops.convert_to_tensor([width / 2, height / 2], "float32"),
    )
    rows, columns = warp.positions(matrix, height, width)
    if strengths["elastic"]:
        pixels = strengths["elastic"] * min(height, width)
        control = pixels * ops.reshape(
            _signed(numbers, "elastic"), (-1, 2, warp.CONTROL_POINTS, warp.CONTROL_POINTS)
        )
        rows = rows + warp.displacement(control[:, 0], height, width)
        columns = columns + warp.displacement(control[:, 1], height, width)
    return warp.sample(image, mask, rows, columns)


def _blurred(image, deviation, reach):
    """A Gaussian of `deviation` [B, 1] pixels, cut off at `reach`, along rows and columns."""
    offset = ops.arange(-reach, reach + 1, dtype="float32")
    # a thousandth of a pixel is none, and no division by 0
    weights = ops.exp(-ops.square(offset / ops.maximum(deviation, 1e-3)) / 2)
    weights = (weights / ops.sum(weights, axis=1, keepdims=True))[:, :, None, None, None]
    for axis in (1, 2):
        size = image.shape[axis]
        index = np.abs(np.arange(-reach, size + reach))
        index = size - 1 - np.abs(size - 1 - index)
        index = np.clip(index, 0, size - 1)
        padded = ops.take(image, index, axis=axis)
        image = sum(
            weights[:, i] * ops.take(padded, np.arange(i, i + size), axis=axis)
            for i in range(2 * reach + 1)
        )
    return image


def _noise(image, numbers):
    """Normal noise, of a strength drawn by the first number, from a place by the second.

    A stretch of a million values that are always the same: to draw new ones for every pixel would
    take longer than all else here.
    """
    values = ops.convert_to_tensor(_normal_values())
    num_pixels = math.prod(image.shape[1:])
    start = ops.cast(numbers[:, 1:] * NOISE_VALUES, "int32")
    index = ops.mod(start + ops.arange(num_pixels, dtype="int32"), NOISE_VALUES)
    noise = ops.reshape(ops.take(values, index), (-1, *image.shape[1:]))
    return numbers[:, :1, None, None] * noise


@functools.cache
def _normal_values():
    return np.random.default_rng(0).standard_normal(NOISE_VALUES, np.float32)


SYMMETRIES = {"d4": d4, "nvidia": nvidia, "identity": identity}
