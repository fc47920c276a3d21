"""A folder of pseudo masks as `python -m zoo pseudo_masks` writes it, for tests of the review."""

import contextlib
import pathlib

import numpy as np
from made_archives import save

from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_masks.hysteresis import Levels, pseudo_mask
from zoo.review.server import serving

LEVELS = Levels(low=0.25, pixel=0.375, image=0.5)
SHAPE = (48, 64)
RADIUS = 24  # pixels from the peak of a map to where it is 0
# The peaks of the maps, of 16 bits as they are; `dust` is nearest to the threshold of images.
SCORES = {"clean": 0.125, "dent": 0.625, "dust": 0.46875, "scratch": 0.9375, "spot": 0.75}
ORDER = ["dust", "dent", "spot", "clean", "scratch"]


def file(name: str) -> str:
    return f"train/images/{name}.png"


def cone(peak: float, shape=SHAPE) -> np.ndarray:
    """A map that falls evenly from its middle, float16 [H, W]."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    distance = np.hypot(y - shape[0] // 2, x - shape[1] // 2)
    return (peak * np.clip(1 - distance / RADIUS, 0, 1)).astype(np.float16)


def make_review(root: pathlib.Path, scores=SCORES) -> pathlib.Path:
    """Images as bright as their maps; beside them one that is known to be good and one to test."""
    lines = []
    for number, (name, score) in enumerate(scores.items()):
        anomaly_map = cone(score)
        mask = pseudo_mask(anomaly_map.astype(np.float32), LEVELS)
        noise = np.random.default_rng(number).integers(0, 30, SHAPE)
        save(root / file(name), 60 + noise + 150 * anomaly_map)
        save(root / f"train/masks/{name}.png", mask)
        (root / "maps").mkdir(exist_ok=True)
        np.savez_compressed(root / f"maps/{name}.npz", anomaly_map=anomaly_map)
        lines.append(
            {
                **{"file": file(name), "fold": 1, "use": True, "mask_source": manifest.PSEUDO},
                **{"reason": None, "score": score, "levels": LEVELS._asdict(), "reviewed": None},
                "defect_pixels": int(np.count_nonzero(mask == 1)),
            }
        )
    for split, source in (("train", manifest.KNOWN_GOOD), ("test", manifest.GROUND_TRUTH)):
        for kind in ("images", "masks"):
            save(root / split / kind / "known.png", np.zeros(SHAPE))
        known = {"fold": 0, "use": True, "mask_source": source}
        lines.append({"file": f"{split}/images/known.png", **known})
    manifest.write_manifest(root, lines)
    return root


@contextlib.contextmanager
def served_review(folder, predictor=None, **options):
    """A served review: its folder and its address."""
    root = make_review(folder, **options)
    with serving(root, 0, predictor) as address:
        yield root, address
