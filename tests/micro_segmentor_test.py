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
        model = builders.build("micro_segmentor", num_classes=3, num_labels=5, base_filters=4)
    image = np.random.default_rng(0).random((2, *size, 3)).astype(np.float32)
    outputs = {key: ops.convert_to_numpy(value) for key, value in model(image).items()}
    assert outputs["mask_logits"].shape == (2, *size, 3)
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


def test_unknown_way_up():
    with pytest.raises(ValueError, match="`up` must be one of bilinear, transpose"):
        builders.build("micro_segmentor", up="x")


@pytest.mark.parametrize("up", ["bilinear", "transpose"])
def test_parity_with_pytorch(up):
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    reference = network_in_pytorch(torch, up)
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


def network_in_pytorch(torch, up, base=16, expansion=4):
    """The network as its description has it, modules in the order of `names`."""
    nn = torch.nn

    def inverted(inputs, outputs, stride=1):
        width = expansion * inputs
        return nn.Sequential(
            *(nn.Conv2d(inputs, width, 1, bias=False), nn.BatchNorm2d(width), nn.SiLU()),
            nn.Conv2d(width, width, 3, stride, 1, groups=width, bias=False),
            *(nn.BatchNorm2d(width), nn.SiLU()),
            *(nn.Conv2d(width, outputs, 1, bias=False), nn.BatchNorm2d(outputs)),
        )

    def enlarge(channels):
        if up == "bilinear":
            return nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)
        upconv = nn.ConvTranspose2d(channels, channels, 3, 2, 1, output_padding=1, bias=False)
        return nn.Sequential(upconv, nn.BatchNorm2d(channels), nn.SiLU())

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            stem = nn.Conv2d(3, base, 3, 2, 1, bias=False)
            self.stem = nn.Sequential(stem, nn.BatchNorm2d(base), nn.SiLU())
            self.down = nn.ModuleList(
                inverted(base * 2**i, base * 2 ** (i + 1), 2) for i in (0, 1, 2)
            )
            self.bottleneck = inverted(8 * base, 16 * base)
            self.up = nn.ModuleList()
            for deep, skip in ((16, 4), (8, 2), (4, 1)):
                merge = nn.Conv2d((deep + skip) * base, deep // 2 * base, 1)
                block = inverted(deep // 2 * base, deep // 2 * base)
                self.up.append(nn.ModuleList([enlarge(deep * base), merge, block]))
            self.mask = nn.Sequential(enlarge(2 * base), nn.Conv2d(2 * base, 1, 1))
            self.label = nn.Linear(16 * base, 4)

        def forward(self, image):
            features = [self.stem(image)]
            for block in self.down:
                features.append(block(features[-1]))
            deep = x = self.bottleneck(features[3])
            for (larger, merge, block), skip in zip(self.up, features[2::-1]):
                x = merge(torch.cat([larger(x), skip], dim=1))
                x = x + block(x)
            return self.mask(x), self.label(deep.mean((2, 3)))

    return Network().eval()


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
