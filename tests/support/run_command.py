"""Runs `python -m zoo` as a user does."""

import os
import pathlib
import subprocess
import sys


def command(*arguments, cwd) -> subprocess.CompletedProcess:
    root = pathlib.Path(__file__).parents[2]
    return subprocess.run(
        [sys.executable, "-m", "zoo", *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
