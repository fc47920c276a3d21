"""A run directory with a TinyUNet of random weights, for tests of what comes after training."""

import pathlib

import keras

from builders import build
from builders.runs.atomic import write_json
from builders.runs.run_dir import save_model

RECIPE = {
    "module": "tiny_unet/dagm2007/class_4",
    "name": "default",
    "builder": "tiny_unet",
    "builder_args": {"image_shape": [None, None, 1], "num_classes": 1, "weight_decay": 1e-5},
    "class_names": ["good", "defect"],
    "image_size": [64, 64],
    "dataset": "dagm2007/class_4",
    "seed": 0,
}
CALIBRATION = {"threshold": 0.375, "score_threshold": 0.625, "source": "best F1 on fold 9"}
METRICS = {"images": 575, "defect_iou": 0.8125, "tpr": None, "per_image": [0.5, 0.25]}


def tiny_run(directory, *, seed: int = 0) -> pathlib.Path:
    """Writes a run directory and returns it; another seed gives other weights."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True)
    keras.utils.set_random_seed(seed)
    save_model(build(RECIPE["builder"], **RECIPE["builder_args"]), RECIPE, directory)
    write_json(directory / "calibration.json", CALIBRATION)
    write_json(directory / "metrics.json", METRICS)
    return directory
