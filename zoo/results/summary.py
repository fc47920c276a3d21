"""Mean and spread over runs that differ in the seed alone."""

import json
import pathlib
import statistics

from builders.runs import run_files
from builders.runs.atomic import write_json
from builders.runs.run_dir import without_folders
from zoo.recipes.recipe import Recipe

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
OF_EACH_RUN = ("seeds", "images_decided", "training_steps", "history")
WATCHED = ("seconds", "val_iou", "val_balanced_accuracy")  # of each epoch, as far as it was learnt


def summarize(sources) -> dict:
    """Summarises finished runs of one recipe.

    Args:
      sources: folders of runs, or files of earlier summaries, whose runs need not be there any
        more; the recipes are equal but for the seed.

    Returns:
      What a file of `zoo/results` holds: the recipe, the data measured, each figure with `mean`,
      `sd` (of the sample; None for one run) and `values`, the same for the IoU of each class of
      pixels as `type_iou`, the table of images of each run, the validation figure over time, and
      the machine of the first run.

    Raises:
      ValueError: the runs differ in more than the seed, or not even in that, were measured on
        different images, or there is none.
    """
    sources = [pathlib.Path(source) for source in sources]
    if not sources:
        raise ValueError("Argument `sources` must name one run or more. Received none")
    return _joined([_read_summary(s) if s.is_file() else _summary(_read_run(s)) for s in sources])


def write_summary(output_dir, result: dict) -> pathlib.Path:
    """Writes what `summarize` returns into a folder, as `<handle>-<recipe>.json`.

    Raises:
      ValueError: that file holds the summary of another recipe of this name, of other masks, or of
        seeds that would be lost.
    """
    recipe = result["recipe"]
    path = pathlib.Path(output_dir, f"{recipe['module'].replace('/', '-')}-{recipe['name']}.json")
    if path.is_file():
        before = json.loads(path.read_text())
        known = before["recipe"]
        changed = [key for key, value in recipe.items() if known.get(key, value) != value]
        if before["environment"].get("masks") != result["environment"].get("masks"):
            changed.append("kind of masks")
        if changed:
            raise ValueError(
                f"{path} holds the summary of a recipe with another {', '.join(changed)}. Choose "
                "another --output_dir."
            )
        if lost := sorted(set(before["seeds"]) - set(result["seeds"])):
            raise ValueError(
                f"{path} holds the summary of the seeds {', '.join(map(str, lost))} as well, which "
                "would be lost. Name that file among --source, or choose another --output_dir."
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    return path


def _joined(summaries: list[dict]) -> dict:
    first = summaries[0]
    if any(each["recipe"] != first["recipe"] for each in summaries):
        raise ValueError("Runs of one summary must have one recipe and differ in the seed alone.")
    joined = {key: [one for each in summaries for one in each[key]] for key in OF_EACH_RUN}
    seeds = joined["seeds"]
    if len(set(seeds)) < len(seeds):
        raise ValueError(f"Runs of one summary must have a seed each. Received: {seeds}")
    measured_on = [{key: each[key] for key in MEASURED_ON} for each in summaries]
    if any(each != measured_on[0] for each in measured_on):
        raise ValueError(
            f"Runs of one summary must be measured on the same images. Received: {measured_on}"
        )
    for key in ("nvidia_dice_mean@0.99", "training_seconds"):
        joined[key] = spread([one for each in summaries for one in each[key]["values"]])
    for key in ("figures", "type_iou"):
        joined[key] = {
            name: spread([one for each in summaries for one in each[key][name]["values"]])
            for name in first[key]
        }
    return {**first, **joined}


def _summary(run: dict) -> dict:
    metrics, environment = run["metrics"], run["environment"]
    rows = metrics["at_thresholds"]
    return {
        "recipe": _without_seed(run["recipe"]),
        "seeds": [run["recipe"]["seed"]],
        **{key: metrics[key] for key in MEASURED_ON},
        "image_shape": metrics["image_shape"],
        "threshold_source": metrics["threshold_source"],
        "figures": {key: spread([metrics[key]]) for key in FIGURES},
        "nvidia_dice_mean@0.99": spread([rows[-1]["nvidia_dice_mean"] if rows else None]),
        "type_iou": _type_ious(metrics["pixel_confusion"]),
        "images_decided": [{key: metrics[key] for key in ("tp", "fn", "fp", "tn")}],
        "training_seconds": spread([environment["training_seconds"]]),
        "training_steps": [environment["training_steps"]],
        "history": [run["history"]],
        "environment": {
            key: without_folders(value)
            for key, value in environment.items()
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


def _without_seed(recipe: dict) -> dict:
    # By way of `Recipe`, which completes those of an earlier version.
    complete = Recipe.from_dict({**recipe, "seed": 0}).to_dict()
    return without_folders({**complete, "seed": None})


def _type_ious(confusion: dict | None) -> dict:
    if confusion is None:  # no defective image has a mask
        return {}
    named = zip(confusion["classes"], confusion["iou"], strict=True)
    return {name: spread([iou]) for name, iou in named}


def _read_summary(path) -> dict:
    summary = json.loads(path.read_text())
    if missing := sorted({"recipe", "figures", *OF_EACH_RUN} - set(summary)):
        raise ValueError(f"{path} must be a summary of runs; {missing[0]} is missing.")
    if unknown := [name for name in FIGURES if name not in summary["figures"]]:
        raise ValueError(f"{path} was written before there was {', '.join(unknown)}.")
    return {**summary, "recipe": _without_seed(summary["recipe"])}


def _read_run(directory) -> dict:
    needed = (run_files.RECIPE_FILE, run_files.METRICS_FILE)
    missing = [name for name in needed if not (directory / name).is_file()]
    if missing:
        raise ValueError(f"{directory} must be a finished run; {missing[0]} is missing.")
    history = [
        {key: round(row[key], 4) for key in WATCHED if key in row}
        for row in run_files.read_history(directory)
    ]
    run = {
        "recipe": run_files.read_document(directory, run_files.RECIPE_FILE),
        "metrics": run_files.read_document(directory, run_files.METRICS_FILE),
        "environment": run_files.read_document(directory, run_files.ENVIRONMENT_FILE),
    }
    if unknown := [name for name in FIGURES if name not in run["metrics"]]:
        raise ValueError(
            f"{directory / 'metrics.json'} was measured before there was {', '.join(unknown)}: "
            f"measure again, by python -m zoo evaluate --source={directory} --output_dir=FOLDER, "
            "and put its metrics.json there."
        )
    return {"history": history, **run}
