"""Features of images and of changed copies of them, computed once and kept in memory."""

from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from builders.runs.inference import for_inference
from builders.super_simple_net import encoder_of, strides_of
from tfds_datasets.shrink import shrink_mask
from zoo.data import augment, datasets, input_pipeline
from zoo.evaluation.samples import judged_mask
from zoo.metrics.segmentation import IGNORE, is_defect
from zoo.recipes.recipe import Recipe
from zoo.synthetic_anomalies.foreground import foreground_masks

CACHE_BYTES = 2 * 2**30  # of features in memory
COPIES = 1024  # that few images become in all, themselves among them
MOST_COPIES = 16  # of an image
ENCODED_PIXELS = 2**20  # of a batch of the frozen network


class Features(NamedTuple):
    """Features of images, and what is known of them.

    Attributes:
      values: float16 [N, h, w, C].
      masks: uint8 [N, k h, k w], 1 where a cell of the map has a defect, 0 where it is good, 255
        where nobody knows.
      foregrounds: bool [N, h, w], where a defect may lie.
      labels: uint8 [N], 1 for defective.
    """

    values: np.ndarray
    masks: np.ndarray
    foregrounds: np.ndarray
    labels: np.ndarray


def read_features(
    model: keras.Model, builder, recipe: Recipe, folds: tuple[int, ...], *, changed: bool = False
) -> Features:
    """Computes the features of the images of some folds of the split to learn from.

    Args:
      model: of `super_simple_net`.
      builder: a built data set.
      recipe: its data, size, foreground, seed and augmentation fields are used.
      folds: which folds.
      changed: whether copies follow that the recipe's augmentation changes: as many of each image
        as make `COPIES` in all, `MOST_COPIES` at most, and fit into `CACHE_BYTES`. Where the images
        themselves do not fit, good ones are left out.

    Raises:
      ValueError: there is no image, or their sizes differ.
    """
    labels = datasets.read_labels(builder, recipe.train_split, folds)
    if not len(labels):
        raise ValueError(
            f"{builder.info.full_name} must have images in the folds {folds} of "
            f"{recipe.train_split}. It has none: choose other folds."
        )
    examples = datasets.read_folds(builder, recipe, folds)
    size = recipe.image_size or _size(examples, recipe.dataset)
    encoder, (stride, map_stride) = encoder_of(model), strides_of(model)
    *_, channels = encoder.input.shape
    _, *cells, depth = encoder.compute_output_shape((1, *size, channels))
    split = stride // map_stride
    room = CACHE_BYTES // (np.dtype(np.float16).itemsize * cells[0] * cells[1] * depth)
    kept = _kept(labels > 0, room, recipe.seed)
    count = int(kept.sum())
    changes = recipe.augmentation != "identity" or any(augment.strengths_of(recipe).values())
    wanted = min(COPIES // count, MOST_COPIES) if changed and changes else 1
    copies = max(min(wanted, room // count), 1)

    total = copies * count
    found = Features(
        np.empty((total, *cells, depth), np.float16),
        np.empty((total, *(split * n for n in cells)), np.uint8),
        np.empty((total, *cells), bool),
        np.empty(total, np.uint8),
    )
    encode = tf.function(for_inference(encoder), reduce_retracing=True)
    examples = tf.data.Dataset.zip(examples, tf.data.Dataset.from_tensor_slices(kept))
    examples = examples.filter(lambda _, keep: keep).map(lambda example, _: example)
    batches = examples.batch(max(ENCODED_PIXELS // (size[0] * size[1]), 1))
    start = 0
    for batch in batches.as_numpy_iterator():
        truth = _truth(batch, recipe)
        for copy in range(copies):
            place = copy * count + start
            images, changed_truth = tf.cast(batch["image"], tf.float32) / 255.0, truth
            if copy:
                images, changed_truth = _changed(images, truth, recipe, place)
            part = slice(place, place + len(truth))
            found.values[part] = encode(images)
            for array, values in zip(found[1:], _cells(changed_truth, batch, cells, stride, split)):
                array[part] = values
        start += len(truth)
    logging.info(
        "Features of %d images of the folds %s, %d of each, are kept in memory (%.0f MB).",
        count,
        ", ".join(map(str, folds)),
        copies,
        found.values.nbytes / 1e6,
    )
    return found


def statistics(features: Features) -> tuple[np.ndarray, np.ndarray]:
    """Returns mean and variance of each channel of features, float64 [C]."""
    sums = [np.zeros(features.values.shape[-1]) for _ in range(2)]
    for values in features.values:
        values = values.astype(np.float64)
        for total, part in zip(sums, (values, values**2)):
            total += part.mean(axis=(0, 1))
    mean, square = (total / len(features.values) for total in sums)
    return mean, np.maximum(square - mean**2, 0.0)


def supervision(features: Features) -> str:
    """Returns what defects are known of.

    None, by labels, by masks, or by masks of some and labels.
    """
    masked = (features.masks == 1).any(axis=(1, 2))
    if not features.labels.any():
        return "good images alone"
    if not masked.any():
        return "image labels"
    unmasked = (features.labels == 1) & ~masked
    return "masks and image labels" if unmasked.any() else "masks"


def _size(examples, dataset):
    sizes = {example["image"].shape[:2] for example in examples.as_numpy_iterator()}
    input_pipeline.require_one_size(sizes, dataset, "--image_size")
    return sizes.pop()


def _kept(defective, room: int, seed: int) -> np.ndarray:
    """Which images are taken, bool [N], where there is room for so many: all defective ones."""
    order = np.random.default_rng(seed).permutation(len(defective))
    order = order[np.argsort(~defective[order], kind="stable")]
    kept = np.zeros(len(defective), bool)
    kept[order[: max(room, 1)]] = True
    if not kept.all():
        logging.warning(
            "The features of %d of %d images fit into %.0f GiB, and the others teach nothing. A "
            "smaller --image_size makes room.",
            kept.sum(),
            len(kept),
            CACHE_BYTES / 2**30,
        )
    return kept


def _truth(batch, recipe) -> np.ndarray:
    """Returns the mask and the foreground of images, uint8 [B, H, W, 2]."""
    masks = [judged_mask(mask, label > 0) for mask, label in zip(batch["mask"], batch["label"])]
    foregrounds = foreground_masks(
        batch["image"],
        [name.decode() for name in batch["file_name"]],
        dataset=recipe.dataset,
        mask_dir=recipe.foreground_dir,
    )
    return np.concatenate([masks, foregrounds[..., None]], axis=-1, dtype=np.uint8)


def _changed(images, truth, recipe, place: int):
    """Changes images and what is known of them by the recipe's augmentation."""
    shape = (len(images), augment.NUM_NUMBERS)
    numbers = tf.random.stateless_uniform(shape, [recipe.seed, place])
    images, truth = augment.augment(
        images,
        tf.constant(truth),
        numbers,
        symmetry=recipe.augmentation,
        **augment.strengths_of(recipe),
    )
    return images, truth.numpy()


def _cells(truth, batch, cells, stride: int, split: int):
    """Masks, foregrounds and labels of images, by cells; of what padding adds nobody knows."""
    missing = [n * stride - side for n, side in zip(cells, truth.shape[1:3])]
    ends = [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]
    truth = np.pad(truth, ends, constant_values=IGNORE)
    masks, foregrounds = (
        np.stack([shrink_mask(np.ascontiguousarray(each), size)[..., 0] for each in part])
        for part, size in (
            (truth[..., :1], [split * n for n in cells]),
            (truth[..., 1:], cells),
        )
    )
    # A change may have moved a marked defect out of the image.
    marked = is_defect(batch["mask"]).any(axis=(1, 2, 3))
    labels = np.where(marked, is_defect(masks).any(axis=(1, 2)), batch["label"] > 0)
    return np.where(is_defect(masks), 1, masks), foregrounds == 1, labels
