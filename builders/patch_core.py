"""PatchCore, which remembers what good surfaces look like and measures how far others are away."""

import keras
from keras import ops

from builders import gaussian_blur, padding, resizing
from builders.frozen_features import NEIGHBOURHOOD, STRIDES, frozen_features
from builders.memory_bank import MemoryBank

BANK_SIZE = 4000
MARGIN = 2  # cells of the largest stride that the image is mirrored by
LEAST_DISTANCE = 1e-6  # has a logarithm


def patch_core(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    backbone: str = "EfficientNetLite0",
    weights: str | None = None,
    strides: tuple[int, ...] = STRIDES,
    neighbourhood: int = NEIGHBOURHOOD,
    bank_size: int = BANK_SIZE,
    num_neighbours: int | None = None,
    smoothing: float = 1.0,
) -> keras.Model:
    """Builds PatchCore: frozen features of photographs, and a bank of those of good images.

    Nothing is trained by gradients. The bank is filled in one pass over good images, see
    `MemoryBank.set_bank`; until then it is empty, and every place is as far from it as it can be.

    Source: Roth et al., "Towards Total Recall in Industrial Anomaly Detection", arXiv:2106.08265.
    Deliberate differences: the blur lies between the distances and their enlargement, where it
    costs little; distances are mapped to [0, 1); images have any size, and are mirrored at their
    borders, where good images seem unusual otherwise.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size. C is 1 or 3; grey
        images are repeated into three channels.
      backbone: one of `backbones.NAMES`.
      weights: of the backbone: "imagenet", the path of a file, or None for a random start, whose
        features say little.
      strides: of the features, 2, 4, 8, 16 or 32, from the smallest, which is that of the map.
      neighbourhood: cells on a side of what features are averaged over, an odd number.
      bank_size: vectors that the bank holds.
      num_neighbours: how many vectors of the bank, nearest to the one found, lower the score of an
        image whose most unusual place lies between many of them, as published, with 9; None takes
        the highest place of the map.
      smoothing: standard deviation of the blur, in cells of the map; 0 for none.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `anomaly_map` [B, H, W] in [0, 1),
      0.5 where a place is as far from the bank as the farthest one of the good images it was chosen
      from; `mask_logits` [B, H, W, 1], its logits; and with `num_neighbours` `score_logits` [B].

    Raises:
      ValueError: an argument is out of its range, or there are no such weights.
    """
    if smoothing < 0:
        raise ValueError(f"Argument `smoothing` must be 0 or more. Received: {smoothing}")

    image = keras.Input(image_shape, name="image", dtype="float32")
    x = frozen_features(
        image,
        backbone=backbone,
        weights=weights,
        strides=strides,
        neighbourhood=neighbourhood,
        margin=MARGIN,
    )

    # === Distance to the bank ===
    fixed = {"dtype": "float32", "trainable": False}
    bank = MemoryBank(bank_size, num_neighbours, name="memory_bank", **fixed)
    distance, *score = bank(x)

    # === Map ===
    if smoothing:
        distance = gaussian_blur.GaussianBlur(smoothing, name="blur", dtype="float32")(distance)
    if strides[0] > 1:
        enlarge = resizing.BilinearUpsampling(strides[0], name="up_map", dtype="float32")
        distance = enlarge(distance)
    logits = padding.crop_like(_logits(distance), image)
    outputs = {"mask_logits": logits, "anomaly_map": ops.sigmoid(logits)[..., 0]}
    if score:
        outputs["score_logits"] = _logits(score[0])
    return keras.Model(image, outputs, name="patch_core")


def _logits(distance):
    """Logits of d / (d + 1), which is 0.5 for a distance of 1 and rises to 1."""
    return ops.log(ops.maximum(distance, LEAST_DISTANCE))


def bank_of(model: keras.Model) -> MemoryBank:
    """Returns the memory bank of a model of `patch_core`."""
    return model.get_layer("memory_bank")


def features_of(model: keras.Model) -> keras.Model:
    """Returns the network of a model of `patch_core` up to what its bank compares: [B, h, w, C]."""
    return keras.Model(model.input, bank_of(model).input)
