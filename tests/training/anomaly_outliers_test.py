"""A defect among the good images that a model learns from is found, by training on one."""

import json

import numpy as np
import pytest
import tensorflow as tf
from parsed_page import Page
from small_transfusion import MODULE, SMALL

from zoo.data import datasets
from zoo.evaluation import evaluate_run, outliers
from zoo.evaluation.evaluate import Evaluation
from zoo.prediction.predictor import load_predictor
from zoo.recipes import get_recipe
from zoo.report import verdict
from zoo.training.train import train

BLOT = np.zeros((32, 32, 1), bool)
BLOT[10:18, 16:22] = True
RECIPE = get_recipe(MODULE, **{**SMALL, "steps_per_epoch": 150, "epochs": 2})


def read_blotted(name):
    """`datasets.read_examples` with a white blot on one image of the size of the recipe."""
    read = datasets.read_examples

    def read_examples(*args, image_size=None, **options):
        def blot(example):
            marked = BLOT & (example["file_name"] == name)
            return {**example, "image": tf.where(marked, np.uint8(255), example["image"])}

        examples = read(*args, image_size=image_size, **options)
        return examples if image_size is None else examples.map(blot)

    return read_examples


@pytest.fixture(scope="module")
def blotted(data_dir, tmp_path_factory):
    """A run that learnt from an image with a blot, and the name of that image."""
    builder = datasets.prepare_dataset(RECIPE.dataset, data_dir=data_dir)
    good = datasets.read_good_examples(builder, RECIPE, RECIPE.training_folds)
    name = min(example["file_name"].decode() for example in good.as_numpy_iterator())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(datasets, "read_examples", read_blotted(name))
        run = train(RECIPE, runs_dir=tmp_path_factory.mktemp("runs"), data_dir=data_dir)
    return run, name


def test_blot_is_named(blotted):
    run, name = blotted
    metrics = json.loads((run / "metrics.json").read_text())
    (row,) = metrics["outliers"]
    assert (row["file_name"], row["role"]) == (name, outliers.TRAINING)
    assert row["z"] > outliers.LIMIT
    (line,) = (line for line in verdict.table(metrics).splitlines() if "outliers" in line)
    assert line.endswith(f"to be looked at: {name}")


def test_blot_is_shown(blotted):
    run, name = blotted
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "1 of the images given as good looks least like the others: look at it" in page.text
    _, _, section = page.text.partition("Outliers among the good images")
    assert f"{name} (learnt from): score" in section
    assert [row["alt"] for row in page.all("img")][-3:] == ["Image", "Anomaly map", "Marked"]


def test_nothing_is_named_without_a_blot(blotted, data_dir):
    """Among all good images as they are, those of validation too."""
    predictor = load_predictor(str(blotted[0]))
    builder = datasets.prepare_dataset(RECIPE.dataset, data_dir=data_dir)
    search = outliers.OutlierSearch()
    evaluate_run.calibrate_predictor(
        predictor, builder, on_sample=lambda sample: search.add(sample, outliers.VALIDATION)
    )
    evaluation = evaluate_run.with_outliers(
        Evaluation({}, [], {}), search, predictor, builder, RECIPE.training_folds
    )
    assert evaluation.metrics == {"outliers": []} and evaluation.outliers == []
    kept = {entry["row"]["role"] for *_, entry in search._heap}
    assert kept == {outliers.TRAINING, outliers.VALIDATION}
