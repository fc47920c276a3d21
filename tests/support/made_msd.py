"""Draws small copies of MSD in both layouts, for the tests of its builder."""

import pathlib

import numpy as np
from made_archives import examples, save
from PIL import Image

PREFIXES = {"oil": "Oil", "scratch": "Scr", "stain": "Sta"}
NUMBERS = {"oil": 1, "stain": 2, "scratch": 3}  # as the masks in use number the types
PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0]  # of PASCAL VOC
IMAGES = 6  # of each type


def save_palette(file: pathlib.Path, numbers) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(np.asarray(numbers, np.uint8), "P")
    image.putpalette(PALETTE)
    image.save(file)


def numbers_of(type_: str) -> np.ndarray:
    numbers = np.zeros((36, 64), np.uint8)
    numbers[20:22, 5:40] = NUMBERS[type_]
    return numbers


def draw_image(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (36, 64, 3))


def make_kaggle(root: pathlib.Path, mask_dirs=None) -> None:
    """Colour masks; the good images are of another format, and have no masks."""
    mask_dirs = mask_dirs or {
        **dict.fromkeys(("scratch", "stain"), "ground_truth_1"),
        **{"oil": "ground_truth_2"},
    }
    for type_, prefix in PREFIXES.items():
        for number in range(IMAGES):
            stem = f"{prefix}_{number:04}"
            save(root / type_ / f"{stem}.jpg", draw_image(10 * NUMBERS[type_] + number), "JPEG")
            colors = np.uint8(PALETTE).reshape(4, 3)[numbers_of(type_)]
            save(root / mask_dirs[type_] / f"{stem}.png", colors)
    for number in range(IMAGES):
        save(root / "good" / f"{number:04}.bmp", draw_image(number), "BMP")


def make_voc(root: pathlib.Path) -> None:
    stems = []
    for type_, prefix in PREFIXES.items():
        for number in range(IMAGES):
            stems.append(f"{prefix}_{number:04}")
            image = draw_image(10 * NUMBERS[type_] + number)
            save(root / "JPEGImages" / f"{stems[-1]}.jpg", image, "JPEG")
            save_palette(root / "SegmentationClass" / f"{stems[-1]}.png", numbers_of(type_))
    lists = root / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    for name, listed in (("train", stems[::2]), ("val", stems[1::4]), ("test", stems[3::4])):
        (lists / f"{name}.txt").write_text("\n".join(listed) + "\n")


def read_all(builder) -> dict[str, dict]:
    """All examples by file name, each with its split."""
    return {
        row["file_name"].decode(): {**row, "split": split}
        for split in builder.info.splits
        for row in examples(builder, split)
    }
