"""Foregrounds: parts on even ground, what cannot be told from it, and masks of one's own."""

import os
import pathlib

import numpy as np
import pytest
from absl.testing import absltest
from PIL import Image

from tfds_datasets.images import read_image
from zoo.synthetic_anomalies import foreground

ROW, COLUMN = np.mgrid[:96, :128]
DISC = np.hypot(ROW - 50, COLUMN - 60) < 25


def picture(part, ground, *, noise=4.0, channels=1):
    """A disc with a hole of the ground's colour, and noise."""
    hole = np.hypot(ROW - 50, COLUMN - 60) < 6
    image = np.where((DISC & ~hole)[..., None], part, ground).astype(float)
    image = image + np.random.default_rng(0).normal(0, noise, (*DISC.shape, channels))
    return np.clip(image, 0, 255).astype(np.uint8)


def overlap(found, truth):
    return (found & truth).sum() / (found | truth).sum()


@pytest.mark.parametrize(
    "part, ground, channels",
    [
        (60, 200, 1),
        (200, 30, 1),
        ((180, 40, 40), (40, 120, 40), 3),  # of nearly one lightness: red on green
    ],
)
def test_a_part_on_even_ground_is_found_without_its_hole(part, ground, channels):
    found = foreground.find_foreground(picture(part, ground, channels=channels))
    assert overlap(found, DISC) > 0.93


def test_a_part_on_shaded_ground_is_found():
    image = picture(60, 200).astype(float) - 0.15 * COLUMN[..., None]
    assert overlap(foreground.find_foreground(image.astype(np.uint8)), DISC) > 0.9


def test_otsu_finds_what_is_too_faint_for_the_tolerance():
    assert overlap(foreground.find_foreground(picture(168, 190, noise=1.0)), DISC) > 0.97


def test_ground_is_like_a_corner_and_connected_to_it():
    unlike = np.full((4, 6), 99.0)
    first = np.zeros((4, 6))
    first[:, 3] = 99  # a wall
    ground = foreground._connected_ground([first, unlike, unlike, unlike])
    np.testing.assert_array_equal(ground, np.arange(6) < np.full((4, 1), 3))
    first[0, 0] = 99  # a speck
    assert not foreground._connected_ground([first, unlike, unlike, unlike]).any()


@pytest.mark.parametrize("channels", [1, 3])
def test_a_constant_image_has_no_part(channels):
    assert foreground.find_foreground(np.full((32, 40, channels), 77, np.uint8)) is None


def test_lab_of_known_colors():
    colors = np.uint8([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [119, 119, 119]]])
    expected = [[100, 0, 0], [0, 0, 0], [53.2, 80.1, 67.2], [50, 0, 0]]
    np.testing.assert_allclose(foreground._lab(colors)[0], expected, atol=0.15)


def test_what_is_not_told_apart_is_marked_throughout_and_named():
    images = np.stack([picture(60, 200), np.full((96, 128, 1), 7, np.uint8)])
    with absltest.mock.patch("absl.logging.warning") as warning:
        masks = foreground.foreground_masks(images, ["a.png", "b.png"], dataset="mvtec_ad/screw")
    assert masks[1].all() and "b.png" in warning.call_args.args and masks.dtype == bool
    # a margin of two pixels
    assert not (DISC & ~masks[0]).any() and masks[0].sum() > DISC.sum() + 4 * 25
    assert not masks[0][np.hypot(ROW - 50, COLUMN - 60) > 25 + 5].any()


@pytest.mark.parametrize("dataset", ["mvtec_ad/wood", "dagm2007/class_4", "neu_seg/strip"])
def test_surfaces_are_marked_throughout(dataset):
    images = picture(60, 200)[None]
    assert foreground.foreground_masks(images, ["a.png"], dataset=dataset).all()


def test_masks_of_ones_own_count_everywhere(tmp_path):
    own = np.zeros((192, 256), np.uint8)  # twice the size of the image
    own[40:60, 40:80] = 255
    (tmp_path / "good").mkdir()
    Image.fromarray(own).save(tmp_path / "good" / "a.png")
    images = np.stack([picture(60, 200)] * 2)
    masks = foreground.foreground_masks(
        images, ["good/a.jpg", "good/b.jpg"], dataset="mvtec_ad/wood", mask_dir=tmp_path
    )
    expected = np.zeros((96, 128), bool)
    expected[18:32, 18:42] = True
    np.testing.assert_array_equal(masks[0], expected)
    assert masks[1].all()
    with pytest.raises(ValueError, match=r"`mask_dir` must be a folder.*Received: nowhere"):
        foreground.require_own_masks("nowhere", ["a", "b"])
    with pytest.raises(ValueError, match=r"`mask_dir` must hold masks.*such as a.png"):
        foreground.require_own_masks(tmp_path, ["a.jpg", "b"])
    foreground.require_own_masks(tmp_path, ["good/b.jpg", "good/a.jpg"])
    others = foreground.foreground_masks(
        images[1:], ["good/b.jpg"], dataset="mvtec_ad/wood", mask_dir=tmp_path
    )
    assert others.all()  # a fold without a mask of its own


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_screws_are_told_from_their_ground():
    folder = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "mvtec_ad/screw/train/good"
    for file in sorted(folder.iterdir())[:10]:
        screw = Image.fromarray(read_image(file)[..., 0])
        image = np.asarray(screw.resize((256, 256), Image.Resampling.BILINEAR))[..., None]
        found = foreground.find_foreground(image)
        dark = image[..., 0] < 110
        assert 0.08 < found.mean() < 0.25 and (dark & ~found).sum() < 0.02 * dark.sum()
