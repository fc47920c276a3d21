"""VGG16 with class activation maps: size, frozen layers, and maps that add up to the logits."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import builders
from builders import boxes, resizing
from builders.predictions import predictions
from builders.runs import run_dir

SMALL = {"backbone": "MobileNetV3Small"}  # does for what does not depend on VGG16


def random_image(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


def answer(model, image):
    return {key: ops.convert_to_numpy(value) for key, value in model(image).items()}


def outspoken_model(**arguments):
    """A model with a bias and with logits of about 1, which a random start does not give."""
    keras.utils.set_random_seed(0)
    model = builders.build("vgg16_cam", num_labels=3, **arguments)
    kernel = np.random.default_rng(0).normal(scale=100, size=(512, 3))
    model.get_layer("label_logits").set_weights([kernel, np.array([3.0, -2.0, 0.5])])
    return model


def features_and_head(model, image):
    features = ops.convert_to_numpy(model.get_layer("backbone")(image)[1])
    return features, *model.get_layer("label_logits").get_weights()


def test_published_size():
    model = builders.build("vgg16_cam", trainable_from="block5_conv1")
    assert model.count_params() == 14_715_714
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == 7_080_450
    assert len(builders.build("vgg16_cam").trainable_weights) == 13 * 2 + 2


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size, cells", [((32, 48), (2, 3)), ((61, 45), (4, 3)), ((1, 9), (1, 1))])
@pytest.mark.parametrize("cam", ["exact", "published"])
def test_output(policy, size, cells, cam):
    with run_dir.dtype_policy(policy):
        model = builders.build("vgg16_cam", num_labels=3, cam=cam, **SMALL)
    outputs = answer(model, random_image(2, *size, 3))
    assert outputs["label_logits"].shape == (2, 3)
    assert outputs["cam"].shape == (2, *cells, 3)
    for value in outputs.values():
        assert value.dtype == np.float32 and np.isfinite(value).all()


@pytest.mark.parametrize("size", [(64, 96), (61, 45)])
def test_mean_of_an_exact_map_and_the_bias_are_the_logit(size):
    model = outspoken_model(preprocessing="unit")
    outputs = answer(model, random_image(2, *size, 3))
    bias = ops.convert_to_numpy(model.get_layer("label_logits").bias)
    expected = outputs["cam"].mean((1, 2)) + bias
    assert np.abs(outputs["cam"]).mean() > 0.1
    np.testing.assert_allclose(outputs["label_logits"], expected, atol=1e-4)


@pytest.mark.parametrize("cam", ["exact", "published"])
def test_map_weighs_the_features_of_each_cell(cam):
    model, image = outspoken_model(cam=cam, preprocessing="unit"), random_image(2, 64, 96, 3)
    features, kernel, _ = features_and_head(model, image)
    found = answer(model, image)["cam"]
    assert found.std() > 0.1
    for place in np.ndindex(2, 4, 6, 3):
        *cell, label = place
        assert found[place] == pytest.approx(np.dot(features[*cell], kernel[:, label]), abs=1e-4)


def test_published_logits_come_from_the_highest_of_four_cells():
    model, image = (
        outspoken_model(cam="published", preprocessing="unit"),
        random_image(2, 64, 96, 3),
    )
    features, kernel, bias = features_and_head(model, image)
    highest = features.reshape(2, 2, 2, 3, 2, -1).max((2, 4))
    logits = answer(model, image)["label_logits"]
    np.testing.assert_allclose(logits, highest.mean((1, 2)) @ kernel + bias, atol=1e-4)


def test_boxes_as_published():
    """One box round all that exceeds a threshold of the map of the defect by itself."""
    image, options = random_image(2, 64, 96, 3), {"preprocessing": "unit", "num_labels": 2}
    keras.utils.set_random_seed(0)
    ours = builders.build("vgg16_cam", **options)
    published = builders.build(
        "vgg16_cam", box_mode="hull", box_threshold=0.3, box_evidence="label", **options
    )
    kernel = np.random.default_rng(0).normal(scale=100, size=(512, 2))
    ours.get_layer("label_logits").set_weights([kernel, np.zeros(2)])
    published.set_weights(ours.get_weights())
    assert answer(ours, image)["box"].shape == (2, 16, 4)
    found = answer(published, image)
    heat = boxes.normalized(ops.image.resize(found["cam"][..., 1:], (16, 24))[..., 0])
    for (box,), above in zip(found["box"], ops.convert_to_numpy(heat) > 0.3):
        rows, columns = (np.flatnonzero(above.any(axis)) for axis in (1, 0))
        expected = [rows[0] / 16, columns[0] / 24, (rows[-1] + 1) / 16, (columns[-1] + 1) / 24]
        np.testing.assert_allclose(box, expected, atol=1e-6)


def test_a_constant_image_has_no_box_and_no_nan():
    model = outspoken_model(image_shape=(None, None, 3))
    found = predictions(model(np.full((2, 64, 64, 3), 0.5, np.float32)))
    assert all(np.isfinite(value).all() for value in found.values())


def test_frozen_layers_stay_and_others_learn():
    keras.utils.set_random_seed(0)
    model = builders.build("vgg16_cam", image_shape=(32, 32, 3), trainable_from="block5_conv1")
    before = {weight.path: ops.convert_to_numpy(weight) for weight in model.weights}
    loss = {"label_logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}
    model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    model.train_on_batch(random_image(2, 32, 32, 3), {"label_logits": np.array([0, 1])})
    moved = {
        weight.path.split("/")[-2]
        for weight in model.weights
        if not np.array_equal(ops.convert_to_numpy(weight), before[weight.path])
    }
    assert moved == {"block5_conv1", "block5_conv2", "block5_conv3", "label_logits"}


def test_statistics_of_frozen_normalisation_stay():
    model = builders.build("vgg16_cam", trainable_from="expanded_conv_1_expand", **SMALL)
    encoder = model.get_layer("backbone")
    moving = [
        encoder.get_layer(name).moving_mean for name in ("conv_bn", "expanded_conv_1_expand_bn")
    ]
    before = [ops.convert_to_numpy(each) for each in moving]
    model(random_image(2, 64, 64, 3), training=True)
    same = [np.array_equal(ops.convert_to_numpy(m), b) for m, b in zip(moving, before)]
    assert same == [True, False]


@pytest.mark.parametrize("preprocessing", ["unit", "imagenet"])
def test_grey_images_are_seen_as_rgb(preprocessing):
    grey, colour = (
        outspoken_model(image_shape=(None, None, channels), preprocessing=preprocessing)
        for channels in (1, 3)
    )
    colour.set_weights(grey.get_weights())
    image = random_image(1, 40, 64, 1)
    found, expected = answer(grey, image), answer(colour, image.repeat(3, -1))
    assert expected["cam"].std() > 0.1
    np.testing.assert_allclose(found["cam"], expected["cam"], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("height, width", [(37, 41), (48, 33), (17, 64), (1, 1)])
def test_stretching_leaves_places_where_they_are(height, width):
    image = random_image(2, height, width, 3)
    size = [-(-length // 16) * 16 for length in (height, width)]
    expected = ops.image.resize(image, size, interpolation="bilinear")
    stretch = resizing.StretchToMultiple(16)
    np.testing.assert_allclose(stretch(image), expected, atol=1e-5)
    # As in a module, which takes images of any size.
    signature = [tf.TensorSpec([None, None, None, 3], tf.float32)]
    in_graph = tf.function(stretch, input_signature=signature)(image)
    np.testing.assert_allclose(in_graph, expected, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"num_labels": 1}, "`num_labels` must be 2 or more. Received: 1"),
        ({"box_mode": "x"}, "`box_mode` must be one of regions, hull. Received: 'x'"),
        ({"cam": "x"}, "`cam` must be one of exact, published. Received: 'x'"),
        ({"preprocessing": "x"}, "`preprocessing` must be one of imagenet, unit. Received: 'x'"),
        (
            {"trainable_from": "block4_pool"},
            "must be one of block1_conv1, .*, block5_conv3. Received: 'block4_pool'",
        ),
        ({"image_shape": (None, None, 2), "preprocessing": "unit"}, "1 or 3 channels"),
        ({"backbone": "VGG"}, "`backbone` must be one of .*VGG16"),
    ],
)
def test_arguments_out_of_range(arguments, match):
    with pytest.raises(ValueError, match=match):
        builders.build("vgg16_cam", **arguments)
