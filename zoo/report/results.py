"""Writes what was measured beside a run, or into a folder of its own."""

import pathlib

from builders.runs import run_files
from builders.runs.atomic import write_json
from zoo.evaluation.evaluate import Evaluation
from zoo.report import write_report

_SPEED = ("seconds", "images_per_second")


def write_results(directory, evaluation: Evaluation, *, run=None, **known) -> None:
    """Writes `metrics.json` and `report.html` into an existing directory.

    Args:
      directory: receives the files.
      evaluation: what was measured.
      run: the run directory of the measured weights, whose files the report shows; None for others.
      known: `recipe` and `calibration` as dicts, in place of the run's.
    """
    directory = pathlib.Path(directory)
    # Speed belongs to the machine, not to the weights: equal runs have equal metrics.
    kept = {key: value for key, value in evaluation.metrics.items() if key not in _SPEED}
    write_json(directory / run_files.METRICS_FILE, kept)
    write_report(directory / "report.html", **{**_record(run), **known}, **evaluation._asdict())


def _record(run) -> dict:
    """Returns what a run directory tells a report; empty values where there is none."""
    if run is None:
        return {"recipe": {}, "calibration": {}, "environment": {}, "history": []}
    return {
        "recipe": run_files.read_document(run, run_files.RECIPE_FILE),
        "calibration": run_files.read_document(run, run_files.CALIBRATION_FILE),
        "environment": run_files.read_document(run, run_files.ENVIRONMENT_FILE),
        "history": run_files.read_history(run),
    }
