"""Fills the memory bank of PatchCore, in one pass over good images."""

import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
from absl import logging

from builders.patch_core import bank_of, features_of
from builders.runs.inference import for_inference
from zoo.data import augment, datasets, input_pipeline
from zoo.memory_bank.coreset import greedy_coreset
from zoo.recipes.recipe import Recipe
from zoo.visualization import progress

CANDIDATES = 60_000  # vectors that the bank is chosen from, however many images there are


def fill_bank(model: keras.Model, recipe: Recipe, builder) -> dict:
    """Sets the weights of the memory bank of a model.

    Equal recipes give equal banks. Of many images few places of each are candidates, so the memory
    does not grow with their number.

    Args:
      model: of `patch_core`.
      recipe: `epochs` says how often the good images are gone through, each time changed by the
        augmentation anew.
      builder: a built data set.

    Returns:
      What belongs into `environment.json`: the `good_images`, the `candidates` and the seconds.

    Raises:
      ValueError: no image to learn from is good.
    """
    if recipe.builder_args.get("weights") is None and recipe.start_from is None:
        logging.warning(
            "The backbone has random weights, whose features say little: set "
            """--builder_args='{"weights": "imagenet"}'."""
        )
    counts = datasets.count_labels(builder, recipe.train_split, recipe.training_folds)
    num_good = int(counts[0])
    if not num_good:
        raise ValueError(
            f"{builder.info.full_name} must have good images in the folds {recipe.training_folds} "
            f"of {recipe.train_split}, which {recipe.builder} remembers. It has none: add good "
            "images, or take a builder that learns from masks."
        )
    start = time.perf_counter()
    total = num_good * recipe.epochs
    share = -(-CANDIDATES // total)
    bar = progress.image_bar(total)
    found = []
    for vectors in _vectors(model, recipe, lambda: _good_batches(recipe, builder), share):
        found.append(vectors)
        bar.add(1)
    candidates = np.concatenate(found)
    bank = bank_of(model)
    chosen, radius = greedy_coreset(candidates, bank.size, seed=recipe.seed)
    bank.set_bank(candidates[chosen], radius or 1.0)
    logging.info(
        "The bank holds %d of %d vectors of %d good images.",
        len(chosen),
        len(candidates),
        num_good,
    )
    return {
        "good_images": num_good,
        "candidates": len(candidates),
        "training_seconds": round(time.perf_counter() - start, 1),
    }


def extend_bank(model: keras.Model, recipe: Recipe, images: list[np.ndarray]) -> np.ndarray:
    """Chooses what a bank lacks of further good images.

    Args:
      model: of `patch_core`, with a bank that was filled.
      recipe: that of its run; its seed and augmentation are used.
      images: uint8 [H, W, C], as the network sees them.

    Returns:
      Vectors float32 [N, C], as many as bring all places of the images as close to the
      bank as those are that it was chosen from, and no more than the bank holds.
    """
    share = -(-CANDIDATES // (len(images) * recipe.epochs))
    batches = [image[None] for image in images]
    candidates = np.concatenate(list(_vectors(model, recipe, lambda: batches, share)))
    bank = bank_of(model)
    known, radius = bank.get_weights()
    chosen, _ = greedy_coreset(
        candidates, bank.size, seed=recipe.seed, known=known, radius=float(radius)
    )
    return candidates[chosen]


def _good_batches(recipe, builder) -> Iterator[np.ndarray]:
    """Good images uint8 [B, H, W, C], one size at a time."""
    examples = datasets.read_good_examples(builder, recipe, recipe.training_folds)
    for batch in input_pipeline.same_size_batches(examples).as_numpy_iterator():
        yield batch["image"]


def _vectors(model, recipe, batches: Callable, share: int) -> Iterator[np.ndarray]:
    """Features of each image, float32 [N, C], at `share` random places at most."""
    network = for_inference(features_of(model))
    strengths = augment.strengths_of(recipe)
    count = 0
    for _ in range(recipe.epochs):
        for images in batches():
            places = count + np.arange(len(images))
            count += len(images)
            changed, masks = augment.augment(
                images.astype(np.float32) / 255.0,
                np.zeros((*images.shape[:3], 1), np.uint8),
                np.stack([_numbers(recipe.seed, place) for place in places]),
                symmetry=recipe.augmentation,
                **strengths,
            )
            features = network.predict_on_batch(changed)
            for place, vectors, mask in zip(places, features, np.asarray(masks)[..., 0]):
                inside = vectors[_cells(mask, vectors.shape[:2]) == 0]
                order = np.random.default_rng([recipe.seed, place, 1]).permutation(len(inside))
                yield inside[order[:share]]


def _numbers(seed: int, place: int) -> np.ndarray:
    return np.random.default_rng([seed, place]).random(augment.NUM_NUMBERS, np.float32)


def _cells(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the mask [H, W] at the middles of cells, [h, w]."""
    rows, columns = (
        ((np.arange(few) + 0.5) * many / few).astype(int) for few, many in zip(size, mask.shape)
    )
    return mask[np.ix_(rows, columns)]
