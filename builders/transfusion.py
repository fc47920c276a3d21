"""TransFusion, which learns from normal images and finds what does not belong to them."""

import keras
from keras import layers, ops

from builders import backbones, padding, transparency
from builders.transfusion_network import build_network


def transfusion(
    *,
    image_shape: tuple[int | None, int | None, int] = (None, None, 3),
    base_filters: int = 64,
    multipliers: tuple[int, ...] = (1, 2, 2, 2),
    attention: tuple[bool, ...] = (False, False, True, True),
    num_blocks: int = 2,
    stem_stride: int = 1,
    num_steps: int = 20,
    steps: str = "published",
) -> keras.Model:
    """Builds TransFusion: a network that tells a defect from the surface below it, and its loop.

    What is trained is the network, see `denoiser`, by defects painted on normal images at random
    opacity. The model here asks it once for each step, fades out what it finds, and maps it.

    The defaults are the published network: 183 billion multiplications for a step at 256x256, of
    which it takes 18. A fast one for a plain CPU is `base_filters=32, multipliers=(1, 2, 2),
    attention=(False, False, True), num_blocks=1, stem_stride=2, num_steps=10`: 2.2 M parameters,
    and 1.3 seconds of one core with AVX-512 for all steps of such an image, where the published
    network takes 85.

    Source: Fučka et al., "TransFusion", arXiv:2311.09999, and its code for colour images,
    MaticFuc/ECCV_TransFusion on GitHub. Deliberate differences: images have any size, where it took
    256x256; those that do not fit are mirrored on all sides up to a multiple of what the network
    halves, which also moves the code of the rows by half of what was added; grey images are
    repeated into three channels by the model; attention over more than 64x64 cells, or over a
    number that is not known beforehand, goes row by row, which gives the same in less memory.

    Args:
      image_shape: (H, W, C) of the image; H and W may be None for any size. C is 1 or 3.
      base_filters: filters of the stem, a multiple of 32. 64 and the defaults give 54,559,431
        trainable parameters, 32 gives 13,657,447.
      multipliers: how many times wider each level is than the one before, the first than the stem.
        Each but the last halves height and width.
      attention: of each level, whether its cells attend to each other; those of the bottleneck do.
      num_blocks: residual blocks of a level on the way down; there is one more on the way up.
      stem_stride: pixels on a side of what is one cell of the first level: 1 as published; 2 or 4
        fold that many into channels first, and unfold them in the heads, for a plain CPU.
      num_steps: steps of the schedule, 3 or more. The network must have been trained with them.
      steps: which of them the loop takes, see `transparency.ReverseProcess`.

    Returns:
      A model from `image` [B, H, W, C] in [0, 1] to a dict of `anomaly_map` [B, H, W] in [0, 1];
      `mask_logits` [B, H, W, 1], its logits, so that the probability of the mask is the map; and
      `reconstruction` [B, H, W, 3] in [0, 1], the image without its defects.

    Raises:
      ValueError: an argument is out of its range.
    """
    if steps not in transparency.STEPS:
        raise ValueError(
            f"Argument `steps` must be one of {', '.join(transparency.STEPS)}. Received: {steps!r}"
        )
    if num_steps < 3:
        raise ValueError(f"Argument `num_steps` must be 3 or more. Received: {num_steps}")

    image = keras.Input(image_shape, name="image", dtype="float32")
    colour = backbones.rgb(image)
    padded = padding.pad_to_multiple(colour, stem_stride * 2 ** (len(multipliers) - 1))
    x = layers.Rescaling(2.0, offset=-1.0, name="normalize", dtype="float32")(padded)
    network = build_network(
        image_shape=x.shape[1:],
        base_filters=base_filters,
        multipliers=multipliers,
        attention=attention,
        num_blocks=num_blocks,
        stem_stride=stem_stride,
    )
    loop = transparency.ReverseProcess(
        network, num_steps, steps, name="reverse_process", dtype="float32"
    )
    x, mean_mask = loop(x)
    x = layers.Rescaling(0.5, offset=0.5, name="denormalize", dtype="float32")(x)
    reconstruction = ops.clip(padding.crop_like(x, image, "reconstruction_crop"), 0.0, 1.0)
    mean_mask = padding.crop_like(mean_mask, image, "mean_mask_crop")
    maps = transparency.AnomalyMap(name="anomaly_map", dtype="float32")
    anomaly_map = maps(mean_mask, colour, reconstruction)
    outputs = {
        "mask_logits": transparency.logits(anomaly_map)[..., None],
        "anomaly_map": anomaly_map,
        "reconstruction": reconstruction,
    }
    return keras.Model(image, outputs, name="transfusion")


def denoiser(model: keras.Model) -> keras.Model:
    """Returns the network in the loop of a model of `transfusion`, which is what is trained."""
    return model.get_layer("reverse_process").network
