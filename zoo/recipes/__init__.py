"""The recipes of every module.

A module's handle is `<builder>/<dataset>/<class>`; a recipe is chosen by its name beside it.
"""

import dataclasses
import difflib
import inspect

from zoo.recipes import anomaly, cam, dagm, defect_types, derived, memory, super_simple_net
from zoo.recipes.recipe import Recipe

# Recipes by the file that holds them: handle -> recipe name -> what differs from the defaults of
# `Recipe`.
RECIPE_FILES: dict[str, dict[str, dict[str, dict]]] = {
    "dagm": dagm.RECIPES,
    "defect_types": defect_types.RECIPES,
    "cam": cam.RECIPES,
    "anomaly": anomaly.RECIPES,
    "memory": memory.RECIPES,
    "super_simple_net": super_simple_net.RECIPES,
}
RECIPES = {handle: named for file in RECIPE_FILES.values() for handle, named in file.items()}


def closest_handles(handle: str) -> list[str]:
    """Returns the three handles of `RECIPES` that are most like another one."""
    return difflib.get_close_matches(handle, RECIPES, n=3, cutoff=0.0)


def get_recipe(module: str, name: str = "default", **changes) -> Recipe:
    """Returns the recipe of a module, with the given fields changed.

    Arguments of the builder that follow from other fields, see `derived`, are filled in.

    Args:
      module: a handle of `RECIPES`.
      name: a recipe of that module.
      **changes: fields of `Recipe` that shall differ from the recipe; `builder_args` is merged.

    Raises:
      ValueError: the module, the recipe or a field is unknown; the message names what is valid, or
        alike.
    """
    if module not in RECIPES:
        raise ValueError(
            "Argument `module` must be <builder>/<data set>/<class>, as `list` prints them. Did "
            f"you mean {', '.join(closest_handles(module))}? Received: {module!r}"
        )
    if name not in RECIPES[module]:
        raise ValueError(
            f"Argument `recipe` must be one of {', '.join(RECIPES[module])} for {module}. "
            f"Received: {name!r}"
        )
    fields = [item.name for item in dataclasses.fields(Recipe)]
    if unknown := set(changes) - set(fields):
        raise ValueError(f"Recipe has no field {', '.join(unknown)}. Fields: {', '.join(fields)}")
    builder, dataset = module.split("/", 1)
    values = {
        "module": module,
        "name": name,
        "builder": builder,
        "dataset": dataset,
        **RECIPES[module][name],
    }
    if "builder_args" in changes:
        from builders import BUILDERS  # brings Keras, which takes seconds: lists do without

        known = inspect.signature(BUILDERS[builder]).parameters
        if unknown := set(changes["builder_args"]) - set(known):
            raise ValueError(
                f"Builder {builder} has no argument {', '.join(unknown)}. "
                f"Arguments: {', '.join(known)}"
            )
        changes["builder_args"] = {**values["builder_args"], **changes["builder_args"]}
    recipe = Recipe(**{**values, **changes})
    args = {**derived.builder_args(recipe), **recipe.builder_args}
    return dataclasses.replace(recipe, builder_args=args)
