"""Models that are measured on other types of defect than they have learnt."""

import pytest
from made_archives import build
from made_predictors import bright
from made_pseudo_masks import make_folder

from builders.runs.atomic import write_json
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo import recipes
from zoo.evaluation import evaluate_run
from zoo.prediction.predictor import Predictor


def test_types_are_those_of_the_measured_data(tmp_path):
    """A model of any defect may meet types; one of types meets no others."""
    make_folder(tmp_path / "mine")
    write_json(tmp_path / "mine/palette.json", {"spot": 255})
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    calibration = {"threshold": 0.5, "score_threshold": 0.5}
    any_defect = recipes.get_recipe("unet/image_mask_folder/grey").to_dict()
    known = {**any_defect, "class_names": ["good", "defect"]}
    evaluation = evaluate_run.evaluate_on_dataset(Predictor(bright, known, calibration), builder)
    assert {row["label"] for row in evaluation.metrics["per_image"]} == {"good", "spot"}
    recipe = recipes.get_recipe("unet/neu_seg/strip").to_dict()
    names = ["good", "inclusion", "patches", "scratches"]
    of_types = Predictor(bright, {**recipe, "class_names": names}, calibration)
    with pytest.raises(ValueError, match=r"tells good, inclusion, .* apart, and .* has good, spot"):
        evaluate_run.evaluate_on_dataset(of_types, builder)
