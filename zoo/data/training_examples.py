"""Streams of the examples to learn from: which there are, and whether memory holds them."""

import math
from typing import NamedTuple

import tensorflow as tf
from absl import logging

from zoo.data import datasets
from zoo.metrics.segmentation import is_defect
from zoo.recipes.recipe import Recipe

CACHE_BYTES = 2**30  # decoded examples up to this size are kept in memory, more are streamed


class TrainingStreams(NamedTuple):
    """What batches are made of.

    Attributes:
      streams: of examples, as `datasets.read_examples` has them: all, or the defective and the good
        ones.
      lengths: how many examples each has.
      buffers: how many examples of each can wait in memory to be shuffled.
      counts: how many examples of each go into a batch.
      sizes: all sizes (H, W) of the images.
    """

    streams: list[tf.data.Dataset]
    lengths: list[int]
    buffers: list[int]
    counts: list[int]
    sizes: set[tuple[int, int]]


def training_streams(builder, recipe: Recipe) -> TrainingStreams:
    """Reads every example to learn from once, and keeps them all where they are small enough.

    Raises:
      ValueError: there is no example to learn from, or none marks a defect where masks are learnt.
    """
    streams, lengths, counts = map(list, zip(*_streams(builder, recipe)))
    kept = [stream.cache() for stream in streams]
    sizes, largest, total, marked = _look(kept, recipe, CACHE_BYTES)
    keep = total <= CACHE_BYTES
    if not keep:
        sizes, largest, total, marked = _look(streams, recipe)
    logging.info(
        "%.0f MB of them decoded, %s.",
        total / 1e6,
        "kept in memory" if keep else "read from disk again and again",
    )
    if not marked:
        raise ValueError(
            f"{recipe.dataset} marks no pixel of a defect in the images to learn from, so masks "
            "cannot be learnt: add masks, or learn from labels alone by the builder vgg16_cam."
        )
    if keep:
        return TrainingStreams(kept, lengths, lengths, counts, sizes)
    most = max(CACHE_BYTES // (len(streams) * largest), 1)
    return TrainingStreams(streams, lengths, [min(most, n) for n in lengths], counts, sizes)


def _streams(builder, recipe):
    """Returns each stream of examples, its length, and how many of it go into each batch."""
    folds = recipe.training_folds
    counts = datasets.count_labels(builder, recipe.train_split, folds).tolist()
    _check_types(builder, recipe, counts)
    num_good, num_defective = counts[0], sum(counts[1:])
    examples = datasets.read_folds(builder, recipe, folds)
    defective = examples.filter(lambda example: example["label"] > 0)
    if recipe.defective_only:
        streams = [(defective, num_defective, recipe.batch_size)]
    elif recipe.defective_fraction is None:
        streams = [(examples, num_good + num_defective, recipe.batch_size)]
    else:
        count = round(recipe.defective_fraction * recipe.batch_size)
        if not 0 < count < recipe.batch_size:
            raise ValueError(
                "Recipe field `defective_fraction` must leave a defective and a good image in a "
                f"batch of {recipe.batch_size}. Received: {recipe.defective_fraction}"
            )
        good = examples.filter(lambda example: example["label"] == 0)
        streams = [
            (defective, num_defective, count),
            (good, num_good, recipe.batch_size - count),
        ]
    if not all(num_examples for _, num_examples, _ in streams):
        raise ValueError(
            f"{builder.info.full_name} must have images of every kind to learn from in the folds "
            f"{folds}. It has {num_good} good and "
            f"{num_defective} defective ones; see the recipe fields `defective_only` and "
            "`defective_fraction`."
        )
    logging.info(
        "Learning from images of %s%s.",
        ", ".join(f"{name}: {n}" for name, n in zip(_label_names(builder), counts)),
        " (those of good left out)" if recipe.defective_only else "",
    )
    return streams


def _label_names(builder) -> list[str]:
    return builder.info.features["label"].names


def _check_types(builder, recipe, counts):
    """Raises where a type that the model shall tell apart has no image to learn from.

    `counts` says how many images have each label. Without good images a mask can be learnt, but no
    label.
    """
    args, name = recipe.builder_args, builder.info.full_name
    learnt = [counts] if args.get("num_labels", 2) > 2 else []
    if args.get("num_classes", 1) > 1:
        learnt.append(
            datasets.count_types(
                builder,
                recipe.train_split,
                recipe.training_folds,
                mask_feature=recipe.mask_feature,
            )
        )
    missing = [
        label for label, *images in list(zip(_label_names(builder), *learnt))[1:] if not all(images)
    ]
    if missing:
        raise ValueError(
            f"{name} has no image of {', '.join(missing)} in the folds {recipe.training_folds} to "
            "learn from. Choose other folds, or num_classes 1 and num_labels 2, for any defect."
        )
    if "num_labels" in args and not sum(counts[1:]):
        raise ValueError(
            f"{name} has no defective image in the folds {recipe.training_folds}, so no label "
            "tells good from defective. Choose other folds, or add defective images."
        )
    if counts[0] or "num_labels" not in args:
        return
    if recipe.loss is None:
        raise ValueError(
            f"{name} has no good image in the folds {recipe.training_folds}, so no label tells "
            "good from defective: add good images, or take a builder that learns masks."
        )
    logging.warning(
        "%s has no good image to learn from: labels tell its types apart, and false alarms can "
        "not be measured.",
        name,
    )


def _look(streams, recipe, limit=math.inf):
    """Sizes, bytes of the largest, bytes of all, is a defect marked: until `limit` is exceeded."""
    sizes, largest, total, marked = set(), 0, 0, recipe.loss is None

    def look(example):
        image, mask = example["image"], example["mask"]
        num_bytes = tf.size(image) + tf.size(mask)
        return tf.shape(image)[:2], num_bytes, tf.reduce_any(is_defect(mask))

    for stream in streams:  # this fills the caches
        for shape, num_bytes, defect in stream.map(look).as_numpy_iterator():
            sizes.add((int(shape[0]), int(shape[1])))
            largest, total = max(largest, int(num_bytes)), total + int(num_bytes)
            marked |= bool(defect)
            if total > limit:
                return sizes, largest, total, marked
    return sizes, largest, total, marked
