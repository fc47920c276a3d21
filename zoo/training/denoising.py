"""What TransFusion's network learns: to tell a painted defect from the surface below it."""

import keras
from keras import ops

from builders.transfusion import denoiser
from zoo.losses.transfusion import transfusion_losses

PARTS = ("appearance", "mask", "normal", "consistency")  # of the loss


class Denoising(keras.Model):
    """The network of a model of `transfusion`, which shares its layers, with the loss of its heads.

    Every part of the loss is logged; Keras knows losses of one output each, and these are of all.

    Args:
      model: of `transfusion`.
    """

    def __init__(self, model: keras.Model):
        network = denoiser(model)
        super().__init__(inputs=network.input, outputs=network.output, name="denoising")
        self.num_steps = num_steps(model)
        self.parts = [keras.metrics.Mean(name) for name in PARTS]

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        losses = transfusion_losses(y, y_pred, self.num_steps)
        count = ops.shape(y["step"])[0]  # the last validation batch may be smaller
        for part in self.parts:
            part.update_state(losses[part.name], sample_weight=count)
        return sum(losses.values())


def num_steps(model: keras.Model) -> int:
    """Returns the steps of the schedule of a model of `transfusion`."""
    return model.get_layer("reverse_process").num_steps
