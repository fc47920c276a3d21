"""Batches of good images with painted defects, for models that learn what is normal.

The batch of a step depends on the seed and the number of the step alone, so a resumed run sees what
an unbroken one would have seen.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from absl import logging

from builders import transparency
from zoo.data import augment, datasets, input_pipeline
from zoo.recipes.recipe import Recipe
from zoo.synthetic_anomalies.foreground import foreground_masks
from zoo.synthetic_anomalies.painting import transfusion_batch
from zoo.synthetic_anomalies.textures import Textures

VALIDATION_SEED = 712_000_003  # the defects painted on validation images are those of every run
# Third numbers of seeds, which tell these draws from those of `transfusion_batch`, which has two.
_ORDER, _STEPS = 1, 2


class GoodImages(NamedTuple):
    """Good images in memory, and where a defect may lie on each.

    Attributes:
      images: uint8 [N, H, W, C].
      foregrounds: bool [N, H, W].
    """

    images: np.ndarray
    foregrounds: np.ndarray


def read_good_images(builder, recipe: Recipe, folds: tuple[int, ...]) -> GoodImages:
    """Reads the good images of some folds of the split to learn from.

    Args:
      builder: a built data set.
      recipe: its data, image size and foreground fields are used.
      folds: which folds.

    Raises:
      ValueError: there is no good image, their sizes differ, or the folder of foregrounds does not
        fit.
    """
    good = list(datasets.read_good_examples(builder, recipe, folds).as_numpy_iterator())
    if not good:
        raise ValueError(
            f"{builder.info.full_name} must have good images in the folds {folds} of "
            f"{recipe.train_split}, since {recipe.builder} learns from good images alone. It has "
            "none: add good images, or choose other `validation_folds`."
        )
    sizes = {example["image"].shape[:2] for example in good}
    input_pipeline.require_one_size(sizes, recipe.dataset, "--image_size")
    images = np.stack([example["image"] for example in good])
    foregrounds = foreground_masks(
        images,
        [example["file_name"].decode() for example in good],
        dataset=recipe.dataset,
        mask_dir=recipe.foreground_dir,
    )
    logging.info(
        "%d good images of the folds %s are kept in memory (%.0f MB).",
        len(images),
        ", ".join(map(str, folds)),
        (images.nbytes + foregrounds.nbytes) / 1e6,
    )
    return GoodImages(images, foregrounds)


def training_batches(
    good: GoodImages, recipe: Recipe, textures: Textures, num_steps: int, first_epoch: int = 0
) -> tf.data.Dataset:
    """Batches for `fit`, from epoch `first_epoch` to the last one of the recipe.

    Args:
      good: the images to learn from, which change as the recipe says before defects are painted.
      recipe: its seed, augmentation, batch and epoch fields are used.
      textures: of the defects.
      num_steps: of the schedule, see `transparency.opacity`.
      first_epoch: 0, or the epoch to resume at.

    Returns:
      Pairs of what the network is asked, a dict of `image`, `mask` and `step` as `build_network`
      has them, and of what it shall answer, see `transfusion_losses`.
    """
    first, last = (epoch * recipe.steps_per_epoch for epoch in (first_epoch, recipe.epochs))
    drawn = _drawn(
        good,
        tf.data.Dataset.range(first, last),
        lambda number: drawn_images(len(good.images), number, recipe.batch_size, recipe.seed),
        recipe.batch_size,
    )
    if recipe.augmentation != "identity" or any(augment.strengths_of(recipe).values()):
        drawn = drawn.map(
            lambda *batch: change_images(*batch, recipe), num_parallel_calls=tf.data.AUTOTUNE
        )
    return _pairs(drawn, textures, num_steps, recipe.seed)


def validation_batches(
    good: GoodImages, recipe: Recipe, textures: Textures, num_steps: int
) -> tf.data.Dataset:
    """Pairs as `training_batches` has them: each image once, as it is, with the same defects."""
    count, size = len(good.images), recipe.batch_size

    def draw(number):
        places = np.arange(number * size, min((number + 1) * size, count))
        return places, places

    drawn = _drawn(good, tf.data.Dataset.range(-(-count // size)), draw)
    return _pairs(drawn, textures, num_steps, VALIDATION_SEED)


def drawn_images(
    count: int, number: int, batch_size: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which images make a batch: all come once, in random order, before any comes again.

    Args:
      count: how many images there are.
      number: of the batch, from 0.
      batch_size: images of a batch.
      seed: of the training.

    Returns:
      Of each image of the batch, int [B], which one it is and its place among all drawn so far.
    """
    places = number * batch_size + np.arange(batch_size)
    rounds, turns = np.divmod(places, count)
    orders = {
        each: np.random.default_rng([seed, each, _ORDER]).permutation(count)
        for each in np.unique(rounds).tolist()
    }
    chosen = [orders[each][turn] for each, turn in zip(rounds.tolist(), turns)]
    return np.array(chosen), places


