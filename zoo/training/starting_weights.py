"""Starts a training from the weights of an earlier run, for data too few to learn from alone."""

import json

import keras
from absl import logging

from builders.runs import run_dir


def copy_weights(model: keras.Model, directory) -> list[str]:
    """Sets the weights of all layers that a run's network shares by name and shape.

    The others, such as a head for other types, stay as they are.

    Args:
      model: receives the weights.
      directory: a run directory.

    Returns:
      The names of the layers that keep their own weights.

    Raises:
      ValueError: there is no run, or no layer of it fits.
    """
    source, recipe = run_dir.load_model(directory)
    known = {layer.name: layer for layer in source.layers}
    fitting, others = [], []
    for layer in filter(lambda layer: layer.weights, model.layers):
        shapes = [weight.shape for weight in layer.weights]
        twin = known.get(layer.name)
        if twin is not None and [weight.shape for weight in twin.weights] == shapes:
            layer.set_weights(twin.get_weights())
            fitting.append(layer.name)
        else:
            others.append(layer.name)
    if not fitting:
        raise ValueError(
            "Recipe field `start_from` must be a run of the same builder and width: no layer of "
            f"{recipe['module']} has the name and shape of one here. It is {recipe['builder']} "
            f"with --builder_args='{json.dumps(recipe['builder_args'])}'. Received: {directory}"
        )
    logging.info(
        "Started from %d layers of %s; new: %s.",
        len(fitting),
        directory,
        ", ".join(others) or "none",
    )
    return others
