"""What SuperSimpleNet learns: to tell features of defects and of noise from those of good cells."""

import keras
from keras import ops

from builders.super_simple_net import adaptor_of, heads_of
from zoo.metrics.segmentation import IGNORE
from zoo.super_simple_net_loss import super_simple_net_losses

PARTS = ("cells", "score")  # of the loss
MONITOR = "val_pixel_ap"  # chooses the weights where validation images have masks of defects


class FeatureLearning(keras.Model):
    """All that learns of a model of `super_simple_net`, which shares its layers, with its loss.

    Its inputs are `features`, as the frozen network gives them, and `noise`, which is added to the
    adapted ones. Every part of the loss is logged, and the average precision of the cells.

    Args:
      model: of `super_simple_net`.
    """

    def __init__(self, model: keras.Model):
        adaptor, heads = adaptor_of(model), heads_of(model)
        features = keras.Input(adaptor.input.shape[1:], name="features")
        noise = keras.Input(features.shape[1:], name="noise")
        inputs = {"features": features, "noise": noise}
        super().__init__(inputs, heads(adaptor(features) + noise), name="feature_learning")
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
