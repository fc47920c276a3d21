"""The files of a run directory: their names, and what reads those that are no weights."""

import csv
import json
import pathlib

RECIPE_FILE = "recipe.json"
WEIGHTS_FILE = "weights.weights.h5"
HISTORY_FILE = "history.csv"
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"
ENVIRONMENT_FILE = "environment.json"
KNOWN_IMAGES_FILE = "known_images.json"
DATA_FILE = "data.json"  # where the data set lies; stays on the machine of the run


def read_document(directory, name: str):
    """Reads a JSON file of a run directory; an empty dict where there is none."""
    file = pathlib.Path(directory, name)
    return json.loads(file.read_text()) if file.is_file() else {}


def read_history(directory) -> list[dict[str, float | None]]:
    """Reads the figures of each epoch, None where one was not measured.

    The list is empty for weights that were not trained by epochs.
    """
    file = pathlib.Path(directory, HISTORY_FILE)
    if not file.is_file():
        return []
    with open(file, newline="") as stream:
        return [
            {name: float(value) if value else None for name, value in row.items()}
            for row in csv.DictReader(stream)
        ]
