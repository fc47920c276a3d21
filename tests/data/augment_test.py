"""Augmentation: exact pixels, image and mask together, all symmetries."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import ndimage

from zoo.data import augment

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


WARPS = {"rotation": 180.0, "shear": 0.2, "zoom": 0.3, "perspective": 0.2, "elastic": 0.05}
ALL = {**WARPS, "brightness": 0.1, "contrast": 0.1, "blur": 1.0, "noise": 0.05}


def numbers_where(**drawn):
    """One row of numbers that change nothing but what is named."""
    numbers = np.full((1, augment.NUM_NUMBERS), 0.5, np.float32)
    for name, value in drawn.items():
        names = list(augment._NUMBERS)
        start = sum(augment._NUMBERS[before] for before in names[: names.index(name)])
        numbers[:, start : start + augment._NUMBERS[name]] = value
    return numbers


def changed(image, mask, numbers, **strengths):
    results = augment.augment(image, mask, numbers, symmetry="identity", **strengths)
    return tuple(ops.convert_to_numpy(x) for x in results)


@pytest.mark.parametrize("number, turns", [(1.0, 1), (0.0, -1)])
def test_a_quarter_turn_by_hand(number, turns):
    mask = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    image, mask = changed(IMAGE, mask, numbers_where(rotation=number), rotation=90.0)
    np.testing.assert_array_equal(mask[0, ..., 0], np.rot90(np.arange(9).reshape(3, 3), turns))
    np.testing.assert_allclose(image, mask / 10, atol=1e-5)


def test_zoom_and_its_fill_by_hand():
    mask = np.arange(9, dtype=np.uint8).reshape(1, 3, 3, 1)
    image, enlarged = changed(IMAGE, mask, numbers_where(zoom=1.0), zoom=1.0)
    np.testing.assert_allclose(image[0, 0, :, 0], [0.2, 0.25, 0.3], atol=1e-6)
    assert enlarged[0, 1, 1, 0] == 4 and (enlarged < 255).all()
    # half as large: the centre stays, the corners lie 2 pixels from it and are mirrored
    image, shrunk = changed(IMAGE, mask, numbers_where(zoom=0.0), zoom=1.0)
    expected = np.full((3, 3), 255)
    expected[1, 1] = 4
    np.testing.assert_array_equal(shrunk[0, ..., 0], expected)
    np.testing.assert_allclose(image, 0.4, atol=1e-6)


@pytest.mark.parametrize("name", WARPS)
def test_strengths_in_the_middle_change_nothing(name):
    rng = np.random.default_rng(0)
    image = rng.random((1, 6, 7, 3), np.float32)
    mask = rng.integers(0, 4, (1, 6, 7, 1)).astype(np.uint8)
    result = changed(image, mask, numbers_where(), **{name: WARPS[name]})
    np.testing.assert_allclose(result[0], image, atol=1e-5)
    np.testing.assert_array_equal(result[1], mask)


@pytest.mark.parametrize("axis", [1, 2])
@pytest.mark.parametrize("strengths", [WARPS, *({name: WARPS[name]} for name in WARPS)])
def test_image_and_mask_get_the_same_warp(strengths, axis):
    # A ramp is interpolated exactly: each pixel of the image says from which row or column it is.
    ramp = np.moveaxis(np.broadcast_to(np.arange(32), (8, 32, 32)), -1, axis)[..., None]
    numbers = np.random.default_rng(1).random((8, augment.NUM_NUMBERS), np.float32)
    image, mask = changed(np.float32(ramp / 31), ramp.astype(np.uint8), numbers, **strengths)
    inside = mask < 255
    assert 0.4 < inside.mean() < 1 and len(np.unique(mask)) == 33
    assert not np.array_equal(mask, ramp)
    assert np.abs(31 * image - mask)[inside].max() < 0.5 + 1e-3


def test_warped_masks_hold_no_invented_value():
    mask = np.random.default_rng(0).choice(np.uint8([0, 2, 7, 255]), (4, 16, 12, 1))
    image, warped = changed(mask / np.float32(255), mask, numbers_of(4), **ALL)
    assert set(np.unique(warped)) == {0, 2, 7, 255} and warped.dtype == np.uint8
    assert image.shape == mask.shape and image.min() >= 0 and image.max() <= 1


def numbers_of(count):
    return np.random.default_rng(2).random((count, augment.NUM_NUMBERS), np.float32)


def test_equal_numbers_give_equal_batches_inside_tf_data():
    image = np.random.default_rng(0).random((3, 8, 8, 3), np.float32)
    mask = (image[..., :1] * 3).astype(np.uint8)
    numbers = numbers_of(3)
    numbers[2] = numbers[0]
    image[2], mask[2] = image[0], mask[0]
    expected = changed(image, mask, numbers, **ALL)
    np.testing.assert_array_equal(expected[0][0], expected[0][2])
    data = tf.data.Dataset.from_tensors((image, mask, numbers)).repeat(2)
    data = data.map(lambda *batch: augment.augment(*batch, symmetry="identity", **ALL))
    for result in data.as_numpy_iterator():
        np.testing.assert_allclose(result[0], expected[0], atol=1e-5)
        np.testing.assert_array_equal(result[1], expected[1])


def test_blur_is_that_of_scipy():
    image = np.random.default_rng(0).random((1, 12, 9, 1), np.float32)
    blurred, _ = changed(image, image, numbers_where(blur=0.75), blur=2.0)
    expected = ndimage.gaussian_filter(image[0, ..., 0], 1.5, mode="mirror", radius=5)
    np.testing.assert_allclose(blurred[0, ..., 0], expected, atol=1e-5)
    unchanged, _ = changed(image, image, numbers_where(blur=0.0), blur=2.0)
    np.testing.assert_allclose(unchanged, image, atol=1e-6)


def test_noise_has_the_drawn_deviation_and_differs():
    image = np.full((2, 64, 64, 3), 0.5, np.float32)
    numbers = np.concatenate([numbers_where(noise=0.5), numbers_where(noise=0.25)])
    noise = changed(image, image, numbers, noise=0.1)[0] - image
    np.testing.assert_allclose(noise.std(axis=(1, 2, 3)), [0.05, 0.025], rtol=0.03)
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("name", augment.LIMITS)
def test_strengths_out_of_range_are_refused(name):
    for wrong in (-0.1, 1.01 * augment.LIMITS[name]):
        with pytest.raises(ValueError, match=rf"`{name}` must be from 0 to .*Received"):
            changed(IMAGE, IMAGE, numbers_where(), **{name: wrong})
