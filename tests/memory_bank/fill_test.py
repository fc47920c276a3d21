"""Filling a memory bank: which vectors are chosen, what is bounded, and equal seeds."""

import json

import keras
import numpy as np
import pytest

import builders
from builders.patch_core import bank_of
from zoo.data import datasets
from zoo.memory_bank import fill
from zoo.memory_bank.coreset import greedy_coreset
from zoo.prediction import predictor
from zoo.recipes import get_recipe
from zoo.training import recipe_checks
from zoo.training.train import train

MODULE = "patch_core/dagm_synthetic/class_1_small"
SMALL = {"backbone": "MobileNetV3Small", "weights": None, "bank_size": 50}
FEW = {"image_size": (64, 64), "test_split": "test[:16]"}  # images, and pixels of them


def test_each_choice_is_the_farthest_from_those_before():
    vectors = np.array([[0, 0], [1, 0], [10, 0], [10, 4], [0, 1]], np.float32)
    chosen, radius = greedy_coreset(vectors, 2, seed=0, known=vectors[:1])
    assert chosen.tolist() == [3, 2]  # 116**0.5 from the known one, then 10 from it and 4 from 3
    assert radius == pytest.approx(1.0)


def test_no_more_vectors_than_there_are():
    vectors = np.random.default_rng(0).normal(size=(7, 40)).astype(np.float32)
    chosen, radius = greedy_coreset(vectors, 20, seed=0)
    assert sorted(chosen.tolist()) == list(range(7)) and radius == 0.0


def test_equal_seeds_choose_alike():
    vectors = np.random.default_rng(0).normal(size=(300, 50)).astype(np.float32)
    first, again, other = (greedy_coreset(vectors, 9, seed=seed)[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert first.tolist() != other.tolist()


@pytest.fixture(scope="module")
def runs(data_dir, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")

    def run(name, **changes):
        recipe = get_recipe(MODULE, builder_args=SMALL, **FEW, **changes)
        return train(recipe, runs_dir=folder, data_dir=data_dir, run_name=name)

    return run


def test_a_run_of_good_images(runs):
    run = runs("first")
    environment = json.loads((run / "environment.json").read_text())
    assert environment["good_images"] > 50
    assert environment["candidates"] <= fill.CANDIDATES + environment["good_images"]
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["image_auroc"] is not None and metrics["outliers"] is not None
    assert "good images filled the memory in" in (run / "report.html").read_text()
    assert "good images" in json.loads((run / "calibration.json").read_text())["source"]
    found = predictor.load_predictor(str(run)).predict(np.zeros((1, 40, 61, 1), np.uint8))
    assert found["mask"].shape == (1, 40, 61, 1) and 0 < found["score"][0] < 1


def test_equal_seeds_fill_equal_banks(data_dir):
    builder = datasets.prepare_dataset("dagm_synthetic/class_1_small", data_dir=data_dir)

    def bank(seed):
        changes = {"augmentation": "d4", "rotation": 30.0, "epochs": 2, "seed": seed}
        recipe = get_recipe(MODULE, builder_args=SMALL, **FEW, **changes)
        keras.utils.set_random_seed(0)  # of the random features
        model = builders.build(recipe.builder, **recipe.builder_args)
        fill.fill_bank(model, recipe, builder)
        return bank_of(model).get_weights()

    first, again, other = map(bank, (3, 3, 4))
    for one, two in zip(first, again):
        np.testing.assert_array_equal(one, two)
    assert not np.array_equal(first[0], other[0])


def test_memory_does_not_grow_with_the_number_of_images(runs, monkeypatch, caplog):
    monkeypatch.setattr(fill, "CANDIDATES", 200)
    environment = json.loads((runs("few") / "environment.json").read_text())
    assert 200 <= environment["candidates"] < 200 + environment["good_images"]
    assert "features say little" in caplog.text


def test_cells_beyond_the_border_are_left_out():
    mask = np.full((8, 6), 255, np.uint8)
    mask[4:] = 0
    assert fill._cells(mask, (2, 3)).tolist() == [[255] * 3, [0] * 3]


def test_data_without_good_images_are_refused_with_the_reason():
    recipe = get_recipe("patch_core/neu_seg/strip")
    with pytest.raises(ValueError, match=r"good images alone, and the folds .* have none"):
        recipe_checks.check_one_class(recipe, 0)


def test_no_defects_are_painted():
    recipe = get_recipe(MODULE, foreground_dir="parts")
    with pytest.raises(ValueError, match="`foreground_dir` must be none: patch_core paints no"):
        recipe_checks.check_one_class(recipe, 20)
