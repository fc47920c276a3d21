"""DAGM 2007: ten classes of artificial surfaces with weakly labelled defects."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.dagm2007 import archive
from tfds_datasets.features import assign_folds, example_features, make_example
from tfds_datasets.manual import ManualBuilder


class Source(NamedTuple):
    """Where one example comes from, before anything is decoded."""

    image: Path  # of a folder, or inside a zip file
    mask: Path | archive.Ellipse | None  # None for a good image


class Builder(ManualBuilder):
    """Reads both releases of DAGM 2007, extracted or zipped, images of any size."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Competition and public layout; folds 0..9 in every split."}
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=f"class_{n}") for n in range(1, 11)]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Get DAGM 2007 from the Heidelberg Collaboratory for Image Processing (hci.iwr.uni-heidelberg.de,
    "Weakly Supervised Learning for Industrial Optical Inspection") and put into the manual folder,
    extracted or as the zip files they come in, either
      Class1/Train/0576.PNG, Class1/Train/Label/0576_label.PNG, Class1/Train/Label/Labels.txt,
      Class1/Test/...                (the competition release, classes 1 to 10)
    or
      Class1/1.png, Class1_def/1.png, Class1_def/labels.txt   (the public release, classes 1 to 6)
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(defect_types=["defect"]),
            homepage="https://hci.iwr.uni-heidelberg.de/content/weakly-supervised-learning-industrial-optical-inspection",
            license="CC BY 4.0",
            metadata=tfds.core.MetadataDict(skipped_images=[]),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        number = int(self.builder_config.name.removeprefix("class_"))
        splits = find_splits(Path(dl_manager.manual_dir), number)
        return {name: self._generate_examples(sources) for name, sources in splits.items()}

    def _generate_examples(self, sources: Mapping[str, Source]) -> Iterator[tuple[str, dict]]:
        folds = assign_folds({name: int(s.mask is not None) for name, s in sources.items()})
        for name, source in sources.items():
            with self.skipping(name):
                image = images.read_image(source.image)
                yield make_example(
                    name,
                    image=image,
                    mask=archive.read_mask(source.mask, image=image, image_file=source.image),
                    label=int(source.mask is not None),
                    fold=folds[name],
                )


def find_splits(manual_dir: Path, number: int) -> dict[str, dict[str, Source]]:
    """Finds the images of one class, in whichever release and form the folder holds.

    Args:
      manual_dir: the folder with `Class{n}` or `Class{n}.zip`.
      number: 1..10.

    Returns:
      For each split its sources by file name. The competition release has its official `train`
      and `test`; the public release has no split, so its halves are drawn by a hash of the file
      names, stratified.

    Raises:
      ValueError: the class is not there, or its labels and files disagree.
    """
    root = archive.open_archive(manual_dir, f"Class{number}")
    if root is None:
        raise ValueError(
            f"{manual_dir} must hold Class{number} or Class{number}.zip of DAGM 2007, and holds "
            f"neither.\n{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
        )
    official = {
        split.lower(): {
            image.name: Source(image, mask)
            for image, mask in archive.read_competition_labels(root / split)
        }
        for split in ("Train", "Test")
        if (root / split).is_dir()
    }
    if official:
        for split in {"train", "test"} - set(official):
            logging.warning("%s has no folder %s: no such split.", root, split.capitalize())
        return official
    defect_root = archive.open_archive(manual_dir, f"Class{number}_def")
    if defect_root is None:
        raise ValueError(
            f"{root} has no Train folder, so it must be the public release, and then {manual_dir} "
            f"must hold Class{number}_def or Class{number}_def.zip as well."
        )
    sources = {
        f"{image.parent.name}/{image.name}": Source(image, mask)
        for image, mask in archive.read_public_labels(root, defect_root)
    }
    folds = assign_folds({name: int(source.mask is not None) for name, source in sources.items()})
    return {
        split: {name: source for name, source in sources.items() if folds[name] % 2 == half}
        for half, split in enumerate(("train", "test"))
    }
