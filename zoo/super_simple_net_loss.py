"""The losses of SuperSimpleNet, of cells and of images."""

from keras import ops

from zoo import losses

CELL_SHARE = 10.0


def super_simple_net_losses(truth: dict, heads: dict) -> dict:
    """Returns the parts of the loss of a batch; their sum is what is minimised.

    Source: Rolih et al., arXiv:2408.03143. Deliberate difference: cross-entropy in place of their
    truncated L1 and focal losses. The truncated L1 weighs all defective cells as much as all good
    ones, so that too much is marked until hundreds of epochs have passed.

    Args:
      truth: dict of `mask` uint8 [B, h, w], 1 where a cell is defective, 0 where it is good, 255
        where nobody knows; and `label` [B], 1 for defective images.
      heads: dict of `cell_logits` [B, h, w, 1] and `score_logits` [B].

    Returns:
      Dict of float32 scalars: `cells`, the mean of those of which something is known, times
      `CELL_SHARE`, since few are defective; and `score`, the mean of the images.
    """
    score, label = heads["score_logits"], ops.cast(truth["label"], "float32")
    return {
        "cells": CELL_SHARE * losses.bce(truth["mask"][..., None], heads["cell_logits"]),
        "score": ops.mean(ops.softplus(score) - label * score),
    }
