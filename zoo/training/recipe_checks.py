"""What a recipe asks for and there is not: found before a training, not after hours of it."""

from absl import logging

from tfds_datasets.features import GOOD
from zoo import losses
from zoo.data import augment, datasets
from zoo.recipes.builder_kinds import FEATURE_BUILDERS, MEMORY_BANK_BUILDERS, ONE_CLASS_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.recipes.threshold_rules import RULES, parse_rule, require_images
from zoo.synthetic_anomalies.foreground import require_own_masks
from zoo.synthetic_anomalies.textures import find_textures, require_readable
from zoo.training import optimizers, schedules

FEW_IMAGES = 20  # good validation images; of fewer, a twentieth of false alarms is less than one
# What says nothing to those models, and what such a field must be.
_OF_MASKS = {
    "loss": None,
    "crop_size": None,
    "defective_only": False,
    "defective_fraction": None,
}


def check_choices(recipe: Recipe) -> None:
    """Raises ValueError where a recipe names a loss, optimizer or augmentation that is unknown."""
    if recipe.loss is not None:
        losses.get_loss(recipe.loss, recipe.class_weights)
    augment.check_strengths(augment.strengths_of(recipe))
    scheduled = recipe.schedule != "steps" or recipe.decay_steps is not None
    if recipe.reduce_lr_patience is not None and scheduled:
        raise ValueError(
            "Recipe field `reduce_lr_patience` must be none where a schedule decides the learning "
            f"rate. Received: {recipe.reduce_lr_patience} with `schedule` {recipe.schedule} and "
            f"`decay_steps` {recipe.decay_steps}"
        )
    for field, registry in (
        ("optimizer", optimizers.OPTIMIZERS),
        ("schedule", schedules.SCHEDULES),
        ("augmentation", augment.SYMMETRIES),
    ):
        if getattr(recipe, field) not in registry:
            raise ValueError(
                f"Recipe field `{field}` must be one of {', '.join(registry)}. "
                f"Received: {getattr(recipe, field)!r}"
            )


def check_data(recipe: Recipe, builder) -> None:
    """Raises ValueError where a built data set lacks what a recipe learns from or measures on."""
    _check_rules(recipe, builder)
    _check_types(recipe, builder)
    _check_foregrounds(recipe, builder)
    _check_test_images(recipe, builder)


def _check_types(recipe, builder):
    """Raises where a model of several types has not one channel for each class of the data."""
    names = builder.info.features["label"].names
    for argument, any_defect, first in (("num_classes", 1, "background"), ("num_labels", 2, GOOD)):
        count = recipe.builder_args.get(argument, any_defect)
        if count not in (any_defect, len(names)):
            raise ValueError(
                f"Recipe field `builder_args` must have {argument} {any_defect}, for any defect, "
                f"or {len(names)}, for {', '.join([first, *names[1:]])}. Received: {count}"
            )
        if argument in recipe.builder_args and count == any_defect < len(names) - 1:
            logging.info(
                "The types %s are merged into one defect. --builder_args='{\"%s\": %d}' tells them "
                "apart.",
                ", ".join(names[1:]),
                argument,
                len(names),
            )


def _check_rules(recipe, builder):
    """Raises where there are too few validation images for a rule or for labels."""
    counts = datasets.count_labels(builder, recipe.train_split, recipe.validation_folds)
    kinds = {"good": int(counts[0]), "defective": int(counts[1:].sum())}
    check_validation_labels(recipe, **kinds)
    check_one_class(recipe, kinds["good"])
    if recipe.loss is not None and recipe.weights == "best" and not kinds["defective"]:
        logging.warning(
            "No image of the validation folds is defective: their IoU is 0 in every epoch and "
            "cannot choose the weights. Set --weights=last, without patience, or choose other "
            "--validation_folds."
        )
    for name in RULES:
        require_images(parse_rule(name, getattr(recipe, name)), **kinds)


