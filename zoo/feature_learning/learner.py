"""What SuperSimpleNet learns: to tell features of defects and of noise from those of good cells."""

import keras
from keras import ops

from builders.super_simple_net import adaptor_of, mask_head_of, score_head_of
from zoo.losses.super_simple_net import super_simple_net_losses
from zoo.metrics.segmentation import IGNORE

PARTS = ("cells", "score")  # of the loss
MONITOR = "val_pixel_ap"  # chooses the weights where validation images have masks of defects


class FeatureLearning(keras.Model):
    """All that learns of a model of `super_simple_net`, which shares its layers, with its loss.

    The head of masks learns from `cells` that are drawn from all images, that of scores from the
    `features` of a few whole ones, of which it sees the map as it is. To both their noise is added,
    after the adaptor. Every part of the loss is logged, and the average precision of the cells of
    the whole images.

    Args:
      model: of `super_simple_net`.
    """

    def __init__(self, model: keras.Model):
        adaptor, mask_head, score_head = (
            part(model) for part in (adaptor_of, mask_head_of, score_head_of)
        )
        shapes = {"features": adaptor.input.shape[1:], "cells": (1, 1, adaptor.input.shape[-1])}
        inputs, adapted = {}, {}
        for name, noise in (("features", "noise"), ("cells", "cell_noise")):
            inputs |= {each: keras.Input(shapes[name], name=each) for each in (name, noise)}
            adapted[name] = adaptor(inputs[name]) + inputs[noise]
        cell_logits = ops.stop_gradient(mask_head(adapted["features"], training=False))
        outputs = {
            "cell_logits": cell_logits,
            "drawn_logits": mask_head(adapted["cells"]),
            "score_logits": score_head([adapted["features"], cell_logits]),
        }
        super().__init__(inputs, outputs, name="feature_learning")
        self.parts = [keras.metrics.Mean(name) for name in PARTS]
        self.average_precision = keras.metrics.AUC(curve="PR", name="pixel_ap")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = super_simple_net_losses(y, y_pred)
        count = ops.shape(y["mask"])[0]  # the last validation batch may be smaller
        for part in self.parts:
            part.update_state(losses[part.name], sample_weight=count)
        probability = ops.sigmoid(y_pred["cell_logits"][..., 0])
        valid = ops.cast(y["mask"] != IGNORE, "float32")
        self.average_precision.update_state(y["mask"] == 1, probability, sample_weight=valid)
        return sum(losses.values())
