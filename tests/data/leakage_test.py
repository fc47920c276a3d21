"""No image is in two of training, validation and test, and what a run has seen is known."""

import hashlib
import itertools
import json
import shutil
import types

import pytest
from made_archives import build
from made_image_folders import make_folder
from made_mvtec_ad import make_category

from tfds_datasets.image_mask_folder import image_mask_folder_dataset_builder
from tfds_datasets.mvtec_ad import categories
from tfds_datasets.mvtec_ad.mvtec_ad_dataset_builder import Builder
from zoo.data import datasets, leakage
from zoo.data.leakage import overlaps_training_data
from zoo.evaluation import evaluate_run
from zoo.prediction.predictor import load_predictor
from zoo.recipes import RECIPES, get_recipe
from zoo.training.train import train

MODULE = "unet/neu_seg/strip"
TEST_APART = {"train_split": "train", "test_split": "test", "test_folds": ()}
FOLD_APART = {"train_split": "train", "test_split": "train", "test_folds": (1,)}
MVTEC_AD = {"train_split": "train+test", "test_split": "test", "test_folds": (7, 8, 9)}


@pytest.mark.parametrize(
    "changes, split, folds, expected",
    [
        # Folds of another split than that of training, whatever their numbers.
        (TEST_APART, "test", (2,), False),
        ({**TEST_APART, "test_folds": (7,)}, "test", (2,), False),
        (TEST_APART, "train", (2,), True),
        (TEST_APART, "test", None, False),
        (TEST_APART, "all", None, True),
        # Folds that measure are learnt from in no split.
        (FOLD_APART, "train", (1,), False),
        (
            {"train_split": "train", "test_split": "train", "test_folds": (1,)},
            "train",
            (1, 2),
            True,
        ),
        (FOLD_APART, "train", None, True),
        (MVTEC_AD, "test", (7, 8), False),
        (MVTEC_AD, "train", (7, 8), False),
        (MVTEC_AD, "train", (6,), True),  # it validated on them
        (MVTEC_AD, "test", None, True),
        (MVTEC_AD, "extra", None, False),
    ],
)
def test_what_a_run_has_seen(changes, split, folds, expected):
    recipe = get_recipe(MODULE, validation_folds=(5, 6), **changes)
    assert overlaps_training_data(recipe, builder_named("neu_seg"), split, folds) == expected
    other = builder_named("magnetic_tile")
    assert not overlaps_training_data(recipe, other, split, folds)


def builder_named(name):
    config, info = types.SimpleNamespace(name="strip"), types.SimpleNamespace(metadata=None)
    return types.SimpleNamespace(name=name, builder_config=config, info=info)


def test_what_its_weights_knew_before():
    """Of an earlier run only the data set is noted, so that any image of it may have been seen."""
    known = ("magnetic_tile/strip", "neu_seg/strip")
    started = get_recipe(MODULE, validation_folds=(5, 6), start_from="before", **TEST_APART)
    assert overlaps_training_data(
        started, builder_named("magnetic_tile"), "test", None, learnt_from=known
    )
    assert not overlaps_training_data(
        started, builder_named("msd"), "test", None, learnt_from=known
    )
    # Its own data set is divided by folds, and a run that had seen its test images was refused.
    assert not overlaps_training_data(
        started, builder_named("neu_seg"), "test", None, learnt_from=known
    )
    # A student of pseudo masks knows images of its teacher's data set, by their hashes.
    student = get_recipe(MODULE, validation_folds=(5, 6), **TEST_APART)
    assert not overlaps_training_data(
        student, builder_named("magnetic_tile"), "test", None, learnt_from=known
    )


def divisions():
    """The splits and folds of the recipes that learn from test images, by category."""
    found = {}
    for module, names in RECIPES.items():
        for recipe in (get_recipe(module, name) for name in names):
            if "test" in recipe.train_split:
                assert recipe.dataset.startswith("mvtec_ad/")
                division = (
                    (recipe.train_split, recipe.training_folds),
                    (recipe.train_split, recipe.validation_folds),
                    (recipe.test_split, recipe.test_folds or None),
                )
                found.setdefault(recipe.dataset.removeprefix("mvtec_ad/"), set()).add(division)
    return found


