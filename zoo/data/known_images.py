"""Which images a run knows, of a folder that its user may have filled further since.

Other data sets never change, and their folds say it. In a folder the folds of all images move where
one is added, so a run on it keeps a hash of each image that it learnt from or was validated on.
"""

import hashlib
import json
import pathlib

from zoo.recipes.recipe import Recipe

FILE = "known_images.json"


def of_training(builder, recipe: Recipe) -> list[str] | None:
    """The hashes of the images that a recipe learns from or validates on.

    Returns:
      They, in order; None for a data set that never changes.
    """
    if not (builder.info.metadata or {}).get("fingerprint"):
        return None
    folds = (*recipe.training_folds, *recipe.validation_folds)
    return sorted(hashes(builder, recipe.train_split, folds))


def read(directory) -> frozenset[str] | None:
    """Those that a run directory holds; None where it holds none."""
    file = pathlib.Path(directory, FILE)
    return frozenset(json.loads(file.read_text())) if file.is_file() else None


def differ(known: frozenset[str] | None, builder, recipe: Recipe) -> bool:
    """Whether a folder of images holds others by now than those that a run knows of it."""
    current = of_training(builder, recipe)
    return known is not None and current is not None and known != frozenset(current)


def hashes(builder, split: str, folds: tuple[int, ...] | None) -> set[str]:
    """Of the pixels of each image of a split, or of folds of it."""
    from zoo.data import datasets  # a run is loaded without it

    examples = datasets.read_examples(builder, split, folds=folds)
    images = examples.map(lambda example: example["image"]).as_numpy_iterator()
    return set(map(hash_of, images))


def hash_of(image) -> str:
    """Of the pixels of an image uint8 [H, W, C]."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:16]
