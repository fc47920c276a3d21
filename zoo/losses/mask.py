"""Losses of mask logits against a uint8 mask; pixels marked 255 count nowhere.

Every loss is a function (mask, logits) -> scalar: `mask` [B, H, W, 1] and `logits` float
[B, H, W, K]. With K = 1 the mask is 0 for background and anything up to 254 for a defect; with
K > 1 it holds classes from 0, the background, to K - 1. Sums are in float32 under every dtype
policy and run over the whole batch, as in UNet_Industrial.

The overlaps of K > 1, such as `dice`, are means over the defect types that are true somewhere in
the batch. Background counts in none of them, so a prediction of nothing else scores 0; where the
batch has no defect at all, every type counts, and the loss is the smaller the less is predicted.
"""

from keras import ops

from zoo.metrics.segmentation import IGNORE

SMOOTH = 1.0  # pixels added to both sides of a ratio, so that an empty mask has a loss
ADAPTIVE_SWITCH = 0.3  # Dice loss below which `adaptive` leaves the cross-entropy
FOCAL_GAMMA = 2.0  # Lin et al., arXiv:1708.02002
FOCAL_WEIGHTS = (0.75, 0.25)  # of background and defect; the paper's alpha is the second
TVERSKY_FALSE_POSITIVES = 0.3  # Salehi et al., arXiv:1706.05721, section 3.2
TVERSKY_FALSE_NEGATIVES = 0.7


def get_loss(name: str, class_weights=None):
    """Returns a loss by its name, or a sum of losses.

    Args:
      name: key of `LOSSES`, or several with `+` between them, such as `ce+dice`.
      class_weights: weights of the pixels of each class in `ce` and `focal`, background first:
        K numbers, or two for K = 1. None leaves `ce` unweighted and `focal` as published.

    Returns:
      A function (mask, logits) -> float32 scalar.

    Raises:
      ValueError: a loss is unknown, or there are weights and nothing to weight.
    """
    names = [part.strip() for part in name.split("+")]
    for part in names:
        if part not in LOSSES:
            raise ValueError(
                f"Argument `name` must be one of {', '.join(LOSSES)}, or a sum such as ce+dice. "
                f"Received: {name!r}"
            )
    if class_weights is None:
        terms = [LOSSES[part] for part in names]
    elif not set(names) & set(_WEIGHTED):
        raise ValueError(
            f"Argument `class_weights` belongs to the losses {', '.join(_WEIGHTED)}. Received "
            f"{class_weights} with {name!r}"
        )
    else:
        terms = [_weighted(part, tuple(class_weights)) for part in names]

    def loss(mask, logits):
        return sum(term(mask, logits) for term in terms)

    return loss


def _weighted(name, class_weights):
    if name not in _WEIGHTED:
        return LOSSES[name]
    return lambda mask, logits: LOSSES[name](mask, logits, class_weights)


def ce(mask, logits, class_weights=None):
    """Cross-entropy, mean over the valid pixels; binary for K = 1, else of the softmax.

    With weights it is the weighted mean: the sum is divided by that of the pixels' weights.
    """
    target, valid, logits = _prepare(mask, logits)
    weight = valid
    if class_weights is not None:
        weight = valid * _pixel_weights(target, class_weights)
    loss = weight * _pixel_cross_entropy(target, logits)
    return ops.sum(loss) / ops.maximum(ops.sum(weight), 1e-7)


def bce(mask, logits):
    """Binary cross-entropy, mean over the valid pixels: `ce` of one mask channel."""
    if logits.shape[-1] != 1:
        raise ValueError(
            "Loss bce is for one mask channel; use ce, as in ce+dice. "
            f"Received {logits.shape[-1]} channels"
        )
    return ce(mask, logits)


def focal(mask, logits, class_weights=None):
    """Focal loss, mean over the valid pixels. Source: Lin et al., arXiv:1708.02002, eq. 5.

    Without weights, those of the paper for K = 1, none for K > 1, of which it does not speak.
    """
    target, valid, logits = _prepare(mask, logits)
    probability = _probability(logits)
    if logits.shape[-1] == 1:
        missing = target * (1 - probability) + (1 - target) * probability
        class_weights = class_weights or FOCAL_WEIGHTS
    else:
        missing = 1 - ops.sum(target * probability, axis=-1, keepdims=True)
    loss = valid * missing**FOCAL_GAMMA * _pixel_cross_entropy(target, logits)
    if class_weights is not None:
        loss = loss * _pixel_weights(target, class_weights)
    return ops.sum(loss) / ops.maximum(ops.sum(valid), 1.0)


