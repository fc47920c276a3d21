"""Masks in memory by the thousand: a bit a pixel, and mostly empty."""

import zlib
from typing import NamedTuple

import numpy as np


class PackedMask(NamedTuple):
    """A mask that takes few bytes.

    Attributes:
      shape: (H, W).
      content: its pixels, a bit each, compressed.
    """

    shape: tuple[int, int]
    content: bytes


def pack(mask: np.ndarray) -> PackedMask:
    """Packs a mask.

    Args:
      mask: bool [H, W].
    """
    return PackedMask(mask.shape, zlib.compress(np.packbits(mask).tobytes(), level=1))


def unpack(packed: PackedMask) -> np.ndarray:
    """Returns the mask that was packed, bool [H, W]."""
    height, width = packed.shape
    bits = np.frombuffer(zlib.decompress(packed.content), np.uint8)
    return np.unpackbits(bits, count=height * width).reshape(height, width).astype(bool)
