"""What a module is called: `<builder>/<data set>/<class>`, which is also where it lies."""

import re

# A word of digits alone would read as a version.
WORD = r"[a-z0-9_]*[a-z_][a-z0-9_]*"
HANDLE = rf"{WORD}(?:/{WORD})+"


def check_handle(handle: str) -> str:
    """Returns the handle.

    Raises:
      ValueError: it is no handle, and so might name a place outside the modules folder.
    """
    if not isinstance(handle, str) or not re.fullmatch(HANDLE, handle):
        raise ValueError(
            "Argument `handle` must be two or more words of a-z, 0-9 and _ with / between, none "
            f"of digits alone, as in tiny_unet/dagm2007/class_1. Received: {handle!r}"
        )
    return handle
