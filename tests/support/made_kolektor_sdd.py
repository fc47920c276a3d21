"""Makes items in the layout of KolektorSDD."""

import pathlib

import numpy as np
from made_archives import save

ITEMS, SURFACES = 20, 3


def make_items(root: pathlib.Path, *, flat: bool = False) -> None:
    """One surface of every second item has a crack."""
    rng = np.random.default_rng(0)
    for item in range(1, ITEMS + 1):
        for part in range(SURFACES):
            stem = root / f"kos{item:02}{'_' if flat else '/'}Part{part}"
            mask = np.zeros((40 + item, 20), np.uint8)
            mask[5:9, 4:10] = 255 * (item % 2 and part == 1)
            save(stem.with_suffix(".jpg"), rng.integers(0, 256, mask.shape), "JPEG")
            save(stem.with_name(f"{stem.name}_label.bmp"), mask, "BMP")
