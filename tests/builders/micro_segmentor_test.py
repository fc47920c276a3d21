"""Micro-segmentor: published sizes, start of the weights, and parity with PyTorch."""

import keras
import numpy as np
import outlined
import pytest
import tensorflow as tf
from keras import ops

import builders
from builders.micro_segmentor import DefectMean
from builders.runs import run_dir

INVERTED = ("expand", "expand_norm", "depthwise", "depthwise_norm", "project", "project_norm")


@pytest.mark.parametrize(
    "arguments, trainable, total",
    [
        ({}, 514_197, 523_061),
        ({"base_filters": 32}, 2_002_213, 2_019_941),
        ({"up": "transpose"}, 1_298_517, 1_308_341),
        ({"up": "transpose", "base_filters": 32}, 5_137_573, 5_157_221),
    ],
)
def test_published_sizes(arguments, trainable, total):
    model = outlined.build("micro_segmentor", **arguments)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable
    assert model.count_params() == total


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
@pytest.mark.parametrize("size", [(32, 48), (61, 45), (1, 9)])
def test_two_heads_of_any_size(policy, size):
    with run_dir.dtype_policy(policy):
        model = builders.build("micro_segmentor", num_classes=1, num_labels=5, base_filters=4)
    image = np.random.default_rng(0).random((2, *size, 3)).astype(np.float32)
    outputs = {key: ops.convert_to_numpy(value) for key, value in model(image).items()}
    assert outputs["mask_logits"].shape == (2, *size, 1)
    assert outputs["label_logits"].shape == (2, 5)
    for value in outputs.values():
        assert value.dtype == np.float32 and np.isfinite(value).all()


def test_weights_start_as_in_pytorch():
    keras.utils.set_random_seed(0)
    model = builders.build("micro_segmentor", up="transpose")
    spread = {"stem": 27, "down2_expand": 32, "down2_depthwise": 9, "up1_upconv": 256 * 9}
    for name, fan_in in {**spread, "up1_conv": 320, "label_logits": 256}.items():
        for weight in model.get_layer(name).get_weights():
            most = np.abs(weight).max()
            assert 0.9 * fan_in**-0.5 < most <= fan_in**-0.5, name


def test_one_head_alone_tells_types_apart():
    with pytest.raises(ValueError, match=r"`num_classes` must be 1 .* Received: 3, with 4 labels"):
        builders.build("micro_segmentor", num_classes=3)
    model = builders.build("micro_segmentor", num_classes=3, num_labels=2, base_filters=2)
    assert model.output["mask_logits"].shape[-1] == 3


