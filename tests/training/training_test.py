"""Training end to end on a few small synthetic images."""

import csv
import dataclasses
import json
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest

from builders.runs import run_dir
from zoo import recipes
from zoo.data import datasets
from zoo.evaluation import evaluate_run
from zoo.prediction.predictor import load_predictor
from zoo.recipes.recipe import Recipe, parse_field
from zoo.training import optimizers
from zoo.training.run_paths import run_path
from zoo.training.train import train

MODULE = "tiny_unet/dagm_synthetic/class_1_small"
SMALL = {
    "image_size": (32, 32),
    "batch_size": 2,
    "steps_per_epoch": 2,
    "epochs": 3,
    "early_stopping_patience": None,
}


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    recipe = recipes.get_recipe(MODULE, **SMALL)
    return train(recipe, runs_dir=tmp_path_factory.mktemp("runs"), data_dir=data_dir), recipe


def weights(run):
    return run_dir.load_model(run)[0].get_weights()


def test_run_directory_is_complete(finished, data_dir):
    run, recipe = finished
    assert {path.name for path in run.iterdir()} == {
        "data.json",
        "backup",
        "calibration.json",
        "environment.json",
        "epochs",
        "history.csv",
        "metrics.json",
        "recipe.json",
        "report.html",
        "weights.weights.h5",
    }
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 120 and len(metrics["per_image"]) == 120
    assert "outliers" not in metrics  # of models that learn from good images alone
    assert [row["threshold"] for row in metrics["at_thresholds"]][:2] == [0.05, 0.125]
    assert "folds 0, 1 of the train split" in metrics["threshold_source"]
    assert len(list((run / "epochs").glob("*.png"))) == recipe.epochs
    assert len((run / "history.csv").read_text().splitlines()) == recipe.epochs + 1
    assert json.loads((run / "recipe.json").read_text())["class_names"] == ["good", "defect"]


def test_finished_run_is_kept_and_another_recipe_is_refused(finished, data_dir):
    run, recipe = finished
    before = {path: path.stat().st_mtime_ns for path in run.rglob("*")}
    options = {"runs_dir": run.parents[3], "data_dir": data_dir}
    assert train(recipe, **options) == run
    other = recipes.get_recipe(MODULE, **{**SMALL, "learning_rate": 0.5})
    with pytest.raises(ValueError, match=r"another learning_rate. Choose another --run_name"):
        train(other, **options)
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*")} == before


def test_equal_seeds_give_equal_runs(finished, data_dir, tmp_path):
    run, recipe = finished
    again = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    for one, other in zip(weights(run), weights(again)):
        np.testing.assert_array_equal(one, other)
    for name in ("metrics.json", "calibration.json"):
        assert (run / name).read_text() == (again / name).read_text()


def test_anomaly_metrics_of_every_second_epoch_change_nothing(finished, data_dir, tmp_path):
    run, recipe = finished
    measured = train(recipe, runs_dir=tmp_path, data_dir=data_dir, measure_every=2)
    for one, other in zip(weights(run), weights(measured)):
        np.testing.assert_array_equal(one, other)
    with open(measured / "history.csv", newline="") as stream:
        values = [row["val_au_pro@0.3"] for row in csv.DictReader(stream)]
    assert values[0] == values[2] == "" and 0 <= float(values[1]) <= 1
    with pytest.raises(ValueError, match="`every` must be at least 1 epoch"):
        train(recipe, runs_dir=tmp_path / "other", data_dir=data_dir, measure_every=0)


def test_one_split_can_hold_training_and_test_folds(data_dir, tmp_path):
    changes = {"test_split": "train", "test_folds": (7, 8), "epochs": 1}
    recipe = recipes.get_recipe(MODULE, **{**SMALL, **changes})
    assert recipe.training_folds == (2, 3, 4, 5, 6, 9)
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["split"] == "train, folds 7, 8" and metrics["seen"] is False
    assert metrics["images"] == pytest.approx(120 * 2 / 10, abs=4)
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    whole = evaluate_run.evaluate_on_dataset(load_predictor(str(run)), builder, "train")
    assert whole.metrics["seen"] is True and whole.metrics["images"] == 120


