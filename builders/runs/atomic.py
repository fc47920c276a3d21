"""Writes files and folders whole or not at all."""

import contextlib
import json
import os
import pathlib
import shutil
import uuid


@contextlib.contextmanager
def replacing(path):
    """Yields a temporary path beside `path`, and renames it to `path` when all went well.

    The temporary name ends as `path` does, since writers choose the format by the suffix. A
    folder replaces nothing: the rename fails where a folder with content already stands.
    """
    path = pathlib.Path(path)
    temporary = path.with_name(f".{uuid.uuid4().hex[:8]}_{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        if temporary.is_dir():
            shutil.rmtree(temporary)
        else:
            temporary.unlink(missing_ok=True)


def write_json(path, content) -> None:
    """Writes a JSON file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")
