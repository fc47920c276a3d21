"""Every recipe fits its data set and its builder."""

import outlined
import pytest

import builders
import tfds_datasets
from tfds_datasets.mvtec_ad.categories import GREY
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


@pytest.mark.parametrize(
    "category, parameters, steps",
    [
        ("leather", 124_996_934, 837),
        ("screw", 124_996_934, 708),
        ("tile", 124_996_934, 794),
        ("transistor", 126_809_269, 336),
        ("wood", 124_996_934, 630),
        ("zipper", 124_996_968, 1083),
    ],
)
def test_antillia_is_what_was_published(category, parameters, steps):
    recipe = get_recipe(f"flex_unet/mvtec_ad/{category}", "antillia")
    args = recipe.builder_args
    missing = 3 - args["image_shape"][2]
    kernel, filters = args["base_kernel"], args["base_filters"]
    assert missing == (2 if category in GREY else 0)
    model = outlined.build(recipe.builder, **args)
    assert model.count_params() + missing * kernel**2 * filters == parameters
    assert recipe.image_size == (512, 512) and recipe.crop_size is None
    assert (recipe.batch_size, recipe.steps_per_epoch) == (2, steps)
    assert (recipe.reduce_lr_patience, recipe.reduce_lr_factor) == (4, 0.4)
    assert recipe.early_stopping_patience == 10


@pytest.mark.parametrize(
    "changes, rates",
    [
        ({}, [2, 4, 7]),  # of windows of 192 pixels
        ({"crop_size": (384, 512)}, [4, 9, 14]),
        ({"crop_size": None}, [6, 12, 18]),  # of the whole image, 512x512
        ({"crop_size": None, "image_size": (256, 256)}, [3, 6, 9]),
        ({"crop_size": (256, 256), "builder_args": {"output_stride": 8}}, [6, 12, 18]),
        ({"crop_size": (384, 384), "builder_args": {"rates": [1, 2, 3]}}, [1, 2, 3]),
        ({"crop_size": None, "image_size": None}, [6, 12, 18]),  # of the builder's own 512
    ],
)
def test_atrous_rates_follow_the_window(changes, rates):
    recipe = get_recipe("deeplab_v3_plus/mvtec_ad/screw", **changes)
    assert recipe.builder_args["rates"] == rates
