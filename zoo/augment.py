"""Random changes of a training batch, as pure functions of uniform random numbers.

The numbers come from outside, so that equal seeds give equal batches on every backend and inside
`tf.data`. Image and mask change together; nothing is interpolated, so no mask value is invented.
"""

from keras import ops


def augment(image, mask, numbers, *, symmetry: str, brightness: float = 0.0, contrast: float = 0.0):
    """Changes each image of a batch by its own random numbers.

    Args:
      image: float32 [B, H, W, C] in [0, 1].
      mask: uint8 [B, H, W, 1].
      numbers: float32 [B, 5] in [0, 1), three for the symmetry, one each for contrast and
        brightness.
      symmetry: key of `SYMMETRIES`.
      brightness: largest shift, in units of the full range.
      contrast: largest relative change of the distance to the image's mean.

    Returns:
      The changed image and mask; the image is clipped to [0, 1].
    """
    image, mask = SYMMETRIES[symmetry](image, mask, numbers)
    signed = 2 * numbers[:, :, None, None, None] - 1
    if contrast:
        mean = ops.mean(image, axis=(1, 2, 3), keepdims=True)
        image = mean + (image - mean) * (1 + contrast * signed[:, 3])
    if brightness:
        image = image + brightness * signed[:, 4]
    return ops.clip(image, 0.0, 1.0), mask


def d4(image, mask, numbers):
    """One of the eight symmetries of the square, each equally likely; four if H and W differ."""
    flip_rows, flip_columns, transpose = (numbers[:, i, None, None, None] < 0.5 for i in range(3))

    def move(x):
        x = ops.where(flip_rows, ops.flip(x, axis=1), x)
        x = ops.where(flip_columns, ops.flip(x, axis=2), x)
        if x.shape[1] is not None and x.shape[1] == x.shape[2]:
            x = ops.where(transpose, ops.transpose(x, (0, 2, 1, 3)), x)
        return x

    return move(image), move(mask)


def nvidia(image, mask, numbers):
    """A flip with probability 1/2, then 0, 90 or 180 degrees, as UNet_Industrial does.

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


SYMMETRIES = {"d4": d4, "nvidia": nvidia, "identity": identity}
