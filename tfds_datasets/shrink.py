"""Shrinks masks without losing what is thin."""

import numpy as np

from tfds_datasets.features import IGNORE


def shrink_mask(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resizes a mask so that any defect pixel in a cell of the smaller mask marks that cell.

    Nearest neighbour, the usual rule, keeps a line of 1 pixel from 1080 rows to 320 in 6 of 20
    positions, and one of 2 pixels in 12. Here every defect pixel falls into the one cell that its
    centre lies in, also where the factor is no whole number. Along an axis that grows or stays,
    this is nearest neighbour with half-pixel centres.

    Args:
      mask: uint8 [H, W, 1], 0 background, 1..254 the defect types, 255 ignore.
      size: (h, w) of the result.

    Returns:
      uint8 [h, w, 1]: the most frequent defect type of a cell, of equally frequent ones the lowest;
      255 where the whole cell is to be ignored; else 0.

    Raises:
      ValueError: the mask or the size has another form.
    """
    if mask.ndim != 3 or mask.shape[2] != 1 or mask.dtype != np.uint8 or not mask.size:
        raise ValueError(
            f"Argument `mask` must be uint8 [H, W, 1]. Received: {mask.dtype} {mask.shape}"
        )
    height, width = map(int, size)
    if min(height, width) < 1:
        raise ValueError(f"Argument `size` must be two numbers from 1 up. Received: {size}")
    pixels = mask[..., 0]
    if height > pixels.shape[0]:
        pixels = pixels[_cells(height, pixels.shape[0])]
    if width > pixels.shape[1]:
        pixels = pixels[:, _cells(width, pixels.shape[1])]
    row_cells, column_cells = _cells(pixels.shape[0], height), _cells(pixels.shape[1], width)
    # Defects are rare, so counting their pixels alone is far cheaper than pooling every type.
    rows, columns = np.divmod(np.flatnonzero(pixels != 0), pixels.shape[1])
    types, cells = pixels[rows, columns], row_cells[rows] * width + column_cells[columns]
    shrunk = np.zeros(height * width, np.uint8)
    ignored = types == IGNORE
    if ignored.any():
        pixels_of_cell = np.outer(np.bincount(row_cells), np.bincount(column_cells)).ravel()
        counts = np.bincount(cells[ignored], minlength=shrunk.size)
        shrunk[counts == pixels_of_cell] = IGNORE
        types, cells = types[~ignored], cells[~ignored]
    if types.size:
        ids, index = np.unique(types, return_inverse=True)
        counts = np.bincount(cells * ids.size + index, minlength=shrunk.size * ids.size)
        counts = counts.reshape(shrunk.size, ids.size)
        marked = np.unique(cells)
        shrunk[marked] = ids[counts[marked].argmax(axis=1)]
    return shrunk.reshape(height, width, 1)


def _cells(length: int, new_length: int) -> np.ndarray:
    """Which of `new_length` cells the centre of each of `length` pixels lies in, exactly."""
    return (2 * np.arange(length) + 1) * new_length // (2 * length)
