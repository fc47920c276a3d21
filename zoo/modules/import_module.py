"""Turns a module back into a run directory: to start a training from it, or to convert it."""

import json
import pathlib
import shutil

from builders.runs import run_dir, run_files
from builders.runs.atomic import replacing, write_json
from builders.runs.handles import check_handle
from zoo import hardware
from zoo.modules.find import find_module, manifest_of

_DOCUMENTS = (run_files.CALIBRATION_FILE, run_files.METRICS_FILE, run_files.KNOWN_IMAGES_FILE)


def import_module(source: str, *, modules_dir="modules", runs_dir="runs") -> pathlib.Path:
    """Writes a run directory with the weights, thresholds and figures of a module.

    Args:
      source: the module's folder, its URL, or its handle in `modules_dir` or among those that came
        along.
      modules_dir: the folder that `python -m export convert` writes to.
      runs_dir: folder of all runs.

    Returns:
      The run directory `<runs_dir>/<handle>/module_import`. What a module's manifest does not say
      about the images that its weights know is noted as unknown, so that no licence is claimed.

    Raises:
      ValueError: there is no such module, `python -m export convert` did not write it, or its
        network is built otherwise by now; or the run exists.
    """
    folder = find_module(source, modules_dir)
    assets = folder / "assets"
    if not (assets / run_files.RECIPE_FILE).is_file():
        raise ValueError(
            f"{source} must be a module that `python -m export convert` wrote: it has no recipe."
        )
    recipe = json.loads((assets / run_files.RECIPE_FILE).read_text())
    run = imported_run(recipe["module"], runs_dir)
    if run.exists():
        raise ValueError(f"{run} exists. Move it away to import again.")
    model = run_dir.rebuild(recipe)
    _read_weights(model, folder)
    run.parent.mkdir(parents=True, exist_ok=True)
    with replacing(run) as directory:
        directory.mkdir()
        run_dir.save_model(model, recipe, directory)
        for name in _DOCUMENTS:
            if (assets / name).is_file():
                shutil.copyfile(assets / name, directory / name)
        write_json(directory / run_files.ENVIRONMENT_FILE, _environment(folder, recipe))
    return run


def imported_run(handle: str, runs_dir="runs") -> pathlib.Path:
    """Returns the run directory that a module of this handle is imported to."""
    return pathlib.Path(runs_dir) / check_handle(handle) / "module_import"


def _environment(folder, recipe) -> dict:
    manifest = manifest_of(folder)
    if manifest is None:
        known = sorted({*run_dir.learnt_from(recipe, {}), "unknown"})
        return {**hardware.describe(), "learnt_from": known}
    return {**manifest["environment"], "learnt_from": manifest["learnt_from"]}


def _read_weights(model, folder) -> None:
    import tensorflow as tf  # nothing else reads the variables of a SavedModel

    reader = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
    shapes = reader.get_variable_to_shape_map()
    names = [f"variables/{i}/.ATTRIBUTES/VARIABLE_VALUE" for i in range(len(model.variables))]
    stored = sum(name.startswith("variables/") for name in shapes)
    expected = [list(variable.shape) for variable in model.variables]
    if stored != len(names) or [shapes.get(name) for name in names] != expected:
        raise ValueError(
            f"{folder} must hold the {len(names)} variables of its recipe's network as it is built "
            f"by now, in their shapes. Received: {stored}, so use the version that exported it."
        )
    for variable, name in zip(model.variables, names, strict=True):
        variable.assign(reader.get_tensor(name))
