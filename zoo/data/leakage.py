"""Keeps test images apart from what a model was trained on and what chose its thresholds.

What a training has seen is known in three ways. The folds of its recipe say it for a data set that
never changes. In a user's folder the folds of all images move where one is added, so a run on it
keeps a hash of each image that it was trained or validated on. Of other data, which the weights
that a run started from had seen, the run keeps the names alone.
"""

import hashlib
import json
import pathlib
from collections.abc import Iterator, Sequence

from builders.runs import run_dir, run_files
from zoo.recipes.recipe import Recipe

# Names of splits that hold test images; "all" joins every split of a data set.
_TEST_SPLITS = ("test", "all")


def training_hashes(builder, recipe: Recipe) -> list[str] | None:
    """Returns the sorted hashes of the images that a recipe trains or validates on.

    They are None for a data set that never changes.
    """
    if not (builder.info.metadata or {}).get("fingerprint"):
        return None
    folds = (*recipe.training_folds, *recipe.validation_folds)
    return sorted(image_hashes(builder, recipe.train_split, folds))


def read_hashes(directory) -> frozenset[str] | None:
    """Reads the hashes that a run directory keeps; None where it keeps none."""
    file = pathlib.Path(directory, run_files.KNOWN_IMAGES_FILE)
    return frozenset(json.loads(file.read_text())) if file.is_file() else None


def has_changed(known: frozenset[str] | None, builder, recipe: Recipe) -> bool:
    """Returns whether a folder of images has changed since a run was trained on it."""
    current = training_hashes(builder, recipe)
    return known is not None and current is not None and known != frozenset(current)


def image_hashes(builder, split: str, folds: tuple[int, ...] | None) -> set[str]:
    """Returns the hashes of the images of a split, or of folds of it."""
    examples = _datasets().read_examples(builder, split, folds=folds)
    images = examples.map(lambda example: example["image"]).as_numpy_iterator()
    return set(map(hash_image, images))


def hash_image(image) -> str:
    """Hashes the pixels of an image uint8 [H, W, C]."""
    return hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()[:16]


def refuse_test_split(
    split: str,
    test_split: str,
    folds: tuple[int, ...] | None = None,
    test_folds: tuple[int, ...] | None = None,
) -> None:
    """Raises ValueError where a split to calibrate on may hold test images.

    Args:
      split: such as "train" or "train[:80%]".
      test_split: what will measure the weights. Parts of one split lie apart where one begins at
        the bound at which the other ends: "train[:80%]" and "train[80%:]".
      folds: of `split`; None means all.
      test_folds: of `test_split`; none given means all. Folds without a common one lie apart,
        whatever the splits.
    """
    if folds and test_folds and not set(folds) & set(test_folds):
        return
    names = {name for name, _, _ in _parts(split)}
    if names & set(_TEST_SPLITS) or splits_overlap(split, test_split):
        raise ValueError(
            "Argument `split` must hold no test image: a threshold that was chosen on the "
            f"images it is measured with flatters the model. Received: {split!r}, with the "
            f"test split {test_split!r}. Choose folds of the train split"
        )


def splits_overlap(split: str, other: str) -> bool:
    """Returns whether two splits may share an image; parts of one are as in `refuse_test_split`."""
    for name, start, end in _parts(split):
        for other_name, other_start, other_end in _parts(other):
            apart = (end and end == other_start) or (start and start == other_end)
            if "all" in (name, other_name) or (name == other_name and not apart):
                return True
    return False


def _parts(split: str) -> Iterator[tuple[str, str, str]]:
    """Name, start and end of each part of a split that TFDS reads, such as "a[:10]+b"."""
    for part in split.split("+"):
        name, _, bounds = part.strip().partition("[")
        start, _, end = bounds.partition("]")[0].partition(":")
        yield name, start.strip(), end.strip()


def overlaps_training_data(
    recipe: Recipe,
    builder,
    split: str,
    folds: tuple[int, ...] | None,
    known: frozenset[str] | None = None,
    learnt_from: Sequence[str] = (),
) -> bool:
    """Returns whether a split holds images that trained the weights or chose epoch or thresholds.

    Of the data of a run that the weights started from, no one notes which images those were: then
    all count.

    Args:
      recipe: of the weights.
      builder: a built data set.
      split: of it.
      folds: of the split; None for all of it.
      known: see `read_hashes`; None where the folds say it.
      learnt_from: the data sets that the weights know.
    """
    other = f"{builder.name}/{builder.builder_config.name}" != recipe.dataset
    if other and recipe.start_from and set(learnt_from) & set(_datasets().origins(builder)):
        return True
    if known is not None:  # also where a data set has given its images to a folder
        return not known.isdisjoint(image_hashes(builder, split, folds))
    if other:
        return False
    if not splits_overlap(recipe.train_split, split):
        return False
    return folds is None or not set(folds) <= set(recipe.test_folds)


def training_sources(recipe: Recipe, builder) -> list[str]:
    """Returns the data sets, name/config each, whose images the weights of a recipe will know.

    Of pseudo masks also those that the teacher knew, of painted defects those of the textures.

    Args:
      recipe: `start_from` may name a run directory.
      builder: the built data set of the recipe.
    """
    known = {*_datasets().origins(builder), *(builder.info.metadata or {}).get("learnt_from", [])}
    if recipe.start_from is not None:
        known |= {*run_dir.read_learnt_from(recipe.start_from)}
    return sorted(known)


def refuse_leaking_start(recipe: Recipe, builder) -> None:
    """Raises ValueError where a run to start from, or one that it started from, saw test images.

    Args:
      recipe: `start_from` may name a run directory.
      builder: the built data set of the recipe.
    """
    directory, descendant = recipe.start_from, None
    while directory is not None:
        file = pathlib.Path(directory) / run_files.RECIPE_FILE
        if not file.is_file() and descendant is not None:
            _refuse_seen_data(descendant, directory, builder)
            return
        if not file.is_file():
            raise ValueError(
                "Recipe field `start_from` must be a run directory, to see which images its "
                "weights know; python -m zoo import_module makes one of a module. "
                f"Received: {directory}"
            )
        before = Recipe.from_dict(json.loads(file.read_text()))
        known = read_hashes(directory)
        if overlaps_training_data(
            before, builder, recipe.test_split, recipe.test_folds or None, known
        ):
            raise ValueError(
                f"Recipe field `start_from` must be a run that has seen no test image: {directory} "
                f"has seen some of {recipe.test_split} of {recipe.dataset}."
            )
        directory, descendant = before.start_from, directory


def _refuse_seen_data(run, gone, builder) -> None:
    """Raises where a run began with one that is gone and may know images of this data set by it."""
    known = set(run_dir.read_learnt_from(run))
    if "unknown" in known or not known.isdisjoint(_datasets().origins(builder)):
        raise ValueError(
            f"{run} started from {gone}, which is not there to say which images it has seen, and "
            f"its weights have learnt from {', '.join(sorted(known))}. Start from another run."
        )


def _datasets():
    """Returns the module that reads data sets, which a run is loaded without."""
    from zoo.data import datasets

    return datasets
