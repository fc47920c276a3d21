"""Finds the images of a user's folder, in whichever of five layouts they lie."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tfds_datasets import images
from tfds_datasets.features import GOOD
from tfds_datasets.pairs import check_flat, check_stems, image_files

DEFECT = "defect"
MASKS = ("masks", "mask", "ground_truth")  # the names that a folder of masks may have
SPLITS = ("train", "test")
LAYOUTS = {
    "images and masks": "images/7.jpg, masks/7.png",
    "good and defective": "good/1.jpg, defect/7.jpg, and masks/7.png if there are any",
    "good alone": "good/1.jpg",
    "flat": "1.jpg, good images beside each other",
    "mvtec": "train/good/1.png, test/good/2.png, test/cut/3.png, ground_truth/cut/3_mask.png",
}
EXAMPLES = "\n      ".join(LAYOUTS.values())


class Source(NamedTuple):
    """One image, before anything is decoded.

    Attributes:
      image: its file.
      mask: the file of its mask; None where there is none.
      split: "train" or "test"; None where the folder has no splits.
      label: "good", "defect", or a defect type; None where the mask decides.
    """

    image: Path
    mask: Path | None
    split: str | None = None
    label: str | None = None


class Layout(NamedTuple):
    """What a folder holds.

    Attributes:
      name: a key of `LAYOUTS`.
      sources: the images by name, such as "train/images/part_7.jpg".
      types: names of the defect types, where folders name them; else empty.
    """

    name: str
    sources: dict[str, Source]
    types: list[str] = []


def find_layout(root: Path) -> Layout:
    """Finds all images of a folder.

    Raises:
      ValueError: the folder is missing, holds no image or images in several layouts, has no good
        images beside the defective ones, or masks that belong to no image.
    """
    if not root.is_dir():
        raise ValueError(f"{root} must be a folder of images. It is missing.")
    if _is_mvtec(root):
        return _mvtec(root)
    splits = [split for split in SPLITS if (root / split).is_dir()]
    if splits == ["test"]:
        raise ValueError(f"{root} has a folder test, so it must have a folder train as well.")
    _check_one_layout(root, splits)
    names, sources = [], {}
    for split in splits or [None]:
        folder = root / split if split else root
        if split:
            _check_one_layout(folder, [])
        name, found = _one_split(folder)
        names.append(name)
        for source in found:
            key = source.image.relative_to(root).as_posix()
            sources[key] = source._replace(split=split)
    if all(source.label == DEFECT for source in sources.values()):
        raise ValueError(
            f"{root} must hold good images, too, in a folder {GOOD}: from defective ones alone no "
            "model learns what is good."
        )
    return Layout("good and defective" if "good and defective" in names else names[0], sources)


def _one_split(folder: Path) -> tuple[str, list[Source]]:
    """Returns the name of a folder's layout and its images."""
    for name in ("images", GOOD, DEFECT):
        if (folder / name).is_dir():
            check_flat(folder / name)
    masks = _masks(folder)
    flat = not any((folder / name).is_dir() for name in ("images", GOOD, DEFECT))
    if flat and (others := [path.name for path in _folders(folder) if path.name not in MASKS]):
        raise ValueError(
            f"{_nothing_in(folder)}\nReceived the folders {', '.join(others)}: name that of good "
            f"images {GOOD}, and that of defective ones {DEFECT}."
        )
    if (folder / "images").is_dir() or (flat and masks):
        files = image_files(folder if flat else folder / "images")
        check_stems(files)
        if masks is None:
            raise ValueError(
                f"{folder} must hold the masks of its images in a folder masks. It is missing. "
                f"Without masks, name the folder of good images {GOOD}, not images."
            )
        sources = [Source(file, _take(masks, file.stem)) for file in files]
        found = "images and masks", sources
    elif (folder / GOOD).is_dir() or (folder / DEFECT).is_dir():
        good, defective = (
            image_files(folder / name) if (folder / name).is_dir() else []
            for name in (GOOD, DEFECT)
        )
        if masks is not None:
            check_stems(defective)
        masks = masks if masks is not None else {}
        sources = [Source(file, None, label=GOOD) for file in good]
        sources += [Source(file, _take(masks, file.stem), label=DEFECT) for file in defective]
        found = "good and defective" if defective else "good alone", sources
        for file in good:  # an empty mask of a good image says nothing new
            _take(masks, file.stem)
    else:
        found = "flat", [Source(file, None, label=GOOD) for file in image_files(folder)]
    if not found[1]:
        raise ValueError(_nothing_in(folder))
    if masks:
        raise ValueError(
            f"Every mask of {folder} must belong to an image of its stem. These belong to none: "
            f"{', '.join(sorted(file.name for file in masks.values()))}"
        )
    return found


