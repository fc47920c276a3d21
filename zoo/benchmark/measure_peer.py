"""Measures the maps and image scores that `zoo.benchmark.anomalib_peer` left, in our environment.

    python -m zoo.benchmark.measure_peer --files=files.json --output_dir=peers --size=256

prints a line of JSON for each method: its figures, and those of its time and memory. `size` is the
side of maps and masks alike; without it the masks keep theirs.
"""

import json
import pathlib
import sys
from collections.abc import Iterator

from tfds_datasets.features import GOOD
from tfds_datasets.shrink import shrink_mask
from zoo.data.mask_files import read_mask
from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.saved_maps.maps import read_map, resize_map

FIGURES = ("image_auroc", "pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05")


def measure_peer(files, output_dir, size: int | None = None) -> Iterator[dict]:
    """Measures every method that left its scores.

    Args:
      files: the JSON file that the benchmark had; its masks are the ground truth.
      output_dir: the folder that the benchmark wrote.
      size: side in pixels to which maps are resized bilinearly and masks by `shrink_mask`; None
        resizes the maps to the masks.

    Yields:
      What the benchmark measured, `pixels` [H, W] of the ground truth, and `FIGURES`, those of an
      image once by the score of the method and once, `_of_map`, by the highest of its map.

    Raises:
      ValueError: a file is broken, or the benchmark was of other images.
    """
    files, output_dir = pathlib.Path(files), pathlib.Path(output_dir)
    test = json.loads(files.read_text())["test"]
    for path in sorted(output_dir.glob("*.json")):
        result = json.loads(path.read_text())
        images = result.pop("images")
        if [pathlib.Path(each["image"]).stem for each in test] != [
            pathlib.Path(each["map"]).stem for each in images
        ]:
            raise ValueError(f"Argument `files` must name the test images of {path}: {files}")
        by_score, by_map = AnomalyEvaluator(), AnomalyEvaluator()
        masks = [_mask(files, each["mask"], size) for each in test]
        shape = next(mask.shape for mask in masks if mask is not None)
        for image, mask in zip(images, masks):
            scores = read_map(output_dir / result["method"] / image["map"])
            resized = resize_map(scores, shape)
            label = GOOD if mask is None else None
            by_score.update(resized, mask, label, image["map"], image["score"])
            by_map.update(resized, mask, label, image["map"], float(scores.max()))
        figures = by_score.compute()
        yield {
            **result,
            "pixels": list(shape),
            **{name: round(figures[name], 4) for name in FIGURES},
            "image_auroc_of_map": round(by_map.compute()["image_auroc"], 4),
        }


def _mask(files: pathlib.Path, name: str | None, size: int | None):
    """bool [H, W] of a defective image; None of a good one."""
    if name is None:
        return None
    mask = read_mask(files.parent / name)
    if size is None:
        return mask
    return shrink_mask(mask[..., None].astype("uint8"), (size, size))[..., 0] > 0


if __name__ == "__main__":
    options = dict(each.removeprefix("--").split("=", 1) for each in sys.argv[1:])
    size = int(options.pop("size")) if "size" in options else None
    for row in measure_peer(**options, size=size):
        print(json.dumps(row))
