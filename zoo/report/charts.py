"""The charts of a report."""

from markupsafe import Markup

from builders.runs.figures import FIGURES
from zoo.metrics.decisions import wilson_interval
from zoo.report import svg

PRO_LIMITS = (0.05, 0.3)  # the false positive rates up to which AU-PRO is integrated
# A little beyond the highest limit: what follows counts for no figure.
PRO_RANGE = (0.0, 0.32)

# name of the curve -> title, x, y
CURVES = {
    "image_roc": ("Image ROC", "good images rejected", "defects found"),
    "image_pr": ("Image precision over recall", "defects found", "rejected rightly"),
    "pixel_roc": ("Pixel ROC", "good pixels marked", "defect pixels marked"),
    "pixel_pr": ("Pixel precision over recall", "defect pixels marked", "marked rightly"),
    "pro": ("Region overlap (PRO)", "good pixels marked", "mean share of a defect"),
}


def ranking_charts(curves: dict) -> dict[str, Markup]:
    """Returns the curves that need no threshold, by their names."""
    drawn = {}
    for name, (title, x_label, y_label) in CURVES.items():
        if name in curves:
            drawn[name] = svg.line_chart(
                curves[name]["x"],
                {name: curves[name]["y"]},
                title=title,
                x_label=x_label,
                y_label=y_label,
                verticals=PRO_LIMITS if name == "pro" else (),
                x_range=PRO_RANGE if name == "pro" else (-0.02, 1.02),
                unit_range=True,
            )
    return {name: Markup(chart) for name, chart in drawn.items() if chart}


def overlap_chart(curves: dict, pixel: dict | None) -> Markup | None:
    """Overlap at each pixel threshold, with a line where the slider starts."""
    if pixel is None:
        return None
    keys = ("defect_iou", "defect_dice", "set_iou", "set_dice")
    chart = svg.line_chart(
        curves["overlap"]["threshold"],
        {FIGURES[key].name: curves["overlap"][key] for key in keys},
        title="Overlap over the pixel threshold",
        x_label="pixel threshold",
        verticals=(pixel["thresholds"][pixel["start"]],),
        unit_range=True,
    )
    return chart and Markup(chart)


def type_chart(per_type: list[dict]) -> Markup | None:
    """Bars for each defect type; whiskers are where the share found truly lies."""
    found = [(row["found"], row["images"]) for row in per_type]
    shares = [None if part is None or not total else part / total for part, total in found]
    chart = svg.bar_chart(
        [row["label"] for row in per_type],
        {
            "share found": shares,
            "mean IoU": [row["mean_iou"] for row in per_type],
            FIGURES["au_pro@0.3"].name: [row["au_pro@0.3"] for row in per_type],
        },
        title="By type of defect",
        whiskers={
            "share found": [
                None if part is None else wilson_interval(part, total) for part, total in found
            ]
        },
    )
    return chart and Markup(chart)


def training_charts(history: list[dict]) -> list[Markup]:
    epochs = [row["epoch"] for row in history]
    drawn = [
        svg.line_chart(
            epochs,
            {name: [row.get(key) for row in history] for name, key in lines.items()},
            title=title,
            x_label="epoch",
            logarithmic=logarithmic,
        )
        for title, lines, logarithmic in (
            ("Loss", {"training": "loss", "validation": "val_loss"}, False),
            ("IoU at 0.5", {"training": "iou", "validation": "val_iou"}, False),
            (
                "Balanced accuracy of labels",
                {"training": "balanced_accuracy", "validation": "val_balanced_accuracy"},
                False,
            ),
            ("Learning rate", {"learning rate": "learning_rate"}, True),
        )
    ]
    return [Markup(chart) for chart in drawn if chart]
