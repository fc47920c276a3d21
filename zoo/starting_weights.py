"""Starts a training from the weights of an earlier run, for data too few to learn from alone."""

import json
import pathlib

import keras
from absl import logging

from builders import run_dir
from zoo.data import datasets, known_images
from zoo.measure import seen
from zoo.recipes.recipe import Recipe


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


def _refuse_seen_data(run, gone, builder) -> None:
    """Raises where a run began with one that is gone and may know images of this data set by it."""
    known = set(run_dir.read_learnt_from(run))
    if "unknown" in known or not known.isdisjoint(datasets.origins(builder)):
        raise ValueError(
            f"{run} started from {gone}, which is not there to say which images it has seen, and "
            f"its weights have learnt from {', '.join(sorted(known))}. Start from another run."
        )


def learnt_from(recipe: Recipe, builder) -> list[str]:
    """The data sets, name/config each, whose images the weights of this recipe will know.

    Of pseudo masks also those that the teacher knew, of painted defects those of the textures.

    Args:
      recipe: `start_from` may name a run directory.
      builder: the built data set of the recipe.
    """
    known = {*datasets.origins(builder), *(builder.info.metadata or {}).get("learnt_from", [])}
    if recipe.start_from is not None:
        known |= {*run_dir.read_learnt_from(recipe.start_from)}
    return sorted(known)


def refuse_seen_images(recipe: Recipe, builder) -> None:
    """Raises ValueError where a run to start from, or one that it started from, saw test images.

    Args:
      recipe: `start_from` may name a run directory.
      builder: the built data set of the recipe.
    """
    directory, descendant = recipe.start_from, None
    while directory is not None:
        file = pathlib.Path(directory) / run_dir.RECIPE_FILE
        if not file.is_file() and descendant is not None:
            _refuse_seen_data(descendant, directory, builder)
            return
        if not file.is_file():
            raise ValueError(
                "Recipe field `start_from` must be a run directory, to see which images its "
                "weights know; python -m zoo import_module makes one of a module. "
                f"Received: {directory}"
            )
        before = Recipe.from_dict(json.loads(file.read_text()))
        known = known_images.read(directory)
        if seen(before, builder, recipe.test_split, recipe.test_folds or None, known):
            raise ValueError(
                f"Recipe field `start_from` must be a run that has seen no test image: {directory} "
                f"has seen some of {recipe.test_split} of {recipe.dataset}."
            )
        directory, descendant = before.start_from, directory
