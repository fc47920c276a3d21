"""FlexUNet, a U-Net whose kernels, dilation and dropout change from level to level."""

import keras
from keras import layers

from builders import blocks, dilated, padding

LEAST_KERNEL = 3
# How the image in [0, 1] reaches the first convolution: factor and offset.
INPUT_SCALES = {"centered": (2.0, -1.0), "unit": (1.0, 0.0), "raw": (255.0, 0.0)}


def flex_unet(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 1),
    num_classes: int = 1,
    base_filters: int = 16,
    base_kernel: int = 5,
    num_layers: int = 6,
    dilation: int = 2,
    dropout_rate: float = 0.03,
    normalization: str | None = "batch",
    activation: str = "relu",
    input_scale: str = "centered",
) -> keras.Model:
    """Builds FlexUNet: kernels and dilation shrink, filters and dropout grow with the depth.

    Level i, from 0, has `base_filters * 2**i` filters, kernels of `base_kernel - 2 * i` but at
    least 3, dilation `dilation - i` but at least 1, and dropout `dropout_rate * i`.

    Source: TensorFlowFlexUNet in sarah-antillia/TensorFlow-FlexUNet-Image-Segmentation-Model. Its
    configuration for the TRANSISTOR of MVTec AD is `base_kernel=11, num_layers=8, dilation=3,
    normalization=None, input_scale="raw"` with three channels in and `num_classes=5`: 126,809,269
    parameters, 85 % of them where a 512x512 image is 8x8 or smaller. Deliberate differences:
    defaults of under 10 M parameters, normalised; images of any size are mirrored up to a multiple
    of `2**(num_layers - 1)` and the logits cut back, where the original took squares alone; the
    model returns logits.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good.
      base_filters: filters of the first level.
      base_kernel: kernel size of the first level, odd.
      num_layers: levels, the bottleneck included; 2 or more.
      dilation: dilation of the first level.
      dropout_rate: share of values that level 1 drops between its convolutions in training.
      normalization: "batch", "group" or None; behind the activation, as the original has it.
      activation: name of a Keras activation.
      input_scale: what the first convolution sees: "centered" [-1, 1], "unit" [0, 1] or "raw"
        [0, 255], which the published networks were fed with.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: an argument is out of its range.
    """
    if base_kernel < 1 or base_kernel % 2 == 0:
        raise ValueError(f"Argument `base_kernel` must be odd, from 1. Received: {base_kernel}")
    if num_layers < 2:
        raise ValueError(f"Argument `num_layers` must be 2 or more. Received: {num_layers}")
    if not 0 <= dropout_rate * (num_layers - 1) < 1:
        raise ValueError(
            "Argument `dropout_rate` must be at least 0, and below 1 times num_layers - 1. "
            f"Received: {dropout_rate} with {num_layers} levels"
        )
    if input_scale not in INPUT_SCALES:
        raise ValueError(
            f"Argument `input_scale` must be one of {', '.join(INPUT_SCALES)}. "
            f"Received: {input_scale!r}"
        )

    def double_conv(x, level, name):
        for number in (1, 2):
            x = dilated.Conv2D(
                base_filters * 2**level,
                max(LEAST_KERNEL, base_kernel - 2 * level),
                dilation_rate=max(1, dilation - level),
                padding="same",
                activation=activation,
                kernel_initializer="he_normal",
                name=f"{name}_conv{number}",
            )(x)
            x = blocks.normalize(x, normalization, f"{name}_conv{number}_norm")
            if number == 1 and dropout_rate * level > 0:
                x = layers.Dropout(dropout_rate * level, name=f"{name}_dropout")(x)
        return x

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    x = padding.pad_to_multiple(image, 2 ** (num_layers - 1))
    scale, offset = INPUT_SCALES[input_scale]
    x = layers.Rescaling(scale, offset=offset, name="normalize")(x)
    skips = []
    for level in range(num_layers - 1):
        x = double_conv(x, level, f"down{level + 1}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level + 1}_pool")(x)

    # === Bottleneck ===
    x = double_conv(x, num_layers - 1, "bottleneck")

    # === Decoder: each block has the schedule of the encoder's level of its size ===
    for place, level in enumerate(reversed(range(num_layers - 1)), start=1):
        filters = base_filters * 2**level
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"up{place}_upconv")(x)
        x = layers.Concatenate(name=f"up{place}_concat")([x, skips.pop()])
        x = double_conv(x, level, f"up{place}")

    # === Head ===
    logits = layers.Conv2D(num_classes, 1, name="mask_logits", dtype="float32")(x)
    return keras.Model(image, {"mask_logits": padding.crop_like(logits, image)}, name="flex_unet")
