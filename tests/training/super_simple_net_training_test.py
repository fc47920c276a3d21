"""SuperSimpleNet trained end to end, on data that know all, some or nothing of defects."""

import csv
import json

import numpy as np
import pytest
from made_archives import save

from builders.runs import run_dir
from zoo.data import datasets
from zoo.feature_learning import cache, supervision
from zoo.recipes import get_recipe
from zoo.training.backup import Backup
from zoo.training.train import train

MODULE = "super_simple_net/dagm_synthetic/class_1_small"
FOLDER = "super_simple_net/image_mask_folder/grey"
SIZE = (32, 48)
SMALL = {
    "builder_args": {"weights": None, "mask_filters": 8, "score_filters": 4},
    "image_size": SIZE,
    "batch_size": 4,
    "steps_per_epoch": 3,
    "epochs": 2,
    "mixed_precision": "float32",
}


@pytest.fixture(autouse=True, scope="module")
def no_copies():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cache, "COPIES", 0)
        yield


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    runs = tmp_path_factory.mktemp("runs")
    return train(get_recipe(MODULE, **SMALL), runs_dir=runs, data_dir=data_dir)


def environment(run):
    return json.loads((run / "environment.json").read_text())


def calibration(run):
    return json.loads((run / "calibration.json").read_text())


def test_a_training_end_to_end(finished):
    with open(finished / "history.csv", newline="") as stream:
        history = list(csv.DictReader(stream))
    assert len(history) == 2
    assert {"cells", "score", "val_pixel_ap"} <= set(history[0])
    assert environment(finished)["supervision"] == "masks"
    model, recipe = run_dir.load_model(finished)
    assert recipe["weights"] == "best" and recipe["pixel_rule"] == "best_f1"
    mean, variance = model.get_layer("standardize").get_weights()
    assert mean.any() and not np.allclose(variance, 1)


def test_a_resumed_run_is_the_unbroken_one(finished, data_dir, tmp_path, monkeypatch):
    recipe, whole = get_recipe(MODULE, **SMALL), Backup.on_epoch_end
    places = {"runs_dir": tmp_path, "data_dir": data_dir}

    def interrupt(self, epoch, logs=None):
        whole(self, epoch, logs)
        raise KeyboardInterrupt

    monkeypatch.setattr("zoo.training.train._measure", lambda *args: None)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Backup, "on_epoch_end", interrupt)
        train(recipe, **places)
    resumed = train(recipe, resume=True, **places)
    pair = (run_dir.load_model(run)[0].get_weights() for run in (finished, resumed))
    for one, other in zip(*pair):
        np.testing.assert_allclose(one, other, atol=1e-6)


def image(number, defective=False):
    made = np.random.default_rng(number).integers(90, 130, SIZE)
    made[8:20, 10:24] += 120 * defective
    return made


def good_alone(folder):
    """Defects are in the test images alone."""
    for number in range(40):
        split, made = "train" if number < 30 else "test", image(number, number > 34)
        save(folder / f"{split}/images/{number}.png", made)
        save(folder / f"{split}/masks/{number}.png", 255 * (made > 150))


def labels_alone(folder):
    for number in range(40):
        save(folder / f"good/{number}.png", image(number))
        save(folder / f"defect/{number}.png", image(number, True))


@pytest.mark.parametrize(
    "make, kind, image_rule",
    [
        (good_alone, "good images alone", "normal:0.05"),
        (labels_alone, "image labels", "best_f1"),
    ],
)
def test_less_than_masks(make, kind, image_rule, tmp_path):
    make(tmp_path / "parts")
    folders = {"runs_dir": tmp_path, "data_dir": tmp_path, "manual_dir": tmp_path / "parts"}
    run = train(get_recipe(FOLDER, **SMALL), **folders)
    assert environment(run)["supervision"] == kind
    assert calibration(run)["image_rule"] == image_rule
    assert np.isfinite(calibration(run)["threshold"])
    assert run_dir.load_model(run)[1]["weights"] == "last"


@pytest.fixture(scope="module")
def built(data_dir):
    return datasets.prepare_dataset("dagm_synthetic/class_1_small", data_dir=data_dir)


def test_rules_of_the_user_stay(built, monkeypatch):
    recipe = get_recipe(MODULE, **SMALL)
    assert supervision.complete_recipe(recipe, built) == recipe
    monkeypatch.setattr(datasets, "count_labels", lambda *args: np.array([9, 0]))
    monkeypatch.setattr(datasets, "count_types", lambda *args, mask_feature: np.array([9, 0]))
    found = supervision.complete_recipe(
        get_recipe(MODULE, **SMALL, image_rule="conformal:0.1"), built
    )
    assert (found.pixel_rule, found.image_rule) == ("false_alarms:0.001", "conformal:0.1")


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"loss": "bce"}, "`loss` must be None where super_simple_net"),
        ({"crop_size": (32, 32)}, "`crop_size` must be None where super_simple_net"),
        ({"defective_fraction": 0.1}, "`defective_fraction` must leave a defective"),
    ],
)
def test_what_it_cannot_do(built, changes, message):
    with pytest.raises(ValueError, match=message):
        supervision.complete_recipe(get_recipe(MODULE, **{**SMALL, **changes}), built)
