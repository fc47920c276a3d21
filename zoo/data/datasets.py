"""The examples of a data set: built on disk once, then read split by split and fold by fold."""

import contextlib
import hashlib
import io
import os
import pathlib
import shutil

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging

import tfds_datasets
from builders.runs import run_files
from tfds_datasets.shrink import shrink_mask
from zoo.recipes.recipe import Recipe

_SOURCE_FILE = "built_from.txt"  # beside the files of TFDS; the path of the user's folder


def prepare_dataset(
    dataset: str, *, data_dir, manual_dir=None, skip_broken_images: bool = False
) -> tfds.core.DatasetBuilder:
    """Builds a data set on disk, unless it is there already.

    Args:
      dataset: name/config, such as "dagm2007/class_4".
      data_dir: where built data sets are kept.
      manual_dir: folder of the user's own archive, for data sets that need one.
      skip_broken_images: leave out unreadable images instead of stopping.

    Raises:
      ValueError: the name or config is unknown, the archive is missing or broken, or what is there
        was built from another folder. One that has changed since is built again.
    """
    name, _, config = dataset.partition("/")
    if name not in tfds_datasets.DATASETS:
        raise ValueError(
            f"Argument `dataset` must begin with one of {', '.join(tfds_datasets.DATASETS)}. "
            f"Received: {dataset!r}"
        )
    builder_class = tfds_datasets.DATASETS[name]
    configs = sorted(builder_class.builder_configs)
    if config not in configs:
        raise ValueError(
            f"Argument `dataset` must be {name}/ and one of {', '.join(configs)}. "
            f"Received: {dataset!r}"
        )
    options = {"skip_broken_images": True} if skip_broken_images else {}
    builder = builder_class(config=config, data_dir=data_dir, **options)
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and manual_dir and builder.data_path.exists():
        manual_dir = pathlib.Path(manual_dir).resolve()
        _check_folder(builder, manual_dir)
        before = (builder.info.metadata or {}).get("fingerprint")
        if before and builder.fingerprint(manual_dir) != before:
            logging.info("%s has changed: its data set is built again.", manual_dir)
            shutil.rmtree(builder.data_path)
            builder = builder_class(config=config, data_dir=data_dir, **options)
    needs_archive = builder.MANUAL_DOWNLOAD_INSTRUCTIONS and not builder.data_path.exists()
    if needs_archive and not (manual_dir and pathlib.Path(manual_dir).is_dir()):
        raise ValueError(
            f"{name} needs your own copy: set --manual_dir to its folder. Received: "
            f"{manual_dir}\n{builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
    with contextlib.redirect_stdout(io.StringIO()):  # of downloads, of which there are none
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=manual_dir)
        )
    if builder.MANUAL_DOWNLOAD_INSTRUCTIONS and manual_dir:
        _check_folder(builder, pathlib.Path(manual_dir).resolve())
    for skipped in (builder.info.metadata or {}).get("skipped_images", []):
        logging.warning("%s was built without the broken image %s.", dataset, skipped)
    return builder


def _check_folder(builder, manual_dir: pathlib.Path) -> None:
    """Notes the folder that a data set was built from, or compares it with what was noted."""
    built = pathlib.Path(builder.data_path)
    note = built / _SOURCE_FILE
    if not note.exists():
        note.write_text(str(manual_dir))
    elif note.read_text() != str(manual_dir):
        raise ValueError(
            f"{built} was built from {note.read_text()}. Choose another --data_dir for "
            f"{manual_dir}, or leave --manual_dir out to use what is built."
        )


def remembered_data(run, dataset: str) -> dict | None:
    """Returns where a run has its data, as arguments of `prepare_dataset`; None where unknown.

    Another data set is looked for beside the run's own. Of a folder of images that is gone, what
    was built stays in use.
    """
    data = run_files.read_document(run, run_files.DATA_FILE)
    if not data:
        return None
    manual_dir = data["manual_dir"] if dataset == data["dataset"] else None
    if manual_dir and not pathlib.Path(manual_dir).is_dir():
        manual_dir = None
    return {"data_dir": data["data_dir"], "manual_dir": manual_dir}


def folder_of_built_data(data_dir, manual_dir) -> pathlib.Path:
    """Returns the folder below `data_dir` for the data set built of a user's own folder."""
    folder = pathlib.Path(manual_dir).resolve()
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:8]
    return pathlib.Path(data_dir) / f"{folder.name}-{digest}"


