"""Magnetic-tile defects: five types of defects on ground tiles, in images of many sizes."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.copies import group_lookalikes, join_groups, thumbnail
from tfds_datasets.features import TEST_FOLDS, assign_folds, example_features, make_example
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.pairs import check_mask_size, image_files

# folder -> label; the good one first, then the types in the order of the mask ids
FOLDERS = {
    "MT_Free": "good",
    "MT_Blowhole": "blowhole",
    "MT_Break": "break",
    "MT_Crack": "crack",
    "MT_Fray": "fray",
    "MT_Uneven": "uneven",
}
DEFECT_LEVEL = 127  # the masks were smoothed: grey levels above it are defect
FILE_NAME = re.compile(r"exp\d+_num_(?P<number>\d+)")
# The number counts images over all tiles and never repeats: the exposures of one tile follow each
# other in steps of about 30. Neighbours up to 100 apart correlate by 0.97 in the median, from 300
# on by 0.36. What this joins beyond a tile only makes a group larger.
SERIES_GAP = 200


class Source(NamedTuple):
    """One image with its mask, before anything is decoded."""

    image: Path
    mask: Path
    label: int
    number: int


class Builder(ManualBuilder):
    """Reads the six folders; all exposures of one tile are in one fold of one split."""

    VERSION = tfds.core.Version("2.0.0")
    RELEASE_NOTES = {
        "2.0.0": "Exposures of a tile are found by near numbers and by their pixels.",
        "1.0.0": "Seven tenths of the tiles to train on, the others to test.",
    }
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="tile")]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get the magnetic-tile defects (github.com/abin24/Magnetic-tile-defect-datasets.) and put its
    folders into the manual folder, each with its folder Imgs:
      MT_Blowhole/Imgs/exp1_num_4727.jpg, MT_Blowhole/Imgs/exp1_num_4727.png, MT_Break/Imgs/...,
      MT_Crack, MT_Fray, MT_Free, MT_Uneven
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=list(FOLDERS.values())[1:]),
            homepage="https://github.com/abin24/Magnetic-tile-defect-datasets.",
            license="None stated; for research",
            metadata=tfds.core.MetadataDict(skipped_images=[]),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        sources = find_images(Path(dl_manager.manual_dir))
        thumbnails = {}
        for name, source in sources.items():
            with self.skipping(name):
                image = images.read_image(source.image)
                read_mask(source, image.shape)
                thumbnails[name] = thumbnail(image)
        numbers = {name: sources[name].number for name in thumbnails}
        groups = join_groups(group_series(numbers), group_lookalikes(thumbnails))
        folds = assign_folds({name: sources[name].label for name in groups}, groups=groups)
        return {
            split: self._generate_examples(
                {name: sources[name] for name in folds if (folds[name] in TEST_FOLDS) == tested},
                folds,
            )
            for split, tested in (("train", False), ("test", True))
        }

    def _generate_examples(
        self, sources: dict[str, Source], folds: dict[str, int]
    ) -> Iterator[tuple[str, dict]]:
        for name, source in sources.items():
            image = images.read_image(source.image)
            yield make_example(
                name,
                image=image,
                mask=read_mask(source, image.shape),
                label=source.label,
                fold=folds[name],
            )


def group_series(numbers: Mapping[str, int]) -> dict[str, str]:
    """Groups images whose numbers follow each other with gaps of at most `SERIES_GAP`."""
    groups, group, last = {}, "", -np.inf
    for name in sorted(numbers, key=numbers.get):
        if numbers[name] - last > SERIES_GAP:
            group = name
        groups[name], last = group, numbers[name]
    return groups


def find_images(root: Path) -> dict[str, Source]:
    """Finds all images by name, such as "MT_Crack/exp1_num_3191.jpg".

    Raises:
      ValueError: a folder is missing, an image has no mask, or a name has no number.
    """
    if missing := [name for name in FOLDERS if not (root / name / "Imgs").is_dir()]:
        raise ValueError(
            f"{root} must hold the folders {', '.join(FOLDERS)}, each with its folder Imgs. "
            f"Missing: {', '.join(missing)}.\n{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
    sources = {}
    for label, folder in enumerate(FOLDERS):
        for file in image_files(root / folder / "Imgs"):
            if file.suffix.lower() == ".png":
                continue  # a mask
            match, mask = FILE_NAME.match(file.name), file.with_suffix(".png")
            if match is None or not mask.is_file():
                raise ValueError(
                    f"{file} must be named like exp1_num_3191.jpg and have the mask {mask.name}."
                )
            sources[f"{folder}/{file.name}"] = Source(file, mask, label, int(match["number"]))
    return sources


def read_mask(source: Source, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the mask uint8 [H, W, 1] with the id of the defect type.

    Raises:
      ValueError: the mask has another size than the image.
    """
    mask = images.read_image(source.mask)
    check_mask_size(mask, shape, source.mask)
    defect = mask > DEFECT_LEVEL
    if source.label and not defect.any():
        logging.warning("%s marks no defect.", source.mask)
    return np.where(defect, source.label, 0).astype(np.uint8)
