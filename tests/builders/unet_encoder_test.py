"""U-Net behind the features of another network."""

import keras
import numpy as np
import outlined
import pytest
from keras import ops

import builders
from builders import backbones
from builders.imagenet_weights import PACKAGES
from builders.predictions import predictions
from builders.runs import run_dir

LITE0 = next(iter(PACKAGES))
SMALL = {"image_shape": (None, None, 3), "base_filters": 2, "encoder": "MobileNetV3Small"}


def random_image(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


@pytest.fixture(scope="module")
def learnt():
    keras.utils.set_random_seed(0)
    return builders.build(
        "unet",
        image_shape=(None, None, 1),
        num_classes=3,
        base_filters=2,
        encoder=LITE0,
        weights="imagenet",
    )


@pytest.mark.parametrize(
    "encoder, width, parameters",
    [
        (LITE0, 16, 1_276_081),
        (LITE0, 32, 2_704_609),
        (LITE0, 64, 8_169_793),
        ("ResNet50", 16, 10_306_481),
    ],
)
def test_sizes(encoder, width, parameters):
    shape = (None, None, 3)
    model = outlined.build("unet", image_shape=shape, base_filters=width, encoder=encoder)
    assert model.count_params() == parameters


@pytest.mark.parametrize("size", [(32, 48), (61, 45), (1, 9)])
def test_masks_have_the_size_of_the_image(size, learnt):
    outputs = predictions(learnt(random_image(2, *size, 1)))
    assert outputs["mask"].shape == (2, *size, 3)
    assert np.isfinite(ops.convert_to_numpy(outputs["mask_logits"])).all()


def test_the_encoder_has_the_learnt_weights(learnt):
    source = backbones.features(LITE0, (2, 4, 8, 16), weights="imagenet")
    encoder = learnt.get_layer("backbone")
    assert [each.shape[-1] for each in encoder.output] == [16, 24, 40, 112]
    for one, other in zip(encoder.get_weights(), source.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_every_weight_learns():
    keras.utils.set_random_seed(0)
    model = builders.build("unet", **SMALL)
    before = model.get_weights()
    model.compile(keras.optimizers.SGD(1.0), {"mask_logits": "mse"}, jit_compile=False)
    model.train_on_batch(random_image(2, 32, 32, 3), {"mask_logits": np.ones((2, 32, 32, 1))})
    changed = [not np.array_equal(*pair) for pair in zip(before, model.get_weights())]
    assert all(changed)


def test_a_run_needs_no_starting_weights():
    arguments = SMALL | {"weights": "gone.weights.h5"}
    model = run_dir.rebuild({"builder": "unet", "builder_args": arguments})
    assert model.get_layer("backbone").output[-1].shape[-1] == 48


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"encoder": "ResNet5"}, "`encoder` .*must be one of .*ResNet50.*Received: 'ResNet5'"),
        ({"encoder": "Xception"}, "`encoder` .*line up with the image.*none of stride 2"),
        ({"encoder": None, "weights": "imagenet"}, "`weights` must be None without an `encoder`"),
        ({"weights": "no/such.h5"}, "weights"),
        ({"image_shape": (None, None, 2)}, "1 or 3 channels.*Received: 2"),
    ],
)
def test_arguments_out_of_range(changes, match):
    with pytest.raises(ValueError, match=match):
        builders.build("unet", **SMALL | changes)
