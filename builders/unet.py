"""U-Net with batch normalisation, of any width."""

import keras
from keras import layers

from builders import blocks

LEVELS = 4  # poolings, so that sizes are multiples of 16 inside the network


def unet(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 1),
    num_classes: int = 1,
    base_filters: int = 32,
    normalization: str | None = "batch",
    dropout_rate: float = 0.0,
    kernel_initializer: str = "he_normal",
) -> keras.Model:
    """Builds a U-Net: four poolings, two 3x3 convolutions a level, transposed convolutions.

    Source: Ronneberger et al., "U-Net", arXiv:1505.04597. Deliberate differences: convolutions
    keep the size, where the original lost a border; each is normalised before its ReLU; images of
    any size are mirrored up to a multiple of 16 and the logits cut back; the first layer rescales
    [0, 1] to [-1, 1]; the width is an argument, 64 in the original.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good.
      base_filters: filters of the first level; each level doubles them. For three channels in and
        one out: 16 gives 1,945,521 parameters, 32 gives 7,768,929, 64 gives 31,049,409.
      normalization: "batch", "group", or None for convolutions with a bias and nothing behind.
      dropout_rate: share of values in [0, 1) dropped behind the bottleneck in training.
      kernel_initializer: name of a Keras initializer, of every kernel of a 3x3 convolution.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: `normalization` is unknown.
    """

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
    x = blocks.pad_to_multiple(image, 2**LEVELS)
    x = layers.Rescaling(2.0, offset=-1.0, name="normalize")(x)
    skips = []
    for level, filters in enumerate(widths, start=1):
        x = double_conv(x, filters, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)

    # === Bottleneck ===
    x = double_conv(x, base_filters * 2**LEVELS, "bottleneck")
    if dropout_rate:
        x = layers.Dropout(dropout_rate, name="bottleneck_dropout")(x)

    # === Decoder ===
    for place, filters in enumerate(reversed(widths), start=1):
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"up{place}_upconv")(x)
        x = layers.Concatenate(name=f"up{place}_concat")([x, skips.pop()])
        x = double_conv(x, filters, f"up{place}")

    # === Head ===
    logits = layers.Conv2D(num_classes, 1, name="mask_logits", dtype="float32")(x)
    return keras.Model(image, {"mask_logits": blocks.crop_like(logits, image)}, name="unet")