@pytest.mark.parametrize(
    "arguments, valid",
    [({"up": "x"}, "bilinear, transpose"), ({"label_pooling": "x"}, "image, defect")],
)
def test_unknown_argument(arguments, valid):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` must be one of {valid}"):
        builders.build("micro_segmentor", **arguments)


@pytest.mark.parametrize("channels", [1, 3])
def test_mean_over_the_defect_is_that_of_a_loop(channels):
    random = np.random.default_rng(0)
    features = random.random((2, 3, 4, 5)).astype(np.float32)
    logits = random.normal(0, 3, (2, 12, 16, channels)).astype(np.float32)
    if channels == 1:
        defect = 1 / (1 + np.exp(-logits[..., 0]))
    else:
        shares = np.exp(logits)
        defect = 1 - shares[..., 0] / shares.sum(-1)
    expected = np.zeros((2, 5))
    for image in range(2):
        total = 0.0
        for row in range(3):
            for column in range(4):
                window = defect[image, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                expected[image] += window.max() ** 2 * features[image, row, column]
                total += window.max() ** 2
        expected[image] /= total
    np.testing.assert_allclose(DefectMean(4)(features, logits), expected, rtol=1e-4)


def test_a_small_defect_has_the_features_of_its_crop():
    random = np.random.default_rng(0)
    features = random.random((1, 32, 32, 8)).astype(np.float32)
    logits = np.full((1, 512, 512, 1), -6.0, np.float32)
    logits[0, 200:220, 210:230] = 6.0
    whole = DefectMean(16)(features, logits)
    crop = DefectMean(16)(features[:, 8:20, 8:20], logits[:, 128:320, 128:320])
    np.testing.assert_allclose(whole, crop, atol=0.01)
    assert np.abs(features.mean((1, 2)) - crop).max() > 0.05  # which the mean of all has not


@pytest.mark.parametrize("up", ["bilinear", "transpose"])
def test_the_mean_over_the_defect_has_no_weights_and_does_not_teach_the_mask(up):
    model = builders.build("micro_segmentor", base_filters=2, up=up, label_pooling="defect")
    plain = builders.build("micro_segmentor", base_filters=2, up=up)
    assert model.count_params() == plain.count_params()
    image = tf.random.stateless_uniform((1, 48, 32, 3), (0, 0))
    name = "mask_logits" if up == "transpose" else "mask_logits_small"
    with tf.GradientTape() as tape:
        label = tf.reduce_sum(model(image)["label_logits"] ** 2)
    kernel, stem = model.get_layer(name).kernel.value, model.get_layer("stem").kernel.value
    of_mask, of_stem = tape.gradient(label, [kernel, stem])
    assert of_mask is None or not np.any(of_mask)
    assert np.any(of_stem)


@pytest.mark.parametrize("up", ["bilinear", "transpose"])
def test_parity_with_pytorch(up):
    torch = pytest.importorskip("torch")
    from zoo.benchmark.torch_peer import MicroSegmentor

    torch.manual_seed(0)
    reference = MicroSegmentor(up=up).eval()
    randomize(torch, reference)
    model = builders.build("micro_segmentor", up=up)
    copy_weights(reference, model, up)
    image = np.random.default_rng(0).random((2, 48, 80, 3)).astype(np.float32)
    with torch.no_grad():
        mask, label = reference(torch.from_numpy(image.transpose(0, 3, 1, 2)))
    outputs = model(image)
    assert float(mask.std()) > 0.01 and float(label.std()) > 0.01
    np.testing.assert_allclose(
        outputs["mask_logits"], mask.numpy().transpose(0, 2, 3, 1), atol=1e-4
    )
    np.testing.assert_allclose(outputs["label_logits"], label.numpy(), atol=1e-4)


def randomize(torch, network):
    """Draws the statistics and factors of normalisation, which start at 0 and 1."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            for value in (module.weight, module.running_var):
                torch.nn.init.uniform_(value, 0.5, 1.5)
            for value in (module.bias, module.running_mean):
                torch.nn.init.uniform_(value, -0.5, 0.5)


def copy_weights(network, model, up):
    """Sets the weights of the Keras model to those of the PyTorch network."""

    def larger(place):
        return [f"{place}_upconv", f"{place}_upconv_norm"] if up == "transpose" else []

    names = ["stem", "stem_norm"]
    for place in ("down1", "down2", "down3", "bottleneck"):
        names += [f"{place}_{part}" for part in INVERTED]
    for place in ("up1", "up2", "up3"):
        names += larger(place)
        names += [f"{place}_conv", *(f"{place}_{part}" for part in INVERTED)]
    names += larger("head")
    names += ["mask_logits" if up == "transpose" else "mask_logits_small", "label_logits"]
    with_weights = [m for m in network.modules() if m._parameters]
    assert {layer.name for layer in model.layers if layer.weights} == set(names)
    for module, name in zip(with_weights, names, strict=True):
        weights = [value.numpy() for value in module.state_dict().values() if value.ndim]
        if weights[0].ndim == 4:
            depthwise = getattr(module, "groups", 1) > 1
            weights[0] = weights[0].transpose((2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
        elif weights[0].ndim == 2:
            weights[0] = weights[0].T
        model.get_layer(name).set_weights(weights)
