"""`python -m zoo` as a user meets it."""

import os
import pathlib
import subprocess
import sys

import pytest

from zoo import recipes

MODULE = "tiny_unet/dagm_synthetic/class_1_small"


def command(*arguments, cwd) -> subprocess.CompletedProcess:
    root = pathlib.Path(__file__).parent.parent
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("fly",), "must be one of list, train, evaluate"),
        (("train",), "error: Flag --module is needed"),
        (("train", "--module=tiny_unet/none"), "must be tiny_unet/dagm2007/ and class_1"),
        (("train", "--module=x", "--epochs=many"), "must be int"),
        (("train", f"--module={MODULE}", "--xla=maybe"), "must be one of auto, on, off"),
    ],
)
def test_command_line_errors_are_short(arguments, message, tmp_path):
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_list_names_every_module(tmp_path):
    result = command("list", cwd=tmp_path)
    assert [line.split()[0] for line in result.stdout.splitlines()] == list(recipes.RECIPES)
