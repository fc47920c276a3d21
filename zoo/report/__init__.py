"""Writes what a model can do as one HTML file that needs no network and no other file."""

import base64
import hashlib
import math
import pathlib
from collections.abc import Sequence

from markupsafe import Markup

from builders.runs.atomic import replacing
from tfds_datasets.features import GOOD
from zoo.evaluation.outliers import LIMIT, MOST
from zoo.report import charts, doubts, explorer, figures, verdict
from zoo.visualization import templates

FOLDER = pathlib.Path(__file__).parent
SCRIPTS = ("pictures.js", "page.js")
WORST_REGIONS = 10


def write_report(
    path,
    *,
    recipe: dict,
    metrics: dict,
    calibration: dict,
    environment: dict,
    history: list[dict],
    gallery: list[dict],
    curves: dict,
    outliers: Sequence[dict] = (),
) -> None:
    """Writes the report of one measurement, whole or not at all.

    Args:
      path: the HTML file.
      recipe: `Recipe.to_dict()`; empty for saved maps.
      metrics: as `evaluation.evaluate` returns them, with `module`, `dataset` and `split`.
      calibration: as `evaluation.calibration` makes it; empty where nothing was calibrated.
      environment: versions and devices; may be empty.
      history: a dict for each epoch; empty for weights that were not trained here.
      gallery: as `Gallery.entries` returns it.
      curves: those of `charts.CURVES`, each `x` and `y`, and `overlap`: the pixel counts
        and overlaps at each `threshold`. Those that are undefined are left out.
      outliers: as `OutlierSearch.found` returns them.
    """
    environment_of_page = templates.environment(FOLDER)
    environment_of_page.filters.update(
        number=_number,
        interval=_interval,
        threshold=_threshold,
        value=_value,
        duration=_duration,
    )
    script = "".join((FOLDER / name).read_text(encoding="utf-8") for name in SCRIPTS)
    data = explorer.page_data(metrics, curves)
    page = environment_of_page.get_template("page.html.j2").render(
        metrics=metrics,
        good=metrics["images"] - metrics["defective"],
        verdict=verdict.sentence(metrics) if metrics["tp"] is not None else None,
        counts=verdict.counts(metrics) if metrics["tp"] is not None else [],
        doubts=doubts.doubts(metrics, calibration),
        calibration=calibration,
        figures=figures.tiles(metrics),
        data=data,
        start=explorer.figures_at_start(data),
        gallery=gallery,
        outliers=outliers,
        outlier_limit=LIMIT,
        most_outliers=MOST,
        good_label=GOOD,
        labels=sorted({entry["label"] for entry in gallery} - {GOOD}),
        ranking_charts=charts.ranking_charts(curves),
        overlap_chart=charts.overlap_chart(curves, data["pixel"]),
        type_chart=charts.type_chart(metrics["per_type"]),
        training_charts=charts.training_charts(history),
        regions=_worst_regions(metrics["per_region"]),
        history=history,
        recipe=recipe,
        environment=environment,
        style=Markup((FOLDER / "page.css").read_text(encoding="utf-8")),
        script=Markup(script),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
    )
    with replacing(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _worst_regions(per_region: list[dict]) -> list[dict]:
    known = [row for row in per_region if row["pro@0.3"] is not None]
    return sorted(known, key=lambda row: row["pro@0.3"])[:WORST_REGIONS]


def _number(value, digits: int = 3) -> str:
    """Returns a figure with fixed decimals; a dash where it is undefined."""
    if value is None or math.isnan(value):
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{digits}f}"


def _interval(bounds: list[float] | None) -> str:
    return "–" if bounds is None else f"{bounds[0]:.3f} to {bounds[1]:.3f}"


def _threshold(value: float) -> str:
    return f"{value:.5g}"


def _value(value) -> str:
    """Returns a recipe's field as people read it."""
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
