"""U-Net with batch normalisation, of any width, or with a network of photographs as its encoder."""

import keras
from keras import layers

from builders import backbones, blocks, padding

LEVELS = 4  # poolings, so that sizes are multiples of 16 inside the network


def unet(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 1),
    num_classes: int = 1,
    base_filters: int = 32,
    normalization: str | None = "batch",
    dropout_rate: float = 0.0,
    kernel_initializer: str = "he_normal",
    encoder: str | None = None,
    weights: str | None = None,
) -> keras.Model:
    """Builds a U-Net: four halvings, two 3x3 convolutions a level, transposed convolutions.

    Source: Ronneberger et al., "U-Net", arXiv:1505.04597. Deliberate differences: convolutions
    keep the size, where the original lost a border; each is normalised before its ReLU; images of
    any size are mirrored up to a multiple of 16 and the logits cut back; the first layer rescales
    [0, 1] to [-1, 1]; the width is an argument, 64 in the original. With an `encoder`, the features
    of that network stand for the way down, and the image itself for those of its own size.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good.
      base_filters: filters of the first level; each level doubles them. For three channels in and
        one out: 16 gives 1,945,521 parameters, 32 gives 7,768,929, 64 gives 31,049,409; behind the
        encoder EfficientNetLite0 1,276,081, 2,704,609 and 8,169,793.
      normalization: "batch", "group", or None for convolutions with a bias and nothing behind.
      dropout_rate: share of values in [0, 1) dropped behind the bottleneck in training.
      kernel_initializer: name of a Keras initializer, of every kernel of a 3x3 convolution.
      encoder: one of `backbones.NAMES` with features of strides 2 to 16, such as
        "EfficientNetLite0"; C is then 1 or 3. None for the U-Net's own.
      weights: of the encoder: None for a random start, "imagenet", or the path of a file.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: `normalization` or `encoder` is unknown, the encoder has no such features, or
        there are no such weights.
    """
    if weights is not None and encoder is None:
        raise ValueError(
            "Argument `weights` must be None without an `encoder`, such as "
            f'"EfficientNetLite0". Received: {weights!r}'
        )

    def double_conv(x, filters, name):
        for number in (1, 2):
            x = blocks.conv_norm_relu(
                x,
                filters,
                f"{name}_conv{number}",
                normalization=normalization,
                kernel_initializer=kernel_initializer,
            )
        return x

    widths = [base_filters * 2**level for level in range(LEVELS)]

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    padded = padding.pad_to_multiple(image, 2**LEVELS)
    x = layers.Rescaling(2.0, offset=-1.0, name="normalize")(padded)
    if encoder is None:
        skips = []
        for level, filters in enumerate(widths, start=1):
            x = double_conv(x, filters, f"down{level}")
            skips.append(x)
            x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)
        x = double_conv(x, base_filters * 2**LEVELS, "bottleneck")
    else:
        strides = tuple(2**level for level in range(1, LEVELS + 1))
        network = backbones.features(encoder, strides, weights=weights)
        *features, deepest = network(backbones.preprocess(encoder, padded))
        skips, x = [x, *features], deepest
    if dropout_rate:
        x = layers.Dropout(dropout_rate, name="bottleneck_dropout")(x)

    # === Decoder ===
    for place, filters in enumerate(reversed(widths), start=1):
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"up{place}_upconv")(x)
        x = layers.Concatenate(name=f"up{place}_concat")([x, skips.pop()])
        x = double_conv(x, filters, f"up{place}")

    # === Head ===
    logits = layers.Conv2D(num_classes, 1, name="mask_logits", dtype="float32")(x)
    return keras.Model(image, {"mask_logits": padding.crop_like(logits, image)}, name="unet")
