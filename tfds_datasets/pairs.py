"""Pairs image files with mask files by their stems, and says which stand alone."""

import collections
from pathlib import Path

import numpy as np

from tfds_datasets import images


def find_pairs(image_dir: Path, mask_dir: Path) -> dict[str, tuple[Path, Path]]:
    """Pairs images and masks by their stems, by the image's name.

    Raises:
      ValueError: a folder is missing or holds folders, two files of it have one stem, some image
        has no mask, or some mask no image; all are named.
    """
    images_by_stem, masks_by_stem = _files_by_stem(image_dir), _files_by_stem(mask_dir)
    if alone := sorted(set(images_by_stem) ^ set(masks_by_stem)):
        raise ValueError(
            f"Every image of {image_dir} must have a mask in {mask_dir} and every mask an image. "
            f"These stand alone: {', '.join(alone)}"
        )
    return {file.name: (file, masks_by_stem[stem]) for stem, file in images_by_stem.items()}


def image_files(folder: Path) -> list[Path]:
    """Returns the image files of a folder, sorted by name."""
    return [file for file in sorted(folder.iterdir()) if images.is_image(file)]


def check_flat(folder: Path) -> None:
    """Raises ValueError where a folder of images holds folders, whose images would be lost."""
    folders = sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    if folders:
        raise ValueError(
            f"{folder} must hold images and no folders. Received: {', '.join(folders)}. Move their "
            f"images into {folder.name}, under names that differ, or the folders elsewhere."
        )


def check_mask_size(mask: np.ndarray, image_shape: tuple[int, ...], file) -> None:
    """Raises ValueError where a mask [H, W, ...] has another height or width than its image.

    Args:
      mask: what was read from `file`.
      image_shape: (H, W, ...) of the image.
      file: named in the message.
    """
    if mask.shape[:2] != tuple(image_shape[:2]):
        raise ValueError(
            f"{file} must have the size of its image, {tuple(image_shape[:2])}. "
            f"Received: {mask.shape[:2]}"
        )


def check_stems(files: list[Path]) -> None:
    """Raises ValueError where two files of a folder have one stem."""
    counts = collections.Counter(file.with_suffix("") for file in files)
    if doubled := [file for file in files if counts[file.with_suffix("")] > 1]:
        raise ValueError(
            f"{doubled[0].parent} must have one file of each stem, since stems pair images with "
            f"masks. Received: {', '.join(file.name for file in doubled)}"
        )


def _files_by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise ValueError(f"{folder} must be a folder. It is missing.")
    check_flat(folder)
    files = image_files(folder)
    check_stems(files)
    return {file.stem: file for file in files}
