"""Where a run lies, and whether what lies there already is the same run."""

import itertools
import json
import pathlib

from builders.runs import run_files
from zoo.data import leakage
from zoo.recipes.recipe import Recipe


def run_path(runs_dir, recipe: Recipe, run_name: str | None = None) -> pathlib.Path:
    """Returns the run directory of a recipe.

    `<runs_dir>/<handle>/<recipe>_seed<seed>` or `run_name`.
    """
    name = run_name or f"{recipe.name}_seed{recipe.seed}"
    return pathlib.Path(runs_dir) / recipe.module / name


def free_path(run, recipe, known) -> pathlib.Path:
    """Returns the first of the numbered names of a run that is free, or holds this very run."""
    for number in itertools.count(1):
        path = run if number == 1 else run.with_name(f"{run.name}_{number}")
        try:
            for directory in (path, path.with_name(f"{path.name}.partial")):
                check_same(directory, recipe, known)
        except ValueError:
            continue
        return path


def check_same(directory, recipe, known):
    """Raises where a directory holds the run of another recipe or of other images."""
    file = directory / run_files.RECIPE_FILE
    if not file.is_file():
        return
    before, now = json.loads(file.read_text()), recipe.to_dict()
    before = Recipe.from_dict(before).to_dict()  # completes one of an earlier version
    changed = sorted(key for key in now if before[key] != now[key])
    if changed:
        raise ValueError(
            f"{directory} holds a run with another {', '.join(changed)}. Choose another --run_name."
        )
    known_before = leakage.read_hashes(directory)
    if known_before is not None and known_before != frozenset(known or ()):
        raise ValueError(
            f"{directory} holds a run that knows other images than those that {recipe.dataset} "
            "would teach now: files were added or removed. Choose another --run_name."
        )
