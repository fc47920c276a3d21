"""The key figures of a report."""

import math

from builders.runs.figures import FIGURES

OF_A_THRESHOLD = ("defect_iou", "defect_dice", "set_iou", "set_dice", "mean_iou", "boundary_f1")
TILES = (
    "image_auroc",
    "image_ap",
    "pg@0.05",
    "pb@0.05",
    "pb@0.01",
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
    "au_spro@0.05",
    "defect_iou",
    "defect_dice",
    "set_iou",
    "set_dice",
    "mean_iou",
    "boundary_f1",
    "hit_rate",
    "label_f1",
    "box_recall@0.3",
    "box_precision@0.3",
    "box_mean_iou",
)
# Shown only of models that draw boxes or predict labels.
_SOME_MODELS = ("label_f1", "box_recall@0.3", "box_precision@0.3", "box_mean_iou")


def tiles(metrics: dict) -> list[dict]:
    """Returns the figures that were measured, in the order of `TILES`.

    Returns:
      Dicts of `name`, `meaning` and `value`, a text; `bound`, half of the width of the interval
      that holds the true figure, None where the figure is exact; `interval`, where the share lies
      of which images are a sample, [low, high], or None; `reason`, why there is no value,
      else None.
    """
    several_types = len(metrics["per_type"]) > 1
    return [
        _tile(metrics, key)
        for key in TILES
        if key in metrics
        and (key != "mean_iou" or several_types)
        and (key not in _SOME_MODELS or metrics.get("boxes" if "box" in key else "labels"))
    ]


def _tile(metrics: dict, key: str) -> dict:
    value = metrics[key]
    undefined = value is None or math.isnan(value)
    return {
        "name": FIGURES[key].title,
        "meaning": FIGURES[key].meaning,
        "value": "–" if undefined else _text(value),
        "bound": metrics["bounds"].get(key) or None,
        "interval": metrics.get("hit_interval") if key == "hit_rate" else None,
        "reason": metrics["reasons"].get(key) or _reason(metrics, key) if undefined else None,
    }


def _text(value: float) -> str:
    """Three decimals; what is not 1 does not look like it."""
    rounded = f"{value:.3f}"
    return f"{math.floor(1e4 * value) / 1e4:.4f}" if rounded == "1.000" and value < 1 else rounded


def _reason(metrics: dict, key: str) -> str:
    if not metrics["defective"]:
        return "no defective image was measured"
    if metrics["defective"] == metrics["images"]:
        return "no good image was measured"
    if key in OF_A_THRESHOLD and metrics["threshold"] is None:
        return "no threshold was chosen"
    return "not measured"
