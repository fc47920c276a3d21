"""Adds good images to a model that remembers them, and measures what that changed.

The run stays as it is; what it becomes lies beside it. Of the new images those of the validation
folds, by a hash of their pixels, help to choose the thresholds; the others extend the memory.
"""

import os
import pathlib
from collections.abc import Iterable, Iterator

import numpy as np
from absl import logging

import builders
from builders.patch_core import BANK_SIZE, bank_of
from builders.runs import run_dir, run_files
from builders.runs.atomic import write_json
from tfds_datasets.features import GOOD
from tfds_datasets.images import BrokenImageError, read_image
from zoo.data import datasets, leakage
from zoo.evaluation import evaluate_run, samples
from zoo.memory_bank.fill import extend_bank
from zoo.prediction import predictor
from zoo.prediction.image_files import find_images
from zoo.recipes.builder_kinds import MEMORY_BANK_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.report.results import write_results

FILE = "update.json"
NUM_FOLDS = 10
# What a report of an update compares.
COMPARED = ("image_auroc", "pixel_ap", "au_pro@0.3", "tp", "fn", "fp", "tn")


def update(
    run,
    patterns: Iterable[str],
    builder,
    *,
    run_name: str | None = None,
    skip_broken_images: bool = False,
) -> pathlib.Path:
    """Writes a run that also knows further good images.

    Args:
      run: the run directory of a builder of `MEMORY_BANK_BUILDERS`.
      patterns: image files, folders or globs of good images.
      builder: the built data set of the run, whose validation folds choose the thresholds together
        with the new images, and whose test images measure both runs.
      run_name: name of the new run directory, beside the old one; None appends `_updated`.
      skip_broken_images: log a file that cannot be read, instead of an error.

    Returns:
      The new run directory, whose `update.json` has `images` (how many were new, for the memory and
      for the thresholds), `vectors` of the bank, the thresholds, the figures of the test images and
      the share of the new images that is rejected, each before and after.

    Raises:
      ValueError: the run is none that can be updated, the new one is there already, no image is
        new, a file is broken, or an image is one of the test.
    """
    run = pathlib.Path(run)
    new_run = run.with_name(run_name or f"{run.name}_updated")
    before = predictor.load_predictor(str(run))
    recipe = Recipe.from_dict(before.recipe)
    if recipe.builder not in MEMORY_BANK_BUILDERS or not (run / run_files.WEIGHTS_FILE).is_file():
        raise ValueError(
            f"Argument `run` must be a run directory of {', '.join(MEMORY_BANK_BUILDERS)}: other "
            f"models are trained again with more images. Received: {run}"
        )
    partial = new_run.with_name(f"{new_run.name}.partial")
    if new_run.exists() or partial.exists():
        raise ValueError(f"{new_run} is there already, or half of it. Choose another --run_name.")
    known = before.known_images
    if known is None:
        folds = (*recipe.training_folds, *recipe.validation_folds)
        known = leakage.image_hashes(builder, recipe.train_split, folds)
    new = _new_images(patterns, recipe, builder, known, skip_broken_images)
    kept = {name: image for name, image in new.items() if _fold(name) in recipe.validation_folds}
    added = [image for name, image in new.items() if name not in kept]

    model = _extended(run, recipe, added)
    arguments = {**recipe.builder_args, "bank_size": bank_of(model).size}
    recipe = Recipe.from_dict({**recipe.to_dict(), "builder_args": arguments})
    partial.mkdir()
    run_dir.save_model(model, recipe.to_dict(), partial)
    write_json(partial / run_files.KNOWN_IMAGES_FILE, sorted({*known, *new}))
    write_json(partial / run_files.ENVIRONMENT_FILE, _environment(run, len(added), before.channels))
    after = predictor.load_predictor(str(partial))
    calibration = evaluate_run.calibrate_predictor(after, builder, more=_scored(after, kept))
    write_json(partial / run_files.CALIBRATION_FILE, calibration)
    after = after._replace(calibration=calibration)
    evaluation = evaluate_run.evaluate_on_dataset(after, builder)
    document = _document(run, before, after, evaluation.metrics, new, kept)
    write_json(partial / FILE, document)
    write_results(partial, evaluation, run=partial)
    os.rename(partial, new_run)
    return new_run


