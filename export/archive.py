"""Packs a module folder into a `.tar.gz` whose bytes depend on the files alone."""

import gzip
import hashlib
import pathlib
import tarfile


def write_archive(folder, path) -> None:
    """Packs the content of a folder, with the folder itself as the root of the archive.

    Names are sorted; times, owners and permissions are fixed. TF-Hub expects `saved_model.pb` at
    the root.

    Args:
      folder: the folder to pack.
      path: the `.tar.gz` file to write.
    """
    folder = pathlib.Path(folder)
    with (
        open(path, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        for member in sorted(folder.rglob("*")):
            info = tarfile.TarInfo(member.relative_to(folder).as_posix())
            if member.is_dir():
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                archive.addfile(info)
            else:
                info.size, info.mode = member.stat().st_size, 0o644
                with open(member, "rb") as content:
                    archive.addfile(info, content)


def describe_file(path) -> dict:
    """Returns `bytes`, the size of a file, and `sha256`, its hash in hexadecimal."""
    path = pathlib.Path(path)
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    return {"bytes": path.stat().st_size, "sha256": digest.hexdigest()}


def describe_folder(folder) -> dict:
    """Returns `describe_file` of every file below a folder, by its path inside, sorted."""
    folder = pathlib.Path(folder)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): describe_file(path) for path in files}
