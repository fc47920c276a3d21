"""The faster view of a network for inference: same answers, same variables, no normalisation."""

import keras
import numpy as np
import pytest
from keras import layers
from learnt_weights import learnt

import builders
from builders.runs.inference import for_inference

NETWORKS = {
    "fast_unet": {"normalization": "batch", "base_filters": 4},
    "unet": {"base_filters": 4},
    "micro_segmentor": {"num_labels": 3, "base_filters": 4},
    "deeplab_v3_plus": {"backbone": "MobileNetV2"},
    "vgg16_cam": {"num_labels": 2, "backbone": "MobileNetV2"},
}


def image(size=64, channels=1):
    return np.random.default_rng(1).random((2, size, size, channels), np.float32)


def norms(model):
    found = [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    inner = [layer for layer in model.layers if isinstance(layer, keras.Model)]
    return len(found) + sum(map(norms, inner))


@pytest.mark.parametrize("name", NETWORKS)
def test_answers_and_variables_are_the_networks(name):
    size = 64 if name != "vgg16_cam" else 96
    arguments = {"image_shape": (size, size, 1), **NETWORKS[name]}
    model = learnt(builders.build(name, **arguments))
    expected = model.predict_on_batch(image(size))
    view = for_inference(model)
    found = view.predict_on_batch(image(size))
    assert norms(view) < norms(model)
    assert {*map(id, view.variables)} == {*map(id, model.variables)}
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=1e-4, atol=1e-4, err_msg=key)
    assert np.ptp(expected["mask_logits" if "cam" not in expected else "cam"]) > 1e-3


@pytest.mark.parametrize("name, count", [("fast_unet", 18), ("micro_segmentor", 22)])
def test_all_normalisation_goes(name, count):
    model = builders.build(name, **NETWORKS[name])
    assert norms(model) == count
    assert norms(for_inference(model)) == 0


def test_it_follows_what_training_changes():
    model = learnt(builders.build("fast_unet", normalization="batch", base_filters=4))
    view = for_inference(model)
    before = view.predict_on_batch(image())["mask_logits"]
    model.compile("adam", {"mask_logits": "mse"})
    model.train_on_batch(image(), {"mask_logits": image()})
    after = view.predict_on_batch(image())["mask_logits"]
    assert np.abs(after - before).max() > 1e-3
    expected = model.predict_on_batch(image())["mask_logits"]
    np.testing.assert_allclose(after, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "policy, tolerance", [("float32", 1e-6), ("mixed_bfloat16", 0.02), ("mixed_float16", 0.003)]
)
@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("scale", [False, True])
@pytest.mark.parametrize("depthwise", [False, True])
def test_every_kind_of_normalisation(policy, tolerance, bias, scale, depthwise):
    keras.utils.set_random_seed(0)  # a rounding of bfloat16 is as large as the numbers
    x = keras.Input((8, 8, 4))
    options = {"strides": 2, "padding": "same", "use_bias": bias, "dtype": policy}
    options |= {"bias_initializer": "random_normal"}
    if depthwise:
        conv = layers.DepthwiseConv2D(3, depth_multiplier=2, **options)
    else:
        conv = layers.Conv2D(6, 3, groups=2, **options)
    norm = layers.BatchNormalization(scale=scale, center=scale, dtype=policy)
    model = learnt(keras.Model(x, norm(conv(x))))
    view = for_inference(model)
    assert norms(view) == 0
    expected, found = (each.predict_on_batch(image(8, 4)) for each in (model, view))
    assert expected.dtype == found.dtype
    np.testing.assert_allclose(*(np.float32(y) for y in (found, expected)), atol=tolerance)


def test_what_cannot_be_folded_stays():
    """An activation between the two, another axis; another layer that reads the convolution."""
    x = keras.Input((8, 8, 3))
    bent = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu")(x))
    shared = layers.Conv2D(4, 3)(x)
    both = layers.Add()([shared, layers.BatchNormalization()(shared)])
    rows = layers.BatchNormalization(axis=1)(layers.Conv2D(6, 3)(x))
    model = learnt(keras.Model(x, [bent, both, rows]))
    view = for_inference(model)
    assert norms(view) == 2
    for found, expected in zip(
        view.predict_on_batch(image(8, 3)), model.predict_on_batch(image(8, 3))
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_layers_may_be_called_twice():
    x = keras.Input((8, 8, 3))
    conv, norm = layers.Conv2D(3, 3, padding="same"), layers.BatchNormalization()
    model = learnt(keras.Model(x, norm(conv(norm(conv(x))))))
    view = for_inference(model)
    assert norms(view) == 0
    found, expected = (each.predict_on_batch(image(8, 3)) for each in (view, model))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)
