"""The losses of SuperSimpleNet, of cells and of images."""

from keras import ops

from zoo.losses.mask import bce


def super_simple_net_losses(truth: dict, heads: dict) -> dict:
    """Returns the parts of the loss of a batch; their sum is what is minimised.

    Source: Rolih et al., arXiv:2408.03143. Deliberate differences: cross-entropy in place of their
    truncated L1 and focal losses; and the cells are drawn from all images, see `CellDraws`, where
    theirs are those of the batch: a few images of which nearly all cells are good.

    Args:
      truth: dict of `cell_mask` uint8 [M, k, k], 1 where a cell is defective, 0 where it is good,
        255 where nobody knows; and `label` [B], 1 for defective images.
      heads: dict of `drawn_logits` [M, k, k, 1] and `score_logits` [B].

    Returns:
      Dict of float32 scalars: `cells`, the mean of those of which something is known, and `score`,
      the mean of the images.
    """
    score, label = heads["score_logits"], ops.cast(truth["label"], "float32")
    return {
        "cells": bce(truth["cell_mask"][..., None], heads["drawn_logits"]),
        "score": ops.mean(ops.softplus(score) - label * score),
    }
