"""Saves and loads a model together with the recipe that built it.

A run directory holds `recipe.json` and `weights.weights.h5`; the recipe's `builder` and
`builder_args` rebuild the network, so that no file stores code or a dtype policy.
"""

import contextlib
import inspect
import json
import pathlib

import keras

from builders import BUILDERS, build
from builders.runs.atomic import replacing, write_json
from builders.runs.run_files import ENVIRONMENT_FILE, RECIPE_FILE, WEIGHTS_FILE, read_document


@contextlib.contextmanager
def dtype_policy(name: str):
    """Builds everything inside the `with` under the dtype policy of this name."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def rebuild(recipe: dict) -> keras.Model:
    """Builds a recipe's network in float32, for weights that are about to be set."""
    arguments = dict(recipe["builder_args"])
    if "weights" in arguments:  # those it started from, which may be gone by now
        arguments["weights"] = None
    with dtype_policy("float32"):
        return build(recipe["builder"], **arguments)


def without_folders(document):
    """Returns a document of a run as others may read it.

    Of a file that is named in full, the name alone.

    Args:
      document: a recipe or an environment, or a value of one.
    """
    if isinstance(document, dict):
        return {key: without_folders(value) for key, value in document.items()}
    if isinstance(document, list | tuple):
        return [without_folders(value) for value in document]
    if not isinstance(document, str):
        return document
    kind, colon, path = document.rpartition(":")  # as in "dtd:FOLDER"
    path = pathlib.PurePath(path)
    return f"{kind}{colon}{path.name}" if path.is_absolute() else document


def learnt_from(recipe: dict, environment: dict) -> list[str]:
    """Returns the data sets, name/config each, that weights know, as their run has noted.

    Also `imagenet/<network>` or `weights/<file>`, which a backbone started from, `dtd`, whose
    textures were painted, and `unknown` where a run that it started from has not noted any.
    """
    known = set(environment.get("learnt_from") or [recipe["dataset"]])
    if recipe.get("start_from") and "learnt_from" not in environment:
        known.add("unknown")
    arguments = _arguments(recipe)
    weights = arguments.get("weights")
    if weights == "imagenet":
        known.add(f"imagenet/{arguments.get('backbone') or arguments.get('encoder')}")
    elif weights is not None:
        known.add(f"weights/{pathlib.PurePath(weights).name}")
    if str(environment.get("textures", "")).startswith("dtd:"):
        known.add("dtd")
    return sorted(known)


def _arguments(recipe) -> dict:
    """The arguments of a recipe's builder, those that it leaves to the builder among them."""
    builder = BUILDERS.get(recipe.get("builder"))
    parameters = inspect.signature(builder).parameters if builder else {}
    defaults = {name: parameter.default for name, parameter in parameters.items()}
    return {**defaults, **recipe.get("builder_args", {})}


def read_learnt_from(directory) -> list[str]:
    """Returns those that a run directory has noted; see `learnt_from`."""
    recipe = json.loads(pathlib.Path(directory, RECIPE_FILE).read_text())
    return learnt_from(recipe, read_document(directory, ENVIRONMENT_FILE))


def float32_copy(model: keras.Model, recipe: dict) -> keras.Model:
    """Rebuilds a model in float32 with its weights, whatever policy it was trained under."""
    copy = rebuild(recipe)
    copy.set_weights(model.get_weights())
    return copy


def save_model(model: keras.Model, recipe: dict, directory) -> None:
    """Writes `recipe.json` and the float32 weights into an existing directory."""
    directory = pathlib.Path(directory)
    write_json(directory / RECIPE_FILE, recipe)
    with replacing(directory / WEIGHTS_FILE) as path:
        float32_copy(model, recipe).save_weights(path)


def load_model(directory) -> tuple[keras.Model, dict]:
    """Loads the model of a run directory in float32.

    Args:
      directory: a run directory.

    Returns:
      The model, and its recipe as a dict.

    Raises:
      ValueError: the directory is no run directory.
    """
    directory = pathlib.Path(directory)
    for name in (RECIPE_FILE, WEIGHTS_FILE):
        if not (directory / name).is_file():
            raise ValueError(
                f"Argument `directory` must be a run directory with {RECIPE_FILE} and "
                f"{WEIGHTS_FILE}; {name} is missing. Received: {directory}"
            )
    recipe = json.loads((directory / RECIPE_FILE).read_text())
    model = rebuild(recipe)
    model.load_weights(directory / WEIGHTS_FILE)
    return model, recipe
