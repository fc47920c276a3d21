"""The same network for prediction alone, with fewer passes over its features."""

import itertools

import keras
from keras import layers, ops

from builders import dilated

_CONVOLUTIONS = {
    layers.Conv2D: ops.conv,
    dilated.Conv2D: ops.conv,
    layers.DepthwiseConv2D: ops.depthwise_conv,
    dilated.DepthwiseConv2D: ops.depthwise_conv,
}


def for_inference(model: keras.Model) -> keras.Model:
    """Returns a view of a network that answers like it outside training, faster on a CPU.

    It has the network's own variables, not copies: what training changes there, it computes with.

    Batch normalisation after a convolution is a factor and a summand for each channel. They are put
    into the kernel and a bias at each call, since of the kernel there is little, of the features
    much. Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", arXiv:1712.05877, section 3.2.

    Args:
      model: a functional model, whose training this view does not take part in.

    Returns:
      A model of the same inputs, outputs and variables. It cannot be trained or saved.
    """
    count = itertools.count()

    def call(layer, *args, **kwargs):
        if type(layer) is layers.BatchNormalization and layer.axis in (-1, 3):
            conv, node, _ = args[0]._keras_history
            if _is_plain(conv):
                (features,) = conv._inbound_nodes[node].input_tensors
                name = f"{conv.name}_{layer.name}_{next(count)}"  # the two may be called again
                return _NormalizedConv2D(conv, layer, name=name)(features)
        return layer(*args, **kwargs)

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call, recursive=True
    )


def _is_plain(layer) -> bool:
    return (
        type(layer) in _CONVOLUTIONS
        and layer.activation is keras.activations.linear
        and layer.data_format == "channels_last"
    )


class _NormalizedConv2D(layers.Layer):
    """A convolution with the batch normalisation behind it, of whose variables it computes."""

    def __init__(self, conv, norm, name):
        # No autocast: the variables stay in full precision until they are multiplied.
        super().__init__(dtype=conv.dtype_policy, autocast=False, name=name)
        self.conv = conv
        self.norm = norm
        self.built = True

    def call(self, x):
        conv, norm = self.conv, self.norm
        factor = ops.rsqrt(norm.moving_variance + norm.epsilon)
        if norm.scale:
            factor = factor * norm.gamma
        summand = -norm.moving_mean
        if conv.use_bias:
            summand = summand + conv.bias
        summand = summand * factor
        if norm.center:
            summand = summand + norm.beta
        if isinstance(conv, layers.DepthwiseConv2D):  # whose kernel has two axes of channels
            factor = ops.reshape(factor, conv.kernel.shape[2:])
        convolved = _CONVOLUTIONS[type(conv)](
            self._cast(x),
            self._cast(conv.kernel * factor),
            strides=conv.strides,
            padding=conv.padding,
            dilation_rate=conv.dilation_rate,
        )
        if isinstance(conv, dilated.OfInputSize):
            convolved = conv.of_input_size(convolved, x)
        return convolved + self._cast(summand)

    def _cast(self, x):
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)
