"""Micro-segmentor: a small U-Net of inverted residuals that also names the image's defect."""

import keras
from keras import layers, ops

from builders import blocks, padding, resizing
from builders.predictions import defect_probability, mask_probabilities

LEVELS = 4  # halvings, so that sizes are multiples of 16 inside the network
UPS = ("bilinear", "transpose")
POOLINGS = ("image", "defect")


def micro_segmentor(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    num_classes: int = 1,
    num_labels: int = 4,
    base_filters: int = 16,
    expansion: int = 4,
    up: str = "bilinear",
    label_pooling: str = "image",
) -> keras.Model:
    """Builds the micro-segmentor: one mask of all defects, and one label for the image.

    For images with defects of one type at most: the mask says where, the label says which.

    Source: the notebook "Image Segmentation with U-Net" in FixelAlgorithmsTeam/FixelCourses, whose
    blocks are those of Sandler et al., "MobileNetV2", arXiv:1801.04381, with SiLU. As there, the
    first convolution sees [0, 1] as it is. Deliberate differences: images of any size are mirrored
    up to a multiple of 16 and the logits cut back, where the original resized features that did
    not fit; the mask's last convolution stands before the enlargement, which gives the same; one
    layer gives the label, where the published code does not run.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size.
      num_classes: mask channels K; 1 means defect against good. More are for two labels: with
        more labels it is the label that tells types apart, and the mask could contradict it.
      num_labels: image labels L, good first.
      base_filters: filters of the stem; each level doubles them. For three channels in and the
        defaults, 16 gives 514,197 trainable parameters, 32 gives 2,002,213.
      expansion: how many times wider a block is inside than its input.
      up: "bilinear", or "transpose" for transposed convolutions that learn to enlarge: 1,298,517
        trainable parameters.
      label_pooling: what the label's features are the mean of: "image", of all pixels, as
        published; or "defect", of those that the mask marks, each by the square of its
        probability. A small defect then weighs as much in a large image as in the crops that
        taught the network.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K] and
      `label_logits` [B, L].

    Raises:
      ValueError: `up` or `label_pooling` is unknown, or mask and labels both tell types apart.
    """
    for name, value, known in (("up", up, UPS), ("label_pooling", label_pooling, POOLINGS)):
        if value not in known:
            raise ValueError(
                f"Argument `{name}` must be one of {', '.join(known)}. Received: {value!r}"
            )
    if num_classes > 1 and num_labels > 2:
        raise ValueError(
            "Argument `num_classes` must be 1 where labels tell types of defect apart. Received: "
            f"{num_classes}, with {num_labels} labels"
        )

    def enlarge(x, name):
        if up == "bilinear":
            return resizing.BilinearUpsampling(2, name=f"{name}_upsample")(x)
        # Cut at the front, as padding by 1 does in PyTorch; "same" would cut behind.
        x = layers.Conv2DTranspose(
            x.shape[-1],
            3,
            strides=2,
            use_bias=False,
            kernel_initializer=blocks.uniform_by_fan_in(),
            name=f"{name}_upconv",
        )(x)
        x = layers.Cropping2D(((1, 0), (1, 0)), name=f"{name}_upconv_crop")(x)
        return _norm_silu(x, f"{name}_upconv")

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    x = padding.pad_to_multiple(image, 2**LEVELS)
    x = layers.ZeroPadding2D(1, name="stem_pad")(x)
    x = _conv(x, base_filters, "stem", kernel_size=3, strides=2)
    x = _norm_silu(x, "stem")
    skips = []
    for level in range(1, LEVELS):
        skips.append(x)
        x = _inverted_residual(x, base_filters * 2**level, expansion, f"down{level}", strides=2)

    # === Bottleneck ===
    deep = x = _inverted_residual(x, base_filters * 2**LEVELS, expansion, "bottleneck")

    # === Decoder ===
    for place, level in enumerate(reversed(range(1, LEVELS)), start=1):
        name, filters = f"up{place}", base_filters * 2**level
        x = layers.Concatenate(name=f"{name}_concat")([enlarge(x, name), skips.pop()])
        x = _conv(x, filters, f"{name}_conv", use_bias=True)
        x = _inverted_residual(x, filters, expansion, name)

    # === Heads ===
    mask = {"use_bias": True, "dtype": "float32"}
    if up == "bilinear":  # the convolution first: with a quarter of the pixels, and the same result
        x = _conv(x, num_classes, "mask_logits_small", **mask)
        logits = resizing.BilinearUpsampling(2, name="mask_logits", dtype="float32")(x)
    else:
        x = logits = _conv(enlarge(x, "head"), num_classes, "mask_logits", **mask)
    if label_pooling == "image":
        x = layers.GlobalAveragePooling2D(name="label_mean", dtype="float32")(deep)
    else:
        pixels = 2 ** (LEVELS - 1) if up == "bilinear" else 2**LEVELS
        x = DefectMean(pixels, name="label_defect_mean", dtype="float32")(deep, x)
    labels = layers.Dense(
        num_labels,
        kernel_initializer=blocks.uniform_by_fan_in(),
        bias_initializer=blocks.uniform(x.shape[-1]),
        name="label_logits",
        dtype="float32",
    )(x)
    outputs = {"mask_logits": padding.crop_like(logits, image), "label_logits": labels}
    return keras.Model(image, outputs, name="micro_segmentor")


