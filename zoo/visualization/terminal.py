"""Keeps what libraries print out of the terminal, where it is not an error."""

import contextlib
import functools
import importlib.util
import os
import pathlib
import sys
import tempfile
from collections.abc import Iterator
from importlib.abc import MetaPathFinder
from logging import ERROR, Formatter

from absl import logging

LIBRARY = "tensorflow"
PACKAGES = tuple(str(pathlib.Path(__file__).parents[2] / name) for name in ("zoo", "tfds_datasets"))


class QuietImport(MetaPathFinder):
    """Imports TensorFlow without its lines about this machine, which no setting silences."""

    def find_spec(self, fullname, path=None, target=None):
        """Finds TensorFlow, and nothing else, as Python would."""
        if fullname != LIBRARY:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None:
            spec.loader.exec_module = functools.partial(_run_quietly, spec.loader.exec_module)
        return spec


def quiet_imports() -> None:
    """Silences the import of TensorFlow, unless it has happened already."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it when it is imported
    waiting = any(isinstance(finder, QuietImport) for finder in sys.meta_path)
    if LIBRARY not in sys.modules and not waiting:
        sys.meta_path.insert(0, QuietImport())


def show_our_messages_alone() -> None:
    """Prints this project's log plainly, and of the libraries below it only what is an error."""
    handler = logging.get_absl_handler()
    handler.setFormatter(Formatter("%(message)s"))
    handler.addFilter(_is_ours)  # which a handler holds once, however often it is added


def _is_ours(record) -> bool:
    return record.levelno >= ERROR or record.pathname.startswith(PACKAGES)


def _run_quietly(load, module) -> None:
    with _held_back_errors():
        load(module)


@contextlib.contextmanager
def _held_back_errors() -> Iterator[None]:
    """Holds back what C++ and Python write to stderr, and shows it where an error follows."""
    sys.stderr.flush()
    terminal = os.dup(2)
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        except BaseException:
            held.seek(0)
            os.write(terminal, held.read())
            raise
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