def change_images(images: tf.Tensor, foregrounds: tf.Tensor, places: tf.Tensor, recipe: Recipe):
    """Changes good images by the recipe's augmentation.

    Args:
      images: uint8 [B, H, W, C].
      foregrounds: bool [B, H, W], where a defect may lie.
      places: int64 [B], other ones for each batch.
      recipe: its seed and augmentation fields are used.

    Returns:
      The same three, with images and foregrounds changed alike; no defect may lie where a
      foreground comes from beyond the border.
    """
    shape = (images.shape[0], augment.NUM_NUMBERS)
    seed = tf.stack([tf.constant(recipe.seed, tf.int64), places[0]])
    images, masks = augment.augment(
        tf.cast(images, tf.float32) / 255,
        tf.cast(foregrounds, tf.uint8)[..., None],
        tf.random.stateless_uniform(shape, seed),
        symmetry=recipe.augmentation,
        **augment.strengths_of(recipe),
    )
    return tf.cast(tf.round(255 * images), tf.uint8), masks[..., 0] == 1, places


def paint_images(
    images: np.ndarray,
    foregrounds: np.ndarray,
    places: np.ndarray,
    textures: Textures,
    *,
    num_steps: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """Paints defects on the first half of some images, and draws a step of the schedule for each.

    Args:
      images: uint8 [B, H, W, C], good ones.
      foregrounds: bool [B, H, W], where a defect may lie.
      places: int [B], other ones for each batch.
      textures: of the defects.
      num_steps: of the schedule.
      seed: of the training.

    Returns:
      A dict of `normal`, `anomaly` float32 [B, H, W, 3], `mask` and `corrupted_mask` float32
      [B, H, W, 1], see `transfusion_batch`, and `step` int32 [B], 1 to num_steps - 1. The corrupted
      mask, which stands for that of the step before, is empty at the last step, with which the
      reverse process begins.
    """
    drawn = transfusion_batch(images, foregrounds, places, seed=seed, textures=textures)
    steps = np.random.default_rng([seed, int(places[0]), _STEPS])
    step = steps.integers(1, num_steps, len(images), np.int32)
    known = (step < num_steps - 1)[:, None, None, None]
    return {
        "normal": _colour(drawn["normal"]),
        "anomaly": _colour(drawn["anomaly"]),
        "mask": drawn["mask"],
        "corrupted_mask": drawn["corrupted_mask"] * known.astype(np.float32),
        "step": step,
    }


def _drawn(good, numbers, draw, batch_size=None):
    """Images, foregrounds and places of the batches that have these numbers."""

    def batch(number):
        chosen, places = draw(int(number))
        return good.images[chosen], good.foregrounds[chosen], places

    def drawn(number):
        arrays = tf.numpy_function(batch, [number], [tf.uint8, tf.bool, tf.int64])
        shapes = good.images.shape[1:], good.foregrounds.shape[1:], ()
        for array, shape in zip(arrays, shapes):
            array.set_shape((batch_size, *shape))
        return arrays

    return numbers.map(drawn, num_parallel_calls=tf.data.AUTOTUNE)


def _pairs(drawn, textures, num_steps, seed):
    batch_size, *size, _ = drawn.element_spec[0].shape
    # In the order in which `tf.data` takes dicts apart.
    kinds = {
        "anomaly": ((*size, 3), tf.float32),
        "corrupted_mask": ((*size, 1), tf.float32),
        "mask": ((*size, 1), tf.float32),
        "normal": ((*size, 3), tf.float32),
        "step": ((), tf.int32),
    }

    def paint(*batch):
        arrays = paint_images(*batch, textures, num_steps=num_steps, seed=seed)
        return [array for _, array in sorted(arrays.items())]

    def pair(*batch):
        arrays = tf.numpy_function(paint, batch, [kind for _, kind in kinds.values()])
        truth = {}
        for (name, (shape, _)), array in zip(kinds.items(), arrays):
            array.set_shape((batch_size, *shape))
            truth[name] = array
        mask = truth.pop("corrupted_mask")
        image = transparency.forward_sample(**truth, num_steps=num_steps)
        return {"image": image, "mask": mask, "step": truth["step"]}, truth

    return drawn.map(pair, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def _colour(images):
    """Repeats the channel of grey images [B, H, W, 1], as the model does."""
    return np.repeat(images, 3 // images.shape[-1], axis=-1)
