"""Makes folders of images and masks, as users have them."""

import json
import pathlib

import numpy as np
from made_archives import save

SIZE = (24, 32)


RED, GREEN = (255, 0, 0), (0, 255, 0)


COLORS = {"scratch": RED, "stain": GREEN}


FORMS = {".png": "PNG", ".jpg": "JPEG", ".bmp": "BMP", ".tif": "TIFF", ".webp": "WEBP"}


def make_image(number: int, channels: tuple[int, ...] = ()) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, SIZE + channels)


def make_mask(number: int) -> np.ndarray:
    """Every third image is good, the others show type 1 or 2."""
    mask = np.zeros(SIZE, np.uint8)
    mask[2:6, 3:8] = number % 3
    return mask


def make_folder(root: pathlib.Path, *, kind: str = "color", count: int = 30) -> None:
    suffixes = list(FORMS)
    for number in range(count):
        suffix = suffixes[number % len(suffixes)]
        save(root / f"images/{number}{suffix}", make_image(number, (3,)), FORMS[suffix])
        mask = make_mask(number)
        if kind == "color":
            mask = np.array([(0, 0, 0), *COLORS.values()])[mask]
        elif kind == "binary":
            mask = (mask > 0) * 255
        save(root / f"masks/{number}.png", mask)
    if kind == "color":
        (root / "palette.json").write_text(json.dumps(COLORS))
    elif kind == "index":
        (root / "palette.csv").write_text("scratch,1\nstain,2\n")
