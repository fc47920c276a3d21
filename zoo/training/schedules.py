"""Learning rates over the steps of a training."""

import math

import keras
from keras import ops

WARM_UP = 0.05  # share of the steps in which `cosine` rises
# torch.optim.lr_scheduler.OneCycleLR as it comes.
CYCLE_RISE = 0.3  # share of the cycle
CYCLE_START = 1 / 25  # of the highest learning rate
CYCLE_END = 1e-4  # of the first one


def steps(recipe):
    """The same learning rate all the time, or drops by `decay_rate` every `decay_steps` steps."""
    if recipe.decay_steps is None:
        return recipe.learning_rate
    return keras.optimizers.schedules.ExponentialDecay(
        recipe.learning_rate, recipe.decay_steps, recipe.decay_rate, staircase=True
    )


def cosine(recipe):
    """Returns a short rise from 0, then a cosine down to 0 at the last step."""
    total = recipe.epochs * recipe.steps_per_epoch
    rise = round(WARM_UP * total)
    return keras.optimizers.schedules.CosineDecay(
        0.0, total - rise, warmup_target=recipe.learning_rate, warmup_steps=rise
    )


def one_cycle(recipe):
    """Goes up to the highest learning rate and down again by cosines, constant in each epoch.

    Source: Smith and Topin, "Super-Convergence", arXiv:1708.07120, as OneCycleLR of PyTorch has it
    when it is stepped once an epoch; the momentum, which that cycles as well, stays.
    """
    return OneCycle(recipe.learning_rate, recipe.epochs, recipe.steps_per_epoch)


class OneCycle(keras.optimizers.schedules.LearningRateSchedule):
    """See `one_cycle`."""

    def __init__(self, highest: float, epochs: int, steps_per_epoch: int):
        super().__init__()
        self.highest, self.epochs, self.steps_per_epoch = highest, epochs, steps_per_epoch

    def __call__(self, step):
        epoch = ops.floor(ops.cast(step, "float32") / self.steps_per_epoch)
        epoch = ops.minimum(epoch, self.epochs - 1.0)
        first, last = CYCLE_START * self.highest, CYCLE_END * CYCLE_START * self.highest
        top = max(CYCLE_RISE * self.epochs - 1, 1e-6)
        fall = max(self.epochs - 1 - top, 1e-6)
        rising = self._between(first, self.highest, epoch / top)
        falling = self._between(self.highest, last, (epoch - top) / fall)
        return ops.where(epoch <= top, rising, falling)

    def get_config(self):
        return {
            "highest": self.highest,
            "epochs": self.epochs,
            "steps_per_epoch": self.steps_per_epoch,
        }

    @staticmethod
    def _between(start, end, share):
        return end + (start - end) * (1 + ops.cos(math.pi * share)) / 2


SCHEDULES = {"steps": steps, "cosine": cosine, "one_cycle": one_cycle}
