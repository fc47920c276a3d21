"""Calibrates and measures a model on a built data set, and writes the results."""

import itertools
import time
from collections.abc import Callable, Iterable

from absl import logging

from tfds_datasets.image_mask_folder import manifest
from zoo.data import datasets, input_pipeline, leakage
from zoo.evaluation import calibration, evaluate, outliers, samples
from zoo.prediction.predictor import Predictor
from zoo.recipes.recipe import Recipe


def calibrate_predictor(
    predictor: Predictor,
    builder,
    *,
    split: str | None = None,
    pixel_rule: str | None = None,
    image_rule: str | None = None,
    on_sample: Callable[[samples.ScoredImage], None] | None = None,
    more: Iterable[samples.ScoredImage] = (),
) -> dict:
    """Chooses the thresholds of a predictor; see `calibration.calibrate`.

    Args:
      predictor: its recipe says what it learnt from; its own thresholds are not used.
      builder: a built data set.
      split: None takes the recipe's validation folds.
      pixel_rule: None takes the recipe's, as with `image_rule`.
      on_sample: is called with every image once it is scored.
      more: further scored images, which the weights do not know either.

    Raises:
      ValueError: the split holds test images, or too few images for a rule, or the model tells
        other types apart than the data set has.
    """
    predictor = _naming(predictor, builder)
    recipe = Recipe.from_dict(predictor.recipe)
    folds = recipe.validation_folds if split is None else None
    split = split or recipe.train_split
    batches = _batches(recipe, builder, split, folds)
    scored = itertools.chain(samples.predicted_samples(predictor, batches), more)
    found = calibration.calibrate(
        scored if on_sample is None else _shown_to(on_sample, scored),
        split=split,
        test_split=recipe.test_split,
        folds=folds,
        test_folds=recipe.test_folds,
        pixel_rule=pixel_rule or recipe.pixel_rule,
        image_rule=image_rule or recipe.image_rule,
        without_masks=calibration.EVEN,
    )
    if manifest.PSEUDO in datasets.mask_sources(builder, split):
        found["source"] += ", where masks are those of a teacher"
    known = predictor.known_images
    grown = folds and leakage.has_changed(known, builder, recipe)
    if grown and leakage.overlaps_training_data(
        recipe, builder, split, folds, known
    ):  # a folder of its own holds none
        found["source"] += ", after images were added or removed"
        logging.warning(
            "Images of %s were added or removed since the training, so that the validation folds "
            "may hold some that the weights have learnt, and thresholds may lie too far off.",
            recipe.dataset,
        )
    if folds is None and leakage.overlaps_training_data(
        recipe, builder, split, None, known, predictor.learnt_from
    ):
        found["source"] += ", of which the weights have learnt some"
        logging.warning(
            "The weights have learnt images of %s, whose scores are better than those of others "
            "will be, so that thresholds lie too far off. Without --split, the validation folds "
            "choose.",
            split,
        )
    return found


