"""DeepLabv3+: a backbone, atrous spatial pyramid pooling, a short decoder."""

import keras
from keras import layers, ops

from builders import backbones, blocks, dilated, padding, resizing

FILTERS = 256  # of the pyramid and of the decoder
LOW_FILTERS = 48  # that the low-level features are reduced to, lest they outweigh the deep ones
ATROUS_RATES = (6, 12, 18)  # for features of 32 pixels and more, as of a 512x512 image at stride 16
FULL_FEATURES = 32
PYRAMID_DROPOUT = 0.5


def atrous_rates(size: int, output_stride: int = 16) -> list[int]:
    """Returns the rates for images of this size, the smaller of height and width in pixels.

    As published for 512 pixels at stride 16, in proportion for others: a rate beyond the features
    would leave its kernel nothing but the centre.
    """
    features = size / output_stride
    return [max(1, round(rate * features / FULL_FEATURES)) for rate in ATROUS_RATES]


def deeplab_v3_plus(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    num_classes: int = 1,
    backbone: str = "MobileNetV2",
    weights: str | None = None,
    output_stride: int = 16,
    rates: tuple[int, int, int] | None = None,
    separable: bool = True,
    dropout_rate: float = PYRAMID_DROPOUT,
) -> keras.Model:
    """Builds DeepLabv3+ on a network of `keras.applications` or on EfficientNet-Lite.

    Source: Chen et al., "Encoder-Decoder with Atrous Separable Convolution", arXiv:1802.02611.
    Deliberate differences: the backbones are those of `backbones`; those other than ResNet end at
    stride 16; the rates follow the size of the image; batch normalisation has a momentum of 0.9;
    images of any size are mirrored up to a multiple of the stride and the logits cut back. Logits,
    not features, are enlarged to the size of the image.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size. C is 1 or 3; grey
        images are repeated into three channels.
      num_classes: mask channels K; 1 means defect against good.
      backbone: one of `backbones.NAMES`. For one mask channel and three separable rates,
        MobileNetV2 gives 1,869,873 parameters, EfficientNetLite0 2,175,121, EfficientNetB0
        2,326,168, ResNet50 26,788,273.
      weights: of the backbone: None for a random start, "imagenet", or the path of a file.
      output_stride: how much smaller the deep features are than the image: 8, 16 or 32.
      rates: dilations of the pyramid's three 3x3 convolutions. None takes those of `atrous_rates`
        for the smaller of H and W, or for 512 where they are None.
      separable: whether 3x3 convolutions of pyramid and decoder are depthwise, then pointwise.
      dropout_rate: share of values in [0, 1) dropped behind the pyramid in training.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `mask_logits` [B, H, W, K].

    Raises:
      ValueError: an argument is out of its range, or there are no such weights.
    """
    if rates is None:
        rates = atrous_rates(min(image_shape[0] or 512, image_shape[1] or 512), output_stride)
    if len(rates) != len(ATROUS_RATES) or min(rates) < 1:
        raise ValueError(f"Argument `rates` must be three numbers from 1. Received: {rates}")
    encoder = backbones.backbone(backbone, weights=weights, output_stride=output_stride)
    conv3 = _separable_conv_norm_relu if separable else blocks.conv_norm_relu

    # === Encoder ===
    image = keras.Input(image_shape, name="image", dtype="float32")
    x = padding.pad_to_multiple(image, max(output_stride, 16))
    low, deep = encoder(backbones.preprocess(backbone, x))

    # === Atrous spatial pyramid pooling ===
    pyramid = [blocks.conv_norm_relu(deep, FILTERS, "aspp_conv1", kernel_size=1)]
    for number, rate in enumerate(rates, start=2):
        pyramid.append(conv3(deep, FILTERS, f"aspp_conv{number}", dilation_rate=rate))
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="aspp_pool")(deep)
    pooled = blocks.conv_norm_relu(pooled, FILTERS, "aspp_pool_conv", kernel_size=1)
    pyramid.append(ops.zeros_like(pyramid[0]) + pooled)
    x = layers.Concatenate(name="aspp_concat")(pyramid)
    x = blocks.conv_norm_relu(x, FILTERS, "aspp_out", kernel_size=1)
    if dropout_rate:
        x = layers.Dropout(dropout_rate, name="aspp_dropout")(x)

    # === Decoder ===
    x = resizing.BilinearUpsampling(output_stride // backbones.LOW_STRIDE, name="up1_upsample")(x)
    low = blocks.conv_norm_relu(low, LOW_FILTERS, "low_conv1", kernel_size=1)
    x = layers.Concatenate(name="up1_concat")([x, low])
    for number in (1, 2):
        x = conv3(x, FILTERS, f"up1_conv{number}")

    # === Head ===
    logits = layers.Conv2D(num_classes, 1, name="mask_logits_small", dtype="float32")(x)
    logits = resizing.BilinearUpsampling(backbones.LOW_STRIDE, name="mask_logits", dtype="float32")(
        logits
    )
    outputs = {"mask_logits": padding.crop_like(logits, image)}
    return keras.Model(image, outputs, name="deeplab_v3_plus")


def _separable_conv_norm_relu(x, filters, name, *, dilation_rate=1):
    x = dilated.DepthwiseConv2D(
        3, padding="same", dilation_rate=dilation_rate, use_bias=False, name=f"{name}_depthwise"
    )(x)
    x = blocks.normalize(x, "batch", f"{name}_depthwise_norm")
    x = layers.ReLU(name=f"{name}_depthwise_relu")(x)
    return blocks.conv_norm_relu(x, filters, name, kernel_size=1)
