"""Layers and small blocks that several builders share."""

import math

import keras
import numpy as np
from keras import initializers, layers, ops

from builders import dilated

MOST_GROUPS = 8  # of a group normalisation; fewer where they do not divide the channels


@keras.saving.register_keras_serializable("defect_zoo")
class PadToMultiple(keras.layers.Layer):
    """Mirrors the borders until height and width are multiples of `multiple`; see `CropLike`.

    Half of the padding goes before and half behind, so the image stays in the middle.

    Args:
      multiple: of pixels.
      margin: pixels that are added to each side in any case.
    """

    def __init__(self, multiple: int, margin: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.multiple, self.margin = multiple, margin

    def call(self, image):
        for axis in (1, 2):
            size = ops.shape(image)[axis]
            missing = self._added(size)
            ends = ((-(missing // 2), 0), (size, size + missing - missing // 2))
            before, after = (ops.take(image, self._mirrored(size, *end), axis=axis) for end in ends)
            # The image is copied whole: to take it line by line is slow.
            image = ops.concatenate([before, image, after], axis=axis)
        return image

    def _mirrored(self, size, start, stop):
        """Indices of the places from `start` to `stop`: ... 1 0 | 0 1 ... size-1 | size-1 ..."""
        period = 2 * size
        # Whole periods are added, so that no place is negative.
        periods = self.multiple + self.margin
        place = (ops.arange(start, stop, dtype="int32") + periods * period) % period
        return ops.minimum(place, period - 1 - place)

    def compute_output_shape(self, input_shape):
        def padded(size):
            return None if size is None else size + self._added(size)

        batch, height, width, channels = input_shape
        return (batch, padded(height), padded(width), channels)

    def _added(self, size):
        margins = 2 * self.margin
        return margins + _missing(size + margins, self.multiple)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple, "margin": self.margin}


@keras.saving.register_keras_serializable("defect_zoo")
class StretchToMultiple(keras.layers.Layer):
    """Enlarges images bilinearly until height and width are multiples of `multiple`.

    By less than `multiple` pixels. Places in [0, 1] stay where they are, which padding moves.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, image):
        height, width = (n + _missing(n, self.multiple) for n in ops.shape(image)[1:3])
        return _resized(_resized(image, height, axis=1), width, axis=2)

    def compute_output_shape(self, input_shape):
        batch, *size, channels = input_shape
        size = [None if n is None else n + _missing(n, self.multiple) for n in size]
        return (batch, *size, channels)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


@keras.saving.register_keras_serializable("defect_zoo")
class CropLike(keras.layers.Layer):
    """Cuts the middle of the first input to the height and width of the second."""

    def call(self, padded, like):
        _, height, width, _ = ops.shape(like)
        _, padded_height, padded_width, _ = ops.shape(padded)
        top = (padded_height - height) // 2
        left = (padded_width - width) // 2
        return padded[:, top : top + height, left : left + width, :]

    def compute_output_shape(self, padded_shape, like_shape):
        return (*like_shape[:3], padded_shape[3])


@keras.saving.register_keras_serializable("defect_zoo")
class NearestUpsampling(keras.layers.Layer):
    """Makes four pixels of each of features [B, H, W, C].

    As `keras.layers.UpSampling2D`, which forgets the channels where sizes are not known, so that
    LiteRT has no convolution for them.
    """

    def call(self, features):
        batch, height, width, channels = ops.shape(features)
        pairs = ops.concatenate([features, features], axis=-1)
        rows = ops.reshape(pairs, (batch, height, 2 * width, channels))
        whole = ops.stack([rows, rows], axis=2)
        return ops.reshape(whole, (batch, 2 * height, 2 * width, channels))

    def compute_output_shape(self, input_shape):
        batch, *size, channels = input_shape
        return (batch, *(None if n is None else 2 * n for n in size), channels)


@keras.saving.register_keras_serializable("defect_zoo")
class BilinearUpsampling(keras.layers.Layer):
    """Enlarges features [B, H, W, C] bilinearly by an even factor; the corners keep their values.

    Pixel centres lie at halves, as in `keras.layers.UpSampling2D`, which for sizes that are not
    known cannot be exported, and fails under mixed precision with XLA.
    """

    def __init__(self, factor: int, **kwargs):
        super().__init__(**kwargs)
        if factor % 2:
            raise ValueError(f"Argument `factor` must be even. Received: {factor}")
        self.factor = factor

    def call(self, features):
        return self._enlarged(self._enlarged(features, axis=1), axis=2)

    def _enlarged(self, x, axis):
        size = ops.shape(x)[axis]
        before = ops.concatenate([_part(x, axis, 0, 1), _part(x, axis, 0, size - 1)], axis=axis)
        after = ops.concatenate(
            [_part(x, axis, 1, size - 1), _part(x, axis, size - 1, 1)], axis=axis
        )
        # Of the new pixels in an old one, the first half lie before its centre.
        offsets = [(place + 0.5) / self.factor - 0.5 for place in range(self.factor)]
        parts = [
            (1 - abs(offset)) * x + abs(offset) * (before if offset < 0 else after)
            for offset in offsets
        ]
        shape = list(ops.shape(x))
        shape[axis] *= self.factor
        return ops.reshape(ops.stack(parts, axis=axis + 1), shape)

    def compute_output_shape(self, input_shape):
        batch, height, width, channels = input_shape
        height, width = (None if n is None else n * self.factor for n in (height, width))
        return (batch, height, width, channels)

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


@keras.saving.register_keras_serializable("defect_zoo")
class EnlargeLike(keras.layers.Layer):
    """Resizes features [B, h, w, C] bilinearly to the height and width of an image."""

    def call(self, features, image):
        _, height, width, _ = ops.shape(image)
        return _resized(_resized(features, height, axis=1), width, axis=2)

    def compute_output_shape(self, features_shape, image_shape):
        return (features_shape[0], *image_shape[1:3], features_shape[3])


@keras.saving.register_keras_serializable("defect_zoo")
class GaussianBlur(keras.layers.Layer):
    """Blurs maps [B, H, W, 1]; at the border by the weights of what lies inside.

    Args:
      sigma: standard deviation in pixels; the kernel ends at four of them.
    """

    def __init__(self, sigma: float, **kwargs):
        super().__init__(**kwargs)
        self.sigma = sigma

    def call(self, maps):
        radius = math.ceil(4 * self.sigma)
        weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / self.sigma) ** 2)
        kernel = ops.cast(weights / weights.sum(), maps.dtype)
        for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
            along = ops.reshape(kernel, shape)
            inside = ops.conv(ops.ones_like(maps[:1]), along, padding="same")
            maps = ops.conv(maps, along, padding="same") / inside
        return maps

    def get_config(self):
        return {**super().get_config(), "sigma": self.sigma}


def _part(x, axis: int, start, size):
    """Some rows or columns. By neither `x[start:]` nor `ops.take`: their gradients are slow."""
    starts, shape = [0] * len(x.shape), list(ops.shape(x))
    starts[axis], shape[axis] = start, size
    return ops.slice(x, starts, shape)


def _missing(size, multiple: int):
    """What is missing to the next multiple. ONNX divides negative numbers otherwise: none here."""
    return (multiple - size % multiple) % multiple


def _resized(x, size, axis: int):
    """Resizes axis 1 or 2 of features bilinearly, with pixel centres at halves.

    By ops alone, since `ops.image.resize` to a size that is not known cannot be exported.
    """
    before = ops.shape(x)[axis]
    scale = ops.cast(before, x.dtype) / ops.cast(size, x.dtype)
    places = (ops.arange(size, dtype=x.dtype) + 0.5) * scale - 0.5
    floor = ops.floor(places)
    share = ops.reshape(places - floor, (-1, 1, 1) if axis == 1 else (-1, 1))
    pixels = [ops.clip(ops.cast(floor, "int32") + step, 0, before - 1) for step in (0, 1)]
    one, other = (ops.take(x, each, axis=axis) for each in pixels)
    return one + share * (other - one)


def pad_to_multiple(image, multiple: int, margin: int = 0):
    """Pads a symbolic image [B, H, W, C]; leaves one of a known fitting size as it is."""
    _, height, width, _ = image.shape
    fits = height is not None and width is not None and height % multiple == width % multiple == 0
    if fits and not margin:
        return image
    return PadToMultiple(multiple, margin, dtype="float32", name="pad")(image)


def normalize_image(image, multiple: int, *, standardize: bool):
    """Brings a symbolic image [B, H, W, C] in [0, 1] to what a network learns from, padded.

    Args:
      image: the input of a network.
      multiple: what height and width shall be a multiple of.
      standardize: bring each image to mean 0 and standard deviation 1 over all its pixels, so that
        brightness and contrast say nothing: a faint texture is not learnt without. Else [-1, 1].

    Returns:
      It, after a layer named `normalize`.
    """
    if not standardize:
        padded = pad_to_multiple(image, multiple)
        return layers.Rescaling(2.0, offset=-1.0, name="normalize")(padded)
    whole_image = {"center": False, "scale": False, "epsilon": 1e-6, "dtype": "float32"}
    normalize = layers.GroupNormalization(1, name="normalize", **whole_image)
    return pad_to_multiple(normalize(image), multiple)


def crop_like(padded, image, name="mask_logits_crop"):
    """Undoes `pad_to_multiple` on an output [B, H', W', K], given the image before padding."""
    if padded.shape[1:3] == image.shape[1:3] and None not in image.shape[1:3]:
        return padded
    return CropLike(name=name, dtype="float32")(padded, image)


def stretch_to_multiple(image, multiple: int):
    """Stretches a symbolic image [B, H, W, C]; leaves one of a known fitting size as it is."""
    _, height, width, _ = image.shape
    if height is not None and width is not None and height % multiple == width % multiple == 0:
        return image
    return StretchToMultiple(multiple, dtype="float32", name="stretch")(image)


def normalize(x, kind: str | None, name: str):
    """Normalises features [B, H, W, C] by a layer of this kind and name.

    Args:
      x: symbolic features.
      kind: "batch", statistics of the batch in training and moving ones afterwards; "group",
        statistics of each image by itself, for batches of a few images; None for nothing.
      name: name of the layer.

    Raises:
      ValueError: `kind` is unknown.
    """
    if kind is None:
        return x
    if kind == "batch":
        # The moving statistics follow in tens of steps, so that short trainings can be validated.
        return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=name)(x)
    if kind == "group":
        groups = math.gcd(MOST_GROUPS, x.shape[-1])
        return layers.GroupNormalization(groups, epsilon=1e-5, name=name)(x)
    raise ValueError(
        f'Argument `normalization` must be "batch", "group" or None. Received: {kind!r}'
    )


def conv_norm_relu(
    x,
    filters: int,
    name: str,
    *,
    kernel_size=3,
    dilation_rate: int = 1,
    normalization: str | None = "batch",
    **kwargs,
):
    """Convolution without a change of size, normalisation, ReLU.

    Args:
      x: symbolic features [B, H, W, C].
      filters: channels of the result.
      name: name of the convolution; `_norm` and `_relu` are appended for the others.
      kernel_size: of the convolution.
      dilation_rate: of the convolution.
      normalization: as in `normalize`; a bias is there without it alone.
      **kwargs: further arguments of `keras.layers.Conv2D`.
    """
    conv = dilated.Conv2D if dilation_rate > 1 else layers.Conv2D
    x = conv(
        filters,
        kernel_size,
        padding="same",
        dilation_rate=dilation_rate,
        use_bias=normalization is None,
        name=name,
        **kwargs,
    )(x)
    x = normalize(x, normalization, f"{name}_norm")
    return layers.ReLU(name=f"{name}_relu")(x)


def uniform(fan_in: int):
    """PyTorch's start of kernels and biases, for parity: uniform within 1 / sqrt(fan_in)."""
    return initializers.RandomUniform(-(fan_in**-0.5), fan_in**-0.5)


def uniform_by_fan_in():
    """`uniform` of the fan-in that Keras counts itself."""
    return initializers.VarianceScaling(1 / 3, "fan_in", "uniform")
