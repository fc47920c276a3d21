"""The losses of TransFusion's network, on images whose defect was painted and so is known."""

import math

import keras
from keras import ops

from builders import transparency
from zoo.losses.mask import focal

FOCAL_SHARE = 5.0
SSIM_SIGMA = 1.5  # pixels; Wang et al., "Image Quality Assessment", 2004, section III.B, as are
SSIM_RADIUS = 5  # these: a window of 11x11
SSIM_CONSTANTS = (0.01, 0.03)  # of means and of variances, shares of the range of the image


def transfusion_losses(truth: dict, heads: dict, num_steps: int) -> dict:
    """Returns the parts of the loss of a batch; their sum is what is minimised.

    Source: MaticFuc/ECCV_TransFusion on GitHub. Deliberate difference: the range of an image in
    SSIM is that of [-1, 1], where the original guessed it from each prediction.

    Args:
      truth: dict of `normal`, `anomaly`, `mask` and `step`, as `transparency.forward_sample` takes
        them; good images have an empty mask and no anomaly.
      heads: what the network said of that sample, see `build_network`.
      num_steps: of the schedule.

    Returns:
      Dict of float32 scalars: `appearance` of the defect; `mask`; `normal`, the surface below it;
      and `consistency`, of the image a step before.
    """
    normal, anomaly, mask, step = (truth[key] for key in ("normal", "anomaly", "mask", "step"))
    image, before = (
        transparency.forward_sample(normal, anomaly, mask, each, num_steps)
        for each in (step, step - 1)
    )
    visible = transparency.opacity(step, num_steps) * anomaly
    probability = ops.sigmoid(heads["mask_logit"])
    stepped = transparency.reverse_step(image, step, heads, num_steps)
    return {
        "appearance": _mean_square(heads["appearance"] - visible),
        "mask": FOCAL_SHARE * focal(mask, heads["mask_logit"])
        + ops.mean(keras.losses.huber(mask, probability)),
        "normal": 1 - ssim(heads["normal"], normal) + ops.mean(ops.abs(heads["normal"] - normal)),
        "consistency": _mean_square(stepped - before),
    }


def ssim(one, other):
    """Structural similarity of two batches of images, the mean over their pixels and channels.

    Source: Wang et al., "Image Quality Assessment", 2004. Beyond the borders all is 0.

    Args:
      one, other: float32 [B, H, W, C] in [-1, 1].

    Returns:
      float32 scalar, 1 for equal images.
    """
    of_means, of_variances = ((2 * share) ** 2 for share in SSIM_CONSTANTS)
    maps = ops.concatenate([one, other, one * one, other * other, one * other], axis=-1)
    mean, other_mean, square, other_square, product = ops.split(_blurred(maps), 5, axis=-1)
    both = mean * other_mean
    covariance = product - both
    means, variances = mean**2 + other_mean**2, square + other_square - mean**2 - other_mean**2
    return ops.mean(
        (2 * both + of_means)
        * (2 * covariance + of_variances)
        / ((means + of_means) * (variances + of_variances))
    )


def _blurred(maps):
    """Blurs maps [B, H, W, C] by a Gaussian, rows and then columns."""
    places = range(-SSIM_RADIUS, SSIM_RADIUS + 1)
    weights = [math.exp(-(place**2) / (2 * SSIM_SIGMA**2)) for place in places]
    kernel = ops.convert_to_tensor([weight / sum(weights) for weight in weights], dtype="float32")
    channels = maps.shape[-1]
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        each = ops.tile(ops.reshape(kernel, shape), (1, 1, channels, 1))
        maps = ops.depthwise_conv(maps, each, padding="same")
    return maps


def _mean_square(difference):
    return ops.mean(ops.square(difference))