def test_killed_run_resumes_and_ends_as_an_unbroken_one(finished, data_dir, tmp_path):
    run, recipe = finished
    program = (
        "import json, sys; from zoo.recipes import recipe; from zoo.training import train\n"
        "recipe = recipe.Recipe.from_dict(json.loads(sys.argv[1]))\n"
        "train.train(recipe, runs_dir=sys.argv[2], data_dir=sys.argv[3])"
    )
    arguments = [json.dumps(recipe.to_dict()), str(tmp_path), str(data_dir)]
    process = subprocess.Popen([sys.executable, "-c", program, *arguments])
    partial = run_path(tmp_path, recipe).with_name("default_seed0.partial")
    deadline = time.time() + 120
    while not list(partial.glob("backup/epoch_*")) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert list(partial.glob("backup/epoch_*")), "the run was over or never started"
    assert not run_path(tmp_path, recipe).exists()

    options = {"runs_dir": tmp_path, "data_dir": data_dir}
    with pytest.raises(ValueError, match="Go on with it by --resume"):
        train(recipe, **options)
    resumed = train(recipe, resume=True, **options)
    for one, other in zip(weights(run), weights(resumed)):
        np.testing.assert_array_equal(one, other)
    assert not partial.exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"mixed_precision": "mixed_bfloat16"},
        {"mixed_precision": "mixed_float16"},
        {"mixed_precision": "float32", "xla": "on"},
    ],
    ids=["bfloat16", "float16", "xla"],
)
def test_cpu_settings_train(settings, data_dir, tmp_path):
    recipe = recipes.get_recipe(MODULE, **{**SMALL, "epochs": 1, **settings})
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    environment = json.loads((run / "environment.json").read_text())
    assert environment["precision"] == settings["mixed_precision"]
    assert environment["xla"] == str(settings.get("xla") == "on")
    assert all(np.isfinite(weight).all() for weight in weights(run))


def test_nvidia_recipe_and_last_weights(data_dir, tmp_path):
    recipe = recipes.get_recipe(MODULE, "nvidia", image_size=(32, 32), epochs=1, steps_per_epoch=2)
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir, run_name="parity")
    assert run.name == "parity"
    assert json.loads((run / "environment.json").read_text())["training_steps"] == 2


