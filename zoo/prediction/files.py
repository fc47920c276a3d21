"""Marks the defects in image files: masks, overlays and one JSON line for each."""

import itertools
import json
import pathlib
import time
from collections.abc import Iterable, Iterator

import numpy as np
from absl import logging

from builders.runs.atomic import replacing
from tfds_datasets.images import BrokenImageError, read_image
from zoo.prediction import image_files
from zoo.prediction.predictor import defect_type, index_mask
from zoo.visualization import pictures


def predict_files(
    predictor,
    patterns: Iterable[str],
    output_dir,
    *,
    batch_size: int = 1,
    skip_broken_images: bool = False,
) -> Iterator[dict]:
    """Predicts image files of any size and writes what was found; yields one dict for each.

    Writes `<stem>_mask.png` (a palette PNG whose pixels are 0 for background, 1.. for the defect
    type) and `<stem>_overlay.png` (with a legend below), in folders as the images have them, and
    appends the dict to `predictions.jsonl`; the last line of a file is the newest.

    Args:
      predictor: has `predict`, `channels`, `class_names`, `threshold` and `score_threshold`, as
        `zoo.prediction.predictor.Predictor`.
      patterns: image files, folders (searched to any depth) or globs.
      output_dir: is made where it is missing.
      batch_size: most images, of one size, that are predicted at once.
      skip_broken_images: log and note a broken file, instead of an error at the end.

    Yields:
      `file`; `score`; `defect`, whether the score exceeds the threshold; `label`, a class name;
      `defect_pixels`, `defect_fraction` and `box`, [ymin, xmin, ymax, xmax] in [0, 1] or None, of
      the mask, which the pixel threshold decides whatever the score; `boxes`, dicts of `box` and
      `score` with the surest first, where the model draws them, none without a defect; `mask` and
      `overlay`, paths in `output_dir`; `milliseconds` of the model. For a broken file: `file` and
      `error`.

    Raises:
      ValueError: a pattern matches no image, or a result would replace an image. Once all others
        are predicted: some files are broken.
    """
    if batch_size < 1:
        raise ValueError(f"Argument `batch_size` must be at least 1. Received: {batch_size}")
    output_dir = pathlib.Path(output_dir)
    inputs = image_files.name_results(image_files.find_images(patterns), output_dir)
    return _predict(predictor, inputs, output_dir, batch_size, skip_broken_images)


def bounding_box(mask: np.ndarray) -> list[float] | None:
    """Returns the box [ymin, xmin, ymax, xmax] in [0, 1] around all that is not 0.

    None for nothing.
    """
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if not len(rows):
        return None
    height, width = mask.shape
    ends = (rows[-1] + 1) / height, (columns[-1] + 1) / width
    return [float(rows[0] / height), float(columns[0] / width), *map(float, ends)]


def classify(predictor, outputs: dict, index: int) -> tuple[np.ndarray, dict]:
    """Judges one image by the thresholds of a predictor.

    Args:
      predictor: see `predict_files`.
      outputs: of its `predict`.
      index: of the image in its batch.

    Returns:
      The index mask uint8 [H, W], and a dict from `score` to `boxes`, as `predict_files` has them.
    """
    score = float(outputs["score"][index])
    mask = index_mask(outputs["mask"][index], predictor.threshold)
    defect = score > predictor.score_threshold
    pixels = int(np.count_nonzero(mask))
    names = predictor.class_names
    return mask, {
        "score": score,
        "defect": defect,
        "label": defect_type(names, outputs, index, mask) if defect else names[0],
        "defect_pixels": pixels,
        "defect_fraction": pixels / mask.size,
        "box": bounding_box(mask),
        **({"boxes": _boxes(outputs, index) if defect else []} if "box" in outputs else {}),
    }


def overlay_of(image: np.ndarray, mask: np.ndarray, row: dict, class_names) -> np.ndarray:
    """Draws what was found in an image, with a legend below.

    Args:
      image: uint8 [H, W, C], C 1 or 3.
      mask: index mask uint8 [H, W].
      row: of the image, from `classify`.
      class_names: good first.

    Returns:
      uint8 [H', W', 3]; the image keeps its place at the top left.
    """
    overlay = pictures.overlay_types(image, mask)
    for box in row.get("boxes", []):
        overlay = pictures.with_box(overlay, box["box"])
    return pictures.with_legend(overlay, class_names[1:])


def _predict(predictor, inputs, output_dir, batch_size, skip_broken_images) -> Iterator[dict]:
    output_dir.mkdir(parents=True, exist_ok=True)
    broken = []
    with (output_dir / image_files.RESULTS_FILE).open("a", encoding="utf-8") as results:
        for row in _rows(predictor, inputs, output_dir, batch_size):
            if "error" in row:
                broken.append(row["file"])
                logging.warning("Not predicted: %s", row["error"])
            results.write(json.dumps(row) + "\n")
            results.flush()  # what is done stays, whatever comes next
            yield row
    if broken and not skip_broken_images:
        raise ValueError(
            f"{len(broken)} of {len(inputs)} image files are broken: {', '.join(broken)}. All "
            f"others are predicted, see {output_dir / image_files.RESULTS_FILE}. Replace them, "
            "or set skip_broken_images."
        )


def _rows(predictor, inputs, output_dir, batch_size) -> Iterator[dict]:
    images = ((item, *_read(item.file, predictor.channels)) for item in inputs)
    for shape, group in itertools.groupby(
        images, key=lambda entry: getattr(entry[1], "shape", None)
    ):
        while batch := list(itertools.islice(group, batch_size)):
            if shape is None:
                yield from ({"file": str(item.file), "error": error} for item, _, error in batch)
                continue
            start = time.perf_counter()
            outputs = predictor.predict(np.stack([image for _, image, _ in batch]))
            milliseconds = 1000 * (time.perf_counter() - start) / len(batch)
            for index, (item, image, _) in enumerate(batch):
                row = _write_result(predictor, item, image, outputs, index, output_dir)
                yield {**row, "milliseconds": round(milliseconds, 2)}


def _read(file: pathlib.Path, channels: int):
    """Returns (image, None), or (None, what is wrong with the file)."""
    try:
        return read_image(file, channels=channels), None
    except (BrokenImageError, OSError) as error:
        return None, str(error)


def _write_result(predictor, item: image_files.Input, image, outputs, index, output_dir) -> dict:
    mask, row = classify(predictor, outputs, index)
    overlay = overlay_of(image, mask, row, predictor.class_names)
    written = [
        image_files.result_path(output_dir, item.stem, ending)
        for ending in image_files.RESULT_ENDINGS
    ]
    for path, content in zip(
        written, (pictures.index_png_bytes(mask), pictures.png_bytes(overlay, pictures.FASTEST))
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            temporary.write_bytes(content)
    paths = (path.relative_to(output_dir).as_posix() for path in written)
    return {"file": str(item.file), **row, **dict(zip(("mask", "overlay"), paths))}


def _boxes(outputs, index) -> list[dict]:
    """Returns the boxes that a model drew; the empty ones that fill up a batch are left out."""
    if "box" not in outputs:
        return []
    pairs = zip(outputs["box"][index].tolist(), outputs["box_score"][index].tolist())
    return [{"box": box, "score": score} for box, score in pairs if score > 0]
