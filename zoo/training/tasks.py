"""What a model is asked to learn, and from which batches, so that one `fit` trains them all."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import keras

from builders.super_simple_net import set_statistics
from zoo.data import input_pipeline
from zoo.feature_learning import batches as feature_batches
from zoo.feature_learning import cache
from zoo.feature_learning.learner import MONITOR, FeatureLearning
from zoo.recipes.builder_kinds import FEATURE_BUILDERS, ONE_CLASS_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.synthetic_anomalies import batches
from zoo.synthetic_anomalies.textures import find_textures
from zoo.training import denoising, objectives


class Task(NamedTuple):
    """What `fit` needs.

    Attributes:
      learner: what is fitted, which shares its layers with the model; not compiled.
      objective: losses and metrics, for `compile`.
      training_batches: from the epoch to begin at to batches up to the last epoch.
      validation_batches: of images that the weights do not learn from.
      monitor: the figure of an epoch that chooses the weights.
      facts: what else belongs into `environment.json`.
    """

    learner: keras.Model
    objective: dict
    training_batches: Callable[[int], Iterable]
    validation_batches: Iterable
    monitor: str
    facts: dict


def make_task(model: keras.Model, recipe: Recipe, builder, validation) -> Task:
    """Returns the task of a model.

    Args:
      model: built by the recipe.
      recipe: what is trained.
      builder: a built data set.
      validation: its validation examples, from `datasets.read_examples`.

    Raises:
      ValueError: the recipe does not fit the model or the data.
    """
    if recipe.builder in ONE_CLASS_BUILDERS:
        return _good_images(model, recipe, builder)
    if recipe.builder in FEATURE_BUILDERS:
        return _features(model, recipe, builder)
    outputs = objectives.learning_outputs(model, recipe)
    return Task(
        learner=objectives.learner(model, outputs),
        objective=objectives.compile_arguments(recipe, outputs),
        training_batches=lambda first_epoch: input_pipeline.training_batches(
            builder, recipe, first_epoch, outputs
        ),
        validation_batches=input_pipeline.validation_batches(validation, outputs),
        monitor=objectives.monitored(outputs),
        facts={},
    )


def _good_images(model, recipe, builder):
    textures = find_textures(recipe.textures)
    num_steps = denoising.num_steps(model)
    train, validation = (
        batches.read_good_images(builder, recipe, folds)
        for folds in (recipe.training_folds, recipe.validation_folds)
    )
    _check_size(model, train.images.shape[1:3])
    return Task(
        learner=denoising.Denoising(model),
        objective={},
        training_batches=lambda first_epoch: batches.training_batches(
            train, recipe, textures, num_steps, first_epoch
        ),
        validation_batches=batches.validation_batches(validation, recipe, textures, num_steps),
        monitor="val_loss",
        facts={"textures": textures.source},
    )


def _features(model, recipe, builder):
    train, validation = (
        cache.read_features(model, builder, recipe, folds, changed=changed)
        for folds, changed in ((recipe.training_folds, True), (recipe.validation_folds, False))
    )
    set_statistics(model, *cache.statistics(train))
    return Task(
        learner=FeatureLearning(model),
        objective={},
        training_batches=lambda first_epoch: feature_batches.training_batches(
            train, recipe, first_epoch
        ),
        validation_batches=feature_batches.validation_batches(validation, recipe),
        monitor=MONITOR,
        facts={"supervision": cache.supervision(train)},
    )


def _check_size(model, size):
    multiple = next((layer.multiple for layer in model.layers if layer.name == "pad"), 1)
    if any(side % multiple for side in size):
        raise ValueError(
            f"Recipe field `image_size` must be multiples of {multiple}, by which the network "
            f"folds and halves. Received: images of {size[0]}x{size[1]} pixels"
        )
