"""Mean and spread over runs that differ in the seed alone, and the README's table of them."""

import csv
import json
import pathlib
import statistics

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
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
    "tpr",
    "tnr",
    "balanced_accuracy",
    "macro_f1",
)
# What UNet_Industrial published for each class of DAGM 2007 at 512x512, FP32, threshold 0.99,
# as "IoU": Dice averaged over all test images, the good ones included.
PUBLISHED_DICE = dict(
    enumerate((0.969, 0.976, 0.979, 0.967, 0.992, 0.983, 0.981, 0.970, 0.988, 0.981), start=1)
)
_HEADER = (
    "| module | recipe | image | seeds | defect IoU | set IoU | AU-PRO@0.3 | image AUROC "
    "| found of defective | passed of good | NVIDIA's number, ours / published | minutes |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)
_TYPE_HEADER = (
    "| module | recipe | image | seeds | mIoU of types | with background | IoU of each type "
    "| AU-PRO@0.3 | image AUROC | minutes |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |\n"
)


def summarize(run_directories) -> dict:
    """Summarises finished runs of one recipe.

    Args:
      run_directories: runs whose recipes are equal but for the seed.

    Returns:
      What a file of `zoo/results` holds: the recipe, the data measured, each figure with `mean`,
      `sd` (of the sample; None for one run) and `values`, the same for the IoU of each class of
      pixels as `type_iou`, the table of images of each run, the validation IoU over time, and the
      machine.

    Raises:
      ValueError: the runs differ in more than the seed, or there is none.
    """
    runs = [_read_run(pathlib.Path(directory)) for directory in run_directories]
    if not runs:
        raise ValueError("Argument `run_directories` must name one run or more. Received none")
    recipes = [{**run["recipe"], "seed": None} for run in runs]
    if any(recipe != recipes[0] for recipe in recipes):
        raise ValueError("Runs of one summary must have one recipe and differ in the seed alone.")
    metrics = [run["metrics"] for run in runs]
    return {
        "recipe": recipes[0],
        "seeds": [run["recipe"]["seed"] for run in runs],
        **{key: metrics[0][key] for key in ("dataset", "split", "images", "defective")},
        "image_shape": metrics[0]["image_shape"],
        "threshold_source": metrics[0]["threshold_source"],
        "figures": {key: _spread([each[key] for each in metrics]) for key in FIGURES},
        "nvidia_dice_mean@0.99": _spread(
            [each["at_thresholds"][-1]["nvidia_dice_mean"] for each in metrics]
        ),
        "type_iou": _type_ious(metrics),
        "images_decided": [{key: m[key] for key in ("tp", "fn", "fp", "tn")} for m in metrics],
        "training_seconds": _spread([run["environment"]["training_seconds"] for run in runs]),
        "training_steps": [run["environment"]["training_steps"] for run in runs],
        "history": [run["history"] for run in runs],
        "environment": {
            key: value
            for key, value in runs[0]["environment"].items()
            if not key.startswith("training")
        },
    }


def type_table(results: list[dict]) -> str:
    """The README's table of modules that tell defect types apart, in Markdown."""
    rows = []
    for result in sorted(results, key=lambda r: (r["recipe"]["module"], r["recipe"]["name"])):
        recipe, figures = result["recipe"], result["figures"]
        types = [name for name in result["type_iou"] if name != "background"]
        cells = (
            f"`{recipe['module']}`",
            recipe["name"],
            "x".join(map(str, result["image_shape"][:2])),
            str(len(result["seeds"])),
            _show(figures["mean_iou"]),
            _show(figures["mean_iou_with_background"]),
            ", ".join(f"{name} {_show(result['type_iou'][name])}" for name in types),
            _show(figures["au_pro@0.3"]),
            _show(figures["image_auroc"], 4),
            f"{result['training_seconds']['mean'] / 60:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return _TYPE_HEADER + "\n".join(rows) + "\n"


def table(results: list[dict]) -> str:
    """The README's table of modules that find defects of any type, in Markdown."""
    rows = []
    for result in sorted(results, key=lambda r: (r["recipe"]["module"], r["recipe"]["name"])):
        recipe, figures, decided = result["recipe"], result["figures"], result["images_decided"]
        found, missed, alarms, passed = (
            statistics.mean(each[key] for each in decided) for key in ("tp", "fn", "fp", "tn")
        )
        ours = _show(result["nvidia_dice_mean@0.99"])
        cells = (
            f"`{recipe['module']}`",
            recipe["name"],
            "x".join(map(str, result["image_shape"][:2])),
            str(len(result["seeds"])),
            _show(figures["defect_iou"]),
            _show(figures["set_iou"]),
            _show(figures["au_pro@0.3"]),
            _show(figures["image_auroc"], 4),
            f"{found:.1f} / {found + missed:.0f}",
            f"{passed:.1f} / {passed + alarms:.0f}",
            f"{ours} / {_published(recipe['dataset'])}",
            f"{result['training_seconds']['mean'] / 60:.0f}",
        )
        rows.append(f"| {' | '.join(cells)} |")
    return _HEADER + "\n".join(rows) + "\n"


def _show(spread, digits=3) -> str:
    if spread["mean"] is None:
        return "undefined"
    sd = "" if spread["sd"] is None else f" ± {spread['sd']:.{digits}f}"
    return f"{spread['mean']:.{digits}f}{sd}"


def _type_ious(metrics: list[dict]) -> dict:
    confusions = [each["pixel_confusion"] for each in metrics]
    return {
        name: _spread([each["iou"][index] for each in confusions])
        for index, name in enumerate(confusions[0]["classes"])
    }


def _published(dataset: str) -> str:
    name, _, config = dataset.partition("/")
    if name != "dagm2007":
        return "none"
    return str(PUBLISHED_DICE[int(config.removeprefix("class_"))])


def _read_run(directory) -> dict:
    missing = [name for name in ("recipe.json", "metrics.json") if not (directory / name).is_file()]
    if missing:
        raise ValueError(f"{directory} must be a finished run; {missing[0]} is missing.")
    with open(directory / "history.csv", newline="") as stream:
        history = [
            {key: round(float(row[key]), 4) for key in ("seconds", "val_iou")}
            for row in csv.DictReader(stream)
        ]
    documents = ("recipe", "metrics", "environment")
    return {
        "history": history,
        **{name: json.loads((directory / f"{name}.json").read_text()) for name in documents},
    }


def _spread(values) -> dict:
    known = [value for value in values if value is not None]
    return {
        "mean": statistics.mean(known) if known else None,
        "sd": statistics.stdev(known) if len(known) > 1 else None,
        "values": values,
    }
