"""The losses of SuperSimpleNet, of cells and of images."""

from keras import ops

from zoo.metrics.segmentation import IGNORE

MARGIN = 0.5  # of the logits to either side of 0
FOCAL_GAMMA = 4.0


def super_simple_net_losses(truth: dict, heads: dict) -> dict:
    """Returns the parts of the loss of a batch; their sum is what is minimised.

    Source: Rolih et al., arXiv:2408.03143, section III.D; Lin et al., arXiv:1708.02002, for the
    focal loss, without its weights.

    Args:
      truth: dict of `mask` uint8 [B, h, w], 1 where a cell is defective, 0 where it is good, 255
        where nobody knows; and `label` [B], 1 for defective images.
      heads: dict of `cell_logits` [B, h, w, 1] and `score_logits` [B].

    Returns:
      Dict of float32 scalars: `margin`, how far the logits of defective cells stay below 0.5 and
      those of good ones above -0.5, the mean of each kind; `focal` of the cells; and `score`, focal
      of the images.
    """
    mask = ops.cast(truth["mask"], "int32")
    valid = ops.cast(mask < IGNORE, "float32")
    defective = ops.cast(mask == 1, "float32")
    logits = ops.cast(heads["cell_logits"][..., 0], "float32")
    good = valid - defective
    return {
        "margin": _mean(ops.relu(MARGIN + logits), good)
        + _mean(ops.relu(MARGIN - logits), defective),
        "focal": _mean(_focal(defective, logits), valid),
        "score": ops.mean(_focal(ops.cast(truth["label"], "float32"), heads["score_logits"])),
    }


def _focal(target, logits):
    """Focal loss of each logit, of a target of 0 or 1."""
    wrong = ops.where(target > 0, -logits, logits)
    return ops.sigmoid(wrong) ** FOCAL_GAMMA * ops.softplus(wrong)


def _mean(values, weights):
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1.0)
