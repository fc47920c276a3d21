"""Defect Zoo: trains, measures and uses modules that find defects on industrial surfaces."""

from zoo.modules import module_folder
from zoo.recipe import Recipe
from zoo.recipes import RECIPES, get_recipe

__all__ = ["Recipe", "get_recipe", "list_modules", "load"]


def list_modules() -> list[str]:
    """The handles of all modules that can be trained."""
    return list(RECIPES)


def load(handle: str, *, modules_dir="modules"):
    """Loads the newest version of an exported module.

    Args:
      handle: `<builder>/<dataset>/<class>`, or with `/N` one version of it.
      modules_dir: the folder that `python -m export convert` writes to.

    Returns:
      What `hub.load` returns: call it as `module(image)`, image float32 [B, H, W, C] in [0, 1].

    Raises:
      ValueError: the module was not exported; the message says how to.
    """
    import tensorflow as tf  # only here, so that importing zoo stays quick

    folder = module_folder(handle, modules_dir)
    if folder is None:
        raise ValueError(
            f"Argument `handle` must name a module in {modules_dir}. Train and export it: "
            f"python -m zoo train --module={handle}; python -m export convert --run=... "
            f"Received: {handle!r}"
        )
    return tf.saved_model.load(str(folder))
