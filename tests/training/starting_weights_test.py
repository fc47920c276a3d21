"""Training that starts from the weights of an earlier run."""

import shutil

import numpy as np
import pytest

import builders
from builders.runs import run_dir
from zoo.recipes import get_recipe
from zoo.training.starting_weights import adopt_start, copy_weights
from zoo.training.train import train

MODULE = "fast_unet/dagm_synthetic/class_1_small"
SMALL = {
    "builder_args": {"base_filters": 2, "normalization": None},
    "image_size": (32, 32),
    "batch_size": 2,
    "steps_per_epoch": 1,
    "epochs": 1,
}


@pytest.fixture(scope="module")
def first(data_dir, tmp_path_factory):
    recipe = get_recipe(MODULE, **SMALL)
    return train(recipe, runs_dir=tmp_path_factory.mktemp("runs"), data_dir=data_dir)


def test_layers_that_fit_are_copied(first):
    source = run_dir.load_model(first)[0]
    model = builders.build("fast_unet", num_classes=3, base_filters=2)
    before = model.get_layer("head_unfold").get_weights()
    assert copy_weights(model, first) == ["head_unfold", "refine_conv1", "refine_conv2"]
    for name in ("stem_fold", "down1_conv1", "bottleneck_conv2"):
        for one, other in zip(
            model.get_layer(name).get_weights(), source.get_layer(name).get_weights()
        ):
            np.testing.assert_array_equal(one, other)
    for one, other in zip(before, model.get_layer("head_unfold").get_weights()):
        np.testing.assert_array_equal(one, other)


def test_another_network_is_refused(first):
    with pytest.raises(
        ValueError, match=r"of the same builder.*class_1_small.*fast_unet with.*\"base_filters\": 2"
    ):
        copy_weights(builders.build("tiny_unet"), first)


def test_the_start_decides_the_network(first, tmp_path):
    handle = "fast_unet/image_mask_folder/grey"
    changes = adopt_start(handle, {"start_from": str(first), "epochs": 2})
    assert changes["epochs"] == 2 and changes["builder_args"]["base_filters"] == 2
    assert not set(changes["builder_args"]) & {"image_shape", "num_classes"}
    model = builders.build(
        "fast_unet", **get_recipe(handle, **changes, mixed_precision="float32").builder_args
    )
    assert copy_weights(model, first) == []
    given = {"start_from": str(first), "builder_args": {"base_filters": 4}}
    assert adopt_start(handle, given)["builder_args"]["base_filters"] == 4
    other = adopt_start("unet/image_mask_folder/grey", {"start_from": str(first)})
    assert "builder_args" not in other  # of another builder
    assert adopt_start(handle, {"epochs": 2}) == {"epochs": 2}


def test_a_start_may_be_the_handle_of_a_module(tmp_path):
    pretrained = "fast_unet/dagm_synthetic/class_1"
    options = {"modules_dir": tmp_path / "modules", "runs_dir": tmp_path / "runs"}
    for _ in range(2):  # it is imported once
        changes = adopt_start(
            "fast_unet/image_mask_folder/grey", {"start_from": pretrained}, **options
        )
        assert changes["start_from"] == str(tmp_path / "runs" / pretrained / "module_import")
        assert changes["builder_args"]["stem_stride"] == 4
    with pytest.raises(ValueError, match="no_net"):
        adopt_start("fast_unet/image_mask_folder/grey", {"start_from": "no_net/a/b"}, **options)


def test_a_run_starts_where_another_ended(first, data_dir, tmp_path):
    """With a learning rate of 0 the weights that were copied are those that are saved."""
    recipe = get_recipe(MODULE, **SMALL, start_from=str(first), learning_rate=0.0, seed=1)
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    for one, other in zip(*(run_dir.load_model(each)[0].get_weights() for each in (first, run))):
        np.testing.assert_array_equal(one, other)


def test_weights_that_have_seen_the_test_images_are_refused(first, data_dir, tmp_path):
    """Also where a run on other images lies between."""
    between = get_recipe(MODULE.replace("class_1", "class_2"), **SMALL, start_from=str(first))
    second = train(between, runs_dir=tmp_path, data_dir=data_dir)
    for directory in (first, second):
        recipe = get_recipe(
            MODULE, **SMALL, start_from=str(directory), test_split="train", test_folds=(2,)
        )
        with pytest.raises(ValueError, match=r"class_1_small/default_seed0 has seen some of train"):
            train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    shutil.move(first, tmp_path / "gone")
    recipe = get_recipe(MODULE, **SMALL, start_from=str(second))
    with pytest.raises(ValueError, match=r"is not there to say.*dagm_synthetic/class_1_small"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    other = get_recipe(MODULE.replace("class_1", "class_3"), **SMALL, start_from=str(second))
    assert train(other, runs_dir=tmp_path, data_dir=data_dir).is_dir()  # which neither knows
    shutil.move(tmp_path / "gone", first)
    recipe = get_recipe(MODULE, **SMALL, start_from=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r"a run directory, .*import_module makes"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)
