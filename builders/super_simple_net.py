"""SuperSimpleNet, which tells features of defects, real or made of noise, from those of good."""

import keras
from keras import layers, ops

from builders import blocks, gaussian_blur, padding, resizing
from builders.frozen_features import NEIGHBOURHOOD, STRIDES, frozen_features

MASK_FILTERS = 128
SCORE_FILTERS = 32
SCORE_KERNEL = 5
SCORE_POOL = 2  # cells on a side that the head of scores sees as one
MAP_STRIDE = 2
VARIANCE_EPSILON = 1e-6  # of a channel that never changes


def super_simple_net(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    backbone: str = "EfficientNetLite0",
    weights: str | None = None,
    strides: tuple[int, ...] = STRIDES,
    neighbourhood: int = NEIGHBOURHOOD,
    mask_filters: int = MASK_FILTERS,
    score_filters: int = SCORE_FILTERS,
    map_stride: int = MAP_STRIDE,
    smoothing: float = 0.0,
) -> keras.Model:
    """Builds SuperSimpleNet: frozen features of photographs, and two small heads that learn.

    Source: Rolih et al., "SuperSimpleNet", arXiv:2408.03143, and "No Label Left Behind",
    arXiv:2508.19060. Deliberate differences: features are standardised, so that noise has one
    strength for all channels, and the adaptor leaves them as they are at first; they are not
    enlarged to half their smallest stride, but the head of masks tells the places in a cell apart;
    the heads are narrower, and that of scores sees four cells as one, for a plain CPU; the map is
    not blurred unless `smoothing` says so; images have any size.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size. C is 1 or 3; grey
        images are repeated into three channels.
      backbone: one of `backbones.NAMES`.
      weights: of the backbone: "imagenet", the path of a file, or None for a random start, whose
        features say little.
      strides: of the features, 2, 4, 8, 16 or 32, from the smallest, which is that of the heads.
      neighbourhood: cells on a side of what features are averaged over, an odd number.
      mask_filters: channels of the head of masks.
      score_filters: channels of the head of scores.
      map_stride: of the map, 1 or an even number that divides the smallest of the features.
      smoothing: standard deviation of a blur of the map, in its cells; 0 for none.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, 1];
      `anomaly_map` [B, H, W] in [0, 1], their probabilities; and `score_logits` [B].

    Raises:
      ValueError: an argument is out of its range, or there are no such weights.
    """
    if smoothing < 0:
        raise ValueError(f"Argument `smoothing` must be 0 or more. Received: {smoothing}")
    if strides[0] % map_stride or (map_stride % 2 and map_stride > 1):
        raise ValueError(
            "Argument `map_stride` must be 1 or an even number that divides the smallest of the "
            f"strides, {strides[0]}. Received: {map_stride}"
        )

    image = keras.Input(image_shape, name="image", dtype="float32")
    x = frozen_features(
        image, backbone=backbone, weights=weights, strides=strides, neighbourhood=neighbourhood
    )

    # === Adaptor ===
    fixed = {"center": False, "scale": False, "epsilon": VARIANCE_EPSILON, "trainable": False}
    x = layers.BatchNormalization(name="standardize", dtype="float32", **fixed)(x)
    x = layers.Conv2D(x.shape[-1], 1, kernel_initializer=_identity, name="adaptor")(x)

    # === Heads ===
    split = strides[0] // map_stride  # cells of the map on a side of one of the features
    cells = blocks.conv_norm_relu(x, mask_filters, "mask_conv", kernel_size=1)
    cells = layers.Conv2DTranspose(1, split, strides=split, name="cell_logits", dtype="float32")(
        cells
    )
    whole = {"padding": "same", "dtype": "float32"}
    x = layers.AveragePooling2D(SCORE_POOL, name="score_mean", **whole)(x)
    highest = layers.MaxPooling2D(SCORE_POOL * split, name="score_highest", **whole)(cells)
    x = layers.Concatenate(name="score_concat")([x, highest])
    x = blocks.conv_norm_relu(x, score_filters, "score_conv", kernel_size=SCORE_KERNEL)
    pooled = [pool(each, axis=(1, 2)) for each in (x, cells) for pool in (ops.max, ops.mean)]
    x = layers.Concatenate(name="score_pool", dtype="float32")(pooled)
    score = layers.Dense(1, name="score_logits", dtype="float32")(x)

    # === Map ===
    logits = cells
    if smoothing:
        logits = gaussian_blur.GaussianBlur(smoothing, name="blur", dtype="float32")(logits)
    if map_stride > 1:
        logits = resizing.BilinearUpsampling(map_stride, name="up_map", dtype="float32")(logits)
    logits = padding.crop_like(logits, image)
    outputs = {
        "mask_logits": logits,
        "anomaly_map": ops.sigmoid(logits)[..., 0],
        "score_logits": score[:, 0],
    }
    return keras.Model(image, outputs, name="super_simple_net")


def _identity(shape, dtype=None):
    """Returns a kernel 1x1 that changes nothing."""
    return ops.reshape(ops.eye(shape[-1], dtype=dtype), shape)


def encoder_of(model: keras.Model) -> keras.Model:
    """Returns what never learns of a model of `super_simple_net`.

    From images to features [B, h, w, C].
    """
    return keras.Model(model.input, model.get_layer("standardize").input)


def adaptor_of(model: keras.Model) -> keras.Model:
    """Returns what follows, up to where noise is added: from those features to adapted ones."""
    return keras.Model(model.get_layer("standardize").input, model.get_layer("adaptor").output)


def mask_head_of(model: keras.Model) -> keras.Model:
    """Returns the head of masks, without enlargement: from adapted features to [B, k h, k w, 1]."""
    return keras.Model(model.get_layer("adaptor").output, model.get_layer("cell_logits").output)


def score_head_of(model: keras.Model) -> keras.Model:
    """Returns the head of scores.

    From adapted features and what `mask_head_of` makes of them to [B].
    """
    names = ("adaptor", "cell_logits")
    inputs = [model.get_layer(name).output for name in names]
    return keras.Model(inputs, model.output["score_logits"])


def strides_of(model: keras.Model) -> tuple[int, int]:
    """The stride of the features of a model of `super_simple_net`, and that of `cell_logits`."""
    of_map = next((layer.factor for layer in model.layers if layer.name == "up_map"), 1)
    return of_map * model.get_layer("cell_logits").strides[0], of_map


def set_statistics(model: keras.Model, mean, variance) -> None:
    """Sets by what a model of `super_simple_net` standardises features: float [C] each."""
    model.get_layer("standardize").set_weights([mean, variance])
