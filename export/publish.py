"""Publishes a run directory as the next version of its module."""

import hashlib
import json
import os
import pathlib
import platform
import shutil
import tempfile

import keras
import tensorflow as tf

from builders.atomic import write_json
from builders.run_dir import RECIPE_FILE, load_model
from export import FORMATS, card
from export.archive import describe_file, describe_folder, write_archive
from export.versions import check_handle, published_versions, read_manifest, version_paths

# Imported weights have neither of these: without a calibration the thresholds stay at one half.
CALIBRATION_FILE = "calibration.json"
METRICS_FILE = "metrics.json"
ENVIRONMENT_FILE = "environment.json"
NOT_CALIBRATED = {"threshold": 0.5, "score_threshold": 0.5}


def publish(
    run_directory, modules_dir, *, format: str = "saved_model", version: int | None = None
) -> tuple[dict, bool]:
    """Writes module, archive, page and manifest of a run, unless that very run is there already.

    The files are made in a hidden folder and then renamed, the manifest last; `versions.py` says
    what counts as published. Only one process at a time may publish into a module.

    Args:
      run_directory: a run directory; `recipe.json` names the module by `module`.
      modules_dir: the folder of all modules; made if missing.
      format: a key of `FORMATS`.
      version: number of the version, from 1. None means the newest one if it holds this run
        already, else the next free one.

    Returns:
      The manifest, and whether anything was written.

    Raises:
      ValueError: the directory is no run directory, the recipe names no module, or the version
        exists with other content.
    """
    run_directory = pathlib.Path(run_directory)
    if format not in FORMATS:
        raise ValueError(
            f"Argument `format` must be one of {', '.join(FORMATS)}. Received: {format!r}"
        )
    if version is not None and version < 1:
        raise ValueError(f"Argument `version` must be 1 or more. Received: {version}")
    model, recipe = load_model(run_directory)
    handle = check_handle(recipe.get("module"))
    calibration = _read_json(run_directory / CALIBRATION_FILE)
    metrics = _read_json(run_directory / METRICS_FILE)
    content = _digest(model, recipe, calibration, metrics)

    versions = published_versions(modules_dir, handle)
    newest = max(versions, default=0)
    asked = newest if version is None else version
    if asked in versions:
        manifest = read_manifest(modules_dir, handle, asked)
        if manifest["content"] == content:
            return manifest, False
        if version is not None:
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
        staged["card"].write_text(
            card.render(model, recipe, version=version, calibration=calibration, metrics=metrics)
        )
        files = [RECIPE_FILE, CALIBRATION_FILE, METRICS_FILE]
        page = pathlib.Path(staging, "card.md")
        shutil.copyfile(staged["card"], page)
        thresholds = calibration or NOT_CALIBRATED
        FORMATS[format](
            model,
            staged["module"],
            class_names=recipe["class_names"],
            threshold=thresholds["threshold"],
            score_threshold=thresholds["score_threshold"],
            assets=[page, *(file for name in files if (file := run_directory / name).is_file())],
        )
        write_archive(staged["module"], staged["archive"])
        manifest = {
            "handle": handle,
            "version": version,
            "format": format,
            "content": content,
            "run": run_directory.resolve().name,
            "archive": {"file": staged["archive"].name, **describe_file(staged["archive"])},
            "files": describe_folder(staged["module"]),
            "exported_with": {
                "python": platform.python_version(),
                "tensorflow": tf.__version__,
                "keras": keras.__version__,
            },
            "environment": _read_json(run_directory / ENVIRONMENT_FILE),
        }
        write_json(staged["manifest"], manifest)
        if paths["module"].exists():  # left by an export that was killed between two renames
            shutil.rmtree(paths["module"])
        for name in ("module", "archive", "card", "manifest"):
            os.replace(staged[name], paths[name])
    return manifest, True


def _digest(model, *documents) -> str:
    """Hashes what a version holds, whatever file format or machine it came from."""
    digest = hashlib.sha256()
    for weight in model.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(weight.tobytes())
    digest.update(json.dumps(documents, sort_keys=True).encode())
    return digest.hexdigest()


def _read_json(path) -> dict:
    return json.loads(path.read_text()) if path.is_file() else {}
