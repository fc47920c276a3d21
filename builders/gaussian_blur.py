"""A blur of maps as a layer."""

import math

import keras
import numpy as np
from keras import ops


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
