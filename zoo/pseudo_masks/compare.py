"""A teacher and its students on one test set, whose truth nobody has seen."""

import json
from collections.abc import Callable, Sequence

import numpy as np

from builders.runs import run_dir, run_files
from tfds_datasets.image_mask_folder import manifest
from zoo.evaluation import evaluate_run
from zoo.prediction.predictor import Predictor, index_mask
from zoo.pseudo_masks.packed_mask import PackedMask, pack, unpack
from zoo.results.summary import spread

FIGURES = (
    "image_auroc",
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
    "set_iou",
    "best_set_iou",
    "milliseconds",
    "agreement_iou",
)
# What a run learnt from, by the sources of its masks, the telling one first.
LEARNT_FROM = {
    manifest.PSEUDO: "pseudo masks",
    manifest.SYNTHETIC: "painted defects",
    manifest.GROUND_TRUTH: "ground truth",
}


def compare(
    teacher: str, students: Sequence[str], load: Callable[[str], Predictor], builder
) -> dict:
    """Measures a teacher and its students on the test split of a data set.

    Args:
      teacher: its run directory.
      students: run directories, of several seeds where there are.
      load: returns the predictor of a run directory, which takes images of any size.
      builder: the built data set whose test split measures all, with the truth.

    Returns:
      `dataset`, `split`, `images`, `defective`, and how many of the images have `taught` the
      teacher, which none should. `rows`, the teacher's and one for each recipe and kind of masks:
      `module`, `learnt_from`, `seeds`, `parameters` and `figures`, as `spread` has them: those of
      the measurement; `best_set_iou`, at the best threshold of these very images, which flatters;
      `milliseconds` an image; `agreement_iou` with the teacher's masks, which are not the truth.

    Raises:
      ValueError: a run is none, or the masks of the test split are a model's.
    """
    measured: dict[tuple, list[dict]] = {}
    kept: list[PackedMask] = []
    for directory in (teacher, *students):
        predictor = load(directory)
        # One truth for all, that of the whole image, at whatever size a network sees it.
        predictor = predictor._replace(recipe={**predictor.recipe, "image_size": None})
        if directory == teacher:
            agreement, answer = [], _keeping(predictor, kept)
        else:
            agreement, answer = _comparing(predictor, kept)
        evaluation = evaluate_run.evaluate_on_dataset(
            predictor._replace(predict=answer), builder, "test"
        )
        run = _run(directory, teacher)
        key = (run["learnt_from"], run["parameters"], run.pop("trained_by"))
        measured.setdefault(key, []).append(
            {**run, **_figures(evaluation.metrics), "agreement_iou": _iou(agreement)}
        )
    metrics = evaluation.metrics
    return {
        **{key: metrics[key] for key in ("dataset", "split", "images", "defective")},
        "taught": int((builder.info.metadata or {}).get("taught", 0)),
        "rows": [_row(runs) for runs in measured.values()],
    }


def _keeping(predictor, kept):
    """Returns a predict function that adds its masks to a list."""

    def predict(images):
        outputs = predictor.predict(images)
        for probability in outputs["mask"]:
            kept.append(pack(index_mask(probability, predictor.threshold) > 0))
        return outputs

    return predict


def _comparing(predictor, kept):
    """Pixels that both and that either have marked, image by image, and what adds to them."""
    teachers, counts = map(unpack, kept), []

    def predict(images):
        outputs = predictor.predict(images)
        for probability in outputs["mask"]:
            marked, teachers_mask = index_mask(probability, predictor.threshold) > 0, next(teachers)
            counts.append((np.sum(marked & teachers_mask), np.sum(marked | teachers_mask)))
        return outputs

    return counts, predict


def _iou(counts) -> float | None:
    both, either = (int(sum(column)) for column in zip(*counts)) if counts else (0, 0)
    return both / either if either else None


def _run(directory, teacher) -> dict:
    """Returns what a run directory says of its model."""
    model, recipe = run_dir.load_model(directory)
    started = recipe.get("start_from") is not None
    masks = run_files.read_document(directory, run_files.ENVIRONMENT_FILE).get("masks", [])
    return {
        "module": recipe["module"],
        "recipe": recipe["name"],
        "seed": recipe["seed"],
        "trained_by": json.dumps({**recipe, "seed": None, "start_from": started}, sort_keys=True),
        "parameters": model.count_params(),
        "learnt_from": "good images"
        if directory == teacher
        else next((text for kind, text in LEARNT_FROM.items() if kind in masks), "ground truth"),
    }


def _figures(metrics) -> dict:
    best_f1 = metrics["oracle"]["set_f1"]
    return {
        **{key: metrics[key] for key in FIGURES if key in metrics},
        "best_set_iou": None if best_f1 is None else best_f1 / (2 - best_f1),
        "milliseconds": 1000 / metrics["images_per_second"],
    }


def _row(runs: list[dict]) -> dict:
    return {
        **{key: runs[0][key] for key in ("module", "recipe", "learnt_from", "parameters")},
        "seeds": [run["seed"] for run in runs],
        "figures": {key: spread([run[key] for run in runs]) for key in FIGURES},
    }
