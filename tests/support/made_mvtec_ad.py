"""Makes a category in the layout of MVTec AD."""

import pathlib

import numpy as np
from made_archives import save

from tfds_datasets.mvtec_ad import categories


def make_category(root: pathlib.Path, category: str, images: int = 2) -> None:
    rng = np.random.default_rng(0)
    shape = (24, 32) if category in categories.GREY else (24, 32, 3)
    for number in range(images):
        for folder in ("train/good", "test/good"):
            save(root / category / folder / f"{number:03}.png", rng.integers(0, 256, shape))
        for index, defect_type in enumerate(categories.DEFECT_TYPES[category]):
            image = root / category / "test" / defect_type / f"{number:03}.png"
            save(image, rng.integers(0, 256, shape))
            mask = np.zeros((24, 32), np.uint8)
            mask[3 : 5 + index, 4:9] = 255
            folder = root / category / "ground_truth" / defect_type
            save(folder / f"{number:03}_mask.png", mask)
