"""Losses of mask logits against a uint8 mask; pixels marked 255 count nowhere.

Every loss is a function (mask, logits) -> scalar for one mask channel: `mask` [B, H, W, 1] with 0
background, anything up to 254 defect, 255 ignore; `logits` float [B, H, W, 1]. Sums are in
float32 under every dtype policy and run over the whole batch, as in UNet_Industrial.
"""

from keras import ops

from zoo.metrics.segmentation import IGNORE

SMOOTH = 1.0  # added to both sides of a ratio, so that an empty mask has a loss
ADAPTIVE_SWITCH = 0.3  # Dice loss below which `adaptive` leaves the cross-entropy
FOCAL_GAMMA = 2.0  # Lin et al., arXiv:1708.02002
FOCAL_ALPHA = 0.25


def _prepare(mask, logits):
    """Returns (target, weight, logits), float32; weight is 0 where the mask says ignore."""
    mask = ops.cast(mask, "float32")
    valid = ops.cast(mask < IGNORE, "float32")
    return ops.cast(mask > 0, "float32") * valid, valid, ops.cast(logits, "float32")


def _pixel_cross_entropy(target, logits):
    # softplus(z) - y * z, stable for every z
    return ops.softplus(logits) - target * logits


def bce(mask, logits):
    """Binary cross-entropy, mean over the valid pixels."""
    target, valid, logits = _prepare(mask, logits)
    loss = _pixel_cross_entropy(target, logits) * valid
    return ops.sum(loss) / ops.maximum(ops.sum(valid), 1.0)


def focal(mask, logits):
    """Focal loss, mean over the valid pixels. Source: Lin et al., arXiv:1708.02002, eq. 5."""
    target, valid, logits = _prepare(mask, logits)
    probability = ops.sigmoid(logits)
    missing = target * (1 - probability) + (1 - target) * probability
    alpha = target * FOCAL_ALPHA + (1 - target) * (1 - FOCAL_ALPHA)
    loss = alpha * missing**FOCAL_GAMMA * _pixel_cross_entropy(target, logits) * valid
    return ops.sum(loss) / ops.maximum(ops.sum(valid), 1.0)


def _overlap(mask, logits):
    target, valid, logits = _prepare(mask, logits)
    probability = ops.sigmoid(logits) * valid
    return target, probability, ops.sum(target * probability)


def dice(mask, logits):
    """1 - Sorensen-Dice coefficient, 2|AB| / (|A| + |B|); "sorensen" in UNet_Industrial."""
    target, probability, both = _overlap(mask, logits)
    return 1 - (2 * both + SMOOTH) / (ops.sum(target) + ops.sum(probability) + SMOOTH)


def squared_dice(mask, logits):
    """1 - 2|AB| / (|A|^2 + |B|^2), with squares below; UNet_Industrial calls it "jaccard".

    Source: Milletari et al., "V-Net", arXiv:1606.04797, section 3.
    """
    target, probability, both = _overlap(mask, logits)
    below = ops.sum(ops.square(target)) + ops.sum(ops.square(probability))
    return 1 - (2 * both + SMOOTH) / (below + SMOOTH)


def jaccard(mask, logits):
    """1 - Jaccard index, |AB| / |A or B|: the loss that belongs to IoU."""
    target, probability, both = _overlap(mask, logits)
    union = ops.sum(target) + ops.sum(probability) - both
    return 1 - (both + SMOOTH) / (union + SMOOTH)


def bce_dice(mask, logits):
    """Binary cross-entropy, which has gradients from the start, plus Dice loss, the overlap."""
    return bce(mask, logits) + dice(mask, logits)


def adaptive(mask, logits):
    """Cross-entropy until the Dice loss of the batch falls below 0.3, then the Dice loss.

    Source: UNet_Industrial in NVIDIA/DeepLearningExamples, by its code; its README states the rule
    the wrong way round. Decided anew for every batch.
    """
    overlap = dice(mask, logits)
    return ops.where(overlap < ADAPTIVE_SWITCH, overlap, bce(mask, logits))


LOSSES = {
    "bce": bce,
    "dice": dice,
    "squared_dice": squared_dice,
    "jaccard": jaccard,
    "bce_dice": bce_dice,
    "adaptive": adaptive,
    "focal": focal,
}
