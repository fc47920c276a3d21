"""Folds, and how image files are read."""

import io

import numpy as np
import pytest
from PIL import Image

from tfds_datasets import features, images


def encoded(pixels, mode=None, format="PNG", **options) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels, mode).save(stream, format, **options)
    return stream.getvalue()


def test_folds_are_stratified_and_do_not_depend_on_the_order():
    labels = {f"{number:04d}.png": int(number < 41) for number in range(288)}
    folds = features.assign_folds(labels)
    assert folds == features.assign_folds(dict(reversed(labels.items())))
    for label in (0, 1):
        sizes = np.bincount([folds[name] for name in labels if labels[name] == label], minlength=10)
        assert sizes.max() - sizes.min() <= 1


def test_images_of_one_group_share_a_fold():
    groups = {f"{number}.png": f"part{number // 4}" for number in range(80)}
    folds = features.assign_folds(dict.fromkeys(groups, 0), groups=groups)
    assert len({(groups[name], fold) for name, fold in folds.items()}) == 20
    assert len(set(folds.values())) == 10


def test_known_folds_stay_what_they_are():
    # Other folds would let a model be validated on what an earlier version learnt from.
    folds = features.assign_folds({f"{number}.png": number % 2 for number in range(8)})
    assert list(folds.values()) == [1, 5, 2, 6, 3, 7, 0, 4]


def test_16_bit_is_scaled():
    pixels = np.array([[0, 257, 65535]], np.uint16)
    assert images.decode_image(encoded(pixels), name="a.png")[..., 0].tolist() == [[0, 1, 255]]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_values_of_32_bits_are_refused(dtype):
    content = encoded(np.ones((2, 2), dtype), format="TIFF")
    with pytest.raises(images.BrokenImageError, match=r"a\.tif .*save it with 8 or 16 bits"):
        images.decode_image(content, name="a.tif")


def test_colour_becomes_grey_and_grey_becomes_colour():
    red = np.array([[[255, 0, 0]]], np.uint8)
    assert images.decode_image(encoded(red), name="a.png").tolist() == [[[76]]]  # 0.299 * 255
    grey = np.array([[7]], np.uint8)
    assert images.decode_image(encoded(grey), name="a.png", channels=3).tolist() == [[[7, 7, 7]]]


def test_exif_rotation_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned by 90 degrees
    content = encoded(np.zeros((4, 9), np.uint8), format="JPEG", exif=exif)
    assert images.decode_image(content, name="a.jpg").shape == (9, 4, 1)


@pytest.mark.parametrize("keep", [0, 20, 600])
def test_broken_file_is_named(keep):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64), np.uint8)
    with pytest.raises(images.BrokenImageError, match=r"part_7\.png is truncated"):
        images.decode_image(encoded(pixels)[:keep], name="part_7.png")


@pytest.mark.parametrize("channels", [1, 3])
def test_an_example_is_packed_without_loss(channels):
    pixels = np.random.default_rng(0).integers(0, 256, (7, 9, channels)).astype(np.uint8)
    mask = np.zeros((7, 9, 1), np.uint8)
    mask[2:4, 3:5], mask[5] = 2, features.IGNORE
    name, example = features.make_example("a.png", image=pixels, mask=mask, label=1, fold=4)
    assert name == example["file_name"] == "a.png"
    described = features.example_features(defect_types=["dent", "scratch"], channels=channels)
    assert set(example) == set(described)
    packed = described.encode_example(example)
    for feature, expected in (("image", pixels), ("mask", mask)):
        found = described[feature].decode_example(packed[feature])
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("pixels", [np.zeros((4, 4, 1), int), np.zeros((4, 4), np.uint8)])
def test_an_example_has_images_of_8_bits_and_channels(pixels):
    with pytest.raises(ValueError, match=r"must be uint8 \[H, W, C\].*Received: (int64|uint8) \[4"):
        features.make_example("a.png", image=pixels, label=0, fold=0)
