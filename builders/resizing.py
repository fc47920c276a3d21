"""Enlarges features and images, in ways that every format can be exported to."""

import keras
from keras import ops

from builders.padding import missing_to


@keras.saving.register_keras_serializable("defect_zoo")
class StretchToMultiple(keras.layers.Layer):
    """Enlarges images bilinearly until height and width are multiples of `multiple`.

    By less than `multiple` pixels. Places in [0, 1] stay where they are, which padding moves.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, image):
        height, width = (n + missing_to(n, self.multiple) for n in ops.shape(image)[1:3])
        return _resized(_resized(image, height, axis=1), width, axis=2)

    def compute_output_shape(self, input_shape):
        batch, *size, channels = input_shape
        size = [None if n is None else n + missing_to(n, self.multiple) for n in size]
        return (batch, *size, channels)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple}


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


def stretch_to_multiple(image, multiple: int):
    """Stretches a symbolic image [B, H, W, C]; leaves one of a known fitting size as it is."""
    _, height, width, _ = image.shape
    if height is not None and width is not None and height % multiple == width % multiple == 0:
        return image
    return StretchToMultiple(multiple, dtype="float32", name="stretch")(image)


def _part(x, axis: int, start, size):
    """Some rows or columns. By neither `x[start:]` nor `ops.take`: their gradients are slow."""
    starts, shape = [0] * len(x.shape), list(ops.shape(x))
    starts[axis], shape[axis] = start, size
    return ops.slice(x, starts, shape)


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
