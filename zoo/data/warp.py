"""One random warp of image and mask: a grid of positions, sampled once.

The grid composes rotation, shear, zoom and perspective, which are one 3x3 matrix, with an elastic
displacement, so that an image is interpolated once, however many of them there are. The image is
interpolated linearly and mirrored beyond its border. The mask takes the nearest pixel, so that no
value is invented, and 255, ignore, where the grid leaves the image.
"""

import math

from keras import ops

from zoo.metrics.segmentation import IGNORE

ELASTIC_CELLS = 4  # control points of the displacement lie a quarter of the image apart
CONTROL_POINTS = ELASTIC_CELLS + 3  # on each axis: a cubic spline reaches one beyond each end


def projection(rotation, shear_columns, shear_rows, magnification, perspective):
    """Returns the matrix [B, 3, 3] from centred (column, row, 1) to where it is taken from.

    Args:
      rotation: float [B], degrees.
      shear_columns: float [B], columns that a pixel moves for each row from the centre.
      shear_rows: float [B], rows that it moves for each column.
      magnification: float [B], above 1 enlarges.
      perspective: float [B, 2], change of scale for each pixel of column and row.
    """
    angle = rotation * (math.pi / 180)
    cosine, sine, scale = ops.cos(angle), ops.sin(angle), 1 / magnification
    zero = ops.zeros_like(angle)
    rows = [
        [scale * (cosine - sine * shear_rows), scale * (cosine * shear_columns - sine), zero],
        [scale * (sine + cosine * shear_rows), scale * (sine * shear_columns + cosine), zero],
        [perspective[:, 0], perspective[:, 1], zero + 1],
    ]
    return ops.stack([ops.stack(row, axis=1) for row in rows], axis=1)


def positions(matrix, height: int, width: int):
    """Returns the rows and columns [B, H, W] that a projection takes each pixel from."""
    matrix = matrix[..., None, None]
    # one row and one column of the image, which broadcast
    row = ops.reshape(ops.arange(height, dtype="float32"), (1, -1, 1)) - (height - 1) / 2
    column = ops.reshape(ops.arange(width, dtype="float32"), (1, 1, -1)) - (width - 1) / 2
    x, y, depth = (
        matrix[:, i, 0] * column + (matrix[:, i, 1] * row + matrix[:, i, 2]) for i in range(3)
    )
    return y / depth + (height - 1) / 2, x / depth + (width - 1) / 2


def displacement(control, height: int, width: int):
    """Returns a smooth field [B, H, W] from `control` [B, CONTROL_POINTS, CONTROL_POINTS].

    A uniform cubic B-spline: nowhere beyond the largest control value, and the image does not fold
    while that is below half a cell.
    """
    rows, columns = (_spline_weights(size) for size in (height, width))
    return ops.matmul(ops.matmul(rows, control), ops.transpose(columns))


def sample(image, mask, rows, columns):
    """Takes image and mask at the positions `rows` and `columns`.

    Args:
      image: float32 [B, H, W, C].
      mask: uint8 [B, H, W, 1].
      rows: float32 [B, h, w], 0 at the centre of the first row of pixels.
      columns: float32 [B, h, w].

    Returns:
      Image [B, h, w, C] and mask [B, h, w, 1].
    """
    batch, height, width, _ = ops.shape(image)
    first = ops.reshape(ops.arange(batch, dtype="int32") * (height * width), (-1, 1, 1))

    def take(x, row, column):
        pixels = ops.reshape(x, (-1, x.shape[-1]))
        return ops.take(pixels, first + row * width + column, axis=0)

    row, column = (ops.cast(ops.round(x), "int32") for x in (rows, columns))
    nearest_row, nearest_column = ops.clip(row, 0, height - 1), ops.clip(column, 0, width - 1)
    inside = ops.logical_and(row == nearest_row, column == nearest_column)[..., None]
    ignore = ops.full((), IGNORE, dtype=mask.dtype)
    mask = ops.where(inside, take(mask, nearest_row, nearest_column), ignore)

    rows, columns = _mirrored(rows, height), _mirrored(columns, width)
    top, left = ops.floor(rows), ops.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    top, left = ops.cast(top, "int32"), ops.cast(left, "int32")
    bottom, end = ops.minimum(top + 1, height - 1), ops.minimum(left + 1, width - 1)
    above, below = (
        take(image, row, left) * (1 - right) + take(image, row, end) * right
        for row in (top, bottom)
    )
    return above * (1 - down) + below * down, mask


def _mirrored(position, size):
    """Brings positions into [0, size - 1] by mirrors on the first and the last pixel."""
    last = max(size - 1, 1)
    return ops.minimum(last - ops.abs(last - ops.mod(ops.abs(position), 2 * last)), size - 1)


def _spline_weights(size):
    """Returns the weights [size, CONTROL_POINTS] of the control points at each pixel."""
    place = ops.linspace(0.0, ELASTIC_CELLS, size, dtype="float32")
    distance = ops.abs(place[:, None] + 1 - ops.arange(CONTROL_POINTS, dtype="float32"))
    return (ops.relu(2 - distance) ** 3 - 4 * ops.relu(1 - distance) ** 3) / 6
