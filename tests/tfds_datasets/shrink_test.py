"""Thin defects survive the shrinking of their masks."""

import numpy as np
import pytest
import tensorflow as tf

from tfds_datasets.shrink import shrink_mask

SCREEN, TRAINED = (1080, 1920), (320, 576)  # no whole factor: 3.375 and 3.33


def line(direction: str, offset: int, width: int) -> np.ndarray:
    """A line of `width` px of type 2 on a tenth of a screen."""
    y, x = np.mgrid[:108, :120]
    distance = {"horizontal": y, "vertical": x, "diagonal": y + x, "falling": y - x + 40}[direction]
    inside = (distance >= 20 + offset) & (distance < 20 + offset + width)
    return 2 * inside.astype(np.uint8)[..., None]


@pytest.mark.parametrize("direction", ["horizontal", "vertical", "diagonal", "falling"])
@pytest.mark.parametrize("width", [1, 2, 3])
def test_lines_survive_at_every_offset(direction, width):
    for offset in range(20):
        mask = line(direction, offset, width)
        shrunk = shrink_mask(mask, (32, 36))
        assert np.unique(shrunk).tolist() == [0, 2]
        rows, columns = shrunk[..., 0].any(axis=1), shrunk[..., 0].any(axis=0)
        if direction in ("horizontal", "diagonal"):
            assert columns[: (20 + offset) * 36 // 120].all()  # no gap along the line
        if direction in ("vertical", "diagonal"):
            assert rows[: (20 + offset) * 32 // 108].all()


def test_scratch_of_two_pixels_at_the_size_of_a_screen():
    kept = 0
    for offset in range(20):
        mask = np.zeros((*SCREEN, 1), np.uint8)
        mask[500 + offset : 502 + offset, 300:1500] = 1
        shrunk = shrink_mask(mask, TRAINED)
        assert shrunk.shape == (*TRAINED, 1) and shrunk.dtype == np.uint8
        assert (shrunk > 0).any(axis=0).sum() == 360  # 1200 px at a factor of 10 / 3
        kept += tf.image.resize(mask, TRAINED, method="nearest").numpy().any()
    assert kept < 20  # which is why nearest neighbour will not do


def test_cells_by_hand():
    mask = np.array(
        [
            [0, 0, 3, 1, 255, 255],
            [0, 0, 1, 1, 255, 255],
            [0, 9, 2, 1, 255, 0],
            [0, 0, 1, 2, 0, 0],
            [255, 2, 0, 0, 255, 255],
            [255, 2, 255, 255, 255, 7],
        ],
        np.uint8,
    )[..., None]
    assert shrink_mask(mask, (3, 3))[..., 0].tolist() == [[0, 1, 255], [9, 1, 0], [2, 0, 7]]


def test_cells_are_those_that_pixel_centres_lie_in():
    for row, column in np.ndindex(7, 5):
        mask = np.zeros((7, 5, 1), np.uint8)
        mask[row, column] = 4
        expected = [[int((row + 0.5) * 3 / 7), int((column + 0.5) * 2 / 5), 0]]
        assert np.argwhere(shrink_mask(mask, (3, 2))).tolist() == expected


@pytest.mark.parametrize("size", [(7, 5), (8, 5), (21, 13), (40, 10)])
def test_enlarging_is_nearest_neighbour(size):
    mask = np.random.default_rng(0).choice(np.uint8([0, 1, 2, 255]), (7, 5, 1))
    nearest = tf.image.resize(mask, size, method="nearest").numpy()
    np.testing.assert_array_equal(shrink_mask(mask, size), nearest)


def test_one_axis_may_grow_while_the_other_shrinks():
    mask = np.uint8([[0, 1], [2, 0], [2, 0], [0, 0]])[..., None]
    assert shrink_mask(mask, (2, 4))[..., 0].tolist() == [[2, 2, 1, 1], [2, 2, 0, 0]]


@pytest.mark.parametrize(
    "mask, size, message",
    [
        (np.zeros((4, 4), np.uint8), (2, 2), r"`mask` must be uint8 \[H, W, 1\].*\(4, 4\)"),
        (np.zeros((4, 4, 1)), (2, 2), "Received: float64"),
        (np.zeros((4, 4, 1), np.uint8), (0, 2), r"`size` must .* Received: \(0, 2\)"),
    ],
)
def test_bad_arguments(mask, size, message):
    with pytest.raises(ValueError, match=message):
        shrink_mask(mask, size)
