"""Mean and spread over runs that differ in the seed alone."""

import csv
import json
import pathlib
import statistics

from builders.run_dir import without_folders
from zoo.recipe import Recipe

FIGURES = (
    "defect_iou",
    "defect_dice",
    "set_iou",
    "mean_iou",
    "mean_iou_with_background",
    "boundary_f1",
    "image_auroc",
    "image_ap",
    "pg@0.05",
    "pb@0.05",
    "pb@0.01",
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
    "tpr",
    "tnr",
    "balanced_accuracy",
    "macro_f1",
    "label_f1",
    "hits",
    "hit_rate",
    "box_mean_iou",
    "box_recall@0.3",
    "box_precision@0.3",
)

MEASURED_ON = ("dataset", "split", "images", "defective")
WATCHED = ("seconds", "val_iou", "val_balanced_accuracy")  # of each epoch, as far as it was learnt


def summarize(run_directories) -> dict:
    """Summarises finished runs of one recipe.

    Args:
      run_directories: runs whose recipes are equal but for the seed.

    Returns:
      What a file of `zoo/results` holds: the recipe, the data measured, each figure with `mean`,
      `sd` (of the sample; None for one run) and `values`, the same for the IoU of each class of
      pixels as `type_iou`, the table of images of each run, the validation figure over time, and
      the machine.

    Raises:
      ValueError: the runs differ in more than the seed, or not even in that, were measured on
        different images, or there is none.
    """
    runs = [_read_run(pathlib.Path(directory)) for directory in run_directories]
    if not runs:
        raise ValueError("Argument `run_directories` must name one run or more. Received none")
    # By way of `Recipe`, which completes those of an earlier version.
    recipes = [{**Recipe.from_dict(run["recipe"]).to_dict(), "seed": None} for run in runs]
    if any(recipe != recipes[0] for recipe in recipes):
        raise ValueError("Runs of one summary must have one recipe and differ in the seed alone.")
    seeds = [run["recipe"]["seed"] for run in runs]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Runs of one summary must have a seed each. Received: {seeds}")
    metrics = [run["metrics"] for run in runs]
    measured_on = [{key: each[key] for key in MEASURED_ON} for each in metrics]
    if any(each != measured_on[0] for each in measured_on):
        raise ValueError(
            f"Runs of one summary must be measured on the same images. Received: {measured_on}"
        )
    tables = [each["at_thresholds"] for each in metrics]
    return {
        "recipe": without_folders(recipes[0]),
        "seeds": seeds,
        **measured_on[0],
        "image_shape": metrics[0]["image_shape"],
        "threshold_source": metrics[0]["threshold_source"],
        "figures": {key: spread([each[key] for each in metrics]) for key in FIGURES},
        "nvidia_dice_mean@0.99": spread(
            [rows[-1]["nvidia_dice_mean"] if rows else None for rows in tables]
        ),
        "type_iou": _type_ious(metrics),
        "images_decided": [{key: m[key] for key in ("tp", "fn", "fp", "tn")} for m in metrics],
        "training_seconds": spread([run["environment"]["training_seconds"] for run in runs]),
        "training_steps": [run["environment"]["training_steps"] for run in runs],
        "history": [run["history"] for run in runs],
        "environment": {
            key: without_folders(value)
            for key, value in runs[0]["environment"].items()
            if not key.startswith("training")
        },
    }


def spread(values) -> dict:
    """`mean` and `sd` of the sample over those of some `values` that are defined, else None."""
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.mean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "values": values,
    }


def _type_ious(metrics: list[dict]) -> dict:
    confusions = [each["pixel_confusion"] for each in metrics]
    if None in confusions:  # no defective image has a mask
        return {}
    return {
        name: spread([each["iou"][index] for each in confusions])
        for index, name in enumerate(confusions[0]["classes"])
    }


def _read_run(directory) -> dict:
    missing = [name for name in ("recipe.json", "metrics.json") if not (directory / name).is_file()]
    if missing:
        raise ValueError(f"{directory} must be a finished run; {missing[0]} is missing.")
    with open(directory / "history.csv", newline="") as stream:
        history = [
            {key: round(float(row[key]), 4) for key in WATCHED if key in row}
            for row in csv.DictReader(stream)
        ]
    documents = ("recipe", "metrics", "environment")
    run = {name: json.loads((directory / f"{name}.json").read_text()) for name in documents}
    if unknown := [name for name in FIGURES if name not in run["metrics"]]:
        raise ValueError(
            f"{directory / 'metrics.json'} was measured before there was {', '.join(unknown)}: "
            f"measure again, by python -m zoo evaluate --source={directory} --output_dir=FOLDER, "
            "and put its metrics.json there."
        )
    return {"history": history, **run}
