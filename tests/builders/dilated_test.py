"""Dilated convolutions in graphs that do not know the size of their images."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from learnt_weights import learnt

from builders import backbones, dilated
from builders.runs.inference import for_inference

KINDS = {"Conv2D": (4, 3), "DepthwiseConv2D": (3,)}


def joined(kind: str) -> keras.Model:
    """Features beside what a dilated convolution makes of them: a skip, as decoders have."""
    x = keras.Input((None, None, 4))
    convolution = getattr(dilated, kind)(*KINDS[kind], padding="same", dilation_rate=6)
    y = layers.BatchNormalization()(convolution(x))
    return learnt(keras.Model(x, layers.Concatenate()([x, y])))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("known", [(None, 32), (79, None), (None, None), (79, 32)])
def test_a_side_is_not_taken_for_the_other(kind, known):
    model = joined(kind)
    image = np.random.default_rng(0).random((1, 79, 32, 4), np.float32)
    for network in (model, for_inference(model)):
        graph = tf.function(network, input_signature=[tf.TensorSpec([1, *known, 4])])
        np.testing.assert_allclose(graph(image), model(image), atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_weights_bear_the_names_of_keras(kind, tmp_path):
    def plain(layer):
        return getattr(layers, type(layer).__name__).from_config(layer.get_config())

    ours = joined(kind)
    theirs = keras.models.clone_model(ours, clone_function=plain)
    assert not any(isinstance(layer, dilated.OfInputSize) for layer in theirs.layers)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    image = np.random.default_rng(0).random((1, 9, 8, 4), np.float32)
    np.testing.assert_allclose(theirs(image), ours(image), atol=1e-6)


@pytest.mark.parametrize("name", ["ResNet50", "MobileNetV2"])
def test_strides_are_turned_into_those(name):
    encoder = backbones.backbone(name, output_stride=8)
    found = [layer for layer in encoder.layers if max(getattr(layer, "dilation_rate", (1,))) > 1]
    assert found and all(isinstance(layer, dilated.OfInputSize) for layer in found)