def read_examples(
    builder,
    split: str,
    *,
    folds: tuple[int, ...] | None = None,
    image_size: tuple[int, int] | None = None,
    mask_feature: str = "mask",
) -> tf.data.Dataset:
    """Reads one split, in the order it is stored.

    Args:
      builder: a built data set.
      split: "train", "test", a part of one, such as "test[:100]", or several: "train+test".
      folds: keep these folds; None keeps all.
      image_size: (H, W) to resize to, the mask so that thin defects survive, see `shrink_mask`;
        None keeps every size.
      mask_feature: which feature is the mask.

    Returns:
      Dicts of `image` uint8 [H, W, C], `mask` uint8 [H, W, 1], `label`, `file_name`.

    Raises:
      ValueError: the data set has no such split or mask.
    """
    parts = {part.strip().partition("[")[0] for part in split.split("+")}
    if not parts <= set(builder.info.splits):
        raise ValueError(
            f"{builder.info.full_name} must have the split {split!r}. "
            f"It has: {', '.join(builder.info.splits)}. Where your files have changed since it was "
            f"built, delete {builder.data_path} to build it again."
        )
    if mask_feature not in builder.info.features:
        raise ValueError(
            f"{builder.info.full_name} must have the feature {mask_feature!r} (recipe field "
            f"`mask_feature`). It has: {', '.join(builder.info.features)}"
        )
    examples = builder.as_dataset(split=split, shuffle_files=False)
    if folds is not None:
        examples = examples.filter(lambda e: tf.reduce_any(e["fold"] == list(folds)))

    def resize(example):
        image, mask = example["image"], example[mask_feature]
        if image_size is not None:
            image = resize_images(image, image_size)
            mask = tf.numpy_function(lambda m: shrink_mask(m, image_size), [mask], tf.uint8)
            mask.set_shape((*image_size, 1))
        return {
            "image": image,
            "mask": mask,
            "label": example["label"],
            "file_name": example["file_name"],
        }

    return examples.map(resize, num_parallel_calls=tf.data.AUTOTUNE)


def read_folds(builder, recipe: Recipe, folds: tuple[int, ...]) -> tf.data.Dataset:
    """Reads some folds of the split that a recipe learns from, as `read_examples` has them."""
    return read_examples(
        builder,
        recipe.train_split,
        folds=folds,
        image_size=recipe.image_size,
        mask_feature=recipe.mask_feature,
    )


def read_good_examples(builder, recipe: Recipe, folds: tuple[int, ...]) -> tf.data.Dataset:
    """Reads the good examples among those of `read_folds`."""
    examples = read_folds(builder, recipe, folds)
    return examples.filter(lambda example: example["label"] == 0)


def resize_images(image, size: tuple[int, int]) -> tf.Tensor:
    """Resizes uint8 [H, W, C] or [B, H, W, C] to `size`, each pixel the mean of what it covers."""
    return tf.cast(tf.round(tf.image.resize(image, size, method="area")), tf.uint8)


def read_labels(builder, split: str, folds: tuple[int, ...] | None = None) -> np.ndarray:
    """Reads the label of each image, int64 [N], in the order they are stored, decoding none."""
    decoders = tfds.decode.PartialDecoding({"label": True, "fold": True})
    examples = builder.as_dataset(split=split, shuffle_files=False, decoders=decoders)
    labels = [
        example["label"]
        for example in examples.as_numpy_iterator()
        if folds is None or example["fold"] in folds
    ]
    return np.array(labels, np.int64)


def count_labels(builder, split: str, folds: tuple[int, ...] | None = None) -> np.ndarray:
    """Counts the images of each label, int64 [L], without decoding any."""
    num_labels = builder.info.features["label"].num_classes
    return np.bincount(read_labels(builder, split, folds), minlength=num_labels)


def count_types(
    builder, split: str, folds: tuple[int, ...] | None = None, *, mask_feature: str = "mask"
) -> np.ndarray:
    """Counts the images whose masks hold each id, int64 [L], without decoding the images.

    An image of several types has one label, that of the type with most pixels, and counts here for
    each of its types. The first number counts those without any.
    """
    decoders = tfds.decode.PartialDecoding({mask_feature: True, "fold": True})
    counts = np.zeros(builder.info.features["label"].num_classes, np.int64)
    for example in builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator():
        if folds is None or example["fold"] in folds:
            types = types_in(example[mask_feature], len(counts) - 1)
            counts[types if types.size else 0] += 1
    return counts


def file_names(builder, split: str, folds: tuple[int, ...]) -> list[str]:
    """Returns the names of the images of some folds of a split, without decoding any."""
    decoders = tfds.decode.PartialDecoding({"file_name": True, "fold": True})
    examples = builder.as_dataset(split=split, decoders=decoders).as_numpy_iterator()
    return [each["file_name"].decode() for each in examples if each["fold"] in folds]


def mask_sources(builder, split: str) -> list[str]:
    """Returns where the masks of a split come from, see `image_mask_folder.manifest`.

    Else nothing.
    """
    known = (builder.info.metadata or {}).get("mask_sources", {})
    parts = {part.strip().partition("[")[0] for part in split.split("+")}
    return sorted({s for name, kinds in known.items() if {name, "all"} & parts for s in kinds})


def origins(builder) -> list[str]:
    """Returns the data sets that its images come from: itself, but for a folder of pseudo masks."""
    own = f"{builder.name}/{builder.builder_config.name}"
    return (builder.info.metadata or {}).get("origins") or [own]


def types_in(mask: np.ndarray, num_types: int) -> np.ndarray:
    """Returns the ids 1..num_types that a uint8 mask holds, in order."""
    return np.flatnonzero(np.bincount(mask.ravel(), minlength=num_types + 1)[1 : num_types + 1]) + 1