def _masks(folder: Path) -> dict[str, Path] | None:
    """Returns the masks of a folder by their stems; None without a folder of masks."""
    there = [folder / name for name in MASKS if (folder / name).is_dir()]
    if len(there) > 1:
        raise ValueError(
            f"{folder} must hold its masks in one folder. Received: "
            f"{', '.join(path.name for path in there)}"
        )
    if not there:
        return None
    check_flat(there[0])
    files = image_files(there[0])
    check_stems(files)
    return {file.stem: file for file in files}


def _take(masks: dict[str, Path], stem: str) -> Path | None:
    """Takes the mask of an image out of those that are left: of its stem, or of `<stem>_mask`."""
    return masks.pop(stem, None) or masks.pop(f"{stem}_mask", None)


def _is_mvtec(root: Path) -> bool:
    if not (root / "train" / GOOD).is_dir() or not (root / "test").is_dir():
        return False
    types = {path.name for path in _folders(root / "test")} - {GOOD, DEFECT, "images", *MASKS}
    return bool(types) or (root / "ground_truth").is_dir()


def _mvtec(root: Path) -> Layout:
    sources, types, without = {}, [], []
    unknown = [path for path in _folders(root / "train") if path.name != GOOD]
    if unknown:
        raise ValueError(
            f"{root / 'train'} must hold the folder {GOOD} alone in the layout of MVTec AD. "
            f"Received: {', '.join(path.name for path in unknown)}"
        )
    for folder in [root / "train" / GOOD, *_folders(root / "test")]:
        check_flat(folder)
        split, label = folder.parent.name, folder.name
        for file in image_files(folder):
            mask = None
            if label != GOOD:
                if label not in types:
                    types.append(label)
                mask = _mvtec_mask(root / "ground_truth" / label, file.stem)
                if mask is None:
                    without.append(file)
            sources[file.relative_to(root).as_posix()] = Source(file, mask, split, label)
    if without and (root / "ground_truth").is_dir():
        raise ValueError(
            f"Every defective image of {root} must have a mask in ground_truth, or none. "
            f"{len(without)} have none: {', '.join(str(file) for file in without[:5])}"
        )
    if not any(source.split == "train" for source in sources.values()):
        raise ValueError(_nothing_in(root / "train" / GOOD))
    return Layout("mvtec", sources, types)


def _mvtec_mask(folder: Path, stem: str) -> Path | None:
    if not folder.is_dir():
        return None
    wanted = (f"{stem}_mask", stem)
    return next((file for file in image_files(folder) if file.stem in wanted), None)


def _folders(folder: Path) -> Iterator[Path]:
    yield from (
        path for path in sorted(folder.iterdir()) if path.is_dir() and path.name[0] not in "._"
    )


def _check_one_layout(folder: Path, splits: list[str]) -> None:
    """Raises where a folder has images in several layouts, since those of one would be lost."""
    layouts = (splits, ["images"], [GOOD, DEFECT])
    there = [names for names in layouts if names and any((folder / n).is_dir() for n in names)]
    if there and any(images.is_image(file) for file in folder.iterdir() if file.is_file()):
        raise ValueError(
            f"{folder} must hold its images in folders or beside each other, not both. Received "
            f"images beside the folders {', '.join(there[0])}: move them into one of these."
        )
    if len(there) > 1:
        raise ValueError(
            f"{folder} must hold its images in one way. Received the folders "
            f"{' and also '.join(', '.join(names) for names in there)}: put all images into one of "
            "them, or build each as a data set of its own."
        )


def _nothing_in(folder: Path) -> str:
    return (
        f"{folder} holds no images. Images end in {', '.join(images.SUFFIXES)}, and lie in one of "
        f"these ways:\n      {EXAMPLES}"
    )