def evaluate_on_dataset(
    predictor: Predictor,
    builder,
    split: str | None = None,
    *,
    mask_feature: str | None = None,
) -> evaluate.Evaluation:
    """Measures a predictor on a split of a built data set; see `evaluate.evaluate`.

    The metrics also name `module`, `dataset` and `split`; say whether the model has `seen` images
    of that split in training or validation; and how many `seconds` the model took and how many
    `images_per_second` that is.

    Args:
      predictor: its recipe says what it learnt from.
      builder: a built data set.
      split: None takes the test images of the recipe.
      mask_feature: None takes the recipe's where the data set has it.

    Raises:
      ValueError: the masks of the split are those of a teacher, or the model tells other types
        apart than the data set has.
    """
    predictor = _naming(predictor, builder)
    recipe = Recipe.from_dict(predictor.recipe)
    folds = (recipe.test_folds or None) if split is None else None
    split = split or recipe.test_split
    if manifest.PSEUDO in datasets.mask_sources(builder, split):
        raise ValueError(
            f"The masks of {split} are a teacher's: what agrees with them may be as wrong as they "
            "are. Measure on the test split, which has the truth; `python -m zoo compare` shows "
            "the agreement with the teacher beside it."
        )
    seconds = 0.0

    def timed(images):
        nonlocal seconds
        start = time.perf_counter()
        outputs = predictor.predict(images)
        seconds += time.perf_counter() - start
        return outputs

    evaluation = evaluate.evaluate(
        samples.predicted_samples(
            predictor._replace(predict=timed),
            _batches(recipe, builder, split, folds, mask_feature),
        ),
        calibration={
            **predictor.calibration,
            "threshold": predictor.threshold,
            "score_threshold": predictor.score_threshold,
        },
        class_names=predictor.class_names,
        total=int(datasets.count_labels(builder, split, folds).sum()),
    )
    header = {
        "module": recipe.module,
        "dataset": builder.info.full_name,
        "split": split if folds is None else f"{split}, folds {', '.join(map(str, folds))}",
        "seen": leakage.overlaps_training_data(
            recipe, builder, split, folds, predictor.known_images, predictor.learnt_from
        ),
        "map_note": None,
    }
    speed = {"seconds": seconds, "images_per_second": evaluation.metrics["images"] / seconds}
    return evaluation._replace(metrics={**header, **evaluation.metrics, **speed})


def with_outliers(
    evaluation: evaluate.Evaluation,
    search: outliers.OutlierSearch,
    predictor: Predictor,
    builder,
    folds: tuple[int, ...],
) -> evaluate.Evaluation:
    """Adds the outliers among good images that weights or thresholds come from.

    Args:
      evaluation: of the predictor.
      search: knows the good validation images already.
      predictor: with its thresholds; its recipe says what it learnt from.
      builder: a built data set.
      folds: whose good images are searched as well.

    Returns:
      The evaluation with `outliers`, see `OutlierSearch.found`, and the same without pictures in
      its metrics, an empty list where nothing stands out.
    """
    recipe = Recipe.from_dict(predictor.recipe)
    if folds:
        logging.info("Scoring the good images learnt from, to find a defect among them.")
        good = datasets.read_good_examples(builder, recipe, folds)
        batches = input_pipeline.same_size_batches(good).as_numpy_iterator()
        for sample in samples.predicted_samples(predictor, batches):
            search.add(sample, outliers.TRAINING)
    found = search.found(predictor.threshold)
    rows = [{key: value for key, value in row.items() if key != "pictures"} for row in found]
    return evaluation._replace(metrics={**evaluation.metrics, "outliers": rows}, outliers=found)


def _naming(predictor: Predictor, builder) -> Predictor:
    """The predictor with the label names of a data set, which may not be what it learnt from."""
    names = list(builder.info.features["label"].names)
    arguments = predictor.recipe["builder_args"]
    tells_types = arguments.get("num_classes", 1) > 1 or arguments.get("num_labels", 2) > 2
    if tells_types and names != list(predictor.class_names):
        raise ValueError(
            f"{predictor.recipe['module']} tells {', '.join(predictor.class_names)} apart, and "
            f"{builder.info.full_name} has {', '.join(names)}. Measure a model of any defect "
            "there, or one of these types."
        )
    return predictor._replace(recipe={**predictor.recipe, "class_names": names})


def _shown_to(on_sample, scored):
    for sample in scored:
        on_sample(sample)
        yield sample


def _batches(recipe, builder, split, folds=None, mask_feature=None):
    if mask_feature is None:  # a data set that was not trained on may have one kind of mask only
        known = recipe.mask_feature in builder.info.features
        mask_feature = recipe.mask_feature if known else "mask"
    examples = datasets.read_examples(
        builder, split, folds=folds, image_size=recipe.image_size, mask_feature=mask_feature
    )
    return input_pipeline.same_size_batches(examples).as_numpy_iterator()
