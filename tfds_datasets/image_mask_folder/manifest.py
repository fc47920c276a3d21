"""What a folder's `manifest.jsonl` says of its images: one JSON object a line, by the file's name.

A folder that people fill needs none. `python -m zoo pseudo_masks` writes one, so that its images
keep the folds that were fixed before any mask was drawn.
"""

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from tfds_datasets.features import NUM_FOLDS

FILE = "manifest.jsonl"
# Where a mask comes from: drawn by hand, with the defect, by a model, or not at all.
MASK_SOURCES = GROUND_TRUTH, SYNTHETIC, PSEUDO, KNOWN_GOOD = (
    "ground_truth",
    "synthetic",
    "pseudo",
    "known_good",
)


def read_manifest(root: Path) -> dict[str, dict] | None:
    """Reads what is known of each image, by its name; None where the folder has no manifest.

    Each has `file`, the image's path in the folder, such as "train/images/part_7.png"; `fold`, 0 to
    9; `mask_source`, one of `MASK_SOURCES`; and `use`, whether it shall be in the data set. Where
    it is `defective` and its mask shows no defect, it has the first type of the palette.

    Raises:
      ValueError: a line says something else, or two name one image.
    """
    path = root / FILE
    if not path.is_file():
        return None
    entries: dict[str, dict] = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            name, fold, source, use = (entry[key] for key in ("file", "fold", "mask_source", "use"))
            if type(fold) is not int or not 0 <= fold < NUM_FOLDS or type(use) is not bool:
                raise ValueError(f"fold {fold!r}, use {use!r}")
            if source not in MASK_SOURCES or not isinstance(name, str) or name in entries:
                raise ValueError(f"file {name!r}, mask_source {source!r}")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(
                f"{path} must have on each line an object with a file of its own, a fold from 0 to "
                f"{NUM_FOLDS - 1}, a mask_source of {', '.join(MASK_SOURCES)}, and use, true or "
                f"false. Line {number}: {error}"
            ) from error
        entries[name] = entry
    return entries


def check_manifest(entries: Mapping[str, dict], files: Iterable[str], root: Path) -> None:
    """Raises ValueError where the manifest and the folder have not the same images."""
    if alone := sorted(set(entries) ^ set(files)):
        raise ValueError(
            f"Every image of {root} must be in its {FILE}, and the other way round. These are in "
            f"one of the two: {', '.join(alone)}"
        )


def write_manifest(root: Path, entries: Iterable[dict]) -> None:
    """Writes `manifest.jsonl` into a folder, whole or not at all."""
    lines = "".join(json.dumps(entry) + "\n" for entry in entries)
    temporary = root / f".{FILE}"
    temporary.write_text(lines, encoding="utf-8")
    os.replace(temporary, root / FILE)
