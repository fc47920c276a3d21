"""Masks in memory by the thousand."""

import numpy as np
import pytest

from zoo.pseudo_masks.packed_mask import pack, unpack


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (37, 41), (0, 4)])
def test_round_trip(shape):
    mask = np.random.default_rng(0).random(shape) > 0.5
    np.testing.assert_array_equal(unpack(pack(mask)), mask)
    assert unpack(pack(mask)).dtype == bool


def test_a_mask_of_few_pixels_takes_few_bytes():
    mask = np.zeros([3648, 5472], bool)
    mask[1000:1040, 2000:2100] = True
    assert len(pack(mask).content) < mask.size / 500
