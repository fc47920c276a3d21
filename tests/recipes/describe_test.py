"""A recipe in full: what is told of each value, and whence it comes."""

import dataclasses
import json
import re

import pytest
from run_command import command

from zoo.recipes import RECIPES, get_recipe
from zoo.recipes.describe import describe_recipe, shown
from zoo.recipes.recipe import Recipe


def described(module, name="default", changed=(), **changes):
    recipe = get_recipe(module, name, **changes)
    return recipe, {row.field: row for row in describe_recipe(recipe, changed)}


def test_every_field_is_told_with_where_it_comes_from():
    recipe, rows = described("patch_core/mvtec_ad/screw", "large", {"epochs"}, epochs=4)
    fields = {field.name for field in dataclasses.fields(Recipe)} - {"builder_args"}
    assert fields == {name for name in rows if not name.startswith("builder_args.")}
    assert all(rows[name].value == getattr(recipe, name) for name in fields)
    assert rows["epochs"].source == "changed"
    assert rows["image_size"].source == "recipe large, zoo/recipes/memory.py"
    assert rows["shear"].source == "default of every recipe"
    assert rows["module"].source == "handle"
    assert rows["builder_args.smoothing"].value == 2.0
    assert rows["builder_args.bank_size"][1:3] == (4000, "default of builders/patch_core.py")


def test_arguments_of_the_builder_may_be_changed_or_follow_the_images():
    changes = {"builder_args": {"dropout_rate": 0.1}}
    _, rows = described("deeplab_v3_plus/mvtec_ad/screw", "default", {"builder_args.dropout_rate"})
    assert rows["builder_args.rates"].source == "size of the images that it is trained on"
    changed = {"builder_args.dropout_rate"}
    _, rows = described("deeplab_v3_plus/mvtec_ad/screw", "default", changed, **changes)
    assert rows["builder_args.dropout_rate"][1:3] == (0.1, "changed")


@pytest.mark.parametrize("module", sorted({handle.rpartition("/")[0] for handle in RECIPES}))
def test_each_family_is_described(module):
    handle = next(handle for handle in RECIPES if handle.startswith(f"{module}/"))
    for name in RECIPES[handle]:
        _, rows = described(handle, name)
        assert all(row.source for row in rows.values())


def test_values_are_shown_as_flags_take_them():
    assert [shown(value) for value in (None, (), (1024, 512), 0.5)] == ["none"] * 2 + [
        "1024,512",
        "0.5",
    ]


def test_command(tmp_path):
    found = command("show", "patch_core/mvtec_ad/screw", "--seed=3", "--json", cwd=tmp_path)
    rows = {row["field"]: row for row in json.loads(found.stdout)}
    assert rows["seed"]["value"] == 3 and rows["seed"]["source"] == "changed"
    assert rows["seed"]["help"]
    arguments = '--builder_args={"bank_size": 7}'
    found = command("show", "--module=patch_core/mvtec_ad/screw", arguments, cwd=tmp_path)
    assert re.search(r"builder_args\.bank_size +7 +changed", found.stdout)
    assert "recipes of this module: default, large" in found.stdout
    for words in (("show",), ("show", "a/b/c"), ("statistics", "screw")):
        refused = command(*words, cwd=tmp_path)
        assert refused.returncode == 2 and "Traceback" not in refused.stderr
