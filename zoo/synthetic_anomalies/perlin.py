"""Perlin noise: smooth random fields that give synthetic anomalies and textures their shapes.

Source: Ken Perlin, "Improving Noise", SIGGRAPH 2002, in two dimensions, with a gradient of random
angle at each node of a lattice.
"""

import functools
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image
from scipy import sparse

MAX_LEVEL = 5  # a lattice has up to 2**5 cells along a side
SMALLEST_CELL = 4  # px: finer lattices are noise, and at 1 px every pixel is a node, where it is 0


def random_cells(rng: np.random.Generator, shape: Sequence[int]) -> tuple[int, int]:
    """Draws the cells of a lattice along H and W, each a power of two from 1 to 2**`MAX_LEVEL`.

    Small images get fewer, so that no cell is below `SMALLEST_CELL` px.

    Raises:
      ValueError: a side is shorter than one such cell.
    """
    if min(shape) < SMALLEST_CELL:
        raise ValueError(
            f"Images must have at least {SMALLEST_CELL} px on each side to draw anomalies on. "
            f"Received: {tuple(shape)}"
        )
    rows, columns = (
        int(2 ** rng.integers(min(MAX_LEVEL, int(math.log2(size / SMALLEST_CELL))) + 1))
        for size in shape
    )
    return rows, columns


def perlin_field(
    rng: np.random.Generator, shape: Sequence[int], cells: tuple[int, int]
) -> np.ndarray:
    """Draws a field on a lattice.

    Args:
      rng: draws the gradients.
      shape: (H, W), px.
      cells: of the lattice, along H and W.

    Returns:
      float32 [H, W] in -1..1, 0 at every node.
    """
    # A node adds its gradient times the way from it, faded out towards its neighbours: a product of
    # one factor for the row and one for the column, each of which knows two nodes. Dense matrices
    # would go to BLAS, whose threads wait for one another on a busy machine: 100 times as slow.
    (row_fade, row_way), (column_fade, column_way) = map(_node_factors, shape, cells)
    angle = rng.uniform(0, 2 * np.pi, (cells[0] + 1, cells[1] + 1)).astype(np.float32)
    down = row_way @ (column_fade @ np.sin(angle).T).T
    across = row_fade @ (column_way @ np.cos(angle).T).T
    return np.float32(math.sqrt(2)) * (down + across)


def turned(
    field: np.ndarray, degrees: float, resampling: int = Image.Resampling.BILINEAR
) -> np.ndarray:
    """Turns a field float32 [H, W] about its centre; 0 comes from outside."""
    return np.asarray(Image.fromarray(field).rotate(degrees, resampling))


@functools.lru_cache(maxsize=256)
def _node_factors(size: int, cells: int) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Returns what each node along a side gives each pixel.

    Its share, and its share times the way to it.

    Returns:
      Two of float32 [size, cells + 1]; ways are in cells.
    """
    way = np.arange(size)[:, None] * (cells / size) - np.arange(cells + 1)
    t = np.clip(1 - np.abs(way), 0, 1)
    fade = t**3 * (t * (6 * t - 15) + 10)
    return tuple(sparse.csr_array(factor.astype(np.float32)) for factor in (fade, fade * way))