def dice(mask, logits):
    """Returns 1 - Sorensen-Dice coefficient, 2|AB| / (|A| + |B|); "sorensen" in UNet_Industrial."""
    target, probability, both = _overlap(mask, logits)
    return _ratio_loss(logits, 2 * both, _count(target) + _count(probability), _count(target))


def defect_dice(mask, logits):
    """`dice` of any defect, whatever its type: all teach where one is before types are known."""
    if logits.shape[-1] == 1:
        return dice(mask, logits)
    target, valid, logits = _prepare(mask, logits)
    target, probability = ((1 - x[..., :1]) * valid for x in (target, _probability(logits)))
    both, below = ops.sum(target * probability), ops.sum(target + probability)
    return 1 - (2 * both + SMOOTH) / (below + SMOOTH)


def type_ce(mask, logits):
    """Cross-entropy of the types among each other, mean over the defect pixels."""
    if logits.shape[-1] == 1:
        raise ValueError("Loss type_ce is for several defect types. Received 1 channel")
    target, _, logits = _prepare(mask, logits)
    target, likelihood = target[..., 1:], ops.log_softmax(logits[..., 1:])
    return -ops.sum(target * likelihood) / ops.maximum(ops.sum(target), 1.0)


def squared_dice(mask, logits):
    """Returns 1 - 2|AB| / (|A|^2 + |B|^2), with squares below; UNet_Industrial calls it "jaccard".

    Source: Milletari et al., "V-Net", arXiv:1606.04797, section 3.
    """
    target, probability, both = _overlap(mask, logits)
    below = _count(ops.square(target)) + _count(ops.square(probability))
    return _ratio_loss(logits, 2 * both, below, _count(target))


def jaccard(mask, logits):
    """Returns 1 - Jaccard index, |AB| / |A or B|: the loss that belongs to IoU."""
    target, probability, both = _overlap(mask, logits)
    union = _count(target) + _count(probability) - both
    return _ratio_loss(logits, both, union, _count(target))


def tversky(mask, logits):
    """Returns 1 - Tversky index, in which a missed pixel costs more than a false one.

    Source: Salehi et al., arXiv:1706.05721, eq. 5, with the weights that it finds best.
    """
    target, probability, both = _overlap(mask, logits)
    false_positives = _count(probability) - both
    false_negatives = _count(target) - both
    below = (
        both + TVERSKY_FALSE_POSITIVES * false_positives + TVERSKY_FALSE_NEGATIVES * false_negatives
    )
    return _ratio_loss(logits, both, below, _count(target))


def lovasz(mask, logits):
    """Lovasz extension of the Jaccard loss: its hinge for K = 1, Lovasz-softmax for K > 1.

    Of the batch rather than of each image, and a mean over the classes that are true in it, the
    background among them. Source: Berman et al., arXiv:1705.08790, eq. 8 to 11.
    """
    target, valid, logits = _prepare(mask, logits)
    if logits.shape[-1] == 1:
        errors = 1 - logits * (2 * target - 1)
        present = ops.ones((1,), "float32")
    else:
        errors = ops.abs(target - _probability(logits))
        present = ops.cast(_count(target) > 0, "float32")
    num_classes = logits.shape[-1]
    # errors below 0 are free, so that ignored pixels come last and cost nothing
    errors = ops.reshape(ops.where(valid > 0, errors, -1.0), (-1, num_classes))
    order = ops.argsort(-errors, axis=0)
    errors = ops.take_along_axis(errors, order, axis=0)
    truth = ops.take_along_axis(ops.reshape(target, (-1, num_classes)), order, axis=0)
    loss = ops.sum(ops.relu(errors) * _jaccard_steps(truth), axis=0)
    return ops.sum(loss * present) / ops.maximum(ops.sum(present), 1.0)


