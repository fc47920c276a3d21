"""Where modules lie on disk."""

import pathlib

from zoo import pretrained


def module_folder(handle: str, *modules_dirs) -> pathlib.Path | None:
    """The folder of a module's newest version, or of the one named by `/N`; None where it is not.

    Args:
      handle: `<builder>/<dataset>/<class>`, or the path of a version's folder below a folder of
        modules.
      *modules_dirs: folders that `python -m export convert` writes to, searched in this order, and
        before the modules that came along.

    Raises:
      ValueError: a module that came along is damaged, or has no such version.
    """
    folders = (_exported(handle, modules_dir) for modules_dir in modules_dirs)
    return next(filter(None, folders), None) or pretrained.unpacked(handle)


def _exported(handle, modules_dir) -> pathlib.Path | None:
    folder = pathlib.Path(modules_dir) / handle
    if (folder / "saved_model.pb").is_file():
        return folder
    # A version counts once it is published, which its JSON file says; other formats have some, too.
    versions = [path for path in folder.glob("*.json") if path.stem.isdecimal()]
    newest = max(versions, key=lambda path: int(path.stem), default=None)
    return newest and newest.with_suffix("")
