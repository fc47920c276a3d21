"""Publishes a run directory as the next version of its module."""

import hashlib
import json
import os
import pathlib
import platform
import shutil
import tempfile

import keras
import numpy as np
import tensorflow as tf

from builders.predictions import predictions
from builders.runs.atomic import write_json
from builders.runs.handles import check_handle
from builders.runs.run_dir import learnt_from, load_model, without_folders
from builders.runs.run_files import (
    CALIBRATION_FILE,
    ENVIRONMENT_FILE,
    KNOWN_IMAGES_FILE,
    METRICS_FILE,
    RECIPE_FILE,
    read_document,
)
from export import card, check, licences, saved_model
from export.archive import describe_file, describe_folder, write_archive
from export.versions import published_versions, read_manifest, version_paths

LISTED_FIGURES = (
    "images",
    "defective",
    "defect_iou",
    "mean_iou",
    "image_auroc",
    "pb@0.01",
    "tpr",
    "tnr",
)
NOT_CALIBRATED = {"threshold": 0.5, "score_threshold": 0.5}
TOLERANCE = 1e-3  # of what a loaded module answers, logits included


def publish(
    run_directory, modules_dir, *, version: int | None = None, weights: str = "float32"
) -> tuple[dict, bool]:
    """Writes module, archive, page and manifest of a run, unless that very run is there already.

    The files are made in a hidden folder and then renamed, the manifest last; `versions.py` says
    what counts as published. Only one process at a time may publish into a module.

    Args:
      run_directory: a run directory; `recipe.json` names the module by `module`.
      modules_dir: the folder of all modules; made if missing.
      version: number of the version, from 1. None means the newest one that holds this run
        already, else the next free one.
      weights: "float32" as they are, or "bfloat16" for float32 weights that are rounded to it, of
        which the archive is half as large. The figures are those of the run either way.

    Returns:
      The manifest, and whether anything was written.

    Raises:
      ValueError: the directory is no run directory, the recipe names no module, or the version
        exists with other content or unpublished.
    """
    if version is not None and version < 1:
        raise ValueError(f"Argument `version` must be 1 or more. Received: {version}")
    run = _read_run(pathlib.Path(run_directory), weights)
    handle = check_handle(run["recipe"].get("module"))
    published = sorted(published_versions(modules_dir, handle), reverse=True)
    newest = max(published, default=0)
    for number in published:
        manifest = read_manifest(modules_dir, handle, number)
        if version in (None, number) and manifest["content"] == run["content"]:
            return manifest, False
    if version in published:
        raise ValueError(
            f"Argument `version` must be a free version: {handle}/{version} holds another run "
            f"and published versions never change. Use {newest + 1}. Received: {version}"
        )
    version = version or newest + 1

    paths = version_paths(modules_dir, handle, version)
    folder = paths["module"].parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as staging:
        staged = {name: pathlib.Path(staging, path.name) for name, path in paths.items()}
        manifest = _write_files(run, staged, handle=handle, version=version)
        if paths["module"].exists():
            if describe_folder(paths["module"]) != manifest["files"]:
                raise ValueError(
                    f"{paths['module']} is in the way, which is no published version: move it "
                    "elsewhere, or take another number by --version."
                )
            shutil.rmtree(paths["module"])  # left by an export that was killed between two renames
        for name in ("module", "archive", "card", "manifest"):
            os.replace(staged[name], paths[name])
    return manifest, True


def read_known_images(run_directory) -> list[str] | None:
    """Returns the hashes of the images that a run on a user's folder knows; None of other data."""
    return read_document(run_directory, KNOWN_IMAGES_FILE) or None


def read_calibration(run_directory) -> dict:
    """Returns the thresholds of a run directory and their source; empty where it has none."""
    return read_document(run_directory, CALIBRATION_FILE)


