"""Modules that travel with the project: checked, then unpacked once.

    zoo/pretrained/<handle>/<N>.tar.gz  the archive that `python -m export convert` packed
    zoo/pretrained/<handle>/<N>.json    its manifest, with the hash of every file

An archive that is not there is taken from a mirror of this folder, if one is named; its hash is
still that of the manifest here.
"""

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tarfile
import tempfile
import urllib.error
import urllib.request

FOLDER = pathlib.Path(__file__).parents[1] / "pretrained"
CACHE_VARIABLE, MIRROR_VARIABLE = "DEFECT_ZOO_CACHE", "DEFECT_ZOO_MIRROR"
SECONDS = 60  # without an answer, after which a mirror is given up


def manifests(folder=FOLDER) -> list[dict]:
    """Returns the manifests of all modules, by handle and version."""
    paths = pathlib.Path(folder).rglob("*.json")  # other formats are described by some, too
    found = [json.loads(path.read_text()) for path in paths if path.stem.isdecimal()]
    return sorted(found, key=lambda manifest: (manifest["handle"], manifest["version"]))


def unpacked(handle: str, *, folder=FOLDER, mirror: str | None = None) -> pathlib.Path | None:
    """Returns the folder of a module's newest version, or of the one named by `/N`, for `hub.load`.

    It lies in the cache, named by the archive's hash: in `$DEFECT_ZOO_CACHE`, else in `defect_zoo`
    among the user's caches. Archive and files are checked against the manifest each time.

    Args:
      handle: `<builder>/<dataset>/<class>`, with `/N` for one version.
      folder: of archives and manifests.
      mirror: URL of a copy of that folder; None takes `$DEFECT_ZOO_MIRROR`, if it is set.

    Returns:
      The folder; None where no module has this handle.

    Raises:
      ValueError: there is no such version; or the archive is missing, cannot be fetched, or is not
        the one that was published.
    """
    known = manifests(folder)
    ours = [each for each in known if handle in (each["handle"], _name(each))]
    if not ours:
        versions = [each["version"] for each in known if _of(each, handle)]
        if versions:
            raise ValueError(
                f"Argument `handle` must name one of the versions {versions}. Received: {handle}"
            )
        return None
    manifest = ours[-1]
    cached = _cache() / manifest["archive"]["sha256"]
    if not cached.is_dir():
        cached.parent.mkdir(parents=True, exist_ok=True)
        with _archive(manifest, pathlib.Path(folder), mirror) as archive:
            try:
                _unpack(archive, manifest, cached)
            except OSError:
                if not cached.is_dir():  # else another process was faster
                    raise
    for name, described in manifest["files"].items():
        file = cached / name
        if not file.is_file() or _sha256(file) != described["sha256"]:
            raise ValueError(f"{file} was changed since it was unpacked: remove {cached}.")
    return cached


def _name(manifest) -> str:
    return f"{manifest['handle']}/{manifest['version']}"


def _of(manifest, handle) -> bool:
    return handle.startswith(f"{manifest['handle']}/") and handle.rpartition("/")[2].isdecimal()


def _cache() -> pathlib.Path:
    home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(os.environ.get(CACHE_VARIABLE) or pathlib.Path(home) / "defect_zoo")


@contextlib.contextmanager
def _archive(manifest, folder, mirror):
    """Yields the path of the archive, here or fetched."""
    name = f"{_name(manifest)}.tar.gz"
    if (folder / name).is_file():
        yield folder / name
        return
    mirror = mirror or os.environ.get(MIRROR_VARIABLE)
    if not mirror:
        raise ValueError(
            f"{folder / name} is missing. Name a mirror in {MIRROR_VARIABLE}, such as "
            "https://example.org/modules."
        )
    address = f"{mirror.rstrip('/')}/{name}"
    with tempfile.NamedTemporaryFile(suffix=".tar.gz") as file:
        try:
            with urllib.request.urlopen(address, timeout=SECONDS) as answer:
                shutil.copyfileobj(answer, file)
        except (urllib.error.URLError, OSError) as error:
            raise ValueError(f"{address} could not be fetched: {error}") from error
        file.flush()
        yield pathlib.Path(file.name)


def _unpack(archive, manifest, folder):
    from builders.runs.atomic import replacing  # brings Keras, which takes seconds to import

    expected, found = manifest["archive"]["sha256"], _sha256(archive)
    if found != expected:
        raise ValueError(
            f"{_name(manifest)}: the archive is damaged or not the one that was published. Its "
            f"sha256 is {found}, and must be {expected}."
        )
    with replacing(folder) as temporary:
        try:
            with tarfile.open(archive) as members:
                members.extractall(temporary, filter="data")  # nothing outside of the folder
        except tarfile.TarError as error:
            raise ValueError(f"{_name(manifest)}: the archive is refused: {error}") from error


def _sha256(path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
