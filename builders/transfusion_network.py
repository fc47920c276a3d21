"""The network of TransFusion, which splits what it sees into a defect and the surface below it."""

import math

import keras
from keras import layers, ops

from builders import blocks

NORM_GROUPS = 32  # of the group normalisation in the blocks
STEM_STRIDES = (1, 2, 4)
LONGEST_WAVE = 1e4  # of the code of a step, over 2 pi
MOST_CELLS = 64 * 64  # that attend at once: 64 MiB of weights per image


def build_network(
    *, image_shape, base_filters, multipliers, attention, num_blocks, stem_stride
) -> keras.Model:
    """Builds the network of one step, a U-Net of residual blocks that know the step.

    Args:
      image_shape: (H, W, 3), multiples of `stem_stride * 2**(levels - 1)` or None.
      base_filters, multipliers, attention, num_blocks, stem_stride: as in `transfusion`.

    Returns:
      A model from a dict of `image` [B, H, W, 3] in [-1, 1], a defect's `mask` of the step before
      [B, H, W, 1], 0 or 1, and `step` int32 [B], to a dict of float32 heads: `appearance`, the
      defect times its opacity, `normal`, the image without it, both [B, H, W, 3], and
      `mask_logit` [B, H, W, 1].

    Raises:
      ValueError: an argument is out of its range.
    """
    if base_filters < NORM_GROUPS or base_filters % NORM_GROUPS:
        raise ValueError(
            f"Argument `base_filters` must be a multiple of {NORM_GROUPS}, the groups of its "
            f"normalisation. Received: {base_filters}"
        )
    if not multipliers or len(multipliers) != len(attention):
        raise ValueError(
            "Arguments `multipliers` and `attention` must have an entry for each level. Received: "
            f"{multipliers} and {attention}"
        )
    if stem_stride not in STEM_STRIDES:
        raise ValueError(
            f"Argument `stem_stride` must be one of {STEM_STRIDES}. Received: {stem_stride}"
        )

    def block(x, filters, level, name):
        x = _residual(x, time, filters, name)
        return _attend(x, f"{name}_attention") if attention[level] else x

    levels = len(multipliers)
    widths = [base_filters * math.prod(multipliers[: level + 1]) for level in range(levels)]

    # === Inputs ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    mask = keras.Input((*image_shape[:2], 1), name="mask", dtype="float32")
    step = keras.Input((), name="step", dtype="int32")
    time = StepCode(base_filters, name="step_code", dtype="float32")(step)
    time = _silu(_dense(time, 4 * base_filters, "step_dense1"), "step")
    time = _dense(time, 4 * base_filters, "step_dense2")

    # === Stem ===
    rows = RowCode(name="row_code", dtype="float32")(image)
    x = layers.Concatenate(name="stem_concat")([image, mask, rows])
    kernel = 3 if stem_stride == 1 else stem_stride  # folds each block by itself
    x = _conv(x, base_filters, "stem", kernel_size=kernel, strides=stem_stride)
    skips = [x]

    # === Encoder ===
    for level, filters in enumerate(widths):
        name = f"down{level + 1}"
        for number in range(num_blocks):
            x = block(x, filters, level, f"{name}_block{number + 1}")
            skips.append(x)
        if level < levels - 1:
            # Padded on all sides, where "same" with a stride pads behind alone.
            x = layers.ZeroPadding2D(1, name=f"{name}_downsample_pad")(x)
            x = _conv(x, filters, f"{name}_downsample", strides=2, padding="valid")
            skips.append(x)

    # === Bottleneck ===
    x = _residual(x, time, widths[-1], "bottleneck_block1")
    x = _attend(x, "bottleneck_attention")
    x = _residual(x, time, widths[-1], "bottleneck_block2")

    # === Decoder: the last block of a level takes the width of the next one ===
    for place, level in enumerate(reversed(range(levels)), start=1):
        name = f"up{place}"
        after = widths[level] // multipliers[level]
        for number, filters in enumerate([*[widths[level]] * num_blocks, after], start=1):
            x = layers.Concatenate(name=f"{name}_block{number}_concat")([x, skips.pop()])
            x = block(x, filters, level, f"{name}_block{number}")
        if level > 0:
            x = _enlarge(x, after, 2, f"{name}_upsample")

    # === Heads ===
    def head(x, channels, name):
        if stem_stride == 1:
            return _conv(x, channels, name, dtype="float32")
        return _enlarge(x, channels, stem_stride, name, dtype="float32")

    visible = _silu(blocks.normalize(x, "group", "appearance_norm"), "appearance")
    where = _silu(blocks.normalize(x, "batch", "mask_norm"), "mask")
    heads = {
        "appearance": head(visible, 3, "appearance"),
        "normal": head(x, 3, "normal"),
        "mask_logit": head(where, 1, "mask_logit"),
    }
    return keras.Model({"image": image, "mask": mask, "step": step}, heads, name="network")


