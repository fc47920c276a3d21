"""Small blocks that several builders share."""

import math

from keras import initializers, layers

from builders import dilated, padding

MOST_GROUPS = 8  # of a group normalisation; fewer where they do not divide the channels


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
        padded = padding.pad_to_multiple(image, multiple)
        return layers.Rescaling(2.0, offset=-1.0, name="normalize")(padded)
    whole_image = {"center": False, "scale": False, "epsilon": 1e-6, "dtype": "float32"}
    normalize = layers.GroupNormalization(1, name="normalize", **whole_image)
    return padding.pad_to_multiple(normalize(image), multiple)


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
