"""Progress: a terminal sees it move, a file keeps one line of it."""

import sys

import keras


def verbosity() -> int:
    """Keras' `verbose` for what is printed now: 1, a moving bar, or 2, a line at the end."""
    return 1 if sys.stdout.isatty() else 2


def image_bar(total: int | None) -> keras.utils.Progbar:
    """Returns a bar that counts images.

    Args:
      total: how many there will be, or None where nobody knows.
    """
    return keras.utils.Progbar(total, unit_name="image", verbose=verbosity())
