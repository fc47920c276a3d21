"""MVTec AD: fifteen categories of parts and surfaces, good ones to train on, defects to test."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.copies import COPY_SIDE, group_copies, thumbnail, warn_of_torn
from tfds_datasets.features import GOOD, assign_folds, example_features, make_example
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.mvtec_ad.categories import DEFECT_TYPES, GREY
from tfds_datasets.pairs import check_mask_size, image_files

WHOLE_ARCHIVE = "mvtec_anomaly_detection.tar.xz"
DEFECT_LEVEL = 127  # grey levels of a mask above it are defect; the official masks are 0 and 255


class Source(NamedTuple):
    """Where one example comes from, before anything is decoded."""

    image: Path
    mask: Path | None  # None for a good image
    label: int


class Builder(ManualBuilder):
    """Reads the official archives, or as much of their folders as there is."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Official splits; types as labels and mask ids; folds 0..9."}
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in DEFECT_TYPES]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get MVTec AD from mvtec.com/company/research/datasets/mvtec-ad (CC BY-NC-SA 4.0: no commercial
    use) and put into the manual folder mvtec_anomaly_detection.tar.xz, the archive of one category
    such as screw.tar.xz, or their folders:
      screw/train/good/000.png, screw/test/good/000.png, screw/test/scratch_head/000.png,
      screw/ground_truth/scratch_head/000_mask.png
    """

    def _info(self) -> tfds.core.DatasetInfo:
        category = self.builder_config.name
        return self.dataset_info_from_configs(
            features=example_features(
                defect_types=DEFECT_TYPES[category], channels=1 if category in GREY else 3
            ),
            homepage="https://www.mvtec.com/company/research/datasets/mvtec-ad",
            license="CC BY-NC-SA 4.0, no commercial use (MVTec Software GmbH)",
            metadata=tfds.core.MetadataDict(skipped_images=[], copies=0),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        category, manual_dir = self.builder_config.name, Path(dl_manager.manual_dir)
        root = manual_dir / category
        for archive in (manual_dir / f"{category}.tar.xz", manual_dir / WHOLE_ARCHIVE):
            if not root.is_dir() and archive.is_file():
                # TFDS does not know the ending .tar.xz, though it reads such a file.
                packed = tfds.download.Resource(
                    path=archive, extract_method=tfds.download.ExtractMethod.TAR
                )
                root = Path(dl_manager.extract(packed)) / category
        if not root.is_dir():
            there = sorted(name for name in DEFECT_TYPES if (manual_dir / name).is_dir())
            raise ValueError(
                f"{manual_dir} must hold {category}, {category}.tar.xz or {WHOLE_ARCHIVE}. It "
                f"holds {', '.join(there) or 'no category'}.\n{self.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        splits = {split: find_images(root, split, category) for split in ("train", "test")}
        folds = folds_of_copies(splits, self._find_copies(splits))
        return {
            split: self._generate_examples(
                {name: source for name, source in sources.items() if name in folds}, folds
            )
            for split, sources in splits.items()
        }

    def _find_copies(self, splits: dict[str, dict[str, Source]]) -> dict[str, str]:
        """Groups the readable images of all splits."""
        thumbnails = {}
        for name, source in (item for sources in splits.values() for item in sources.items()):
            with self.skipping(name):
                image = images.read_image(source.image)
                read_mask(source, image.shape[:2])
                thumbnails[name] = thumbnail(image, COPY_SIDE)
        groups = group_copies(thumbnails)
        self.info.metadata["copies"] = len(groups) - len(set(groups.values()))
        warn_of_torn(groups, {n: split for split, sources in splits.items() for n in sources})
        return groups

    def _generate_examples(
        self, sources: dict[str, Source], folds: dict[str, int]
    ) -> Iterator[tuple[str, dict]]:
        channels = self.info.features["image"].shape[-1]
        for name, source in sources.items():
            image = images.read_image(source.image, channels=channels)
            mask = read_mask(source, image.shape[:2])
            if source.mask is not None and not mask.any():
                logging.warning("%s marks no defect.", source.mask)
            yield make_example(name, image=image, mask=mask, label=source.label, fold=folds[name])


def folds_of_copies(splits: dict[str, dict[str, Source]], copies: dict[str, str]) -> dict[str, int]:
    """Returns the fold of each image in `copies`.

    Copies have one fold, in whatever splits they are.

    Among 182 of the screws and 60 of the transistors no two are copies.
    """
    files = {name: source.image for sources in splits.values() for name, source in sources.items()}
    # Its first file's content names a group, so equal files have equal folds under any name.
    hashes = {
        first: hashlib.sha256(files[first].read_bytes()).hexdigest()
        for first in set(copies.values())
    }
    folds, fold_of_group = {}, {}
    for sources in splits.values():
        labels = {name: source.label for name, source in sources.items() if name in copies}
        groups = {name: hashes[copies[name]] for name in labels}
        for name, fold in assign_folds(labels, groups=groups).items():
            folds[name] = fold_of_group.setdefault(groups[name], fold)
    return folds


def find_images(root: Path, split: str, category: str) -> dict[str, Source]:
    """Finds the images of a split by name, such as "test/scratch_head/000.png".

    Raises:
      ValueError: a folder is missing, a folder's name is no defect type, or images have no mask.
    """
    labels = {name: label for label, name in enumerate((GOOD, *DEFECT_TYPES[category]))}
    folders = sorted(path for path in (root / split).glob("[!.]*") if path.is_dir())
    if not folders:
        raise ValueError(f"{root / split} must hold a folder for each defect type and for good.")
    if unknown := [folder.name for folder in folders if folder.name not in labels]:
        raise ValueError(
            f"{root / split} must hold the folders {', '.join(labels)} of {category}. "
            f"Received: {', '.join(unknown)}"
        )
    if split == "test" and (missing := set(labels) - {folder.name for folder in folders}):
        logging.warning("%s has no images of %s.", root / split, ", ".join(sorted(missing)))
    sources, without_mask = {}, []
    for folder in folders:
        for file in image_files(folder):
            mask = None
            if folder.name != GOOD:
                mask = root / "ground_truth" / folder.name / f"{file.stem}_mask.png"
                if not mask.is_file():
                    without_mask.append(str(mask))
            name = f"{split}/{folder.name}/{file.name}"
            sources[name] = Source(file, mask, labels[folder.name])
    if without_mask:
        raise ValueError(
            f"Every defective image must have a mask. {len(without_mask)} are missing: "
            f"{', '.join(without_mask)}"
        )
    return sources


def read_mask(source: Source, shape: tuple[int, int]) -> np.ndarray:
    """Returns the mask uint8 [H, W, 1] with the id of the defect type, all 0 for a good image.

    Raises:
      ValueError: the mask has another size than the image.
    """
    if source.mask is None:
        return np.zeros((*shape, 1), np.uint8)
    mask = images.read_image(source.mask)
    check_mask_size(mask, shape, source.mask)
    return np.where(mask > DEFECT_LEVEL, source.label, 0).astype(np.uint8)
