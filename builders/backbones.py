"""Networks that were trained on photographs as encoders: features of some strides.

They are those of `keras.applications`, and EfficientNet-Lite, whose weights need no download.

A stride is the factor by which features are smaller than the image. The networks halve their input
five times, to stride 32, which loses small defects; here the last halvings are undone, and the
convolutions behind them dilated instead, so that every kernel still fits its weights.
"""

import functools
import os
import sys
import tempfile

import keras
from keras import applications, layers, ops

from builders import dilated, efficientnet_lite

PROBED_SIZE = 256  # height and width at which layers tell their strides
LOW_STRIDE = 4  # of the features that a decoder refines with
OUTPUT_STRIDES = (8, 16, 32)
# Their last stage is kept, dilated, below stride 32. Other networks lose theirs: many channels,
# made to be averaged into one label.
_KEEP_LAST_STAGE = ("ResNet50", "ResNet101", "ResNet152")
# Batch normalisation as they have it follows over thousands of steps: short trainings could not
# be validated.
_NORM_MOMENTUM = 0.9
_POINTWISE = (layers.BatchNormalization, layers.Activation, layers.ReLU)
NAMES = (*(key for key in dir(applications) if key[0].isupper()), *efficientnet_lite.SIZES)


def backbone(name: str, *, weights: str | None = None, output_stride: int = 16) -> keras.Model:
    """Returns a network as an encoder of any image size, for a decoder.

    Source: dilation for stride as in Chen et al., "Rethinking Atrous Convolution",
    arXiv:1706.05587, section 3.1.

    Args:
      name: one of `NAMES`, such as "ResNet50", "MobileNetV2" or "EfficientNetLite0".
      weights: None for a random start; "imagenet" for those of EfficientNet-Lite, see
        `imagenet_weights`, or those that Keras downloads, which need the network; or the path of a
        file of them for this network without its top.
      output_stride: stride of the deep features, 8, 16 or 32.

    Returns:
      A model from what `preprocess` returns, with H and W multiples of `output_stride`, to the list
      of the features of stride 4 and of `output_stride`.

    Raises:
      ValueError: the name is unknown or the network's features do not line up with the image, the
        stride is not one of `OUTPUT_STRIDES`, or there are no such weights.
    """
    if output_stride not in OUTPUT_STRIDES:
        raise ValueError(
            f"Argument `output_stride` must be one of {OUTPUT_STRIDES}. Received: {output_stride}"
        )
    network = _with_weights(name, weights)
    deepest = 32 if output_stride == 32 or name in _KEEP_LAST_STAGE else 16
    taps = [_last_of_stride(network, name, stride) for stride in (LOW_STRIDE, deepest)]
    network = keras.Model(network.input, [tap.output for tap in taps], name="backbone")
    encoder = _of_any_size(network, _dilation_for_stride(network, output_stride))
    _, deep = encoder.compute_output_shape((1, PROBED_SIZE, PROBED_SIZE, 3))
    if deep[1] * output_stride != PROBED_SIZE:
        raise ValueError(
            f"Argument `output_stride` must be {PROBED_SIZE // deep[1]} for {name}, whose strides "
            f"cannot be turned into dilation. Received: {output_stride}"
        )
    return encoder


def features(name: str, strides: tuple[int, ...], *, weights: str | None = None) -> keras.Model:
    """Returns a network as an encoder of any image size, of which features are compared.

    Of a stage that ends by widening its features for the next one, as the inverted bottlenecks of
    MobileNetV2 and EfficientNet do, those before are taken: they hold the same in fewer channels.

    Args:
      name: as in `backbone`.
      strides: which features are wanted, of 2, 4, 8, 16 and 32, from the smallest.
      weights: as in `backbone`.

    Returns:
      A model from what `preprocess` returns, with H and W multiples of the largest stride, to the
      list of the features of each stride.

    Raises:
      ValueError: the name is unknown or the network has no such features, a stride is none of
        those, or there are no such weights.
    """
    if not strides or list(strides) != sorted(set(strides) & {2, 4, 8, 16, 32}):
        raise ValueError(
            "Argument `strides` must be some of 2, 4, 8, 16 and 32, from the smallest. "
            f"Received: {strides}"
        )
    network = _with_weights(name, weights)
    taps = [_last_of_stride(network, name, stride, narrow=True) for stride in strides]
    return _of_any_size(keras.Model(network.input, [tap.output for tap in taps], name="backbone"))


def _of_any_size(network, changes=()) -> keras.Model:
    """A copy of a network with other configurations of some layers, `changes` by their names."""
    changes = dict(changes)

    def edited(layer):
        config = {**layer.get_config(), **changes.get(layer.name, {})}
        if isinstance(layer, layers.BatchNormalization):
            config["momentum"] = _NORM_MOMENTUM
        is_dilated = "dilation_rate" in changes.get(layer.name, {})
        kind = dilated.CONVOLUTIONS[type(layer)] if is_dilated else type(layer)
        return kind.from_config(config)

    image = keras.Input((None, None, 3), name="image")
    encoder = keras.models.clone_model(network, input_tensors=image, clone_function=edited)
    encoder.set_weights(network.get_weights())
    return encoder


def preprocess(name: str, image):
    """Turns a symbolic image [B, H, W, 1 or 3] in [0, 1] into what a network was trained on.

    Grey images are repeated into three channels.

    Raises:
      ValueError: the name is unknown, or the image has another number of channels.
    """
    if name in efficientnet_lite.SIZES:
        module = efficientnet_lite
    else:
        module = sys.modules[_application(name).__module__]
    # In float32, since bfloat16 has no eight bits for grey levels of 0 to 255 less their mean.
    image = layers.Rescaling(255.0, dtype="float32", name="grey_levels")(rgb(image))
    return module.preprocess_input(image)


