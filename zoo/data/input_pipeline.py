"""From examples to batches: crops, sampling, stateless augmentation.

Order, crops and augmentation depend on the seed and on how much was drawn before, so a resumed run
sees what an unbroken one would have seen.
"""

import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from zoo.data import augment, training_examples
from zoo.metrics.segmentation import is_defect
from zoo.recipes.recipe import Recipe

CROP_NUMBERS = 5  # random numbers that place one crop
MASK_ONLY = {"mask_logits": 1}  # what most models learn
EVALUATION_PIXELS = 2**20  # whole images of one size are batched up to this many pixels
WAITING_PIXELS = 2**25  # of images of all sizes that wait for others of theirs


def training_batches(
    builder, recipe: Recipe, first_epoch: int = 0, outputs: Mapping[str, int] = MASK_ONLY
) -> tf.data.Dataset:
    """Batches for `fit`, from epoch `first_epoch` to the last one of the recipe.

    Args:
      builder: a built data set.
      recipe: its data, sampling, crop, augmentation, batch and epoch fields are used.
      first_epoch: 0, or the epoch to resume at.
      outputs: which of a model's outputs learn, `mask_logits`, `label_logits` or both, and how
        many channels each has.

    Returns:
      Pairs of an image float32 [B, H, W, C] in [0, 1] and a dict of what each output shall be:
      `mask_logits` the mask uint8 [B, H, W, 1], `label_logits` the label int64 [B], 0 for good and,
      in a model of two labels, 1 for any defect.

    Raises:
      ValueError: there is no example to learn from, or the images' sizes do not fit the recipe.
    """
    strengths = augment.strengths_of(recipe)
    streams = training_examples.training_streams(builder, recipe)
    size = _checked_size(streams.sizes, recipe)

    def drawn(part):
        """What one stream gives to the batches of all epochs, as many at a time as they take."""

        def cut(index, example):
            numbers = tf.random.stateless_uniform(
                [CROP_NUMBERS + augment.NUM_NUMBERS], seed=[2 * recipe.seed + part, index]
            )
            crop_numbers, numbers = numbers[:CROP_NUMBERS], numbers[CROP_NUMBERS:]
            image, mask = _crop(example["image"], example["mask"], size, crop_numbers)
            return image, mask, example["label"], numbers

        count = streams.counts[part]
        return (
            _shuffled(streams, part, recipe, first_epoch)
            .map(cut, num_parallel_calls=tf.data.AUTOTUNE)
            .batch(count, drop_remainder=True)
        )

    parts = [drawn(part) for part in range(len(streams.streams))]

    def join(*parts):
        if len(streams.streams) > 1:
            parts = [tf.concat(part, axis=0) for part in zip(*parts)]
        image, mask, label, numbers = parts
        image, mask = augment.augment(
            tf.cast(image, tf.float32) / 255.0,
            mask,
            numbers,
            symmetry=recipe.augmentation,
            **strengths,
        )
        return image, _targets(outputs, mask, label)

    return (
        (tf.data.Dataset.zip(*parts) if len(parts) > 1 else parts[0])
        .map(join, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
    )


def _shuffled(streams, part: int, recipe: Recipe, first_epoch: int) -> tf.data.Dataset:
    """Pairs of a number and the example of one stream that is drawn as that one.

    Each epoch draws among all, where memory holds them. Else a round of all lasts for epochs, since
    those near the end would never come if each epoch began at the front.
    """
    stream, length, buffer = (of[part] for of in streams[:3])
    taken = recipe.steps_per_epoch * streams.counts[part]
    start, end = first_epoch * taken, recipe.epochs * taken
    in_round = taken if buffer >= length else length

    def draw(number):
        # Of this graph alone, whatever the program's global seed is; never 0, with which TensorFlow
        # cannot shuffle by a seed that is a tensor.
        tf.compat.v1.set_random_seed(recipe.seed + 1)
        shuffled = stream.shuffle(buffer, seed=recipe.seed * 100_003 + number)
        return shuffled.repeat().take(in_round)

    return (
        tf.data.Dataset.range(start // in_round, -(-end // in_round))
        .flat_map(draw)
        .skip(start % in_round)
        .take(end - start)
        .enumerate(start=start)
    )


def same_size_batches(examples: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of whole images of one size each, as many as hold about a million pixels.

    Images wait for others of their size, unless all that wait hold more than `WAITING_PIXELS`.
    """

    def batches():
        waiting, pixels = {}, 0
        for example in examples.as_numpy_iterator():
            size = example["image"].shape[:2]
            area = math.prod(size)
            waiting.setdefault(size, []).append(example)
            pixels += area
            if (len(waiting[size]) + 1) * area > EVALUATION_PIXELS:
                pixels -= len(waiting[size]) * area
                yield _stacked(waiting.pop(size))
            elif pixels > WAITING_PIXELS:
                yield from map(_stacked, waiting.values())
                waiting, pixels = {}, 0
        yield from map(_stacked, waiting.values())

    signature = {
        key: tf.TensorSpec([None, *spec.shape], spec.dtype)
        for key, spec in examples.element_spec.items()
    }
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(1)


def _stacked(examples: list[dict]) -> dict:
    return {key: np.stack([example[key] for example in examples]) for key in examples[0]}


def validation_batches(
    examples: tf.data.Dataset, outputs: Mapping[str, int] = MASK_ONLY
) -> tf.data.Dataset:
    """Pairs as `training_batches` has them, for `fit(validation_data=)`, of whole images.

    They are kept in memory as uint8 up to `training_streams.CACHE_BYTES`, and read from disk again
    and again beyond.
    """

    def add(total, batch):
        values = sum(tf.size(batch[key], out_type=tf.int64) for key in ("image", "mask"))
        return total[0] + 1, total[1] + values

    def pair(batch):
        image = tf.cast(batch["image"], tf.float32) / 255.0
        return image, _targets(outputs, batch["mask"], batch["label"])

    batches = same_size_batches(examples)
    count, num_bytes = batches.reduce((np.int64(0), np.int64(0)), add)
    if num_bytes <= training_examples.CACHE_BYTES:
        batches = batches.cache()
    # Keras warns at the end of data whose length it was not told.
    return batches.map(pair).apply(tf.data.experimental.assert_cardinality(count))


def _targets(outputs, mask, label) -> dict:
    targets = {}
    if "mask_logits" in outputs:
        targets["mask_logits"] = mask
    if "label_logits" in outputs:
        targets["label_logits"] = tf.minimum(label, outputs["label_logits"] - 1)
    return targets


def _checked_size(sizes, recipe) -> tuple[int, int]:
    """Returns the size of every training image.

    The crop's, or that of all images, which it checks.
    """
    smallest = tuple(map(min, zip(*sizes)))
    if recipe.crop_size is None:
        require_one_size(sizes, recipe.dataset, "--image_size or --crop_size")
        return smallest
    if smallest[0] < recipe.crop_size[0] or smallest[1] < recipe.crop_size[1]:
        raise ValueError(
            "Recipe field `crop_size` must fit into every image, and the smallest has "
            f"{smallest[0]}x{smallest[1]} pixels. Received: {recipe.crop_size}"
        )
    return recipe.crop_size


def require_one_size(sizes: set[tuple[int, int]], dataset: str, flags: str) -> None:
    """Raises ValueError where images have several sizes (H, W); `flags` would help."""
    if len(sizes) > 1:
        raise ValueError(
            f"Images of {dataset} have {len(sizes)} sizes, such as {min(sizes)} and "
            f"{max(sizes)}, and cannot be batched: set {flags}."
        )


def _crop(image, mask, size, numbers):
    """Cuts a window that holds a random defect pixel, or lies anywhere where there is none."""
    shape = tf.shape(image)[:2]
    defect = tf.where(is_defect(mask[..., 0]))
    num_pixels = tf.shape(defect)[0]
    anchor = tf.cond(
        num_pixels > 0,
        lambda: tf.gather(defect, tf.cast(numbers[0] * tf.cast(num_pixels, tf.float32), tf.int32)),
        lambda: tf.cast(numbers[3:] * tf.cast(shape, tf.float32), tf.int64),
    )
    # The anchor may stand anywhere in the window, but the window stays inside the image.
    corner = tf.cast(anchor, tf.int32) - tf.cast(numbers[1:3] * tf.cast(size, tf.float32), tf.int32)
    corner = tf.clip_by_value(corner, 0, shape - size)
    return tuple(
        tf.image.crop_to_bounding_box(x, corner[0], corner[1], *size) for x in (image, mask)
    )
