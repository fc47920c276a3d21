"""Pads images to sizes that a network can halve, and cuts its answers back."""

import keras
from keras import ops


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
        return margins + missing_to(size + margins, self.multiple)

    def get_config(self):
        return {**super().get_config(), "multiple": self.multiple, "margin": self.margin}


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


def pad_to_multiple(image, multiple: int, margin: int = 0):
    """Pads a symbolic image [B, H, W, C]; leaves one of a known fitting size as it is."""
    _, height, width, _ = image.shape
    fits = height is not None and width is not None and height % multiple == width % multiple == 0
    if fits and not margin:
        return image
    return PadToMultiple(multiple, margin, dtype="float32", name="pad")(image)


def crop_like(padded, image, name="mask_logits_crop"):
    """Undoes `pad_to_multiple` on an output [B, H', W', K], given the image before padding."""
    if padded.shape[1:3] == image.shape[1:3] and None not in image.shape[1:3]:
        return padded
    return CropLike(name=name, dtype="float32")(padded, image)


def missing_to(size, multiple: int):
    """What is missing to the next multiple. ONNX divides negative numbers otherwise: none here."""
    return (multiple - size % multiple) % multiple
