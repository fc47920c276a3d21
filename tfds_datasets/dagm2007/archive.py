"""The two releases of DAGM 2007 as files: where images, labels and masks stand.

Both are read from an extracted folder or straight from its zip file, through `pathlib.Path` or
`zipfile.Path`, which share the few methods used here.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tfds_datasets import images


class Ellipse(NamedTuple):
    """One row of `labels.txt`: semi-axes and centre in pixels, rotation in radians, y downward."""

    semi_major: float
    semi_minor: float
    rotation: float
    center_x: float
    center_y: float


def open_archive(manual_dir: Path, name: str):
    """Opens `name/` or `name.zip`; None where neither exists."""
    if (manual_dir / name).is_dir():
        return manual_dir / name
    if not (manual_dir / f"{name}.zip").is_file():
        return None
    try:
        root = zipfile.Path(manual_dir / f"{name}.zip")
    except zipfile.BadZipFile as error:
        raise ValueError(
            f"{manual_dir / name}.zip is truncated or no zip file. Download it again."
        ) from error
    return root / name if (root / name).is_dir() else root


def read_competition_labels(split_dir) -> Iterator[tuple[Path, Path | None]]:
    """Yields each image of a `Train` or `Test` folder with its mask file, None for a good one.

    Raises:
      ValueError: `Label/Labels.txt` and the files disagree: a listed image or mask is missing, an
        image is not listed, or a good image has a mask.
    """
    listing = split_dir / "Label" / "Labels.txt"
    if not listing.is_file():
        raise ValueError(f"{listing} is missing. It says which images are defective.")
    present = {file.name for file in split_dir.iterdir() if images.is_image(file)}
    masks = {file.name for file in listing.parent.iterdir() if images.is_image(file)}
    rows = [line.split("\t") for line in listing.read_text().splitlines()[1:] if line.strip()]
    if unlisted := present - {row[2] for row in rows}:
        raise ValueError(f"{listing} does not list {_some(unlisted)} of {split_dir}.")
    for _, defective, image, _, mask, *_ in rows:
        if image not in present:
            raise ValueError(f"{split_dir / image} is missing, and {listing} lists it.")
        good_mask = f"{Path(image).stem}_label{Path(image).suffix}"
        if defective == "1" and mask not in masks:
            raise ValueError(
                f"{split_dir / image} is defective, and its mask {listing.parent / mask} is "
                "missing. Extract the archive again."
            )
        if defective == "0" and good_mask in masks:
            raise ValueError(
                f"{listing} calls {image} good, and a mask {good_mask} is there. One is wrong."
            )
        yield split_dir / image, listing.parent / mask if defective == "1" else None


def read_public_labels(good_dir, defect_dir) -> Iterator[tuple[Path, Ellipse | None]]:
    """Yields each image of `Class{n}` and `Class{n}_def`, a defective one with its ellipse.

    `labels.txt` holds one row an image: id, semi-major and semi-minor axis, rotation, centre x
    and y. Its rotation is in radians in the copies seen; degrees are recognised by any value
    beyond two pi.

    Raises:
      ValueError: a defective image has no row.
    """
    listing = defect_dir / "labels.txt"
    if not listing.is_file():
        raise ValueError(f"{listing} is missing. It holds the ellipses around the defects.")
    rows = np.array([line.split() for line in listing.read_text().splitlines() if line.strip()])
    numbers = rows.astype(np.float64)
    if np.abs(numbers[:, 3]).max() > 2 * np.pi:
        numbers[:, 3] = np.deg2rad(numbers[:, 3])
    ellipses = {str(int(row[0])): Ellipse(*map(float, row[1:6])) for row in numbers}
    for image in sorted(filter(images.is_image, good_dir.iterdir()), key=lambda file: file.name):
        yield image, None
    for image in sorted(filter(images.is_image, defect_dir.iterdir()), key=lambda file: file.name):
        number = Path(image.name).stem
        if number not in ellipses:
            raise ValueError(f"{listing} has no row for the defective image {image}.")
        yield image, ellipses[number]


def read_mask(mask, *, image: np.ndarray, image_file) -> np.ndarray:
    """Reads or draws the mask of one image.

    Args:
      mask: a mask file, an `Ellipse`, or None for a good image.
      image: uint8 [H, W, 1].
      image_file: named in every message.

    Returns:
      uint8 [H, W, 1], 1 inside the defect.

    Raises:
      ValueError: the mask's size is not the image's, or it marks nothing.
    """
    if mask is None:
        return np.zeros_like(image)
    if isinstance(mask, Ellipse):
        pixels = draw_ellipse(mask, image.shape[:2])
    else:
        pixels = (images.read_image(mask) > 127).astype(np.uint8)
    if pixels.shape != image.shape:
        raise ValueError(
            f"{image_file} has {image.shape[0]}x{image.shape[1]} pixels and its mask "
            f"{pixels.shape[0]}x{pixels.shape[1]}: they must be equal."
        )
    if not pixels.any():
        raise ValueError(f"{image_file} is defective, and its mask marks no pixel.")
    return pixels


def draw_ellipse(ellipse: Ellipse, shape: tuple[int, int]) -> np.ndarray:
    """Draws a filled ellipse: uint8 [H, W, 1], 1 where (u/a)^2 + (v/b)^2 <= 1."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    dx, dy = x - ellipse.center_x, y - ellipse.center_y
    cos, sin = np.cos(ellipse.rotation), np.sin(ellipse.rotation)
    u = (dx * cos + dy * sin) / ellipse.semi_major
    v = (dy * cos - dx * sin) / ellipse.semi_minor
    return (u**2 + v**2 <= 1).astype(np.uint8)[..., None]


def _some(names: set[str]) -> str:
    return ", ".join(sorted(names)[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
