"""EfficientNet-Lite0 to Lite4: networks for image labels that run fast on plain CPUs."""

import math
import string

import keras
from keras import layers

from builders import imagenet_weights

DEPTH_DIVISOR = 8
STEM_FILTERS, TOP_FILTERS = 32, 1280  # of every size
NORM_EPSILON, NORM_MOMENTUM = 1e-3, 0.99
# Blocks, kernel, stride of the first block, expansion, filters of each stage of Lite0.
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
# Factors of filters and blocks, share dropped before the labels.
SIZES = {
    "EfficientNetLite0": (1.0, 1.0, 0.2),
    "EfficientNetLite1": (1.0, 1.1, 0.2),
    "EfficientNetLite2": (1.1, 1.2, 0.3),
    "EfficientNetLite3": (1.2, 1.4, 0.3),
    "EfficientNetLite4": (1.4, 1.8, 0.3),
}


def preprocess_input(image):
    """Brings grey levels of 0 to 255 to what the networks were trained on, about [-1, 1]."""
    return (image - 127.0) / 128.0


def efficientnet_lite(
    name: str,
    *,
    include_top: bool = True,
    weights: str | None = None,
    input_shape: tuple[int | None, int | None, int] = (None, None, 3),
    classes: int = 1000,
) -> keras.Model:
    """Builds a network of EfficientNet-Lite, called as those of `keras.applications` are.

    Source: Tan and Le, "EfficientNet", arXiv:1905.11946, in the variant without squeeze and
    excitation and with ReLU6 of tensorflow/tpu, models/official/efficientnet/lite. Deliberate
    difference: branches are not dropped at random in training.

    Args:
      name: a key of `SIZES`. With 1,000 classes Lite0 to Lite4 have 4,652,008, 5,416,680,
        6,092,072, 8,197,096 and 13,006,568 trainable parameters.
      include_top: whether labels follow the features of stride 32.
      weights: None for a random start; "imagenet" for those of `imagenet_weights`; or the path of
        a file of PyTorch or of Keras.
      input_shape: (H, W, 3); H and W may be None.
      classes: labels of the top.

    Returns:
      A model from an image [B, H, W, 3], see `preprocess_input`, to probabilities [B, classes], or
      without the top to features [B, h, w, C].

    Raises:
      ValueError: the name is unknown, or there are no such weights.
    """
    if name not in SIZES:
        raise ValueError(f"Argument `name` must be one of {', '.join(SIZES)}. Received: {name!r}")
    width, depth, dropout_rate = SIZES[name]

    # === Stem ===
    image = keras.Input(input_shape, name="image")
    x = layers.Conv2D(STEM_FILTERS, 3, 2, "same", use_bias=False, name="stem_conv")(image)
    x = _norm_relu(x, "stem")

    # === Inverted bottlenecks: the first and the last stage keep their number of blocks ===
    for stage, (repeats, kernel_size, stride, expansion, filters) in enumerate(STAGES, start=1):
        if stage not in (1, len(STAGES)):
            repeats = math.ceil(depth * repeats)
        for number in range(repeats):
            x = _bottleneck(
                x,
                _scaled(filters, width),
                f"block{stage}{string.ascii_lowercase[number]}",
                kernel_size=kernel_size,
                stride=stride if number == 0 else 1,
                expansion=expansion,
            )

    # === Top ===
    if include_top:
        x = layers.Conv2D(TOP_FILTERS, 1, use_bias=False, name="top_conv")(x)
        x = _norm_relu(x, "top")
        x = layers.GlobalAveragePooling2D(name="top_mean")(x)
        x = layers.Dropout(dropout_rate, name="top_dropout")(x)
        x = layers.Dense(classes, activation="softmax", name="label")(x)
    model = keras.Model(image, x, name=name.lower())
    if weights is not None:
        imagenet_weights.set_weights(model, name, weights)
    return model


def _bottleneck(x, filters, name, *, kernel_size, stride, expansion):
    before = x
    if expansion != 1:
        width = expansion * before.shape[-1]
        x = layers.Conv2D(width, 1, use_bias=False, name=f"{name}_expand_conv")(x)
        x = _norm_relu(x, f"{name}_expand")
    x = layers.DepthwiseConv2D(
        kernel_size, stride, "same", use_bias=False, name=f"{name}_depthwise_conv"
    )(x)
    x = _norm_relu(x, f"{name}_depthwise")
    x = layers.Conv2D(filters, 1, use_bias=False, name=f"{name}_project_conv")(x)
    x = _norm(x, f"{name}_project")
    if stride == 1 and before.shape[-1] == filters:
        x = layers.Add(name=f"{name}_add")([before, x])
    return x


def _norm(x, name):
    return layers.BatchNormalization(
        momentum=NORM_MOMENTUM, epsilon=NORM_EPSILON, name=f"{name}_norm"
    )(x)


def _norm_relu(x, name):
    return layers.ReLU(6.0, name=f"{name}_relu")(_norm(x, name))


def _scaled(filters: int, width: float) -> int:
    """Filters times a width, as a multiple of eight that loses a tenth at most."""
    wanted = filters * width
    scaled = max(DEPTH_DIVISOR, int(wanted + DEPTH_DIVISOR / 2) // DEPTH_DIVISOR * DEPTH_DIVISOR)
    return scaled if scaled >= 0.9 * wanted else scaled + DEPTH_DIVISOR
