"""NEU-Seg: three types of defects on hot-rolled steel strip, with masks; every image has one."""

import collections
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.copies import group_lookalikes, thumbnail, warn_of_torn
from tfds_datasets.features import assign_folds, example_features, largest_type, make_example
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.pairs import check_mask_size, find_pairs

DEFECT_TYPES = ("inclusion", "patches", "scratches")  # in the order of the mask ids 1, 2, 3
SPLITS = {"train": "training", "test": "test"}  # split -> folder


class Scanned(NamedTuple):
    """What the first look at a split found: files, label ids and thumbnails by the image's name."""

    files: dict[str, tuple[Path, Path]]
    labels: dict[str, int]
    thumbnails: dict[str, np.ndarray]


class Builder(ManualBuilder):
    """Reads the folders `images` and `annotations`; the labels name the type with most pixels."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Official splits where they are there; copies share a fold."}
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="strip")]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get NEU-Seg (github.com/DHW-Master/NEU_Seg) and put its folders into the manual folder:
      images/training/000201.jpg, annotations/training/000201.png   (the split train)
      images/test/000001.jpg, annotations/test/000001.png           (the split test, if you have it)
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=DEFECT_TYPES),
            homepage="https://github.com/DHW-Master/NEU_Seg",
            license="None stated; for research",
            metadata=tfds.core.MetadataDict(skipped_images=[], copies={}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        root = Path(dl_manager.manual_dir)
        folders = {s: name for s, name in SPLITS.items() if (root / "images" / name).is_dir()}
        if "train" not in folders:
            raise ValueError(
                f"{root} must hold images/training of NEU-Seg.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        scanned = {split: self._scan(root, folder) for split, folder in folders.items()}
        if len(scanned) > 1:
            _warn_of_copies(scanned)
        return {
            split: self._generate_examples(folders[split], found)
            for split, found in scanned.items()
        }

    def _scan(self, root: Path, folder: str) -> Scanned:
        """Reads all of a split once."""
        files = find_pairs(root / "images" / folder, root / "annotations" / folder)
        if not files:
            raise ValueError(
                f"{root / 'images' / folder} and {root / 'annotations' / folder} hold no images. "
                "Put those of NEU-Seg there, or take the folders away."
            )
        scanned = Scanned(files, {}, {})
        for name, (image_file, mask_file) in files.items():
            with self.skipping(f"{folder}/{name}"):
                small = thumbnail(images.read_image(image_file))
                scanned.labels[name] = largest_type(read_mask(mask_file), len(DEFECT_TYPES))
                scanned.thumbnails[name] = small
        return scanned

    def _generate_examples(self, folder: str, scanned: Scanned) -> Iterator[tuple[str, dict]]:
        files, labels, thumbnails = scanned
        groups = group_lookalikes(thumbnails)
        sizes = collections.Counter(groups.values())
        self.info.metadata["copies"][folder] = len(groups) - len(sizes)
        logging.info("%s: %d images, %d without their copies.", folder, len(groups), len(sizes))
        folds = assign_folds(labels, groups=groups)
        for name, label in labels.items():
            image_file, mask_file = files[name]
            image, mask = images.read_image(image_file), read_mask(mask_file)
            check_mask_size(mask, image.shape, mask_file)
            yield make_example(name, image=image, mask=mask, label=label, fold=folds[name])


def _warn_of_copies(scanned: dict[str, Scanned]) -> None:
    split_of, thumbnails = {}, {}
    for split, found in scanned.items():
        for name, small in found.thumbnails.items():
            split_of[f"{split}/{name}"], thumbnails[f"{split}/{name}"] = split, small
    warn_of_torn(group_lookalikes(thumbnails), split_of)


def read_mask(file: Path) -> np.ndarray:
    """Reads an index mask uint8 [H, W, 1].

    Raises:
      ValueError: it holds other values than 0 and the ids of the defect types.
    """
    mask = images.read_image(file)
    highest = int(mask.max())
    if highest > len(DEFECT_TYPES):
        raise ValueError(f"{file} must hold values from 0 to 3. Received: {highest}")
    return mask
