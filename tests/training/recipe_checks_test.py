"""Values of recipes that no training can have, and that say the same in two ways."""

import logging

import pytest

from zoo import recipes
from zoo.data import datasets
from zoo.training import recipe_checks

MODULE = "tiny_unet/dagm_synthetic/class_1_small"


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"test_folds": (12,)}, "`test_folds` must name folds 0..9"),
        ({"epochs": 0}, "`epochs` must be at least 1"),
        ({"loss_weights": (2.0,)}, r"`loss_weights` must be two numbers.*Received: \(2.0,\)"),
        ({"epochs": None}, "`epochs` must be int, not none"),
        ({"batch_size": 0}, "`batch_size` must be at least 1"),
        ({"image_size": (512,)}, "`image_size` must be a height and a width"),
        ({"crop_size": (0, 8)}, "`crop_size` must be a height and a width"),
    ],
)
def test_values_that_no_training_can_have(changes, message):
    with pytest.raises(ValueError, match=message):
        recipes.get_recipe(MODULE, **changes)


def test_nothing_to_measure_is_said_before_training(data_dir, monkeypatch):
    recipe = recipes.get_recipe(MODULE, test_split="train", test_folds=(9,))
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    counts = datasets.count_labels

    def none_in_fold_9(builder, split, folds=None):
        return counts(builder, split, folds) * (folds != (9,))

    monkeypatch.setattr(datasets, "count_labels", none_in_fold_9)
    with pytest.raises(ValueError, match="must have images to measure in train, folds 9"):
        recipe_checks.check_data(recipe, builder)


@pytest.mark.parametrize("weights, warned", [("best", True), ("last", False)])
def test_validation_without_a_defect_cannot_choose_weights(
    weights, warned, data_dir, monkeypatch, caplog
):
    rules = {"pixel_rule": "false_alarms:0.01", "image_rule": "false_alarms:0.1"}
    recipe = recipes.get_recipe(MODULE, weights=weights, **rules)
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    counts = datasets.count_labels

    def good_alone(builder, split, folds=None):
        found = counts(builder, split, folds)
        return found * ([1, 0] if folds == recipe.validation_folds else 1)

    monkeypatch.setattr(datasets, "count_labels", good_alone)
    with caplog.at_level(logging.WARNING):
        recipe_checks.check_data(recipe, builder)
    assert ("Set --weights=last" in caplog.text) == warned


def test_no_test_folds_are_all():
    recipe = recipes.get_recipe("unet/mvtec_ad/screw", test_folds=None)
    assert recipe.test_folds == ()


def test_tuples_of_a_builder_make_no_other_recipe():
    recipe = recipes.get_recipe(MODULE, builder_args={"image_shape": (None, None, 1)})
    assert recipe.to_dict() == recipes.get_recipe(MODULE).to_dict()
