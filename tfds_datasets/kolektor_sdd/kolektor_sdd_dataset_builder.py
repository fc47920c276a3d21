"""KolektorSDD: cracks in the plastic of electrical commutators, eight surfaces of each item."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds

from tfds_datasets import images
from tfds_datasets.features import TEST_FOLDS, assign_folds, example_features, make_example
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.pairs import check_mask_size, check_stems, image_files

ITEM = re.compile(r"kos\d+")  # the physical item that several images show
LABEL_ENDING = "_label"  # of the stem of a mask


class Source(NamedTuple):
    """One image with its mask, before anything is decoded."""

    image: Path
    mask: Path
    item: str


class Builder(ManualBuilder):
    """Reads a folder for each item, or one folder with the item in the names of its files.

    The surfaces of an item share a fold. Copies are not searched for: all items look alike, and
    how far different ones agree has not been measured.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Seven tenths of the items to train on, the others to test."}
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name="commutator")]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get KolektorSDD from vicos.si/resources/kolektorsdd (CC BY-NC-SA 4.0: no commercial use) and put
    its files into the manual folder, either
      kos01/Part0.jpg, kos01/Part0_label.bmp, ... kos50/Part7.jpg      (a folder for each item)
    or
      kos01_Part0.jpg, kos01_Part0_label.bmp, ...                      (all in one folder)
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=["defect"]),
            homepage="https://www.vicos.si/resources/kolektorsdd/",
            license="CC BY-NC-SA 4.0, no commercial use",
            metadata=tfds.core.MetadataDict(skipped_images=[]),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        sources = find_images(Path(dl_manager.manual_dir))
        labels = {}
        for name, source in sources.items():
            with self.skipping(name):
                images.read_image(source.image)
                labels[name] = int(images.read_image(source.mask).any())
        folds = assign_folds(labels, groups={name: sources[name].item for name in labels})
        return {
            split: self._generate_examples(
                {name: sources[name] for name in labels if (folds[name] in TEST_FOLDS) == tested},
                folds,
            )
            for split, tested in (("train", False), ("test", True))
        }

    def _generate_examples(
        self, sources: dict[str, Source], folds: dict[str, int]
    ) -> Iterator[tuple[str, dict]]:
        for name, source in sources.items():
            image = images.read_image(source.image)
            mask = read_mask(source, image.shape)
            yield make_example(
                name, image=image, mask=mask, label=int(mask.any()), fold=folds[name]
            )


def find_images(root: Path) -> dict[str, Source]:
    """Finds all images by name, such as "kos01/Part0.jpg" or "kos01_Part0.jpg".

    Raises:
      ValueError: there are none, two have one stem, an image has no mask or a mask no image, or a
        name says no item.
    """
    files = [file for folder in sorted(root.glob("kos*/")) for file in image_files(folder)]
    files = files or image_files(root)
    check_stems(files)
    named = {(file.parent, file.stem): file for file in files}
    sources, alone = {}, []
    for (folder, stem), file in named.items():
        name = file.relative_to(root).as_posix()
        if stem.endswith(LABEL_ENDING):
            if (folder, stem.removesuffix(LABEL_ENDING)) not in named:
                alone.append(name)
            continue
        mask, item = named.get((folder, stem + LABEL_ENDING)), ITEM.match(name)
        if mask is None:
            alone.append(name)
        elif item is None:
            raise ValueError(
                f"{file} must be named by its item, like kos01/Part0.jpg or kos01_Part0.jpg."
            )
        else:
            sources[name] = Source(file, mask, item.group())
    if alone:
        raise ValueError(
            f"Every image such as Part0.jpg must have a mask Part0{LABEL_ENDING}.bmp and every "
            f"mask an image. These stand alone: {', '.join(alone)}"
        )
    if not sources:
        raise ValueError(
            f"{root} must hold the folders kos01 to kos50 of KolektorSDD, or their files.\n"
            f"{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
    return sources


def read_mask(source: Source, shape: tuple[int, int, int]) -> np.ndarray:
    """Returns the mask uint8 [H, W, 1], 1 inside the crack.

    Raises:
      ValueError: the mask has another size than the image.
    """
    mask = images.read_image(source.mask)
    check_mask_size(mask, shape, source.mask)
    return (mask > 0).astype(np.uint8)
