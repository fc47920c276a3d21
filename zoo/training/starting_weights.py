"""Starts a training from the weights of an earlier run, for data too few to learn from alone."""

import json
import pathlib

import keras
from absl import logging

from builders.runs import run_dir, run_files
from zoo.modules.import_module import import_module, imported_run

# Arguments that follow from the images and their types, not from the network of the start.
OF_THE_DATA = ("image_shape", "num_classes", "num_labels", "weights")
MOST_SHOWN = 5  # names of layers in the log


def copy_weights(model: keras.Model, directory) -> list[str]:
    """Sets the weights of all layers that a run's network shares by name and shape.

    The others, such as a head for other types, stay as they are.

    Args:
      model: receives the weights.
      directory: a run directory.

    Returns:
      The names of the layers that keep their own weights.

    Raises:
      ValueError: there is no run, or fewer than half of the layers fit.
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
    if len(fitting) < len(others):
        args = {k: v for k, v in recipe["builder_args"].items() if k not in OF_THE_DATA}
        raise ValueError(
            "Recipe field `start_from` must be a run of the same builder and width: of "
            f"{len(fitting) + len(others)} layers, {len(fitting)} have the name and shape of one "
            f"of {recipe['module']}. It is {recipe['builder']} with "
            f"--builder_args='{json.dumps(args)}'. Received: {directory}"
        )
    shown = ", ".join(others[:MOST_SHOWN]) or "none"
    more = f" and {len(others) - MOST_SHOWN} more" if len(others) > MOST_SHOWN else ""
    logging.info("Started from %d layers of %s; new: %s%s.", len(fitting), directory, shown, more)
    return others


def adopt_start(module: str, changes: dict, *, modules_dir="modules", runs_dir="runs") -> dict:
    """Completes the changes of a recipe by what its start decides.

    Args:
      module: handle of what is trained.
      changes: fields of the recipe; `start_from` is a run directory, or the handle of a module,
        which is imported.
      modules_dir: folder of exported modules.
      runs_dir: folder of all runs, which receives an imported one.

    Returns:
      The changes, with the run directory as `start_from` and, where the builder is the same, the
      arguments of its network, unless others are given.

    Raises:
      ValueError: there is no such run or module.
    """
    start = changes.get("start_from")
    if start is None:
        return changes
    run = pathlib.Path(start)
    if not (run / run_files.RECIPE_FILE).is_file():
        run = imported_run(start, runs_dir)
        if not run.exists():
            run = import_module(start, modules_dir=modules_dir, runs_dir=runs_dir)
    recipe = run_files.read_document(run, run_files.RECIPE_FILE)
    changes = {**changes, "start_from": str(run)}
    if recipe["builder"] == module.partition("/")[0]:
        args = {k: v for k, v in recipe["builder_args"].items() if k not in OF_THE_DATA}
        changes["builder_args"] = {**args, **changes.get("builder_args", {})}
    return changes
