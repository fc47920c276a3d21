"""Tiles against the whole image, with answers whose reach is known."""

import functools

import keras
import numpy as np
import pytest
from scipy import ndimage

import builders
from zoo.prediction import predictor, tiling

REACH = 4


def blurred(images):
    """A model whose every answer depends on `REACH` pixels to each side; mirrored at the ends."""
    blurred.sizes.append(images.shape)
    size = (1, 2 * REACH + 1, 2 * REACH + 1, 1)
    mask = ndimage.uniform_filter(images.astype(np.float32) / 255, size, mode="reflect")
    return {"mask": mask, "score": mask.max(axis=(1, 2, 3))}


@pytest.fixture(autouse=True)
def sizes():
    blurred.sizes = []
    return blurred.sizes


def noise(*shape):
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


@pytest.mark.parametrize("size", [(70, 90), (64, 200), (33, 41), (129, 65)])
@pytest.mark.parametrize("overlap", [3 * REACH, 20])
def test_equals_the_whole_image_where_the_overlap_is_wide(size, overlap):
    images = noise(2, *size, 1)
    predict = tiling.tiled(blurred, tile=(32, 48), overlap=overlap, multiple=1)
    found, whole = predict(images), blurred(images)
    np.testing.assert_allclose(found["mask"], whole["mask"], atol=1e-6)
    np.testing.assert_allclose(found["score"], whole["score"], atol=1e-6)


def test_a_narrow_overlap_leaves_no_seam():
    images = np.tile(np.linspace(0, 255, 128).astype(np.uint8), (128, 1))[None, ..., None]
    found = tiling.tiled(blurred, tile=(48, 48), overlap=8, multiple=16)(images)["mask"]
    steps = np.abs(np.diff(found[0, ..., 0], axis=1))
    assert steps.max() < 3 * np.median(steps)
    assert np.abs(found - blurred(images)["mask"]).max() < 0.02


def test_memory_is_bounded_by_the_batch(sizes):
    predict = tiling.tiled(blurred, tile=(32, 32), overlap=8, batch_size=3, multiple=16)
    assert predict(noise(1, 200, 300, 1))["mask"].shape == (1, 200, 300, 1)
    assert {shape[1:3] for shape in sizes} == {(32, 32)}
    assert max(shape[0] for shape in sizes) == 3


def test_small_images_are_predicted_whole(sizes):
    tiling.tiled(blurred, tile=(64, 64), overlap=8)(noise(2, 50, 64, 1))
    assert sizes == [(2, 50, 64, 1)]


def test_shares_of_all_tiles_sum_to_one():
    for length, tile, overlap, multiple in ((100, 32, 8, 16), (37, 16, 0, 1), (500, 64, 48, 16)):
        total = np.zeros(length)
        for span in tiling.spans(length, tile, overlap, multiple):
            total[span.target] += span.weights
            assert (span.weights > 0).all()
        np.testing.assert_allclose(total, 1, atol=1e-6)


def test_a_network_agrees_with_its_tiles():
    model = builders.build("tiny_unet")
    whole = predictor.from_model(model, {}).predict
    images = noise(1, 200, 330, 1)
    found = tiling.tiled(whole, tile=(192, 192), overlap=160)(images)["mask"]
    # a network of random weights is harder than a trained one; its reach is about 150 pixels
    np.testing.assert_allclose(found, whole(images)["mask"], atol=0.02)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"tile": (30, 64)}, "`tile` must be a height and a width, multiples of 16"),
        ({"tile": (64, 64), "overlap": 64}, "`overlap` must lie between 0 and 48"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"multiple": 0}, "`multiple` must be at least 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        tiling.tiled(blurred, **arguments)


@pytest.mark.parametrize(
    "builder, arguments, multiple",
    [
        ("unet", {"base_filters": 2, "image_shape": [32, 32, 1]}, 16),
        ("flex_unet", {"base_filters": 2, "num_layers": 4, "image_shape": [None, None, 3]}, 8),
    ],
)
def test_tiles_begin_where_the_network_pools(builder, arguments, multiple):
    recipe = {"builder": builder, "builder_args": arguments}
    assert tiling.padding_multiple(tiling.network_of(recipe)) == multiple


@functools.cache
def trained(builder, **arguments):
    """A network whose normalisation knows the images, after a few steps on bright spots."""
    keras.utils.set_random_seed(0)
    model = builders.build(builder, image_shape=(None, None, 1), num_classes=3, **arguments)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(1e-3), {"mask_logits": loss}, jit_compile=False)
    images = np.concatenate([spots(96, 96, seed) for seed in range(4)]) / np.float32(255)
    masks = (images > 0.45).astype(int) + (images > 0.6)
    for _ in range(20):
        model.train_on_batch(images, {"mask_logits": masks})
    return model


def spots(height, width, seed=9):
    noise = np.random.default_rng(seed).standard_normal((height, width))
    soft = sum(size * ndimage.gaussian_filter(noise, size) for size in (1, 4, 12))
    return (255 * (soft - soft.min()) / np.ptp(soft)).astype(np.uint8)[None, ..., None]


@pytest.mark.parametrize(
    "builder, arguments, overlap, tolerance",
    [
        # Three times the reach of 107 and 63 pixels, then less.
        ("unet", {"base_filters": 4}, 336, 1e-5),
        ("unet", {"base_filters": 4}, 128, 0.05),
        ("flex_unet", {"base_filters": 4, "num_layers": 4}, 192, 1e-5),
        ("flex_unet", {"base_filters": 4, "num_layers": 4}, 64, 0.05),
        ("deeplab_v3_plus", {}, 336, 0.01),  # never equal: it averages over each tile
    ],
)
def test_trained_networks_agree_with_their_tiles(builder, arguments, overlap, tolerance):
    model = trained(builder, **arguments)
    whole = predictor.from_model(model, {}).predict
    multiple = tiling.padding_multiple(model)
    predict = tiling.tiled(whole, tile=(480, 480), overlap=overlap, multiple=multiple)
    images = spots(500, 700)
    difference = np.abs(predict(images)["mask"] - whole(images)["mask"]).max()
    assert difference < tolerance
    assert tiling.averages_images(model) == (builder == "deeplab_v3_plus")
    if builder == "deeplab_v3_plus":
        assert difference > 1e-4


def test_labels_average_without_touching_the_mask():
    assert not tiling.averages_images(builders.build("micro_segmentor", num_labels=3))
    assert tiling.averages_images(builders.build("unet", normalization="group", base_filters=4))
    assert tiling.averages_images(builders.build("fast_unet", standardize=True))


def test_labels_of_whole_images_have_no_tiles():
    labels = predictor.Predictor(None, {"module": "vgg16_cam/mvtec_ad/screw", "loss": None}, {})
    with pytest.raises(ValueError, match=r"models that learnt masks.*vgg16_cam/mvtec_ad/screw"):
        tiling.by_tiles(labels, tile=(64, 64), overlap=16)
