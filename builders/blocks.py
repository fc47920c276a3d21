"""Layers and small blocks that several builders share."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("defect_zoo")
class PadToMultiple(keras.layers.Layer):
    """Mirrors the borders until height and width are multiples of `multiple`; see `CropLike`.

    Half of the padding goes before and half behind, so the image stays in the middle.
    """

    def __init__(self, multiple: int, **kwargs):
        super().__init__(**kwargs)
        self.multiple = multiple

    def call(self, image):
        _, height, width, _ = ops.shape(image)
        image = ops.take(image, self._mirrored(height), axis=1)
        return ops.take(image, self._mirrored(width), axis=2)

    def _mirrored(self, size):
        """Indices of the padded axis: ... 1 0 | 0 1 ... size-1 | size-1 size-2 ..."""
        missing = (-size) % self.multiple
        before = missing // 2
        place = ops.arange(-before, size + missing - before, dtype="int32") % (2 * size)
        return ops.minimum(place, 2 * size - 1 - place)

    def compute_output_shape(self, input_shape):
        def padded(size):
            return None if size is None else -(-size // self.multiple) * self.multiple

        batch, height, width, channels = input_shape
        return (batch, padded(height), padded(width), channels)

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


def pad_to_multiple(image, multiple: int):
    """Pads a symbolic image [B, H, W, C]; leaves one of a known fitting size as it is."""
    _, height, width, _ = image.shape
    if height is not None and width is not None and height % multiple == width % multiple == 0:
        return image
    return PadToMultiple(multiple, name="pad")(image)


def crop_like(padded, image):
    """Undoes `pad_to_multiple` on an output [B, H', W', K], given the image before padding."""
    if padded.shape[1:3] == image.shape[1:3] and None not in image.shape[1:3]:
        return padded
    return CropLike(name="mask_logits_crop", dtype="float32")(padded, image)
