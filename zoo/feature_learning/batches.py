"""Batches of features with noise, for models that learn to tell such noise from good surfaces.

The batch of a step depends on the seed and the number of the step alone, so a resumed run sees what
an unbroken one would have seen.
"""

import numpy as np
import tensorflow as tf

from zoo.feature_learning.cache import Features
from zoo.feature_learning.cells import CellDraws
from zoo.recipes.recipe import Recipe
from zoo.synthetic_anomalies.batches import VALIDATION_SEED, drawn_images
from zoo.synthetic_anomalies.perlin import perlin_field, random_cells

NOISE = 0.7  # standard deviation, relative to that of the features
NOISE_LEVEL = 0.2  # of the Perlin field above which there is noise
_SHAPES = 7  # tells the draws of shapes from others by the same seed


def training_batches(features: Features, recipe: Recipe, first_epoch: int = 0) -> tf.data.Dataset:
    """Batches for `fit`, from epoch `first_epoch` to the last one of the recipe.

    Every second good image has noise in places of random shape and in its foreground. Defective
    ones have none: what is known of them would be lost in it.

    Args:
      features: of the images to learn from.
      recipe: its seed, batch and epoch fields are used, and its share of defective images, where
        there are any.
      first_epoch: 0, or the epoch to resume at.

    Returns:
      Pairs of a dict of `features` and `noise`, float32 [B, h, w, C], and of `cells` and
      `cell_noise`, [M, 1, 1, C]; and of a dict of `mask`, `label` and `cell_mask`, see
      `super_simple_net_losses`; noise counts as a defect.
    """
    first, last = (epoch * recipe.steps_per_epoch for epoch in (first_epoch, recipe.epochs))
    streams = _streams(features, recipe)

    def draw(number):
        chosen, places = [], []
        for kind, (members, count) in enumerate(streams):
            order, place = drawn_images(len(members), number, count, 2 * recipe.seed + kind)
            chosen.append(members[order])
            places.append(place)
        return np.concatenate(chosen), np.concatenate(places) % 2 == 0

    numbers = tf.data.Dataset.range(first, last)
    return _batches(features, numbers, draw, recipe.seed, recipe.batch_size)


def validation_batches(features: Features, recipe: Recipe) -> tf.data.Dataset:
    """Pairs as `training_batches` has them: each image once, with the same noise in every run.

    Where masks of defects are known there is no noise: they say better what is found.
    """
    count, size = len(features.labels), recipe.batch_size
    noisy = not (features.masks == 1).any()

    def draw(number):
        chosen = np.arange(number * size, min((number + 1) * size, count))
        return chosen, noisy & (chosen % 2 == 0)

    return _batches(features, tf.data.Dataset.range(-(-count // size)), draw, VALIDATION_SEED)


def _streams(features, recipe) -> list[tuple[np.ndarray, int]]:
    """Returns which images are drawn from, and how many of each kind for a batch."""
    kinds = [np.flatnonzero(features.labels == label) for label in (0, 1)]
    if recipe.defective_fraction is None or not all(map(len, kinds)):
        return [(np.arange(len(features.labels)), recipe.batch_size)]
    count = round(recipe.defective_fraction * recipe.batch_size)
    return list(zip(kinds, (recipe.batch_size - count, count)))


def _batches(features, numbers, draw, seed, batch_size=None):
    size, map_size = features.foregrounds.shape[1:], features.masks.shape[1:]
    split = map_size[0] // size[0]
    cells = CellDraws(features)

    def batch(number):
        chosen, noisy = draw(int(number))
        noisy &= features.labels[chosen] == 0
        generator = np.random.default_rng([seed, int(number), _SHAPES])
        masks = features.masks[chosen]
        good = (masks == 0).reshape(len(chosen), size[0], split, size[1], split).all(axis=(2, 4))
        noise = good & features.foregrounds[chosen] & noisy[:, None, None]
        for place in np.flatnonzero(noisy):
            field = perlin_field(generator, size, random_cells(generator, size))
            noise[place] &= field > NOISE_LEVEL
        masks[noise.repeat(split, axis=1).repeat(split, axis=2)] = 1
        labels = features.labels[chosen] | noise.any(axis=(1, 2))
        whole = features.values[chosen], noise, masks, labels.astype(np.float32)
        return *whole, *cells.draw(seed, int(number))

    depth = features.values.shape[-1:]
    shapes = [(batch_size, *each) for each in ((*size, *depth), size, map_size, ())]
    shapes += [(None, 1, 1, *depth), (None, 1, 1), (None, split, split)]
    kinds = [tf.float16, tf.bool, tf.uint8, tf.float32, tf.float16, tf.bool, tf.uint8]

    def pair(number):
        arrays = tf.numpy_function(batch, [number], kinds)
        for array, shape in zip(arrays, shapes):
            array.set_shape(shape)
        values, noisy, masks, labels, cell_values, noisy_cells, cell_masks = arrays
        asked = {
            "features": tf.cast(values, tf.float32),
            "noise": _noise(noisy, values, [seed, number]),
            "cells": tf.cast(cell_values, tf.float32),
            "cell_noise": _noise(noisy_cells, cell_values, [number, seed]),
        }
        return asked, {"mask": masks, "label": labels, "cell_mask": cell_masks}

    return numbers.map(pair, num_parallel_calls=tf.data.AUTOTUNE).prefetch(2)


def _noise(noisy, values, seed):
    noise = NOISE * tf.random.stateless_normal(tf.shape(values), seed)
    return tf.where(noisy[..., None], noise, 0.0)
