"""Says what a recipe is in full: every field, its value, and where the value comes from."""

import dataclasses
import inspect
from collections.abc import Collection
from typing import Any, NamedTuple

from zoo.recipes import RECIPE_FILES, RECIPES
from zoo.recipes.recipe import Recipe


class Setting(NamedTuple):
    """One value of a recipe.

    Attributes:
      field: of `Recipe`; `builder_args.NAME` is an argument of the builder.
      value: as the training uses it.
      source: where the value comes from, in words.
      help: what the field decides; empty for an argument of the builder.
    """

    field: str
    value: Any
    source: str
    help: str


def describe_recipe(recipe: Recipe, changed: Collection[str] = ()) -> list[Setting]:
    """Returns all settings of a recipe, in the order of the fields of `Recipe`.

    Args:
      recipe: from `get_recipe`.
      changed: the fields that its caller changed, an argument of the builder as in `Setting`.
    """
    file = next(name for name, recipes in RECIPE_FILES.items() if recipe.module in recipes)
    written = RECIPES[recipe.module][recipe.name]
    own = f"recipe {recipe.name}, zoo/recipes/{file}.py"
    settings = []
    for field in dataclasses.fields(Recipe):
        value = getattr(recipe, field.name)
        if field.name == "builder_args":
            settings += _builder_settings(recipe, written.get("builder_args", {}), changed, own)
            continue
        if field.name in changed:
            source = "changed"
        elif field.name in ("module", "name", "builder", "dataset"):
            source = "handle"
        elif field.name == "class_names":
            source = "data set, at the start of the training"
        else:
            source = own if field.name in written else "default of every recipe"
        settings.append(Setting(field.name, value, source, field.metadata["help"]))
    return settings


def _builder_settings(recipe, written, changed, own) -> list[Setting]:
    from builders import BUILDERS  # brings Keras, which takes seconds

    settings = []
    for name, parameter in inspect.signature(BUILDERS[recipe.builder]).parameters.items():
        if name in recipe.builder_args:
            value, source = recipe.builder_args[name], own
            if name not in written:
                source = "size of the images that it is trained on"
        else:
            value, source = parameter.default, f"default of builders/{recipe.builder}.py"
        field = f"builder_args.{name}"
        settings.append(Setting(field, value, "changed" if field in changed else source, ""))
    return settings


def table(settings: list[Setting]) -> str:
    """Formats settings as three columns: field, value, source."""
    rows = [(each.field, shown(each.value), each.source) for each in settings]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{a:{widths[0]}}  {b:{widths[1]}}  {c}" for a, b, c in rows)


def shown(value) -> str:
    """Formats a value as its flag takes it: `none`, or numbers with commas between them."""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)
