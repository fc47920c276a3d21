"""Features of a network that was trained on photographs and learns nothing more."""

from keras import layers, ops

from builders import backbones, padding, resizing

STRIDES = (8, 16)
NEIGHBOURHOOD = 3  # cells on a side


def frozen_features(
    image,
    *,
    backbone: str,
    weights: str | None,
    strides: tuple[int, ...],
    neighbourhood: int,
    margin: int = 0,
):
    """Returns what a frozen network says of each cell of an image and of the cells around it.

    Features of each stride are averaged over a neighbourhood, enlarged to the smallest stride, and
    joined. Images whose sides are no multiples of the largest stride are mirrored at their borders.

    Args:
      image: symbolic, [B, H, W, 1 or 3] in [0, 1]; grey images are repeated into three channels.
      backbone: one of `backbones.NAMES`.
      weights: of the backbone: "imagenet", the path of a file, or None for a random start, whose
        features say little.
      strides: of the features, 2, 4, 8, 16 or 32, from the smallest, which is that of the result.
      neighbourhood: cells on a side of what features are averaged over, an odd number.
      margin: cells of the largest stride by which the image is mirrored, and the features cut; the
        network pads with zeros, which make the features at the border unlike others.

    Returns:
      Symbolic features float32 [B, h, w, C].

    Raises:
      ValueError: an argument is out of its range, or there are no such weights.
    """
    if neighbourhood < 1 or neighbourhood % 2 == 0:
        raise ValueError(
            f"Argument `neighbourhood` must be an odd number from 1. Received: {neighbourhood}"
        )
    encoder = backbones.features(backbone, tuple(strides), weights=weights)
    encoder.trainable = False
    padded = padding.pad_to_multiple(image, max(strides), margin * max(strides))
    features = []
    for stride, found in zip(strides, encoder(backbones.preprocess(backbone, padded))):
        x = ops.cast(found, "float32")
        if neighbourhood > 1:
            pool = {"strides": 1, "padding": "same", "dtype": "float32"}
            x = layers.AveragePooling2D(neighbourhood, name=f"mean{stride}", **pool)(x)
        if stride > strides[0]:
            factor = stride // strides[0]
            x = resizing.BilinearUpsampling(factor, name=f"up{stride}", dtype="float32")(x)
        features.append(x)
    x = features[0]
    if len(features) > 1:
        x = layers.Concatenate(name="features", dtype="float32")(features)
    if margin:
        cells = margin * max(strides) // strides[0]
        x = layers.Cropping2D(cells, name="features_crop", dtype="float32")(x)
    return x
