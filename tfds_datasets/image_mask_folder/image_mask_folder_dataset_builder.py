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
from tfds_datasets.image_mask_folder.layouts import EXAMPLES, SPLITS, Source, find_layout
from tfds_datasets.manual import ManualBuilder
from tfds_datasets.pairs import check_mask_size


class Scanned(NamedTuple):
    """What the first reading of all images found, by the image's name."""

    labels: dict[str, int]
    groups: dict[str, str]  # images that are copies of each other are one group


class Builder(ManualBuilder):
    """Learns the defect types from the folder's palette file when it is built."""

    VERSION = tfds.core.Version("2.2.0")
    RELEASE_NOTES = {
        "2.2.0": "Good images alone, masks of defective images alone, the layout of MVTec AD.",
        "2.1.0": "A manifest decides folds, and says where masks come from.",
        "2.0.0": "Parts in one pose are no copies of each other; a folder that changes is noticed.",
        "1.0.0": "Binary, index and colour masks; folders of good and defective.",
    }
    BUILDER_CONFIGS = [
        tfds.core.BuilderConfig(name="grey", description="One channel."),
        tfds.core.BuilderConfig(name="rgb", description="Three channels."),
    ]
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    Put your images into the manual folder in one of these ways, all but the last also into its
    folders train and test:
      {EXAMPLES}
    A mask has the stem and the size of its image. Images without one are good, or, in a folder
    defect, have a label alone. Masks are 0 and one other value, or are explained by palette.json or
    palette.csv in the manual folder, which maps the name of each defect type to a colour or value:
      {{"scratch": [255, 0, 0], "stain": "#00ff00"}}   or   scratch,1
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
        files = [manual_dir / name for name in (*palettes.FILES, manifests.FILE)]
        for source in find_layout(manual_dir).sources.values():
            files += [source.image, *([source.mask] if source.mask else [])]
        stats = [
            (file.relative_to(manual_dir).as_posix(), file.stat().st_size, file.stat().st_mtime_ns)
            for file in files
            if file.is_file()
        ]
        return hashlib.sha256(repr(sorted(stats)).encode()).hexdigest()

    def _split_generators(self, dl_manager: tfds.download.DownloadManager):
        root = Path(dl_manager.manual_dir)
        self.info.metadata["fingerprint"] = self.fingerprint(root)  # before anything is read
        layout = find_layout(root)
        sources = layout.sources
        logging.info("%s: %d images, layout: %s", root, len(sources), layout.name)
        manifest = manifests.read_manifest(root)
        if manifest is not None:
            manifests.check_manifest(manifest, sources, root)
            sources = {name: source for name, source in sources.items() if manifest[name]["use"]}
        palette = palettes.read_palette(root)
        types = layout.types if palette is None and layout.types else palettes.defect_types(palette)
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
                types,
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
        labels, thumbnails, shown, empty = {}, {}, set(), []
        for name, source in sources.items():
            with self.skipping(name):
                image = images.read_image(source.image, channels=self._channels)
                small, mask = thumbnail(image, COPY_SIDE), read_mask(source, image, palette, types)
                labels[name] = _label(source, mask, types, manifest.get(name, {}))
                thumbnails[name] = small
                if source.label is None and source.mask is not None and not mask.any():
                    empty.append(name)
                shown.update(np.unique(mask).tolist(), [labels[name]])
        _check_missing_masks(sources, empty)
        unseen = [name for number, name in enumerate(types, 1) if number not in shown]
        if unseen and len(types) > 1:
            raise ValueError(
                f"Every defect type must be in some image. No image shows {', '.join(unseen)}. "
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

    def _generate_examples(
        self, sources, palette, types, labels, folds
    ) -> Iterator[tuple[str, dict]]:
        for name, source in sources.items():
            image = images.read_image(source.image, channels=self._channels)
            yield make_example(
                name,
                image=image,
                mask=read_mask(source, image, palette, types),
                label=labels[name],
                fold=folds[name],
            )


def read_mask(source: Source, image: np.ndarray, palette, types: list[str]) -> np.ndarray:
    """Returns the mask uint8 [H, W, 1] of an image.

    Without a mask file a good image has 0, and a defective one 255, to be ignored, all over.

    Raises:
      ValueError: the mask has another size than the image, or values that mean nothing.
    """
    if source.mask is None:
        unknown = source.label not in (None, GOOD)
        return np.full((*image.shape[:2], 1), IGNORE if unknown else 0, np.uint8)
    if source.label in types and palette is None:  # a folder names the type
        mask = palettes.read_mask(source.mask, None) * np.uint8(1 + types.index(source.label))
    else:
        mask = palettes.read_mask(source.mask, palette)
    check_mask_size(mask, image.shape, source.mask)
    if source.label is not None and not mask.any():
        mask[...] = IGNORE  # the folder says that there is a defect
    return mask


def _label(source: Source, mask: np.ndarray, types: list[str], entry: Mapping) -> int:
    if source.label == GOOD:
        return 0
    if source.label in types and source.mask is None:
        return 1 + types.index(source.label)
    found = largest_type(mask, len(types))
    return found or int(source.label is not None or entry.get("defective", False))


def _check_missing_masks(sources: Mapping[str, Source], empty: list[str]) -> None:
    """Takes images without a mask as good ones, unless good ones are known by empty masks.

    Raises:
      ValueError: some images have an empty mask and others none.
    """
    missing = [name for name, source in sources.items() if source.mask is source.label is None]
    if missing and empty:
        raise ValueError(
            f"Every good image must have an empty mask, or none of them any. {len(missing)} images "
            f"have no mask, such as {', '.join(missing[:5])}, and {len(empty)} have an empty one, "
            f"such as {empty[0]}. Add the missing masks, or take the empty ones out."
        )
    if missing:
        logging.info(
            "%d images have no mask and are taken as good, such as %s.", len(missing), missing[0]
        )