def _read_run(directory, weights) -> dict:
    model, recipe = load_model(directory)
    if weights == "bfloat16":
        model.set_weights([_rounded(weight) for weight in model.get_weights()])
    elif weights != "float32":
        raise ValueError(f"Argument `weights` must be float32 or bfloat16. Received: {weights!r}")
    recipe, calibration = without_folders(recipe), read_calibration(directory)
    metrics = read_document(directory, METRICS_FILE)
    return {
        "directory": directory,
        "model": model,
        "recipe": recipe,
        "calibration": calibration,
        "metrics": metrics,
        "weights": weights,
        "content": _digest(model, recipe, calibration, metrics),
    }


def _rounded(weight: np.ndarray) -> np.ndarray:
    """Rounds to the nearest number that bfloat16 holds; counters stay as they are."""
    if weight.dtype != np.float32:
        return weight
    return keras.ops.convert_to_numpy(keras.ops.cast(keras.ops.cast(weight, "bfloat16"), "float32"))


def _digest(model, *documents) -> str:
    """Hashes what a version holds, whatever the file format and machine it came from."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(weight.tobytes())
    digest.update(json.dumps(documents, sort_keys=True).encode())
    return digest.hexdigest()


def _write_files(run, paths, *, handle, version) -> dict:
    """Writes the four files of a version, and returns its manifest."""
    directory = run["directory"]
    environment = without_folders(read_document(directory, ENVIRONMENT_FILE))
    known = learnt_from(run["recipe"], environment)
    page = card.render(
        run["model"],
        run["recipe"],
        version=version,
        calibration=run["calibration"],
        metrics=run["metrics"],
        weights=run["weights"],
        environment=environment,
    )
    paths["card"].write_text(page, encoding="utf-8")
    page_in_module = paths["card"].with_name("card.md")
    page_in_module.write_text(page, encoding="utf-8")
    recipe = paths["card"].with_name(RECIPE_FILE)
    write_json(recipe, run["recipe"])
    documents = [directory / name for name in (CALIBRATION_FILE, METRICS_FILE, KNOWN_IMAGES_FILE)]
    thresholds = run["calibration"] or NOT_CALIBRATED
    saved_model.write(
        run["model"],
        paths["module"],
        class_names=run["recipe"]["class_names"],
        threshold=thresholds["threshold"],
        score_threshold=thresholds["score_threshold"],
        assets=[page_in_module, recipe, *filter(pathlib.Path.is_file, documents)],
    )
    timing = _checked(run["model"], paths["module"], run["recipe"]["image_size"])
    write_archive(paths["module"], paths["archive"])
    manifest = {
        "handle": handle,
        "version": version,
        "format": "saved_model",
        "content": run["content"],
        "run": directory.resolve().name,
        "weights": run["weights"],
        "parameters": run["model"].count_params(),
        "dataset": run["recipe"]["dataset"],
        "learnt_from": known,
        "data_licence": licences.of_images(known),
        "figures": {name: run["metrics"].get(name) for name in LISTED_FIGURES},
        **timing,
        "archive": {"file": paths["archive"].name, **describe_file(paths["archive"])},
        "files": describe_folder(paths["module"]),
        "exported_with": {
            "python": platform.python_version(),
            "tensorflow": tf.__version__,
            "keras": keras.__version__,
        },
        "environment": environment,
    }
    write_json(paths["manifest"], manifest)
    return manifest


def _checked(model, path, image_size) -> dict:
    """Loads the module, compares its answers with those of the model, and times it.

    At the size of the images that it learnt from, or `check.SIZE` where any will do.

    Raises:
      ValueError: they differ.
    """
    *shape, channels = model.inputs[0].shape[1:]
    size = image_size or tuple(known or free for known, free in zip(shape, check.SIZE))
    image = check.noise(size, channels)
    module = tf.saved_model.load(str(path))
    found = check.answers(module, image[0])
    # In a graph as well: else a loop that feeds back its mask may round a pixel to the other side.
    expected = check.answers(tf.function(lambda image: predictions(model(image))), image[0])
    different = [
        name
        for name, value in expected.items()
        if not np.allclose(found[name], value, rtol=TOLERANCE, atol=TOLERANCE)
    ]
    if different:
        raise ValueError(
            f"The module answers otherwise than the model, in {', '.join(different)}, so nothing "
            "was written."
        )
    return check.timing(module, image)
