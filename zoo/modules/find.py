"""Where modules lie on disk."""

import json
import pathlib

from zoo.modules import pretrained


def find_module(source: str, modules_dir) -> pathlib.Path:
    """Returns the folder of a module, given the folder, its URL, or its handle.

    Args:
      source: a handle is one in `modules_dir`, or of a pretrained module.
      modules_dir: the folder that `python -m export convert` writes to.

    Raises:
      ValueError: there is no such module, or a pretrained one is damaged.
    """
    if "://" in source:
        import tensorflow_hub as hub

        return pathlib.Path(hub.resolve(source))
    folder = module_folder(source, ".", modules_dir)
    if folder is None:
        raise ValueError(
            "Argument `source` must be a run directory, the folder of a module (the one that "
            f"holds saved_model.pb), its URL, or its handle in {modules_dir} or in the list of "
            f"python -m zoo list. Received: {source}"
        )
    return folder


def module_folder(handle: str, *modules_dirs) -> pathlib.Path | None:
    """Returns the folder of a module's newest version, or of the one named by `/N`.

    None where it is not.

    Args:
      handle: `<builder>/<dataset>/<class>`, or the path of a version's folder below a folder of
        modules.
      *modules_dirs: folders that `python -m export convert` writes to, searched in this order, and
        before the pretrained modules.

    Raises:
      ValueError: a pretrained module is damaged, or has no such version.
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


def manifest_of(folder: pathlib.Path) -> dict | None:
    """Returns the manifest of a module's folder; None where there is none beside it."""
    beside = folder.with_name(f"{folder.name}.json")
    if beside.is_file():
        return json.loads(beside.read_text())
    # A pretrained one lies in the cache, by the name of its archive's hash.
    ours = (each for each in pretrained.manifests() if each["archive"]["sha256"] == folder.name)
    return next(ours, None)
