"""The copies of MSD as files: where images, masks and the official lists stand.

Folders are known by their names at any depth, in a folder or straight in a zip file, through
`pathlib.Path` or `zipfile.Path`, which share the few methods used here.
"""

import collections
import itertools
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import NamedTuple

from absl import logging

from tfds_datasets.features import GOOD
from tfds_datasets.images import is_image
from tfds_datasets.msd.masks import LABELS

PREFIX = re.compile(r"(oil|scr|scratch|sta|stain|none|good)_", re.IGNORECASE)
TYPE_OF_PREFIX = {"oil": "oil", "scr": "scratch", "sta": "stain", "non": GOOD, "goo": GOOD}
GROUND_TRUTH = re.compile(r"ground_truth.*|segmentationclass")
PSEUDO_GROUND_TRUTH = "pseudo_ground_truth"  # masks by classical methods, made by a third party
VOC_IMAGES = "jpegimages"
SPLIT_OF_LIST = {
    "train.txt": "train",
    "val.txt": "train",
    "trainval.txt": "train",
    "test.txt": "test",
}

Key = tuple[str | None, str]  # the type that a name tells, if any, and the rest of the stem


class Source(NamedTuple):
    """One image, before anything is decoded."""

    image: Path  # of a folder, or inside a zip file
    mask: Path | None  # None for a good image without a mask
    label: int
    split: str | None  # None where no official list names it


class Archive(NamedTuple):
    """All images by name, such as "oil/Oil_0001.jpg", and whose masks they have."""

    sources: dict[str, Source]
    pseudo_masks: bool


def find_images(manual_dir: Path) -> Archive:
    """Finds all images in whichever layout and form the folder holds.

    Raises:
      ValueError: a zip file is broken, or folders are empty, names contradict their folders, images
        and masks do not pair, or the lists do not name each defective image once; everything that
        is wrong is listed.
    """
    files = _collect([manual_dir])
    archives = sorted(manual_dir.glob("[!.]*.zip"))
    if files["images"] and archives:
        logging.warning(
            "Only the folders of %s are read. Extract what they lack of %s.",
            manual_dir,
            ", ".join(archive.name for archive in archives),
        )
    elif archives:
        files = _collect([_open_zip(archive) for archive in archives])
    problems = collections.defaultdict(list)
    problems["folders without any image"] = files["empty"]
    problems["no type in the name"] = [file for (told, _), file in files["images"] if told is None]
    problems["folder and name tell different types"] = files["misplaced"]
    pseudo_masks = not files["masks"] and bool(files["pseudo_masks"])
    image_files = _by_key(files["images"], "images", problems)
    mask_files = _by_key(files["pseudo_masks" if pseudo_masks else "masks"], "masks", problems)
    splits = _read_lists(files["lists"], image_files, problems)
    sources = {}
    for key, file in image_files.items():
        type_, mask = key[0] or GOOD, mask_files.get(key)
        if mask is None and type_ != GOOD:
            problems["images without a mask"].append(file)
        sources[f"{type_}/{file.name}"] = Source(file, mask, LABELS.index(type_), splits.get(key))
    problems["masks without an image"] = [
        file for key, file in mask_files.items() if key not in image_files
    ]
    if wrong := [
        f"{what}: {', '.join(map(str, which))}" for what, which in problems.items() if which
    ]:
        raise ValueError(
            f"{manual_dir} must hold each image once, and a mask of its name for each defective "
            f"one. Received {'; '.join(wrong)}"
        )
    return Archive(sources, pseudo_masks)


def _collect(roots: list) -> dict[str, list]:
    """Sorts files by what they are; images and masks come with their keys."""
    files, folders, filled = collections.defaultdict(list), set(), set()
    for parts, file in itertools.chain.from_iterable(map(_walk, roots)):
        names = [part.lower() for part in parts]
        types = [name for name in names if name in LABELS]
        if file is None:
            if names[-1] in (*LABELS, VOC_IMAGES) or GROUND_TRUTH.fullmatch(names[-1]):
                folders.add(parts)
        elif file.name.lower() in SPLIT_OF_LIST:
            files["lists"].append(file)
        elif is_image(file):
            filled.update(parts[:depth] for depth in range(1, len(parts) + 1))
            told, rest = _key(file.name)
            keyed = ((told or (types[-1] if types else None), rest), file)
            if any(map(GROUND_TRUTH.fullmatch, names)):
                files["masks"].append(keyed)
            elif PSEUDO_GROUND_TRUTH in names:
                files["pseudo_masks"].append(keyed)
            elif types or VOC_IMAGES in names:
                files["images"].append(keyed)
                if told and types and told != types[-1]:
                    files["misplaced"].append(file)
    files["empty"] = ["/".join(folder) for folder in sorted(folders - filled)]
    return files


def _walk(folder, parts: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Path | None]]:
    """Yields each folder with None and each file with the names of its folders, sorted."""
    for child in sorted(folder.iterdir(), key=lambda child: child.name):
        if child.name.startswith(".") or child.name == "__MACOSX":
            continue
        if child.is_dir():
            yield (*parts, child.name), None
            yield from _walk(child, (*parts, child.name))
        else:
            yield parts, child


def _key(name: str) -> Key:
    """Splits "Scr_0001.jpg" and "Scratch_0001.png" into ("scratch", "0001")."""
    stem = PurePath(name).stem
    prefix = PREFIX.match(stem)
    if prefix is None:
        return None, stem
    return TYPE_OF_PREFIX[prefix[1][:3].lower()], stem[prefix.end() :]


def _by_key(files: list[tuple[Key, Path]], what: str, problems: dict[str, list]) -> dict[Key, Path]:
    by_key = {}
    for key, file in files:
        if key in by_key:
            problems[f"{what} of one name"] += [by_key[key], file]
        by_key[key] = file
    return by_key


def _read_lists(
    lists: list[Path], image_files: dict[Key, Path], problems: dict[str, list]
) -> dict[Key, str]:
    """Returns the official split of each image that the lists name, by the image's key."""
    splits = {}
    for file in lists:
        split = SPLIT_OF_LIST[file.name.lower()]
        rows = map(str.split, file.read_text(encoding="utf-8-sig").splitlines())
        for name in [row[0] for row in rows if row]:
            told, rest = _key(name)
            key = (told or GOOD, rest)
            if key not in image_files:
                problems[f"listed in {file} and not there"].append(name)
            elif splits.setdefault(key, split) != split:
                problems["listed to train and to test"].append(name)
    if lists:
        if missing := {"train", "test"} - set(splits.values()):
            problems[f"no image to {' and '.join(sorted(missing))}"] = lists
        problems["in none of the lists"] = [
            file for key, file in image_files.items() if key[0] != GOOD and key not in splits
        ]
    return splits


def _open_zip(file: Path) -> zipfile.Path:
    try:
        return zipfile.Path(file)
    except zipfile.BadZipFile as error:
        raise ValueError(f"{file} is truncated or no zip file. Download it again.") from error
