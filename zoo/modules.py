"""Where exported modules lie on disk."""

import pathlib


def module_folder(handle: str, modules_dir="modules") -> pathlib.Path | None:
    """The folder of a module's newest version, or of the one named by `/N`; None where it is not.

    Args:
      handle: `<builder>/<dataset>/<class>`, or the path of a version's folder below `modules_dir`.
      modules_dir: the folder that `python -m export convert` writes to.
    """
    folder = pathlib.Path(modules_dir) / handle
    if (folder / "saved_model.pb").is_file():
        return folder
    # A version counts once it is published, which its JSON file says.
    versions = [path.with_suffix("") for path in folder.glob("[1-9]*.json")]
    return max(versions, key=lambda path: int(path.name), default=None)
