"""Makes an archive in the layout of NEU-Seg."""

import pathlib

import numpy as np
from made_archives import save


def make_archive(root: pathlib.Path, *, images: int = 12, splits=("training", "test")) -> None:
    """Of each four images one is the original, the others turned and mirrored copies."""
    rng = np.random.default_rng(0)
    for split in splits:
        for number in range(images):
            if number % 4 == 0:
                image = rng.integers(0, 256, (40, 40))
            stem = f"{number:06}"
            turned = np.rot90(image, number % 4)[:, :: (-1) ** number]
            save(root / "images" / split / f"{stem}.png", turned)
            mask = np.zeros((40, 40), np.uint8)
            mask[: 4 + number] = 1 + number // 4 % 3
            mask[-2:] = 2
            save(root / "annotations" / split / f"{stem}.png", mask)
