"""Micro-segmentor: published sizes, start of the weights, and parity with PyTorch."""

import keras
import numpy as np
import pytest
from keras import ops

import builders
from builders import run_dir

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
    model = builders.build("micro_segmentor", **arguments)
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


def test_unknown_way_up():
    with pytest.raises(ValueError, match="`up` must be one of bilinear, transpose"):
        builders.build("micro_segmentor", up="x")


@pytest.mark.parametrize("up", ["bilinear", "transpose"])
def test_parity_with_pytorch(up):
    torch = pytest.importorskip("torch")
    from zoo.benchmark_torch import MicroSegmentor

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
