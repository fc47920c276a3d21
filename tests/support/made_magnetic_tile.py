"""Makes folders in the layout of the magnetic tiles."""

import pathlib

import numpy as np
from made_archives import save

from tfds_datasets.magnetic_tile.magnetic_tile_dataset_builder import FOLDERS

TILES = 10  # of each folder


def number(label: int, tile: int, exposure: int) -> int:
    """Exposures of a tile follow each other, tiles lie far apart, as in the real files."""
    return 1000 * (TILES * label + tile) + 30 * exposure


def make_folders(root: pathlib.Path, exposures: int = 2) -> None:
    rng = np.random.default_rng(0)
    for label, folder in enumerate(FOLDERS):
        for tile in range(TILES):
            shape = (20 + tile, 30)
            mask = np.zeros(shape, np.uint8)
            if label:
                mask[2:6, 3:8], mask[6, 3:8] = 255, 100  # a smoothed edge
            for exposure in range(1, exposures + 1):
                stem = root / folder / "Imgs" / f"exp{exposure}_num_{number(label, tile, exposure)}"
                save(stem.with_suffix(".jpg"), rng.integers(0, 256, shape), "JPEG")
                save(stem.with_suffix(".png"), mask)
