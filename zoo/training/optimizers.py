"""Optimizers of the recipes."""

import keras
from keras import ops

from zoo.training.schedules import SCHEDULES


def adamw(recipe) -> keras.optimizers.Optimizer:
    """AdamW; gradients are clipped, since a batch without defects can be far from the others."""
    return keras.optimizers.AdamW(
        SCHEDULES[recipe.schedule](recipe), weight_decay=recipe.weight_decay, global_clipnorm=1.0
    )


def adamw_fixel(recipe) -> keras.optimizers.Optimizer:
    """AdamW as in the notebook of the micro-segmentor: nothing clipped, everything decays."""
    return keras.optimizers.AdamW(
        SCHEDULES[recipe.schedule](recipe),
        weight_decay=recipe.weight_decay,
        beta_2=0.99,
        epsilon=1e-8,
    )


def adamw_unclipped(recipe) -> keras.optimizers.Optimizer:
    """AdamW as PyTorch has it, as in TransFusion: nothing clipped, everything decays."""
    return keras.optimizers.AdamW(
        SCHEDULES[recipe.schedule](recipe), weight_decay=recipe.weight_decay, epsilon=1e-8
    )


def adam(recipe) -> keras.optimizers.Optimizer:
    """Adam as Keras has it, as in Visual-Inspection but for its epsilon, 1e-8 there."""
    return keras.optimizers.Adam(SCHEDULES[recipe.schedule](recipe))


def adam_clipped(recipe) -> keras.optimizers.Optimizer:
    """Adam with every gradient clipped to 0.4, as in antillia's FlexUNet projects."""
    return keras.optimizers.Adam(SCHEDULES[recipe.schedule](recipe), clipvalue=0.4)


def rmsprop(recipe) -> keras.optimizers.Optimizer:
    """Centred RMSProp with momentum as in UNet_Industrial.

    TensorFlow 1 starts the running mean square at one, a built-in warm-up that Keras lacks:
    `start_like_tensorflow_1` sets it. Its epsilon 1e-10 lets the centred denominator
    round below zero; ours is 1e-7.
    """
    return keras.optimizers.RMSprop(
        SCHEDULES[recipe.schedule](recipe), rho=0.9, momentum=0.8, epsilon=1e-7, centered=True
    )


def build(recipe, variables, precision: str = "float32") -> keras.optimizers.Optimizer:
    """Makes the optimizer of a recipe and its slots for these variables.

    Under the policy mixed_float16 it scales the loss, since small gradients would become 0.
    """
    optimizer = OPTIMIZERS[recipe.optimizer](recipe)
    optimizer.build(variables)
    if recipe.optimizer == "rmsprop":
        start_like_tensorflow_1(optimizer)
    if precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        optimizer.build(variables)
    return optimizer


def start_like_tensorflow_1(optimizer) -> None:
    """Sets every running mean square of an RMSprop optimizer to one."""
    for variable in optimizer.variables:
        if variable.path.endswith("velocity"):
            variable.assign(ops.ones_like(variable))


OPTIMIZERS = {
    "adam": adam,
    "adam_clipped": adam_clipped,
    "adamw": adamw,
    "adamw_fixel": adamw_fixel,
    "adamw_unclipped": adamw_unclipped,
    "rmsprop": rmsprop,
}
