"""TinyUNet, NVIDIA's small U-Net for industrial surfaces."""

import keras
from keras import layers

from builders import blocks, padding, resizing

# stem width, widths of the three down blocks, bottleneck width, width of the output block
VARIANTS = {
    "tiny": (32, (32, 64, 128), 256, 32),
    "original": (64, (128, 256, 512), 1024, 64),
}


def tiny_unet(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 1),
    num_classes: int = 1,
    variant: str = "tiny",
    activation: str = "relu",
    kernel_initializer: str = "he_uniform",
    weight_decay: float = 0.0,
    standardize: bool = False,
) -> keras.Model:
    """Builds TinyUNet: four poolings, resize-convolution upsampling, no normalisation of features.

    Source: UNet_Industrial in NVIDIA/DeepLearningExamples (the modules `unet/industrial/class_*`
    of TF-Hub), after Ronneberger et al., "U-Net", arXiv:1505.04597. Deliberate differences: the
    model takes [0, 1] and rescales to the original's [-1, 1] in its first layer; it returns
    logits; images of any size are mirrored up to a multiple of 16 and the logits cut back, where
    the original cut or filled every image to 512x512 with zeros; `num_classes` may exceed 1.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good.
      variant: "tiny" (1,850,305 parameters for one channel in and out) or "original"
        (29,137,793).
      activation: name of a Keras activation, after every convolution but the last.
      kernel_initializer: name of a Keras initializer, of every kernel.
      weight_decay: factor d of a loss d/2 * ||v||^2 over every kernel and bias v, as the original
        has it.
      standardize: see `blocks.normalize_image`; the original has it not.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: `variant` is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(
            f"Argument `variant` must be one of {', '.join(VARIANTS)}. Received: {variant!r}"
        )
    stem, widths, bottleneck, head = VARIANTS[variant]

    def regularizer():
        return keras.regularizers.L2(weight_decay / 2) if weight_decay else None

    def conv(x, filters, name, *, kernel_size=3, **kwargs):
        kwargs = {"activation": activation, **kwargs}
        return layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            kernel_initializer=kernel_initializer,
            kernel_regularizer=regularizer(),
            bias_regularizer=regularizer(),
            name=name,
            **kwargs,
        )(x)

    def resize_conv(x, filters, name):
        x = resizing.NearestUpsampling(name=f"{name}_upsample")(x)
        return conv(x, filters, f"{name}_upconv", kernel_size=2)

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    x = blocks.normalize_image(image, 16, standardize=standardize)
    skips = []
    for name, filters in zip(("stem", "down1", "down2", "down3"), (stem, *widths)):
        x = conv(x, filters, f"{name}_conv1")
        x = conv(x, filters, f"{name}_conv2")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"{name}_pool")(x)

    # === Bottleneck ===
    x = conv(x, bottleneck, "bottleneck_conv1")
    x = conv(x, bottleneck, "bottleneck_conv2")
    x = resize_conv(x, widths[-1], "bottleneck")

    # === Decoder: each block halves its width before the next upsampling ===
    for name, filters in zip(("up1", "up2", "up3"), reversed(widths)):
        x = layers.Concatenate(name=f"{name}_concat")([x, skips.pop()])
        x = conv(x, filters, f"{name}_conv1")
        x = conv(x, filters // 2, f"{name}_conv2")
        x = resize_conv(x, filters // 2, name)

    # === Head ===
    x = layers.Concatenate(name="head_concat")([x, skips.pop()])
    x = conv(x, head, "head_conv1")
    x = conv(x, head, "head_conv2")
    logits = conv(
        x, num_classes, "mask_logits", kernel_size=1, activation="linear", dtype="float32"
    )
    return keras.Model(image, {"mask_logits": padding.crop_like(logits, image)}, name="tiny_unet")
