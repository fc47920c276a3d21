"""The console script `defect-zoo`: every command of `python -m zoo` and of `python -m export`."""

import importlib.metadata
import sys

# Some of their flags have the names of others, so a process defines those of one program alone.
EXPORTING = ("convert", "package", "serve")
PACKAGES = ("defect-zoo", "tensorflow", "keras")


def main() -> None:
    """Runs the command that the arguments name."""
    if sys.argv[1:] == ["--version"]:
        print(version())
        return
    word = next((word for word in sys.argv[1:] if not word.startswith("-")), None)
    if word in EXPORTING:
        from export import __main__ as program
    else:
        from zoo import __main__ as program
    program.start()


def version() -> str:
    """Returns the version of this project and of what decides whether its files can be read."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
