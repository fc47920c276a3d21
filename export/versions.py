"""Where the versions of a module lie, and which of them are published.

    <modules_dir>/<handle>/<N>/        the module
    <modules_dir>/<handle>/<N>.tar.gz  the same, packed for download
    <modules_dir>/<handle>/<N>.md      its page
    <modules_dir>/<handle>/<N>.json    its manifest
    <modules_dir>/<handle>/<N>.int8.onnx and the like, in other formats, see `portable.py`

A version is published when its manifest exists: the manifest is written last, and a published
version never changes.
"""

import json
import pathlib
import re

from builders.runs.handles import HANDLE, check_handle

VERSION = r"[1-9][0-9]{0,8}"
# What follows a version in the name of its file in another format.
OTHER_FORMAT = (
    r"\.(?:[0-9]+x[0-9]+\.)?(?:float32|float16|int8)\.(?:tflite|onnx|xml|bin|keras)(?:\.json)?"
)


def version_paths(modules_dir, handle: str, version: int) -> dict[str, pathlib.Path]:
    """Returns the paths `module`, `archive`, `card` and `manifest` of a version."""
    folder = pathlib.Path(modules_dir, check_handle(handle))
    return {
        "module": folder / f"{version}",
        "archive": folder / f"{version}.tar.gz",
        "card": folder / f"{version}.md",
        "manifest": folder / f"{version}.json",
    }


def other_formats(modules_dir, handle: str, version: int) -> list[pathlib.Path]:
    """Returns the files of a version in other formats, and the JSON files that describe them."""
    folder = pathlib.Path(modules_dir, check_handle(handle))
    name = re.compile(rf"{version}{OTHER_FORMAT}")
    return sorted(path for path in folder.glob(f"{version}.*") if name.fullmatch(path.name))


def published_versions(modules_dir, handle: str) -> list[int]:
    """Returns the numbers of the published versions of a module, oldest first."""
    folder = pathlib.Path(modules_dir, check_handle(handle))
    manifests = folder.glob("*.json")
    return sorted(int(path.stem) for path in manifests if re.fullmatch(VERSION, path.stem))


def published_handles(modules_dir) -> list[str]:
    """Returns the handles of all modules with a published version, sorted."""
    modules_dir = pathlib.Path(modules_dir)
    folders = {
        path.parent for path in modules_dir.rglob("*.json") if re.fullmatch(VERSION, path.stem)
    }
    handles = (folder.relative_to(modules_dir).as_posix() for folder in folders)
    return sorted(handle for handle in handles if re.fullmatch(HANDLE, handle))


def read_manifest(modules_dir, handle: str, version: int) -> dict:
    """Returns the manifest of a published version."""
    return json.loads(version_paths(modules_dir, handle, version)["manifest"].read_text())
