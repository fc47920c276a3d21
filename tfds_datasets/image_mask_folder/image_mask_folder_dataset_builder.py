"""The user's own images: with masks, or sorted into good ones and defective ones."""

import collections
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets import images
from tfds_datasets.copies import COPY_SIDE, group_copies, thumbnail, warn_of_torn
from tfds_datasets.features import (
    GOOD,
    IGNORE,
    TEST_FOLDS,
    assign_folds,
    example_features,
    largest_type,
    make_example,
)
from tfds_datasets.image_mask_folder import manifest as manifests
from tfds_datasets.image_mask_folder import palette as palettes
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.pairs import check_flat, check_mask_size, find_pairs, image_files

DEFECT = "defect"  # the folder of defective images without masks
FOLDERS = ("images", "masks", GOOD, DEFECT)
SPLITS = ("train", "test")


class Source(NamedTuple):
    """One image, before anything is decoded."""

    image: Path
    mask: Path | None  # None where only the folder tells good from defective
    split: str | None  # None where the folder has no splits


class Scanned(NamedTuple):
    """What the first reading of all images found, by the image's name."""

    labels: dict[str, int]
    groups: dict[str, str]  # images that are copies of each other are one group


class Builder(ManualBuilder):
    """Learns the defect types from the folder's palette file when it is built."""

    VERSION = tfds.core.Version("2.1.0")
    RELEASE_NOTES = {
        "2.1.0": "A manifest decides folds, and says where masks come from.",
        "2.0.0": "Parts in one pose are no copies of each other; a folder that changes is noticed.",
        "1.0.0": "Binary, index and colour masks; folders of good and defective.",
    }
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="grey", description="One channel."),
        tfds.core.BuilderConfig(name="rgb", description="Three channels."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = """
    Put into the manual folder, or into its folders train and test, either
      images/part_7.jpg, masks/part_7.png         (a mask for each image, of the same stem and size)
    or
      good/part_1.jpg, defect/part_7.jpg          (no masks)
    Masks are 0 and one other value, or are explained by palette.json or palette.csv in the manual
    folder, which maps the name of each defect type to a colour or a value:
      {"scratch": [255, 0, 0], "stain": "#00ff00"}   or   scratch,1
    A manifest.jsonl, as python -m zoo pseudo_masks writes it, decides the folds.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=example_features(
                defect_types=[],
                channels=1 if self.builder_config.name == "grey" else 3,
                # Its names stand in the folder, so they are set while building, and TFDS keeps
                # them beside the examples.
                extra={"label": tfds.features.ClassLabel()},
            ),
            license="That of your own images",
            metadata=tfds.core.MetadataDict(
                skipped_images=[],
                copies=0,
                fingerprint=None,
                mask_sources={},
                taught=0,
                origins=[],
                learnt_from=[],
            ),
        )

    def fingerprint(self, manual_dir: Path) -> str:
        """Changes with the names, sizes and times of the images, the masks and the palette."""
        roots = [manual_dir, *(manual_dir / split for split in SPLITS)]
        files = [manual_dir / name for name in (*palettes.FILES, manifests.FILE)]
        for folder in (root / name for root in roots for name in FOLDERS):
            files += image_files(folder) if folder.is_dir() else []
        stats = [
            (file.relative_to(manual_dir).as_posix(), file.stat().st_size, file.stat().st_mtime_ns)
            for file in files
            if file.is_file()
        ]
        return hashlib.sha256(repr(sorted(stats)).encode()).hexdigest()

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        root = Path(dl_manager.manual_dir)
        self.info.metadata["fingerprint"] = self.fingerprint(root)  # before anything is read
        sources = find_images(root)
        manifest = manifests.read_manifest(root)
        if manifest is not None:
            manifests.check_manifest(manifest, sources, root)
            sources = {name: source for name, source in sources.items() if manifest[name]["use"]}
        palette = palettes.read_palette(root)
        types = palettes.defect_types(palette)
        scanned = self._scan(sources, palette, types, manifest or {})
        self.info.features["label"].names = [GOOD, *types]
        folds = assign_folds(scanned.labels, groups=scanned.groups)
        if manifest is not None:
            folds = {name: manifest[name]["fold"] for name in folds}
        split_of = {
            name: sources[name].split or SPLITS[fold in TEST_FOLDS] for name, fold in folds.items()
        }
        if manifest is not None:
            self._note_manifest(manifest, split_of)
        self._report(scanned, split_of, types)
        return {
            split: self._generate_examples(
                {name: sources[name] for name in folds if split_of[name] == split},
                palette,
                scanned.labels,
                folds,
            )
            for split in SPLITS
            if split in split_of.values()
        }

    def _scan(
        self,
        sources: Mapping[str, Source],
        palette,
        types: list[str],
        manifest: Mapping[str, dict],
    ) -> Scanned:
        """Reads everything once: bad files are found before anything is written."""
        labels, thumbnails, shown = {}, {}, set()
        for name, source in sources.items():
            with self.skipping(name):
                image = images.read_image(source.image, channels=self._channels)
                small, mask = thumbnail(image, COPY_SIDE), read_mask(source, image, palette)
                labels[name] = _label(source, mask, types, manifest.get(name, {}))
                thumbnails[name] = small
                shown.update(np.unique(mask).tolist(), [labels[name]])
        if empty := [name for number, name in enumerate(types, 1) if number not in shown]:
            raise ValueError(
                f"Every defect type must be in some image. No image shows {', '.join(empty)}. "
                "Take it out of the palette file, or add images of it."
            )
        return Scanned(labels, group_copies(thumbnails))

    def _report(self, scanned: Scanned, split_of: dict[str, str], types: list[str]) -> None:
        groups = scanned.groups
        self.info.metadata["copies"] = len(groups) - len(set(groups.values()))
        counts = collections.Counter((split_of[n], label) for n, label in scanned.labels.items())
        for (split, label), count in sorted(counts.items()):
            logging.info("%s: %d images of %s", split, count, [GOOD, *types][label])
        warn_of_torn(groups, split_of)

    def _note_manifest(self, manifest: Mapping[str, dict], split_of: dict[str, str]) -> None:
        """Notes where images and masks come from, and how many test images are known."""
        sources = collections.defaultdict(set)
        for name, split in split_of.items():
            sources[split].add(manifest[name]["mask_source"])
        self.info.metadata["mask_sources"] = {s: sorted(kinds) for s, kinds in sources.items()}
        for key, field in (("origins", "datasets"), ("learnt_from", "learnt_from")):
            names = {name for entry in manifest.values() for name in entry.get(field, [])}
            self.info.metadata[key] = sorted(names)
        test = [manifest[name] for name, split in split_of.items() if split == "test"]
        self.info.metadata["taught"] = sum(entry.get("taught", False) for entry in test)

    @property
    def _channels(self) -> int:
        return self.info.features["image"].shape[-1]

    def _generate_examples(self, sources, palette, labels, folds) -> Iterator[tuple[str, dict]]:
        for name, source in sources.items():
            image = images.read_image(source.image, channels=self._channels)
            yield make_example(
                name,
                image=image,
                mask=read_mask(source, image, palette),
                label=labels[name],
                fold=folds[name],
            )


def find_images(root: Path) -> dict[str, Source]:
    """Finds all images by name, such as "train/images/part_7.jpg" or "good/part_1.jpg".

    Raises:
      ValueError: there are no such folders, a folder is empty or holds folders, or images and
        masks do not pair.
    """
    parts = {split: root / split for split in SPLITS if (root / split).is_dir()}
    if parts and "train" not in parts:
        raise ValueError(f"{root} has a folder test, so it must have a folder train as well.")
    _check_one_layout(root, [*parts])
    sources = {}
    for split, folder in (parts or {None: root}).items():
        if parts:
            _check_one_layout(folder, [])
        if (folder / "images").is_dir():
            pairs = find_pairs(folder / "images", folder / "masks").values()
        elif (folder / GOOD).is_dir() and (folder / DEFECT).is_dir():
            for name in (GOOD, DEFECT):
                check_flat(folder / name)
            pairs = [(f, None) for name in (GOOD, DEFECT) for f in image_files(folder / name)]
        else:
            raise ValueError(
                f"{folder} must hold the folders images and masks, or {GOOD} and {DEFECT}.\n"
                f"{Builder.MANUAL_DOWNLOAD_INSTRUCTIONS}"
            )
        if not pairs:
            raise ValueError(
                f"{folder} holds no images. Images end in {', '.join(images.SUFFIXES)}."
            )
        for image, mask in pairs:
            sources[image.relative_to(root).as_posix()] = Source(image, mask, split)
    return sources


def _check_one_layout(folder: Path, splits: list[str]) -> None:
    """Raises where a folder has images in several layouts, since those of one would be lost."""
    layouts = (splits, ["images"], [GOOD, DEFECT])
    there = [names for names in layouts if names and any((folder / n).is_dir() for n in names)]
    if len(there) > 1:
        raise ValueError(
            f"{folder} must hold its images in one way. Received the folders "
            f"{' and also '.join(', '.join(names) for names in there)}: put all images into one of "
            "them, or build each as a data set of its own."
        )


def read_mask(source: Source, image: np.ndarray, palette) -> np.ndarray:
    """The mask uint8 [H, W, 1]; without a mask file, a defective image is to be ignored all over.

    Raises:
      ValueError: the mask has another size than the image, or values that mean nothing.
    """
    if source.mask is None:
        defective = source.image.parent.name == DEFECT
        return np.full((*image.shape[:2], 1), IGNORE if defective else 0, np.uint8)
    mask = palettes.read_mask(source.mask, palette)
    check_mask_size(mask, image.shape, source.mask)
    return mask


def _label(source: Source, mask: np.ndarray, types: list[str], entry: Mapping) -> int:
    if source.mask is None:
        return int(source.image.parent.name == DEFECT)
    return largest_type(mask, len(types)) or int(entry.get("defective", False))