def test_nan_stops_with_the_step_and_keeps_the_last_good_weights(data_dir, tmp_path):
    changes = {"optimizer": "rmsprop", "learning_rate": 1e12, "epochs": 40}
    recipe = recipes.get_recipe(MODULE, **{**SMALL, **changes})
    with pytest.raises(FloatingPointError, match=r"at step \d+\. The weights of the last"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    partial = run_path(tmp_path, recipe).with_name("default_seed0.partial")
    assert (partial / "recipe.json").is_file()


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"loss": "l7"}, r"must be one of ce, bce, .*Received: 'l7'"),
        ({"optimizer": "lion"}, r"`optimizer` must be one of adam, adam_clipped, adamw, "),
        ({"mask_feature": "maske"}, r"must have the feature 'maske'.*weak_mask"),
        ({"test_split": "exam"}, r"must have the split 'exam'.*train, test"),
        ({"crop_size": (64, 64)}, r"the smallest has 32x32"),
        ({"train_split": "test"}, r"`split` must hold no test image"),
        ({"image_rule": "conformal:0.001"}, r"needs 999 good validation images"),
        ({"elastic": 2.0}, r"elastic"),
        ({"augmentation": "spin"}, r"`augmentation` must be one of d4, nvidia, identity"),
    ],
)
def test_bad_recipe(changes, message, data_dir, tmp_path):
    recipe = recipes.get_recipe(MODULE, **{**SMALL, **changes})
    for _ in range(2):  # a run that could not begin leaves nothing in the way
        with pytest.raises(ValueError, match=message):
            train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def test_channels_must_fit_the_types(data_dir, tmp_path):
    recipe = recipes.get_recipe(MODULE, **SMALL, builder_args={"num_classes": 3}, loss="ce")
    with pytest.raises(ValueError, match=r"num_classes 1, for any defect, or 2, .* Received: 3"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def test_learning_rate_falls_where_validation_does_not_improve(data_dir, tmp_path):
    changes = {"learning_rate": 1e-12, "reduce_lr_patience": 1, "reduce_lr_factor": 0.4}
    recipe = recipes.get_recipe(MODULE, **{**SMALL, **changes, "epochs": 4})
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    with open(run / "history.csv", newline="") as stream:
        rates = [float(row["learning_rate"]) for row in csv.DictReader(stream)]
    assert rates == pytest.approx([1e-12, 0.4e-12, 0.16e-12, 0.064e-12])


@pytest.mark.parametrize("changes", [{"schedule": "cosine"}, {"decay_steps": 5}])
def test_one_rule_alone_moves_the_learning_rate(changes, data_dir, tmp_path):
    recipe = recipes.get_recipe(MODULE, **SMALL, **changes)
    with pytest.raises(ValueError, match=r"`reduce_lr_patience` must be none where a schedule"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def test_float16_scales_the_loss():
    recipe = recipes.get_recipe(MODULE)
    weight = keras.Variable(np.zeros(1, np.float32))
    optimizer = optimizers.build(recipe, [weight], "mixed_float16")
    before = float(optimizer.learning_rate)
    assert float(optimizer.scale_loss(1.0)) > 1000
    optimizer.learning_rate = before / 2  # as a plateau does it
    assert float(optimizer.inner_optimizer.learning_rate) == pytest.approx(before / 2)


def test_types_are_learnt_and_measured(data_dir, tmp_path):
    changes = {"builder_args": {"num_classes": 2}, "loss": "ce+dice", "class_weights": (1.0, 5.0)}
    recipe = recipes.get_recipe(MODULE, **{**SMALL, "epochs": 1, **changes})
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    confusion = json.loads((run / "metrics.json").read_text())["pixel_confusion"]
    assert confusion["classes"] == ["background", "defect"]
    assert np.sum(confusion["counts"]) == 120 * 32 * 32


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            ("tiny_unet/dagm2007/class_11",),
            r"must be <builder>/<data set>/<class>.*Did you mean .*Received",
        ),
        ((MODULE, "best"), r"must be one of default, nvidia"),
    ],
)
def test_unknown_module_or_recipe(arguments, message):
    with pytest.raises(ValueError, match=message):
        recipes.get_recipe(*arguments)
    with pytest.raises(ValueError, match="Recipe has no field lr"):
        recipes.get_recipe(MODULE, lr=1)
    with pytest.raises(ValueError, match=r"flex_unet has no argument base_kernels. Arg.*base_kern"):
        recipes.get_recipe("flex_unet/mvtec_ad/screw", builder_args={"base_kernels": 11})
    for folds in ((1, 2), (2, 3, 4, 5, 6, 7, 8, 9)):
        with pytest.raises(ValueError, match=r"`test_folds` must name folds .* not validated on"):
            recipes.get_recipe(MODULE, test_folds=folds)


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("epochs", "7", 7),
        ("learning_rate", "1", 1.0),
        ("defective_fraction", "0.25", 0.25),
        ("crop_size", "64,48", (64, 48)),
        ("class_weights", "1,2.5", (1.0, 2.5)),
        ("defective_only", "true", True),
        ("builder_args", '{"variant": "original"}', {"variant": "original"}),
        ("loss", "focal", "focal"),
    ],
)
def test_fields_are_read_from_text(name, text, value):
    field = next(field for field in dataclasses.fields(Recipe) if field.name == name)
    assert parse_field(field, text) == value
    if name != "loss":
        with pytest.raises(ValueError, match=r"must be .*Received: '\[x'"):
            parse_field(field, "[x")


def test_builder_arguments_are_merged():
    recipe = recipes.get_recipe(MODULE, builder_args={"variant": "original"})
    assert recipe.builder_args["variant"] == "original"
    assert recipe.builder_args["image_shape"] == [None, None, 1]


def test_rmsprop_starts_like_tensorflow_1():
    import keras

    variable = keras.Variable(np.zeros(2, np.float32), name="weight")
    recipe = recipes.get_recipe(MODULE, "nvidia")
    optimizer = optimizers.build(recipe, [variable])
    optimizer.apply([np.ones(2, np.float32)])
    # ms = 0.9 * 1 + 0.1 * 1 = 1, mg = 0.1: step = 1e-4 / sqrt(1 - 0.01)
    np.testing.assert_allclose(variable.numpy(), -1e-4 / np.sqrt(0.99), rtol=1e-5)
