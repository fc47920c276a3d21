"""Names of version 0.1.0: an import of one that has moved says where to."""

import importlib

import pytest

from zoo.moved import MOVED


@pytest.mark.parametrize("old", MOVED)
def test_the_error_names_the_new_place(old):
    with pytest.raises(ModuleNotFoundError, match=f"{old} has moved: import {MOVED[old]} instead"):
        importlib.import_module(old)
    for new in MOVED[old].split(" and "):
        importlib.import_module(new)


def test_also_from_the_package():
    with pytest.raises(ModuleNotFoundError, match=r"zoo\.pictures has moved"):
        from zoo import pictures  # noqa: F401


def test_what_never_was_is_not_found_as_usual():
    with pytest.raises(ModuleNotFoundError, match=r"No module named .zoo\.nowhere"):
        importlib.import_module("zoo.nowhere")
