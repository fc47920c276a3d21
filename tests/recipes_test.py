"""Every recipe fits its data set and its builder."""

import pytest

import builders
import tfds_datasets
from zoo.losses import get_loss
from zoo.recipes import RECIPES, get_recipe


@pytest.mark.parametrize(
    "module, name", [(module, name) for module, names in RECIPES.items() for name in names]
)
def test_recipe_fits_its_data(module, name, tmp_path):
    recipe = get_recipe(module, name)
    dataset, _, config = recipe.dataset.partition("/")
    features = tfds_datasets.DATASETS[dataset](config=config, data_dir=tmp_path).info.features
    assert recipe.builder in builders.BUILDERS
    assert recipe.builder_args["image_shape"][2] == features["image"].shape[-1]
    num_labels = features["label"].num_classes
    assert recipe.builder_args.get("num_classes", 1) in (1, num_labels)
    assert recipe.builder_args.get("num_labels", 2) in (2, num_labels)
    assert recipe.mask_feature in features
    assert recipe.loss is None or get_loss(recipe.loss)
    assert set(recipe.training_folds).isdisjoint({*recipe.validation_folds, *recipe.test_folds})
