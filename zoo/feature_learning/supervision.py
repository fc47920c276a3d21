"""What the data know of defects, and what follows for a recipe that learns from whatever it is."""

import dataclasses

from absl import logging

from zoo.data import datasets
from zoo.recipes.builder_kinds import FEATURE_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.recipes.threshold_rules import parse_rule

# It has losses of its own, of whole images.
_MUST = {"loss": None, "crop_size": None, "defective_only": False}
# In place of the best F1 where there is no defect to reckon it of.
_GOOD_RULES = {"pixel_rule": "false_alarms:0.001", "image_rule": "normal:0.05"}


def complete_recipe(recipe: Recipe, builder) -> Recipe:
    """Fits a recipe to what the validation images of its data know of defects.

    Without a defective one no rule of the best F1 can choose a threshold, and one of good images
    does; without a mask of one the last weights are kept, since nothing says which are best.

    Args:
      recipe: what is trained; those of other builders stay as they are.
      builder: a built data set.

    Raises:
      ValueError: a field says what such a model cannot do.
    """
    if recipe.builder not in FEATURE_BUILDERS:
        return recipe
    for name, must in _MUST.items():
        if getattr(recipe, name) != must:
            raise ValueError(
                f"Recipe field `{name}` must be {must} where {recipe.builder} learns from features "
                f"of whole images. Received: {getattr(recipe, name)}"
            )
    share = recipe.defective_fraction
    if share is not None and not 0 < round(share * recipe.batch_size) < recipe.batch_size:
        raise ValueError(
            "Recipe field `defective_fraction` must leave a defective and a good image in a batch "
            f"of {recipe.batch_size}. Received: {share}"
        )
    where = builder, recipe.train_split, recipe.validation_folds
    changes = {}
    if not datasets.count_labels(*where)[1:].any():
        changes = {
            name: rule
            for name, rule in _GOOD_RULES.items()
            if parse_rule(name, getattr(recipe, name)).needs_defects
        }
    marked = datasets.count_types(*where, mask_feature=recipe.mask_feature)[1:].any()
    if recipe.weights == "best" and not marked:
        changes["weights"] = "last"
    if changes:
        logging.info(
            "The validation folds lack defects or their masks, so %s.",
            ", ".join(f"{name} is {value}" for name, value in changes.items()),
        )
    return dataclasses.replace(recipe, **changes)
