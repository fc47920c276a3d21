"""The key figures of a report, and what each of them says."""

import math

OF_A_THRESHOLD = ("defect_iou", "defect_dice", "set_iou", "set_dice", "mean_iou", "boundary_f1")

# metric -> name, what it says
FIGURES = {
    "image_auroc": (
        "Image AUROC",
        "How often a defective image scores higher than a good one, at no threshold in "
        "particular. 0.5 is guessing.",
    ),
    "image_ap": (
        "Image AP",
        "Average precision: the share of real defects among the images with the highest scores, "
        "averaged as ever more defects are found.",
    ),
    "pg@0.05": (
        "Good passed at 5\u00a0% missed",
        "The highest share of good images that pass while at most 5 % of the defective ones do.",
    ),
    "pb@0.05": (
        "Defects found at 5\u00a0% alarms",
        "The highest share of defective images found while at most 5 % of the good ones are "
        "rejected.",
    ),
    "pb@0.01": (
        "Defects found at 1\u00a0% alarms",
        "The same while at most 1 % are: TPR at 1 % FPR. With fewer than 100 good images, none may "
        "be.",
    ),
    "pixel_auroc": (
        "Pixel AUROC",
        "How often a defect pixel scores higher than a good one. Near 1 even for poor masks, "
        "since most pixels are good and easy.",
    ),
    "pixel_ap": ("Pixel AP", "Average precision of pixels: the strict figure for small defects."),
    "au_pro@0.3": (
        "AU-PRO@0.3",
        "How much of a defect is marked, every defect counting alike, averaged over all thresholds "
        "that mark at most 30 % of the good pixels. 0.15 is guessing.",
    ),
    "au_pro@0.05": (
        "AU-PRO@0.05",
        "The same for thresholds that mark at most 5 % of the good pixels: stricter, and not to be "
        "compared with the figure at 0.3.",
    ),
    "au_spro@0.05": (
        "AU-sPRO@0.05",
        "AU-PRO in which a defect counts as found once its saturation area is marked.",
    ),
    "defect_iou": (
        "Defect IoU",
        "Marked and true area: the part they share of all they cover, averaged over the "
        "defective images. 1 is perfect.",
    ),
    "defect_dice": (
        "Defect Dice",
        "The same overlap in another unit, 2 IoU / (1 + IoU) of each image: always the higher.",
    ),
    "set_iou": (
        "Set IoU",
        "IoU of the pixels of all images together: large defects weigh more, and marks on good "
        "images count as errors.",
    ),
    "set_dice": ("Set Dice", "Dice of the pixels of all images together."),
    "mean_iou": (
        "Mean IoU of types",
        "IoU of the pixels of all images for each defect type, averaged over the types.",
    ),
    "boundary_f1": (
        "Boundary F1",
        "How well the outline of the marks follows the true one, averaged over the defective "
        "images.",
    ),
    "hit_rate": (
        "Hit rate",
        "The share of the defective images whose likeliest pixel is on the defect: the pointing "
        "game.",
    ),
    "label_f1": (
        "Label F1",
        "F1 of what the images are called, averaged over the labels; of two labels that of the "
        "defect.",
    ),
    "box_recall@0.3": (
        "Box recall",
        "The share of the separate defects that a box covers with an IoU of 0.3 or more.",
    ),
    "box_precision@0.3": (
        "Box precision",
        "The share of the boxes that cover a defect so; boxes on good images are wrong.",
    ),
    "box_mean_iou": (
        "Box IoU",
        "IoU of the box of each separate defect with the drawn one that fits it best, 0 where none "
        "is drawn.",
    ),
}
# Shown only of models that draw boxes or tell labels.
_SOME_MODELS = ("label_f1", "box_recall@0.3", "box_precision@0.3", "box_mean_iou")


def tiles(metrics: dict) -> list[dict]:
    """The figures that were asked for, in the order of `FIGURES`.

    Returns:
      Dicts of `name`, `meaning` and `value`, a text; `bound`, half of the width of the interval
      that holds the true figure, None where the figure is exact; `interval`, where the share lies
      of which images are a sample, [low, high], or None; `reason`, why there is no value,
      else None.
    """
    several_types = len(metrics["per_type"]) > 1
    return [
        _tile(metrics, key)
        for key in FIGURES
        if key in metrics
        and (key != "mean_iou" or several_types)
        and (key not in _SOME_MODELS or metrics.get("boxes" if "box" in key else "labels"))
    ]


def _tile(metrics: dict, key: str) -> dict:
    name, meaning = FIGURES[key]
    value = metrics[key]
    undefined = value is None or math.isnan(value)
    return {
        "name": name,
        "meaning": meaning,
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
