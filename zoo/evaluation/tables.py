"""The tables of `metrics.json` that follow from rows and counts, with None where undefined."""

import math
from collections.abc import Sequence

import numpy as np

from tfds_datasets.features import GOOD
from zoo.evaluation.thresholds import image_threshold
from zoo.metrics import segmentation
from zoo.metrics.boxes import IOU_LEVELS
from zoo.metrics.decisions import image_decisions, wilson_interval
from zoo.metrics.threshold_overlap import ThresholdOverlap
from zoo.recipes.threshold_rules import Rule

OVERLAPS = ("defect_iou", "defect_dice", "set_iou", "set_dice")
# What cannot be said where no mask says where the defects are.
OF_MASKS = (
    *OVERLAPS,
    "mean_iou",
    "boundary_f1",
    "hit_rate",
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
)
DECISIONS = ("tp", "fp", "tn", "fn", "tpr", "tnr")
RATES = (
    "image_auroc",
    "image_ap",
    "pg@0.05",
    "pb@0.05",
    "pb@0.01",
    "pixel_auroc",
    "pixel_ap",
    "au_pro",
    "au_spro",
)


def decisions(scores, defective, threshold: float | None) -> dict:
    """`image_decisions`, or None for each of its figures where there is no threshold."""
    if threshold is None:
        return dict.fromkeys(image_decisions(scores, defective, 0.0))
    return image_decisions(scores, defective, threshold)


def per_type(rows: list[dict], score_threshold: float | None) -> list[dict]:
    """Returns for each defect type: how many `images` of it, how many `found`, and how well.

    Args:
      rows: of `per_image`.
      score_threshold: of images; None where none was chosen.

    Returns:
      Dicts of `label`, `images`, `found` (None without a threshold), `mean_iou` and `mean_dice`
      over its images, `regions` and the mean of their `pro@0.3` as `au_pro@0.3`.
    """
    table = []
    for label in dict.fromkeys(row["label"] for row in rows if row["label"] != GOOD):
        ours = [row for row in rows if row["label"] == label]
        regions = sum(row["regions"] for row in ours)
        pro = [row["regions"] * row["pro@0.3"] for row in ours if row["pro@0.3"] is not None]
        found = None
        if score_threshold is not None:
            found = sum(row["score"] > score_threshold for row in ours)
        table.append(
            {
                "label": label,
                "images": len(ours),
                "found": found,
                "mean_iou": mean(row["iou"] for row in ours),
                "mean_dice": mean(row["dice"] for row in ours),
                "regions": regions,
                "au_pro@0.3": sum(pro) / regions if pro else None,
            }
        )
    return table


def pixel_confusion(confusion: np.ndarray | None, names: Sequence[str]) -> dict:
    """Returns the confusion of pixels, the scores of each class, and their mean IoU.

    Args:
      confusion: int64 [C, C], rows the truth; None where there is no threshold.
      names: of the C classes, background first.
    """
    if confusion is None:
        return dict.fromkeys(("pixel_confusion", "mean_iou", "mean_iou_with_background"))
    scores = segmentation.type_scores(confusion)
    return {
        "pixel_confusion": {
            "classes": list(names),
            "counts": confusion.tolist(),
            **{key: [number(value) for value in row.tolist()] for key, row in scores.items()},
        },
        "mean_iou": number(segmentation.mean_iou(confusion, include_background=False)),
        "mean_iou_with_background": number(
            segmentation.mean_iou(confusion, include_background=True)
        ),
    }


def box_figures(boxes: dict | None) -> dict:
    """`boxes` as `BoxCounts` has them, their mean IoU, recall and precision at the lowest IoU."""
    level = IOU_LEVELS[0]
    return {
        "boxes": boxes,
        "box_mean_iou": boxes and boxes["mean_iou"],
        f"box_recall@{level}": boxes and boxes[f"recall@{level}"],
        f"box_precision@{level}": boxes and boxes[f"precision@{level}"],
    }


def hit_figures(rows: list[dict]) -> dict:
    """`hits` of the pointing game, their rate among the images with a mask, and its interval."""
    played = [row["hit"] for row in rows if row["hit"] is not None]
    hits = sum(played) if played else None
    return {
        "hits": hits,
        "hit_rate": hits / len(played) if played else None,
        "hit_interval": wilson_interval(hits, len(played)) if played else None,
    }


def at_thresholds(overlap: ThresholdOverlap | None, scores, defective) -> list[dict]:
    """At the thresholds of UNet_Industrial; none where `overlap` is None.

    It is None for scores that are no probabilities, and where no defective image has a mask.
    """
    if overlap is None:
        return []
    curves = overlap.curves()
    rows = []
    for threshold in segmentation.THRESHOLDS:
        index, images = overlap.index(threshold), image_decisions(scores, defective, threshold)
        keys = (*OVERLAPS, "nvidia_dice_mean")
        pixels = {key: curves[key][index] for key in keys}
        rows.append({"threshold": threshold, **pixels, **{key: images[key] for key in DECISIONS}})
    return rows


def oracle(overlap: ThresholdOverlap | None, scores, defective) -> dict:
    """Returns the best thresholds of the measured images: where a slider may start, and no result.

    Args:
      overlap: None where no defective image has a mask, so that no pixel threshold is best.
      scores: float [N], of the images.
      defective: bool [N].

    Returns:
      `threshold` of pixels and their `set_f1`; `score_threshold` of images and their `image_f1`.
    """
    best, curves = (overlap.best(), overlap.curves()) if overlap else (None, {})
    score_threshold = float(np.max(scores))
    if np.any(defective):
        score_threshold = image_threshold(Rule("best_f1"), scores, defective)
    return {
        "threshold": curves["threshold"][best] if overlap else None,
        "set_f1": curves["set_dice"][best] if overlap else None,
        "score_threshold": score_threshold,
        "image_f1": image_decisions(scores, defective, score_threshold)["f1"],
    }


def rates(figures: dict) -> dict:
    """Selects the figures of the whole set from what `AnomalyEvaluator.compute` returns."""
    return numbers({k: v for k, v in figures.items() if k.startswith(RATES)})


def numbers(figures: dict) -> dict:
    """Returns the same with None in place of NaN, which JSON has not; also in lists of dicts."""
    return {
        key: [numbers(row) for row in value]
        if isinstance(value, list) and value and isinstance(value[0], dict)
        else number(value)
        for key, value in figures.items()
    }


def number(value):
    """None in place of NaN."""
    return None if isinstance(value, float) and math.isnan(value) else value


def mean(values) -> float | None:
    """Returns the mean of those that are defined."""
    known = [value for value in values if number(value) is not None]
    return sum(known) / len(known) if known else None
