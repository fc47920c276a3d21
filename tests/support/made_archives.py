"""Writes small archives for the tests of data set builders, and builds them."""

import pathlib

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image


def save(path: pathlib.Path, pixels, form: str = "PNG") -> None:
    """Writes an image file, and the folders it lies in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path, form)


def build(builder_class, config: str, manual_dir, data_dir, **options):
    """Builds a data set from a manual folder."""
    builder = builder_class(config=config, data_dir=data_dir, **options)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(manual_dir=str(manual_dir))
    )
    return builder


def examples(builder, split: str = "train") -> list[dict]:
    """All examples of a split."""
    return list(builder.as_dataset(split=split).as_numpy_iterator())
