"""FastUNet, TinyUNet's topology on an image folded into channels: for a plain CPU on a line."""

import keras
from keras import layers

from builders import blocks, padding

STEM_STRIDES = (2, 4)
WIDTHS = (1, 1, 2, 4, 8)  # of the levels, in base filters: those of TinyUNet, bottleneck last


def fast_unet(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 1),
    num_classes: int = 1,
    stem_stride: int = 4,
    base_filters: int = 32,
    refine_filters: int = 4,
    normalization: str | None = None,
    standardize: bool = False,
) -> keras.Model:
    """Builds FastUNet: a U-Net at a half or a quarter of the image's size, refined at the full one.

    What costs a CPU time is not the number of operations but the memory that large features move;
    separable convolutions save the former and not the latter. Here all but two small convolutions
    run on features that are `stem_stride` times smaller than the image: the stem folds blocks of
    pixels into channels, and the head unfolds channels into pixels (Shi et al., "Real-Time Single
    Image and Video Super-Resolution", arXiv:1609.05158). The refinement sees the image itself
    beside the mask, and adds to it, so that outlines follow the image's edges.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good.
      stem_stride: pixels on a side of the blocks that are folded, 2 or 4.
      base_filters: filters of the first two levels; each of the three below doubles them.
      refine_filters: filters at the full size of the image; 0 for no refinement.
      normalization: "batch", "group" or None.
      standardize: see `blocks.normalize_image`.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: `stem_stride` or `normalization` is unknown.
    """
    if stem_stride not in STEM_STRIDES:
        raise ValueError(
            f"Argument `stem_stride` must be one of {STEM_STRIDES}. Received: {stem_stride}"
        )

    def double_conv(x, filters, name):
        for number in (1, 2):
            x = blocks.conv_norm_relu(x, filters, f"{name}_conv{number}", **options)
        return x

    options = {"normalization": normalization, "kernel_initializer": "he_normal"}
    widths = [base_filters * width for width in WIDTHS]

    # === Stem: a kernel as large as its stride folds each block by itself ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    multiple = stem_stride * 2 ** (len(WIDTHS) - 1)
    full = blocks.normalize_image(image, multiple, standardize=standardize)
    x = layers.Conv2D(base_filters, stem_stride, strides=stem_stride, name="stem_fold")(full)

    # === Encoder ===
    skips = []
    for level, filters in enumerate(widths[:-1], start=1):
        x = double_conv(x, filters, f"down{level}")
        skips.append(x)
        x = layers.MaxPooling2D(2, name=f"down{level}_pool")(x)

    # === Bottleneck ===
    x = double_conv(x, widths[-1], "bottleneck")

    # === Decoder ===
    for place, filters in enumerate(reversed(widths[:-1]), start=1):
        x = layers.Conv2DTranspose(filters, 2, strides=2, name=f"up{place}_upconv")(x)
        x = layers.Concatenate(name=f"up{place}_concat")([x, skips.pop()])
        x = double_conv(x, filters, f"up{place}")

    # === Head: the stem's inverse, and what the full size adds ===
    logits = layers.Conv2DTranspose(
        num_classes,
        stem_stride,
        strides=stem_stride,
        name="head_unfold" if refine_filters else "mask_logits",
        dtype="float32",
    )(x)
    if refine_filters:
        x = layers.Concatenate(name="refine_concat")([logits, full])
        x = layers.Conv2D(
            refine_filters, 3, padding="same", activation="relu", name="refine_conv1"
        )(x)
        x = layers.Conv2D(num_classes, 1, name="refine_conv2", dtype="float32")(x)
        logits = layers.Add(name="mask_logits", dtype="float32")([logits, x])
    return keras.Model(image, {"mask_logits": padding.crop_like(logits, image)}, name="fast_unet")