def test_all_categories_learn_from_test_images():
    assert set(divisions()) == set(categories.DEFECT_TYPES)


@pytest.mark.parametrize("category", categories.DEFECT_TYPES)
def test_no_image_is_in_two_parts(category, tmp_path):
    """Nor do copies under another name or in the other split."""
    make_category(tmp_path, category, images=6)
    root = tmp_path / category
    defective = root / "test" / categories.DEFECT_TYPES[category][0] / "000.png"
    shutil.copy(defective, root / "train" / "good" / "100.png")
    shutil.copy(root / "train" / "good" / "001.png", root / "test" / "good" / "100.png")
    builder = build(Builder, category, tmp_path, tmp_path / "data")
    for division in divisions()[category]:
        parts = []
        for split, folds in division:
            rows = datasets.read_examples(builder, split, folds=folds).as_numpy_iterator()
            marks = [(r["file_name"], hashlib.sha256(r["image"].tobytes()).digest()) for r in rows]
            parts.append({mark for pair in marks for mark in pair})
        assert all(parts)
        for one, other in itertools.combinations(parts, 2):
            assert not one & other


def test_a_folder_that_grew_moves_images_into_the_test(tmp_path):
    """Folds are ranks, so one more image moves others; hashes of what was learnt tell them."""
    recipe = get_recipe("unet/image_mask_folder/grey")
    make_folder(tmp_path / "mine")

    def built(name):
        return build(
            image_mask_folder_dataset_builder.Builder, "grey", tmp_path / "mine", tmp_path / name
        )

    before = built("before")
    known = frozenset(leakage.training_hashes(before, recipe))
    assert len(known) == before.info.splits["train"].num_examples
    assert not overlaps_training_data(recipe, before, "test", None, known)
    assert overlaps_training_data(recipe, before, "train", (3,), known)
    make_folder(tmp_path / "mine", count=37)
    after = built("after")
    moved = known & leakage.image_hashes(after, "test", None)
    assert moved
    assert overlaps_training_data(recipe, after, "test", None, known)
    assert not overlaps_training_data(recipe, after, "test", None)  # what the folds alone would say
    assert leakage.has_changed(known, after, recipe)
    assert not leakage.has_changed(known, before, recipe)
    assert not leakage.has_changed(None, after, recipe)


def test_other_data_sets_need_no_hashes(tmp_path):
    builder = types.SimpleNamespace(info=types.SimpleNamespace(metadata={"skipped_images": []}))
    assert leakage.training_hashes(builder, get_recipe(MODULE)) is None
    assert leakage.read_hashes(tmp_path) is None


def test_a_folder_that_has_changed_is_another_run(tmp_path):
    """Its folds are others: what was learnt may be in the test by now."""
    make_folder(tmp_path / "mine/train", kind="binary")
    make_folder(tmp_path / "mine/test", kind="binary", count=4)  # copies of the first four
    recipe = get_recipe(
        "fast_unet/image_mask_folder/rgb",
        builder_args={"image_shape": [None, None, 3], "base_filters": 2},
        image_size=(32, 32),
        crop_size=None,
        batch_size=2,
        steps_per_epoch=2,
        epochs=1,
    )

    def trained(data):
        options = {"data_dir": tmp_path / data, "manual_dir": tmp_path / "mine"}
        return train(recipe, runs_dir=tmp_path / "runs", resume=True, **options)

    run = trained("before")
    assert trained("before") == run
    assert json.loads((run / "metrics.json").read_text())["seen"] is True
    make_folder(tmp_path / "mine/train", kind="binary", count=37)
    for data, expected in (("before", False), ("after", True)):
        builder = datasets.prepare_dataset(
            recipe.dataset,
            data_dir=tmp_path / data,
            manual_dir=tmp_path / "mine" if data == "after" else None,
        )
        found = evaluate_run.calibrate_predictor(load_predictor(str(run)), builder)
        assert ("after images were added or removed" in found["source"]) is expected
    for folder in (run, run.with_name(f"{run.name}.partial")):
        with pytest.raises(ValueError, match=r"files were added or removed\. Choose another"):
            trained("after")
        if folder == run:
            shutil.move(run, run.with_name(f"{run.name}.partial"))