def _residual(x, step_code, filters, name):
    """Twice normalise, SiLU, convolve, with the step added between, and the input at the end."""
    before = x
    x = _conv(_norm_silu(x, f"{name}_norm1"), filters, f"{name}_conv1")
    code = layers.Reshape((1, 1, filters), name=f"{name}_step_reshape")(
        _dense(step_code, filters, f"{name}_step")
    )
    x = layers.Add(name=f"{name}_step_add")([x, code])
    x = _conv(_norm_silu(x, f"{name}_norm2"), filters, f"{name}_conv2")
    if before.shape[-1] != filters:
        before = _conv(before, filters, f"{name}_shortcut", kernel_size=1)
    return layers.Add(name=f"{name}_add")([x, before])


def _attend(x, name):
    """Every cell looks at every other; as published, nothing is normalised before."""
    parts = _dense(x, 3 * x.shape[-1], f"{name}_parts")
    found = SpatialAttention(name=name)(parts)
    return layers.Add(name=f"{name}_add")([x, _dense(found, x.shape[-1], f"{name}_out")])


def _norm_silu(x, name):
    return _silu(layers.GroupNormalization(NORM_GROUPS, epsilon=1e-5, name=name)(x), name)


def _silu(x, name):
    return layers.Activation("silu", name=f"{name}_silu")(x)


def _conv(x, filters, name, *, kernel_size=3, padding="same", **kwargs):
    return layers.Conv2D(
        filters,
        kernel_size,
        padding=padding,
        kernel_initializer=blocks.uniform_by_fan_in(),
        bias_initializer=blocks.uniform(x.shape[-1] * kernel_size**2),
        name=name,
        **kwargs,
    )(x)


def _enlarge(x, filters, stride, name, **kwargs):
    """Enlarges by a transposed convolution whose kernels overlap by half."""
    return layers.Conv2DTranspose(
        filters,
        2 * stride,
        strides=stride,
        padding="same",
        kernel_initializer=blocks.uniform_by_fan_in(),
        bias_initializer=blocks.uniform(filters * (2 * stride) ** 2),
        name=name,
        **kwargs,
    )(x)


def _dense(x, units, name):
    return layers.Dense(
        units,
        kernel_initializer=blocks.uniform_by_fan_in(),
        bias_initializer=blocks.uniform(x.shape[-1]),
        name=name,
    )(x)


@keras.saving.register_keras_serializable("defect_zoo")
class StepCode(layers.Layer):
    """Codes steps int [B] by sines and cosines, `size` / 2 frequencies each: float32 [B, size]."""

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, step):
        count = self.size // 2
        waves = ops.exp(-math.log(LONGEST_WAVE) * ops.arange(count, dtype="float32") / (count - 1))
        angles = ops.cast(step, "float32")[:, None] * waves
        return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)

    def compute_output_shape(self, step_shape):
        return (step_shape[0], self.size)

    def get_config(self):
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable("defect_zoo")
class RowCode(layers.Layer):
    """The sine of each pixel's row, from 0, as a channel [B, H, W, 1] beside an image.

    The original asked a library of two-dimensional codes for a single channel, and got no more.
    """

    def call(self, image):
        rows = ops.arange(ops.shape(image)[1], dtype="float32")
        return ops.zeros_like(image[..., :1]) + ops.sin(rows)[:, None, None]

    def compute_output_shape(self, image_shape):
        return (*image_shape[:3], 1)


@keras.saving.register_keras_serializable("defect_zoo")
class SpatialAttention(layers.Layer):
    """Attention of one head between all cells, softmax in float32.

    Up to `MOST_CELLS` at once. Of more, or of a number that is not known beforehand, each row of
    cells asks by itself, so that a prediction holds the weights of one row at a time; training
    keeps all for the gradient.
    """

    def call(self, parts):
        """Attends: from queries, keys and values side by side [B, h, w, 3 C] to [B, h, w, C]."""
        query, key, value = ops.split(parts, 3, axis=-1)
        _, height, width, channels = query.shape
        key, value = (ops.reshape(x, (ops.shape(x)[0], -1, 1, channels)) for x in (key, value))

        def answers(query):
            return ops.dot_product_attention(query, key, value)

        if None not in (height, width) and height * width <= MOST_CELLS:
            tokens = ops.reshape(query, (-1, height * width, 1, channels))
            return ops.reshape(answers(tokens), (-1, height, width, channels))
        rows = ops.transpose(query, (1, 0, 2, 3))
        found = ops.map(lambda row: answers(row[:, :, None])[:, :, 0], rows)
        return ops.transpose(found, (1, 0, 2, 3))

    def compute_output_shape(self, parts_shape):
        return (*parts_shape[:3], parts_shape[3] // 3)
