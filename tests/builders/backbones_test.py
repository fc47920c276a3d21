"""Backbones: dilation for stride, weights, what reaches the first layer."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import outlined
import pytest
from keras import applications, ops

import builders
from builders import backbones, resizing
from builders.deeplab_v3_plus import atrous_rates


def features(encoder, image):
    return [ops.convert_to_numpy(each) for each in encoder(image)]


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights()))


@pytest.mark.parametrize(
    "name, place",
    # Where a kernel of stride 2 stands: ResNet strides by 1x1, MobileNet by 3x3 padded behind.
    [("ResNet50", 0), ("MobileNet", 1), ("EfficientNetLite0", 1)],
)
def test_dilated_features_are_the_strided_ones_and_those_between(name, place, monkeypatch):
    monkeypatch.setattr(backbones, "_KEEP_LAST_STAGE", (name,))
    keras.utils.set_random_seed(0)
    strided = backbones.backbone(name, output_stride=32)
    image = np.random.default_rng(0).normal(size=(1, 256, 256, 3)).astype(np.float32)
    low, deep = features(strided, image)
    for output_stride in (16, 8):
        dilated = backbones.backbone(name, output_stride=output_stride)
        dilated.set_weights(strided.get_weights())
        dilated_low, dilated_deep = features(dilated, image)
        np.testing.assert_allclose(dilated_low, low, rtol=1e-4, atol=1e-5)
        step = 32 // output_stride
        start = place * (step - 1)
        assert dilated_deep.shape[1:3] == (8 * step, 8 * step)
        np.testing.assert_allclose(
            dilated_deep[:, start::step, start::step][:, 1:-1, 1:-1],
            deep[:, 1:-1, 1:-1],
            rtol=1e-3,
            atol=1e-4 * np.abs(deep).max(),
        )


@pytest.mark.parametrize(
    "name, channels",
    [
        ("ResNet50", (256, 2048)),
        ("ResNet101", (256, 2048)),
        ("ResNet50V2", (256, 1024)),
        ("ResNet101V2", (256, 1024)),
        ("DenseNet121", (128, 512)),
        ("ConvNeXtTiny", (96, 384)),
        ("MobileNet", (128, 512)),
        ("MobileNetV2", (144, 576)),
        ("EfficientNetB0", (144, 672)),
        ("EfficientNetV2B0", (32, 672)),
        ("EfficientNetLite0", (144, 672)),
        ("VGG16", (256, 512)),
        ("MobileNetV3Small", (72, 288)),
        ("MobileNetV3Large", (72, 672)),
    ],
)
def test_features_of_two_strides(name, channels):
    strides = (16,) if name.startswith("ConvNeXt") else (16, 8)
    for output_stride in strides:
        encoder = backbones.backbone(name, output_stride=output_stride)
        low, deep = encoder.compute_output_shape((1, 256, 256, 3))
        assert low == (1, 64, 64, channels[0])
        assert deep == (1, 256 // output_stride, 256 // output_stride, channels[1])


@pytest.mark.parametrize("name", ["ResNet50", "ResNet50V2", "ConvNeXtTiny", "MobileNetV2"])
def test_features_hold_all_that_the_network_goes_on_with(name):
    """Where they are cut out, no way leads from the image to what is behind them."""
    network = getattr(applications, name)(
        include_top=False, weights=None, input_shape=(256, 256, 3)
    )
    for stride in (4, 16):
        tap = backbones._last_of_stride(network, name, stride)
        if name == "ResNet50V2":  # its shortcut reads what is not normalised yet
            norm = backbones._layers_before(tap)[0]
            tap = backbones._layers_before(norm)[0]
            assert "_out" in tap.name
        reached = {network.operations[0].name}
        for each in network.operations[1:]:
            if each is not tap and any(b.name in reached for b in backbones._layers_before(each)):
                reached.add(each.name)
        behind = [each for each in network.operations if 1 < backbones._height(each) < 256 / stride]
        assert behind and reached.isdisjoint(each.name for each in behind)


def test_weights_of_a_file(tmp_path):
    keras.utils.set_random_seed(3)
    network = applications.MobileNetV3Small(include_top=False, weights=None)
    path = tmp_path / "mine.weights.h5"
    network.save_weights(path)
    loaded = backbones.backbone("MobileNetV3Small", weights=str(path), output_stride=32)
    assert same_weights(loaded, network)
    assert not same_weights(backbones.backbone("MobileNetV3Small", output_stride=32), network)


@pytest.mark.parametrize("set_home", [True, False])
def test_the_folder_of_downloads_is_that_of_keras(set_home, tmp_path):
    """In a process of its own, since Keras reads KERAS_HOME when it is imported."""
    script = (
        "import keras; from builders import backbones\n"
        "keras.utils.get_file('weights.h5', 'file://' + __import__('sys').argv[1], "
        "cache_subdir='models')\n"
        "print(backbones._downloads())"
    )
    (tmp_path / "source").write_text("weights")
    environment = {**os.environ, "HOME": str(tmp_path / "user")}
    (tmp_path / "user").mkdir()
    environment.pop("KERAS_HOME", None)
    if set_home:
        environment["KERAS_HOME"] = str(tmp_path / "elsewhere")
        (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "source")],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    folder = pathlib.Path(done.stdout.splitlines()[-1])
    assert (folder / "weights.h5").read_text() == "weights"
    assert tmp_path in folder.parents


def test_imagenet_weights_are_asked_for_by_name_and_hash(monkeypatch, tmp_path):
    asked = []

    def get_file(name, url, **options):
        asked.append((name, url, options.get("file_hash")))
        raise OSError("no network")

    monkeypatch.setattr("keras.src.applications.resnet.file_utils.get_file", get_file)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    backbones.backbone("ResNet50")
    assert not asked
    with pytest.raises(ValueError, match=rf"no network.*{tmp_path}/models.*path of a file.*None"):
        backbones.backbone("ResNet50", weights="imagenet")
    name, url, file_hash = asked[0]
    assert name == "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
    assert url.endswith(name) and url.startswith("https://") and file_hash


def test_a_grey_image_is_seen_as_rgb():
    grey, colour = keras.Input((None, None, 1)), keras.Input((None, None, 3))
    models = [keras.Model(x, backbones.preprocess("ResNet50", x)) for x in (grey, colour)]
    image = np.random.default_rng(0).random((1, 4, 5, 1)).astype(np.float32)
    seen = [
        ops.convert_to_numpy(models[0](image)),
        ops.convert_to_numpy(models[1](image.repeat(3, -1))),
    ]
    np.testing.assert_array_equal(*seen)
    # Blue, green and red less the means of ImageNet, as ResNet's authors trained it.
    expected = image * 255 - np.array([103.939, 116.779, 123.68])
    np.testing.assert_allclose(seen[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    "changes, match",
    [
        ({"backbone": "ResNet5"}, "`backbone` must be one of .*ResNet50.*Received: 'ResNet5'"),
        ({"backbone": "Xception"}, "line up with the image.*'Xception'.*none of stride 4"),
        ({"backbone": "NASNetMobile"}, "'NASNetMobile'.*none of stride 4 that hold all"),
        (
            {"backbone": "ConvNeXtTiny", "output_stride": 8},
            "`output_stride` must be 16.*Received: 8",
        ),
        ({"output_stride": 4}, r"`output_stride` must be one of \(8, 16, 32\)"),
        ({"weights": "no/such.h5"}, "weights"),
        ({"image_shape": (None, None, 2)}, "1 or 3 channels.*Received: 2"),
        ({"rates": (6, 12)}, "`rates` must be three numbers"),
    ],
)
def test_arguments_out_of_range(changes, match):
    with pytest.raises(ValueError, match=match):
        builders.build("deeplab_v3_plus", **changes)


@pytest.mark.parametrize(
    "arguments, total, trainable",
    [
        ({"separable": False}, 6_525_953, 6_504_481),
        ({"backbone": "EfficientNetB0"}, 2_326_168, 2_299_313),
        ({"backbone": "EfficientNetLite0"}, 2_175_121, 2_148_273),
        ({"backbone": "ResNet50", "separable": False}, 40_430_913, 40_373_601),
        ({"backbone": "ResNet50"}, 26_788_273, 26_717_553),
        ({"backbone": "ResNet50", "output_stride": 8}, 26_788_273, 26_717_553),
        ({"backbone": "ResNet101"}, 45_858_737, 45_735_793),
        ({"backbone": "ResNet50V2"}, 9_306_161, 9_270_769),
    ],
)
def test_published_sizes(arguments, total, trainable):
    model = outlined.build("deeplab_v3_plus", **arguments)
    assert model.count_params() == total
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable


def test_rates_follow_the_size_of_the_features():
    assert atrous_rates(512) == [6, 12, 18]
    assert atrous_rates(256) == [3, 6, 9]
    assert atrous_rates(512, output_stride=8) == [12, 24, 36]
    assert atrous_rates(16) == [1, 1, 1]
    model = builders.build("deeplab_v3_plus", image_shape=(256, 320, 3))
    layers = [model.get_layer(f"aspp_conv{number}_depthwise") for number in (2, 3, 4)]
    assert [layer.dilation_rate for layer in layers] == [(3, 3), (6, 6), (9, 9)]


@pytest.mark.parametrize("factor", [2, 4, 8])
@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4)])
def test_bilinear_upsampling_agrees_with_that_of_keras(factor, size):
    x = np.random.default_rng(0).random((2, *size, 3)).astype(np.float32)
    expected = keras.layers.UpSampling2D(factor, interpolation="bilinear")(x)
    layer = resizing.BilinearUpsampling(factor)
    np.testing.assert_allclose(layer(x), expected, atol=1e-6)
    assert layer.compute_output_shape((None, None, 5, 3)) == (None, None, 5 * factor, 3)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 4)])
def test_nearest_upsampling_is_that_of_keras(size):
    x = np.random.default_rng(0).random((2, *size, 3)).astype(np.float32)
    layer = resizing.NearestUpsampling()
    np.testing.assert_array_equal(layer(x), keras.layers.UpSampling2D(2)(x))
    assert layer.compute_output_shape((None, None, 5, 3)) == (None, None, 10, 3)