@keras.saving.register_keras_serializable("defect_zoo")
class DefectMean(layers.Layer):
    """The mean of features [B, h, w, C] over the defect that mask logits [B, H, W, K] mark.

    A feature weighs by the square of the highest defect probability among its `pixels` x `pixels`,
    so that a marked one outweighs many that are good with a doubt; where none is marked, all weigh
    about alike. Labels do not teach the mask.
    """

    def __init__(self, pixels: int, **kwargs):
        super().__init__(**kwargs)
        self.pixels = pixels

    def call(self, features, mask_logits):
        defect = ops.stop_gradient(defect_probability(mask_probabilities(mask_logits)))
        highest = ops.max_pool(ops.expand_dims(defect, -1), self.pixels, self.pixels)
        weights = ops.square(highest) + 1e-6  # never all 0
        return ops.sum(weights * features, axis=(1, 2)) / ops.sum(weights, axis=(1, 2))

    def compute_output_shape(self, features_shape, mask_logits_shape):
        return (features_shape[0], features_shape[3])

    def get_config(self):
        return {**super().get_config(), "pixels": self.pixels}


def _inverted_residual(x, filters, expansion, name, *, strides=1):
    """Widens by 1x1, filters by depth, narrows by 1x1; adds the input where shapes agree."""
    before, width = x, expansion * x.shape[-1]
    x = _norm_silu(_conv(x, width, f"{name}_expand"), f"{name}_expand")
    if strides > 1:  # on all sides, where "same" with a stride pads behind alone: the grid moves
        x = layers.ZeroPadding2D(1, name=f"{name}_pad")(x)
    x = layers.DepthwiseConv2D(
        3,
        strides=strides,
        padding="valid" if strides > 1 else "same",
        use_bias=False,
        # Keras counts the channels into the fan-in of a depthwise kernel, of which each sees one.
        depthwise_initializer=blocks.uniform(9),
        name=f"{name}_depthwise",
    )(x)
    x = _norm_silu(x, f"{name}_depthwise")
    x = blocks.normalize(_conv(x, filters, f"{name}_project"), "batch", f"{name}_project_norm")
    if strides == 1 and filters == before.shape[-1]:
        x = layers.Add(name=f"{name}_add")([x, before])
    return x


def _conv(x, filters, name, *, kernel_size=1, use_bias=False, **kwargs):
    return layers.Conv2D(
        filters,
        kernel_size,
        use_bias=use_bias,
        kernel_initializer=blocks.uniform_by_fan_in(),
        bias_initializer=blocks.uniform(x.shape[-1] * kernel_size**2),
        name=name,
        **kwargs,
    )(x)


def _norm_silu(x, name):
    x = blocks.normalize(x, "batch", f"{name}_norm")
    return layers.Activation("silu", name=f"{name}_silu")(x)
