"""The same network for prediction alone, with fewer passes over its features."""

import keras
from keras import layers, ops

_CONVOLUTIONS = {layers.Conv2D: ops.conv, layers.DepthwiseConv2D: ops.depthwise_conv}


def for_inference(model: keras.Model) -> keras.Model:
    """A view of a network that answers like it outside training, faster on a CPU.

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
    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=_call, recursive=True
    )


def _call(layer, *args, **kwargs):
    if type(layer) is layers.BatchNormalization:
        history = args[0]._keras_history
        conv = history.operation
        if type(conv) in _CONVOLUTIONS and conv.activation is keras.activations.linear:
            (features,) = conv._inbound_nodes[history.node_index].input_tensors
            return _NormalizedConv2D(conv, layer)(features)
    return layer(*args, **kwargs)


class _NormalizedConv2D(layers.Layer):
    """A convolution with the batch normalisation behind it, of whose variables it computes."""

    def __init__(self, conv, norm):
        # No autocast: the variables stay in full precision until they are multiplied.
        super().__init__(dtype=conv.dtype_policy, autocast=False, name=f"{conv.name}_{norm.name}")
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
        if type(conv) is layers.DepthwiseConv2D:  # whose kernel has two axes of channels
            factor = ops.reshape(factor, conv.kernel.shape[2:])
        x = _CONVOLUTIONS[type(conv)](
            self._cast(x),
            self._cast(conv.kernel * factor),
            strides=conv.strides,
            padding=conv.padding,
            data_format=conv.data_format,
            dilation_rate=conv.dilation_rate,
        )
        return x + self._cast(summand)

    def _cast(self, x):
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return self.conv.compute_output_shape(input_shape)
