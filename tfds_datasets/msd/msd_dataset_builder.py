"""MSD: oil, scratches and stains on the screens of mobile phones, with masks."""

import collections
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.copies import group_lookalikes, thumbnail, warn_of_torn
from tfds_datasets.features import TEST_FOLDS, assign_folds, example_features, make_example
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.msd import masks
from tfds_datasets.msd.archive import Source, find_images
from tfds_datasets.msd.masks import DEFECT_TYPES, LABELS
from tfds_datasets.pairs import check_mask_size

SPLITS = ("train", "test")
RELEASED = {"good": 20, "scratch": 400, "stain": 400, "oil": 400}  # images of the whole release


class Scanned(NamedTuple):
    """What the first reading of all images found."""

    labels: dict[str, int]  # label id by the image's name
    groups: dict[str, str]  # images that are copies of each other are one group
    types: dict[int, int]  # label id by the number that the masks give a type


class Builder(ManualBuilder):
    """Reads the folders by type, or those of PASCAL VOC with the official lists."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Official splits where their lists are; copies share a fold."}
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="screen")]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get MSD, the mobile-phone screen defects (github.com/jianzhang96/MSD, or the copy on Kaggle:
    girish17019/mobile-phone-defect-segmentation-dataset), and put into the manual folder, extracted
    or as zip files, at any depth, either
      JPEGImages/Oil_0001.jpg, SegmentationClass/Oil_0001.png,
      ImageSets/Segmentation/train.txt, val.txt, test.txt          (the official splits)
    or
      oil/Oil_0001.jpg, scratch/Scr_0001.jpg, stain/Sta_0001.jpg,
      ground_truth_1/Scr_0001.png, ground_truth_2/Oil_0001.png     (no splits)
    and, if you have them, the images without defects: good/0001.jpg
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=DEFECT_TYPES, channels=3),
            homepage="https://github.com/jianzhang96/MSD",
            license="Unclear: the GPL-3.0 text stands beside the images; for research",
            metadata=tfds.core.MetadataDict(
                skipped_images=[], copies=0, masks="ground truth", several_types=[]
            ),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        root = Path(dl_manager.manual_dir)
        sources, pseudo_masks = find_images(root)
        if not sources:
            raise ValueError(
                f"{root} must hold the images of MSD.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        if pseudo_masks:
            self.info.metadata["masks"] = "pseudo"
            logging.warning(
                "%s holds no official masks. Those of pseudo_ground_truth are used: a third party "
                "made them by classical methods, and those of oil are noisy.",
                root,
            )
        scanned = self._scan(sources)
        folds = assign_folds(scanned.labels, groups=scanned.groups)
        split_of = {
            name: sources[name].split or SPLITS[fold in TEST_FOLDS] for name, fold in folds.items()
        }
        self._report(scanned, split_of)
        return {
            split: self._generate_examples(
                {name: sources[name] for name in folds if split_of[name] == split},
                folds,
                scanned.types,
            )
            for split in SPLITS
            if split in split_of.values()
        }

    def _scan(self, sources: Mapping[str, Source]) -> Scanned:
        """Reads everything once and keeps thumbnails: bad files are found before any is written."""
        thumbnails, counts = {}, {}
        for name, source in sources.items():
            with self.skipping(name):
                image = images.read_image(source.image, channels=3)
                values = _read_values(source, image)
                thumbnails[name] = thumbnail(image)
                counts[name] = np.bincount(values.ravel(), minlength=256)
        labels = {name: sources[name].label for name in counts}
        types = masks.find_types(counts, labels)
        if contradictions := masks.find_contradictions(counts, labels, types):
            raise ValueError(
                "Every mask must mark the type that its image is named by, and nothing where it "
                f"is good. Received {len(contradictions)} others: {'; '.join(contradictions)}"
            )
        several = [
            name
            for name, count in counts.items()
            if len(masks.shown_types(count, labels[name], types)) > 1
        ]
        self.info.metadata["several_types"] = several
        if several:
            logging.info("%d masks show several types: %s", len(several), ", ".join(several))
        return Scanned(labels, group_lookalikes(thumbnails), types)

    def _report(self, scanned: Scanned, split_of: Mapping[str, str]) -> None:
        labels, groups = scanned.labels, scanned.groups
        sizes = collections.Counter(groups.values())
        self.info.metadata["copies"] = len(groups) - len(sizes)
        logging.info(
            "%d images, %d without their copies; the largest group has %d.",
            len(groups),
            len(sizes),
            max(sizes.values()),
        )
        counts = collections.Counter((LABELS[label], split_of[n]) for n, label in labels.items())
        for type_, released in RELEASED.items():
            there = {split: counts[type_, split] for split in SPLITS}
            logging.info("%s: %s", type_, there)
            if sum(there.values()) != released:
                logging.warning(
                    "There are %d images of %s; the release has %d.",
                    sum(there.values()),
                    type_,
                    released,
                )
            if any(there.values()) and not all(there.values()):
                logging.warning("One split has no image of %s: %s", type_, there)
        warn_of_torn(groups, split_of)

    def _generate_examples(
        self, sources: Mapping[str, Source], folds: Mapping[str, int], types: Mapping[int, int]
    ) -> Iterator[tuple[str, dict]]:
        for name, source in sources.items():
            image = images.read_image(source.image, channels=3)
            yield make_example(
                name,
                image=image,
                mask=masks.to_ids(_read_values(source, image), source.label, types),
                label=source.label,
                fold=folds[name],
            )


def _read_values(source: Source, image: np.ndarray) -> np.ndarray:
    """Returns the mask in its own numbers; all background for a good image without one."""
    if source.mask is None:
        return np.zeros((*image.shape[:2], 1), np.uint8)
    values = masks.read_values(source.mask)
    check_mask_size(values, image.shape, source.mask)
    return values