def rgb(image):
    """Repeats a symbolic grey image [B, H, W, 1] into three channels; leaves one of three.

    Raises:
      ValueError: the image has another number of channels.
    """
    if image.shape[-1] not in (1, 3):
        raise ValueError(
            "Argument `image_shape` must have 1 or 3 channels, grey or colour. "
            f"Received: {image.shape[-1]} channels"
        )
    return ops.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def _application(name):
    if name not in NAMES:
        raise ValueError(
            f"Argument `encoder` or `backbone` must be one of {', '.join(NAMES)}. "
            f"Received: {name!r}"
        )
    if name in efficientnet_lite.SIZES:
        return functools.partial(efficientnet_lite.efficientnet_lite, name)
    return getattr(applications, name)


def _with_weights(name, weights) -> keras.Model:
    """Returns a network without its top."""
    try:
        return _application(name)(
            include_top=False, weights=weights, input_shape=(PROBED_SIZE, PROBED_SIZE, 3)
        )
    except Exception as error:  # what Keras raises where a download fails is a plain Exception
        if weights != "imagenet" or isinstance(error, ValueError):
            raise
        raise ValueError(
            f'Argument `weights` is "imagenet", which Keras could not download: {error}. Fetch '
            "that file where there is a network and put it under that name into "
            f"{_downloads()}, or give the path of a file of weights, or None for a random start. "
            "The weights of EfficientNetLite0 come with this project."
        ) from error


def _downloads() -> str:
    """Returns the folder where Keras looks for weights before it downloads them."""
    home = os.environ.get("KERAS_HOME") or os.path.join("~", ".keras")
    home = os.path.expanduser(home)
    if not os.access(home, os.W_OK):  # then Keras takes another one
        home = os.path.join("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return os.path.join(home, "models")


def _last_of_stride(network, name, stride, *, narrow=False):
    """Returns the last operation of this stride that holds all that the network goes on with.

    No inner branch of a block, then. Where normalisation and activation follow, with which the
    blocks of ResNetV2 begin, theirs. NASNet has none, since its cells read the two before them.
    """
    size = PROBED_SIZE // stride
    passed = {}  # name of an operation -> those that every way to it goes through, in order
    ends = []  # what the operations that shrink features of this stride, or none, read
    for layer in network.operations:
        ways = [passed[each.name] for each in _layers_before(layer)]
        shared = [each for each in ways[0] if all(each in way for way in ways)] if ways else []
        passed[layer.name] = [*shared, layer]
        if 1 < _height(layer) <= size // 2:  # 1 is that of squeeze and excitation
            ends += [way for each, way in zip(_layers_before(layer), ways) if _height(each) >= size]
    ends = ends or [passed[network.operations[-1].name]]
    found = [each for each in ends[0] if _height(each) == size and all(each in way for way in ends)]
    if not found:
        raise ValueError(
            "Argument `encoder` or `backbone` must be a network whose features line up with the "
            f"image. Received: {name!r}, with none of stride {stride} that hold all it goes on with"
        )
    last = found[-1]
    if narrow:
        narrower = next(each for each in reversed(found) if not _widens(each))
        if narrower.output.shape[-1] < last.output.shape[-1]:
            last = narrower
    while following := [each for each in _layers_behind(last) if isinstance(each, _POINTWISE)]:
        last = following[0]
    return last


def _widens(layer) -> bool:
    """Returns whether a layer may be one of those by which a bottleneck widens its features."""
    if isinstance(layer, layers.Conv2D) and layer.kernel_size == (1, 1):
        return layer.filters > layer.input.shape[-1]
    return isinstance(layer, _POINTWISE)


def _dilation_for_stride(network, output_stride):
    """Returns the changes of layers' configurations that keep strides at `output_stride`."""
    changes, scales = {}, {}  # scales: name of a layer -> (stride, dilation) of its output
    for layer in network.operations:  # what computes without weights is no layer
        before = [scales[each.name] for each in _layers_before(layer)]
        stride, dilation = max(before, default=(1, 1))
        config = layer.get_config() if isinstance(layer, layers.Layer) else {}
        step = max(config.get("strides") or (1,))
        kernel = max(config.get("kernel_size") or config.get("pool_size") or (1,))
        if step > 1 and stride >= output_stride:
            changes[layer.name] = {"strides": 1}
            scales[layer.name] = (stride, dilation * step)
        else:
            scales[layer.name] = (stride * step, dilation)
        if "kernel_size" in config and kernel > 1 and dilation > 1:
            changes.setdefault(layer.name, {})["dilation_rate"] = dilation
        if layer.name in changes and config.get("padding") == "valid" and kernel > 1:
            # A layer of its own has padded for the stride that is gone.
            changes[layer.name]["padding"] = "same"
            for each in _layers_before(layer):
                if isinstance(each, layers.ZeroPadding2D):
                    changes[each.name] = {"padding": 0}
    return changes


def _layers_before(layer):
    return [tensor._keras_history.operation for tensor in _inputs(layer)]


def _layers_behind(layer):
    return [node.operation for node in layer._outbound_nodes]


def _height(layer):
    """Returns height of an operation's features at `PROBED_SIZE`; 0 where it has none."""
    return layer.output.shape[1] if len(layer.output.shape) == 4 else 0


def _inputs(layer):
    if isinstance(layer, layers.InputLayer):
        return []
    return layer.input if isinstance(layer.input, list) else [layer.input]