def table(document: dict) -> str:
    """Returns what an update changed, a line for each figure, from `update.json`."""

    def shown(value):
        return "-" if value is None else f"{value:.4g}"

    rows = [("", "before", "after")]
    rows += [
        (name, *(shown(document[part][name]) for part in ("before", "after")))
        for name in document["before"]
    ]
    return "\n".join(f"{name:22} {old:>9} {new:>9}" for name, old, new in rows)


def _new_images(patterns, recipe, builder, known, skip_broken_images) -> dict[str, np.ndarray]:
    """The images that the run does not know, as the network sees them, by the hashes of their own.

    Raises:
      ValueError: one is a test image, a file is broken, or none is new.
    """
    test = leakage.image_hashes(builder, recipe.test_split, recipe.test_folds or None)
    channels, new, broken = recipe.builder_args["image_shape"][2], {}, []
    for file in find_images(patterns):
        try:
            image = read_image(file, channels=channels)
        except BrokenImageError as error:
            broken.append(str(error))
            continue
        name = leakage.hash_image(image)
        if name in test:
            raise ValueError(
                f"{file} is a test image of {recipe.dataset}: a model that knows it cannot be "
                "measured on it. Leave it out."
            )
        if name not in known:
            if recipe.image_size is not None:
                image = datasets.resize_images(image, recipe.image_size).numpy()
            new[name] = image
    for message in broken:
        logging.warning("Left out: %s", message)
    if broken and not skip_broken_images:
        raise ValueError(
            f"{len(broken)} files could not be read, such as: {broken[0]} Mend them, or leave them "
            "out by --skip_broken_images."
        )
    if not new:
        raise ValueError("Argument `patterns` must name images that the run does not know.")
    return dict(sorted(new.items()))


def _fold(name: str) -> int:
    return int(name, 16) % NUM_FOLDS


def _extended(run, recipe, images):
    """Returns the model of a run with a larger bank."""
    model, _ = run_dir.load_model(run)
    if not images:
        return model
    bank = bank_of(model)
    vectors, radius = bank.get_weights()
    vectors = np.concatenate([vectors, extend_bank(model, recipe, images)])
    arguments = {**recipe.builder_args, "weights": None, "bank_size": len(vectors)}
    larger = builders.build(recipe.builder, **arguments)
    for layer in filter(lambda layer: layer.weights and layer.name != bank.name, larger.layers):
        layer.set_weights(model.get_layer(layer.name).get_weights())
    bank_of(larger).set_bank(vectors, radius)
    return larger


def _environment(run, num_added, channels) -> dict:
    """That of the old run, which also learnt from images of the user's own."""
    environment = run_files.read_document(run, run_files.ENVIRONMENT_FILE)
    own = f"image_mask_folder/{'grey' if channels == 1 else 'rgb'}"
    return {
        **environment,
        "good_images": environment["good_images"] + num_added,
        "learnt_from": sorted({*environment["learnt_from"], own}),
        "updated_from": run.resolve().name,
    }


def _scored(model, images: dict[str, np.ndarray]) -> Iterator[samples.ScoredImage]:
    """New good images with the answers of a model."""
    batches = (
        {
            "image": image[None],
            "mask": np.zeros((1, *image.shape[:2], 1), np.uint8),
            "label": np.array([model.class_names.index(GOOD)]),
        }
        for image in images.values()
    )
    return samples.predicted_samples(model, batches)


def _document(run, before, after, metrics, new, kept) -> dict:
    old = run_files.read_document(run, run_files.METRICS_FILE)

    def facts(model, measured, images):
        scores = [sample.score for sample in _scored(model, images)]
        rejected = sum(score > model.score_threshold for score in scores)
        return {
            "bank_vectors": model.recipe["builder_args"].get("bank_size", BANK_SIZE),
            "threshold": model.threshold,
            "score_threshold": model.score_threshold,
            **{name: measured[name] for name in COMPARED},
            "new_images_asked": len(images),
            "new_images_rejected": rejected,
        }

    return {
        "images": {"new": len(new), "memory": len(new) - len(kept), "thresholds": len(kept)},
        "before": facts(before, old, new),
        "after": facts(after, metrics, kept),
    }
