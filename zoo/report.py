"""Writes what a model can do as one HTML file that needs no network and no other file."""

import base64
import math
import pathlib

import jinja2
import numpy as np
from markupsafe import Markup

from builders.atomic import replacing
from zoo import charts, pictures, verdict

TEMPLATE = "report.html.j2"
PICTURE_SIDE = 320  # pixels of the longest side
TRUTH_COLOR = pictures.PALETTE[1]

# metric -> name, what it says
FIGURES = {
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
    "pixel_auroc": (
        "Pixel AUROC",
        "How often a defect pixel scores higher than a good one. Near 1 even for poor masks, "
        "since most pixels are good and easy.",
    ),
    "pixel_ap": ("Pixel AP", "Average precision of pixels: the strict figure for small defects."),
}

# kind of a gallery entry -> title
GALLERY = {
    "worst": "Hardest defects: lowest IoU",
    "best": "Clearest defects: highest IoU",
    "alarm": "Good images with the highest scores",
}


def write_report(
    path,
    *,
    recipe: dict,
    metrics: dict,
    calibration: dict,
    environment: dict,
    history: list[dict],
    gallery: list[dict],
) -> None:
    """Writes the report of one measurement, whole or not at all.

    Args:
      path: the HTML file.
      recipe: `Recipe.to_dict()`.
      metrics: as `zoo.evaluate.evaluate` returns them, with `module`, `dataset` and `split`.
      calibration: as `zoo.evaluate.calibrate` returns it; empty where nothing was calibrated.
      environment: versions and devices; may be empty.
      history: a dict for each epoch; empty for weights that were not trained here.
      gallery: dicts with `kind` (a key of `GALLERY`), `file_name`, `label`, `score`, `iou`,
        `image` uint8 [H, W, C], `mask` uint8 [H, W, 1] and `probability` float [H, W].
    """
    environment_of_page = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment_of_page.filters.update(number=_number, value=_value, duration=_duration)
    page = environment_of_page.get_template(TEMPLATE).render(
        metrics=metrics,
        good=metrics["images"] - metrics["defective"],
        verdict=verdict.sentence(metrics),
        counts=verdict.counts(metrics),
        calibration=calibration,
        seen=metrics["split"].partition("[")[0] == recipe["train_split"],
        figures=FIGURES,
        undefined_reason=_undefined_reason(metrics),
        groups=_groups(gallery, metrics),
        wrong=_wrong_images(metrics),
        training_charts=_training_charts(history),
        threshold_charts=_threshold_charts(metrics),
        history=history,
        recipe=recipe,
        environment=environment,
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _undefined_reason(metrics: dict) -> str:
    if not metrics["defective"]:
        return "no defective image was measured"
    if metrics["defective"] == metrics["images"]:
        return "no good image was measured"
    return "not measured"


def _groups(gallery: list[dict], metrics: dict) -> list[tuple[str, str, list[dict]]]:
    """For each kind: title, what to say where there is no picture, and the entries."""
    groups = []
    for kind, title in GALLERY.items():
        good = kind == "alarm"
        measured = metrics["images"] - metrics["defective"] if good else metrics["defective"]
        name = "good" if good else "defective"
        nothing = "No picture was kept." if measured else f"No {name} image was measured."
        entries = [_entry(row, metrics) for row in gallery if row["kind"] == kind]
        groups.append((title, nothing, entries))
    return groups


def _entry(row: dict, metrics: dict) -> dict:
    image, mask, name = row["image"], row["mask"][..., 0], row["file_name"]
    probability, threshold = row["probability"], metrics["threshold"]
    marked, truth = probability > threshold, (mask > 0) & (mask != pictures.IGNORE)
    drawn = pictures.overlay(pictures.overlay(image, marked), truth, TRUTH_COLOR, alpha=0.0)
    return {
        "file_name": name,
        "label": row["label"],
        "score": row["score"],
        "iou": row["iou"],
        "rejected": row["score"] > metrics["score_threshold"],
        "pictures": [
            ("Image", _jpeg(image), f"{name} as it is"),
            ("Truth", _png(pictures.color_types(mask)), f"True mask, {truth.mean():.2%} defect"),
            (
                "Probability",
                _jpeg(pictures.heat(probability)),
                f"Probability of a defect, highest {np.max(probability):.2f}",
            ),
            ("Overlay", _jpeg(drawn), f"{marked.mean():.2%} of the image is marked"),
        ],
    }


def _jpeg(picture) -> str:
    content = pictures.jpeg_bytes(pictures.thumbnail(picture, PICTURE_SIDE))
    return f"data:image/jpeg;base64,{base64.b64encode(content).decode()}"


def _png(picture) -> str:
    content = pictures.png_bytes(pictures.thumbnail(picture, PICTURE_SIDE))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"


def _wrong_images(metrics: dict) -> list[dict]:
    """The images behind the two error counts; IoU is None for good images."""
    return [
        row
        for row in metrics["per_image"]
        if (row["score"] > metrics["score_threshold"]) != (row["iou"] is not None)
    ]


def _training_charts(history: list[dict]) -> list[Markup]:
    epochs = [row["epoch"] for row in history]
    drawn = [
        charts.line_chart(
            epochs,
            {name: [row.get(key) for row in history] for name, key in lines.items()},
            title=title,
            x_label="epoch",
            logarithmic=logarithmic,
        )
        for title, lines, logarithmic in (
            ("Loss", {"training": "loss", "validation": "val_loss"}, False),
            ("IoU at 0.5", {"training": "iou", "validation": "val_iou"}, False),
            ("Learning rate", {"learning rate": "learning_rate"}, True),
        )
    ]
    return [Markup(chart) for chart in drawn if chart]


def _threshold_charts(metrics: dict) -> list[Markup]:
    rows = metrics["at_thresholds"]
    drawn = [
        charts.line_chart(
            [row["threshold"] for row in rows],
            {name: [row[key] for row in rows] for name, key in lines.items()},
            title=title,
            x_label="threshold",
            vertical=metrics[chosen],
            unit_range=True,
        )
        for title, lines, chosen in (
            (
                "Overlap over the pixel threshold",
                {
                    "defect IoU": "defect_iou",
                    "defect Dice": "defect_dice",
                    "set IoU": "set_iou",
                    "set Dice": "set_dice",
                },
                "threshold",
            ),
            (
                "Decisions over the score threshold",
                {"defective found": "tpr", "good passed": "tnr"},
                "score_threshold",
            ),
        )
    ]
    return [Markup(chart) for chart in drawn if chart]


def _number(value, digits: int = 3) -> str:
    """A figure with fixed decimals; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _value(value) -> str:
    """A recipe's field as people read it."""
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return ", ".join(map(_value, value))
    if isinstance(value, dict):
        return ", ".join(f"{key}={_value(item)}" for key, item in value.items())
    return str(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
