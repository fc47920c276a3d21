"""Augmentation: exact pixels, image and mask together, all symmetries."""

import numpy as np
import pytest
from keras import ops

from zoo import augment

IMAGE = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1) / 10


def all_numbers(count=400):
    return np.random.default_rng(0).random((count, 5), np.float32)


def moved(symmetry, numbers):
    image = np.repeat(IMAGE, len(numbers), axis=0)
    mask = (image * 10).round().astype(np.uint8)
    image, mask = augment.augment(image, mask, numbers, symmetry=symmetry)
    image, mask = ops.convert_to_numpy(image), ops.convert_to_numpy(mask)
    np.testing.assert_array_equal((image * 10).round(), mask)
    return {tuple(pixels.ravel().tolist()) for pixels in mask}


def test_d4_gives_the_eight_symmetries():
    square = np.arange(9).reshape(3, 3)
    expected = {
        tuple(np.rot90(base, turns).ravel().tolist())
        for base in (square, square.T)
        for turns in range(4)
    }
    assert moved("d4", all_numbers()) == expected


def test_nvidia_never_turns_by_270_degrees():
    square = np.arange(9).reshape(3, 3)
    expected = {
        tuple(np.rot90(base, turns).ravel().tolist())
        for base in (square, square[:, ::-1])
        for turns in range(3)
    }
    assert moved("nvidia", all_numbers()) == expected


def test_identity():
    assert moved("identity", all_numbers()) == {tuple(range(9))}


def test_oblong_images_keep_their_shape():
    image = np.random.default_rng(0).random((4, 2, 3, 1), np.float32)
    for symmetry in augment.SYMMETRIES:
        out, _ = augment.augment(image, image, all_numbers(4), symmetry=symmetry)
        assert out.shape == image.shape


def test_brightness_and_contrast_by_hand():
    numbers = np.zeros((1, 5), np.float32)
    numbers[0, 3:] = 1.0, 0.25  # contrast * 1.5, brightness - 0.1
    image = np.array([0.4, 0.6], np.float32).reshape(1, 1, 2, 1)
    out, _ = augment.augment(
        image, image, numbers, symmetry="identity", brightness=0.2, contrast=0.5
    )
    np.testing.assert_allclose(np.ravel(out), [0.25, 0.55], atol=1e-6)


def test_result_stays_in_range():
    image = np.random.default_rng(0).random((8, 4, 4, 1), np.float32)
    out, _ = augment.augment(
        image, image, all_numbers(8), symmetry="d4", brightness=0.9, contrast=0.9
    )
    assert float(ops.min(out)) == pytest.approx(0.0) and float(ops.max(out)) == pytest.approx(1.0)