def _check_foregrounds(recipe, builder):
    """Raises where a folder of foregrounds has none of the images to learn from."""
    with_foregrounds = ONE_CLASS_BUILDERS + FEATURE_BUILDERS
    if recipe.foreground_dir is not None and recipe.builder in with_foregrounds:
        folds = recipe.training_folds + recipe.validation_folds
        names = datasets.file_names(builder, recipe.train_split, folds)
        require_own_masks(recipe.foreground_dir, names)


def _check_test_images(recipe, builder):
    """Raises where there is nothing to measure at the end, warns where there is one kind alone."""
    datasets.read_examples(builder, recipe.test_split, mask_feature=recipe.mask_feature)
    folds = recipe.test_folds or None
    counts = datasets.count_labels(builder, recipe.test_split, folds)
    if counts.any() and not (counts[0] and counts[1:].any()):
        logging.warning(
            "%s of %s has no %s image: whether images are sorted rightly will stay undefined.",
            recipe.test_split,
            builder.info.full_name,
            "defective" if counts[0] else "good",
        )
    if not counts.any():
        raise ValueError(
            f"{builder.info.full_name} must have images to measure in {recipe.test_split}"
            + (f", folds {', '.join(map(str, folds))}" if folds else "")
            + ". Choose another `test_split` or `test_folds`."
        )


def check_one_class(recipe: Recipe, num_good: int) -> None:
    """Checks what a model that is trained on good images alone asks of its recipe and its data.

    Args:
      recipe: what is trained; those of other builders pass.
      num_good: how many of the validation images are good.

    Raises:
      ValueError: a field says what such a model cannot do, no image is good, no texture is
        there, or some are broken.
    """
    if recipe.builder not in ONE_CLASS_BUILDERS:
        return
    for name, must in _OF_MASKS.items():
        if getattr(recipe, name) != must:
            raise ValueError(
                f"Recipe field `{name}` must be {must} where {recipe.builder} learns from good "
                f"images alone. Received: {getattr(recipe, name)}"
            )
    if recipe.builder in MEMORY_BANK_BUILDERS:
        if recipe.foreground_dir is not None:
            raise ValueError(
                f"Recipe field `foreground_dir` must be none: {recipe.builder} paints no defect. "
                f"Received: {recipe.foreground_dir}"
            )
    else:
        require_readable(find_textures(recipe.textures or ()))
    if not num_good:
        raise ValueError(
            f"{recipe.builder} learns from good images alone, and the folds "
            f"{recipe.validation_folds} of {recipe.dataset} have none to choose thresholds by: add "
            "good images, choose other `validation_folds`, or take a builder of masks or labels."
        )
    rule = parse_rule("image_rule", recipe.image_rule)
    if rule.name == "false_alarms" and num_good < FEW_IMAGES:
        exceeded = int(rule.share * num_good)
        logging.warning(
            "Only %d good validation images choose the image threshold, and %d of them exceed it: "
            "a new good image may do so with a probability of %.0f %%. More of them make it surer: "
            "add good images, or --validation_folds.",
            num_good,
            exceeded,
            100 * (exceeded + 1) / (num_good + 1),
        )


def check_validation_labels(recipe, *, good: int, defective: int) -> None:
    """Raises where the validation images cannot judge labels, and warns where they can in part.

    Args:
      recipe: says whether labels are learnt, and whether they alone choose the weights.
      good: how many of the validation images are good.
      defective: how many are not.

    Raises:
      ValueError: only labels are learnt, and balanced accuracy would be the recall of one kind.
    """
    if "num_labels" not in recipe.builder_args or (good and defective):
        return
    missing, unknown = ("defective", "missed defects") if good else ("good", "false alarms")
    message = (
        f"There is no {missing} image in the validation folds {recipe.validation_folds}, so "
        f"{unknown} cannot be measured there"
    )
    if recipe.loss is None:
        raise ValueError(
            f"{message}, and the weights would be chosen without them. Choose other "
            f"`validation_folds`, add {missing} images, or take a builder that learns masks."
        )
    logging.warning("%s.", message)
