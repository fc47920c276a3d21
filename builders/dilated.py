"""Dilated convolutions whose features have a known size: that of what they are computed from.

TensorFlow computes them between SpaceToBatchND and BatchToSpaceND. In a graph for images of several
sizes, the shape functions of both take height and width to be the same unknown number. Where such
features are concatenated with others, the optimizer of graphs finds one of the two and puts it in
place of the other as well, and the graph fails for features that are not square.
"""

import keras
from keras import layers, ops


class OfInputSize:
    """A convolution of Keras without strides or a change of size.

    Its classes bear the names of Keras, since files of weights go by the names of classes.
    """

    def call(self, x):
        return self.of_input_size(super().call(x), x)

    def of_input_size(self, features, x):
        """Says of what was computed from `x` [B, H, W, C] that it is as high and as wide."""
        if max(self.dilation_rate) == 1 or None not in features.shape[1:3]:
            return features
        return ops.reshape(features, (*ops.shape(x)[:3], features.shape[3]))


@keras.saving.register_keras_serializable("defect_zoo")
class Conv2D(OfInputSize, layers.Conv2D):
    """Convolves as `keras.layers.Conv2D`."""


@keras.saving.register_keras_serializable("defect_zoo")
class DepthwiseConv2D(OfInputSize, layers.DepthwiseConv2D):
    """Convolves as `keras.layers.DepthwiseConv2D`."""


# class of Keras -> the one to take for it where it is dilated
CONVOLUTIONS = {layers.Conv2D: Conv2D, layers.DepthwiseConv2D: DepthwiseConv2D}