def _jaccard_steps(truth):
    """Returns what each pixel [N, K] adds to the Jaccard loss when it becomes the next wrong one.

    In closed form: differences of the losses themselves would lose their digits in float32.
    """
    total = ops.sum(truth, axis=0)
    both = total - ops.cumsum(truth, axis=0)
    union = total + ops.cumsum(1 - truth, axis=0)
    false_positive = both / (union * ops.maximum(union - 1, 1.0))
    # where nothing is true, the first false pixel makes the loss 1
    false_positive = ops.where(ops.logical_and(total == 0, union == 1), 1.0, false_positive)
    return ops.where(truth > 0, 1 / ops.maximum(union, 1.0), false_positive)


def bce_dice(mask, logits):
    """Binary cross-entropy, which has gradients from the start, plus Dice loss, the overlap."""
    return bce(mask, logits) + dice(mask, logits)


def adaptive(mask, logits):
    """Cross-entropy until the Dice loss of the batch falls below 0.3, then the Dice loss.

    Source: UNet_Industrial in NVIDIA/DeepLearningExamples, by its code; its README states the rule
    the wrong way round. Decided anew for every batch.
    """
    overlap = dice(mask, logits)
    return ops.where(overlap < ADAPTIVE_SWITCH, overlap, ce(mask, logits))


def _prepare(mask, logits):
    """Returns (target, valid, logits), float32, of K, 1 and K channels.

    The target is one-hot for K > 1. It and the logits are 0 where the mask says ignore, so that
    no gradient comes from there, whatever the logit was.
    """
    mask = ops.cast(mask, "int32")
    valid = mask < IGNORE
    num_classes = logits.shape[-1]
    if num_classes == 1:
        target = ops.logical_and(mask > 0, valid)
    else:
        target = mask == ops.arange(num_classes, dtype="int32")
    logits = ops.where(valid, ops.cast(logits, "float32"), 0.0)
    return ops.cast(target, "float32"), ops.cast(valid, "float32"), logits


def _probability(logits):
    return ops.sigmoid(logits) if logits.shape[-1] == 1 else ops.softmax(logits)


def _pixel_cross_entropy(target, logits):
    if logits.shape[-1] == 1:
        return ops.softplus(logits) - target * logits  # stable for every logit
    return -ops.sum(target * ops.log_softmax(logits), axis=-1, keepdims=True)


def _pixel_weights(target, class_weights):
    """Returns the weight of each pixel [B, H, W, 1], by its true class."""
    num_classes = max(target.shape[-1], 2)
    if len(class_weights) != num_classes:
        raise ValueError(
            f"Argument `class_weights` must be {num_classes} numbers, background first. "
            f"Received: {class_weights}"
        )
    if target.shape[-1] == 1:
        return class_weights[0] + (class_weights[1] - class_weights[0]) * target
    return ops.sum(target * ops.convert_to_tensor(class_weights, "float32"), axis=-1, keepdims=True)


def _overlap(mask, logits):
    """Returns target and probability of the defect types, and how many pixels [D] they share."""
    target, valid, logits = _prepare(mask, logits)
    probability = _probability(logits) * valid
    if logits.shape[-1] > 1:
        target, probability = target[..., 1:], probability[..., 1:]
    return target, probability, _count(target * probability)


def _count(pixels):
    return ops.sum(pixels, axis=(0, 1, 2))


def _ratio_loss(logits, above, below, truth):
    """Returns 1 - the mean of the types' ratios above / below; `truth` [D] are their true pixels.

    A single channel is smoothed always, as in UNet_Industrial, and a type among several where it
    is absent only: there the mean leaves it out, unless all are absent.
    """
    if logits.shape[-1] == 1:
        return 1 - ops.sum((above + SMOOTH) / (below + SMOOTH))
    present = ops.cast(truth > 0, "float32")
    smooth = SMOOTH * (1 - present)
    weight = ops.where(ops.any(truth > 0), present, 1.0)
    return 1 - ops.sum(weight * (above + smooth) / (below + smooth)) / ops.sum(weight)


LOSSES = {
    "ce": ce,
    "bce": bce,
    "dice": dice,
    "defect_dice": defect_dice,
    "type_ce": type_ce,
    "squared_dice": squared_dice,
    "jaccard": jaccard,
    "tversky": tversky,
    "lovasz": lovasz,
    "bce_dice": bce_dice,
    "adaptive": adaptive,
    "focal": focal,
}
_WEIGHTED = ("ce", "focal")
