"""Masks from maps, worked out by hand."""

import numpy as np
import pytest
from scipy import ndimage

from zoo.pseudo_masks.hysteresis import Levels, pseudo_mask, pseudo_mask_window

LEVELS = Levels(low=0.2, pixel=0.5, image=0.8)


def blob(value, peak=None, size=4, shape=(20, 24), at=(6, 6)):
    """A square of one value, with a peak in its corner."""
    found = np.zeros(shape, np.float32)
    found[at[0] : at[0] + size, at[1] : at[1] + size] = value
    if peak is not None:
        found[at] = peak
    return found


def test_a_region_with_a_peak_is_a_defect_with_a_ring_that_is_open():
    mask = pseudo_mask(blob(0.6, 0.9), LEVELS)
    expected = np.zeros((20, 24), np.uint8)
    expected[4:12, 4:12] = 255
    expected[6:10, 6:10] = 1
    np.testing.assert_array_equal(mask, expected)


def test_without_a_peak_the_image_is_good():
    assert not pseudo_mask(blob(0.8), LEVELS).any()  # equal does not exceed
    assert pseudo_mask(blob(np.nextafter(np.float32(0.8), np.float32(1))), LEVELS).any()


def test_beside_a_defect_regions_without_a_peak_and_middling_pixels_are_open():
    found = blob(0.6, 0.9) + blob(0.7, at=(14, 16)) + blob(0.3, at=(0, 18), size=3)
    mask = pseudo_mask(found, LEVELS)
    assert (mask[14:18, 16:20] == 255).all() and (mask[0:3, 18:21] == 255).all()
    assert np.count_nonzero(mask == 1) == 16
    assert mask[19, 0] == 0


def test_what_is_too_small_is_open():
    mask = pseudo_mask(blob(0.9, size=2), LEVELS)
    assert not (mask == 1).any() and (mask[6:8, 6:8] == 255).all()
    large = np.zeros((1000, 1000), np.float32)  # where a region needs 10 pixels
    large[100:103, 100:103] = 0.9
    assert not (pseudo_mask(large, LEVELS) == 1).any()
    large[100:103, 100:104] = 0.9
    assert np.count_nonzero(pseudo_mask(large, LEVELS) == 1) == 12


def test_small_holes_are_filled_and_large_ones_stay():
    found = blob(0.9, size=10, at=(4, 4))
    found[7:9, 7:9] = 0
    assert (pseudo_mask(found, LEVELS)[4:14, 4:14] == 1).all()
    found[6:12, 6:12] = 0
    mask = pseudo_mask(found, LEVELS)
    assert not (mask[6:12, 6:12] == 1).any() and mask[7, 7] == 255 and mask[8, 8] == 0
    assert np.count_nonzero(mask == 1) == 64


def test_corners_join():
    found = blob(0.6, 0.9, size=3) + blob(0.6, size=3, at=(9, 9))
    assert np.count_nonzero(pseudo_mask(found, LEVELS) == 1) == 18


@pytest.mark.parametrize("pixel, marked", [(0.55, 16), (0.65, 0), (0.1, 16)])
def test_a_threshold_drawn_anew_decides_alone(pixel, marked):
    levels = LEVELS.redraw(pixel)
    assert levels.low <= levels.pixel == levels.image
    mask = pseudo_mask(blob(0.6), levels)
    assert np.count_nonzero(mask == 1) == marked


@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.62, 0.7, 0.95, 2.0])
def test_a_window_is_cut_from_the_whole_mask(threshold):
    """Of a map with regions and holes of all sizes, larger and smaller than a window."""
    noise = np.random.default_rng(0).random((2, 140, 170)).astype(np.float32)
    found = ndimage.gaussian_filter(noise[0], 1.5) * 4 - 1.5 + 0.3 * noise[1]
    levels = LEVELS.redraw(threshold)
    whole = pseudo_mask(found, levels)
    places = np.random.default_rng(1).integers(0, (140, 170), (60, 2, 2))
    for corners in (*places, np.array([[0, 0], [139, 169]])):
        (top, left), (bottom, right) = corners.min(axis=0), corners.max(axis=0) + 1
        rows, columns = slice(top, bottom), slice(left, right)
        np.testing.assert_array_equal(
            pseudo_mask_window(found, levels, rows, columns), whole[rows, columns]
        )


def test_a_window_of_a_mask_that_a_peak_far_away_decides():
    with pytest.raises(ValueError, match=r"`levels` must have a `pixel`.*Received"):
        pseudo_mask_window(blob(0.6, 0.9), LEVELS, slice(0, 4), slice(0, 4))
