"""Writes what was measured beside a run, or into a folder of its own."""

import csv
import json
import pathlib

from builders import run_dir
from builders.atomic import write_json
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
    write_json(directory / "metrics.json", kept)
    write_report(directory / "report.html", **{**_record(run), **known}, **evaluation._asdict())


def _record(run) -> dict:
    """What a run directory tells a report; empty values where there is none."""

    def read(name):
        file = pathlib.Path(run or ".", name)
        return json.loads(file.read_text()) if run is not None and file.is_file() else {}

    history = []
    if run is not None and (file := pathlib.Path(run, "history.csv")).is_file():
        with open(file, newline="") as stream:
            history = [
                {key: float(value) if value else None for key, value in row.items()}
                for row in csv.DictReader(stream)
            ]
    return {
        "recipe": read(run_dir.RECIPE_FILE),
        "calibration": read("calibration.json"),
        "environment": read(run_dir.ENVIRONMENT_FILE),
        "history": history,
    }
