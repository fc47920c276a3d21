"""Defect Zoo: trains, measures and uses modules that find defects on industrial surfaces."""

import sys

from zoo.modules import pretrained
from zoo.modules.find import module_folder
from zoo.moved import MovedFinder
from zoo.recipes import RECIPES, get_recipe
from zoo.recipes.recipe import Recipe
from zoo.visualization.terminal import quiet_imports

__all__ = [
    "Recipe",
    "get_recipe",
    "list_modules",
    "load",
    "load_run",
    "module_path",
    "train",
]

sys.meta_path.append(MovedFinder())


def list_modules() -> list[str]:
    """Returns the handles of all modules that can be trained."""
    return list(RECIPES)


def module_path(handle: str, *, modules_dir="modules") -> str:
    """Returns the folder of a module for `hub.load`: of an exported one, else of a pretrained one.

    Args:
      handle: `<builder>/<dataset>/<class>`, or with `/N` one version of it.
      modules_dir: the folder that `python -m export convert` writes to.

    Raises:
      ValueError: there is no such module, and the message says how to make it; or the archive of a
        pretrained one is damaged.
    """
    folder = module_folder(handle, modules_dir)
    if folder is None:
        raise ValueError(
            f"Argument `handle` must name a module in {modules_dir}, or a pretrained one: "
            f"{', '.join(each['handle'] for each in pretrained.manifests())}. Train and "
            f"export it: python -m zoo train --module={handle}; python -m export convert --run=... "
            f"Received: {handle!r}"
        )
    return str(folder)


def train(folder=None, **options):
    """Trains a model on a folder of images; see `zoo.api.run.train`.

    Returns:
      A `zoo.api.run.Run`: `metrics`, `report`, `predict`, `evaluate`, `export`.
    """
    quiet_imports()
    from zoo.api import run  # imports TensorFlow and Keras, which takes seconds

    return run.train(folder, **options)


def load_run(path):
    """Opens a run directory, as a `zoo.api.run.Run`."""
    quiet_imports()
    from zoo.api import run

    return run.Run(path)


def load(handle: str, *, modules_dir="modules"):
    """Loads the newest version of a module, or the one named by `/N`; see `module_path`.

    Returns:
      What `hub.load` returns: call it as `module(image)`, image float32 [B, H, W, C] in [0, 1].
    """
    import tensorflow as tf  # only here, so that importing zoo stays quick

    return tf.saved_model.load(module_path(handle, modules_dir=modules_dir))
