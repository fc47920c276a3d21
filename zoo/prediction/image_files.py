"""Finds the image files that a user names, and gives the results of each a place of their own."""

import collections
import glob
import os
import pathlib
from collections.abc import Iterable
from typing import NamedTuple

from tfds_datasets.images import SUFFIXES

RESULTS_FILE = "predictions.jsonl"
RESULT_ENDINGS = ("_mask.png", "_overlay.png")


class Input(NamedTuple):
    """An image file, and the start of the names of its results relative to their directory."""

    file: pathlib.Path
    stem: pathlib.Path


def find_images(patterns: Iterable[str]) -> dict:
    """Maps each image file, once and in order, to the folder that it was found in.

    Raises:
      ValueError: a pattern matches no image, or there is no pattern.
    """
    found: dict[pathlib.Path, pathlib.Path] = {}
    for pattern in map(os.fspath, patterns):
        # A name that exists is meant literally, even with brackets in it and whatever its suffix.
        if os.path.isfile(pattern):
            images = {pathlib.Path(pattern): pathlib.Path(pattern).parent}
        elif os.path.isdir(pattern):
            images = _images_below(pathlib.Path(pattern))
        else:
            images = {}
            for match in map(pathlib.Path, sorted(glob.glob(pattern, recursive=True))):
                if match.is_dir():
                    images |= _images_below(match)
                elif _is_image(match):
                    images[match] = match.parent
        if not images:
            raise ValueError(
                "Argument `patterns` must name image files, folders with images, or globs. No file "
                f"that ends in {', '.join(SUFFIXES)} was found for: {pattern!r}"
            )
        for file, folder in images.items():
            found.setdefault(_absolute(file), _absolute(folder))
    if not found:
        raise ValueError("Argument `patterns` must name at least one image. Received none.")
    return found


def _images_below(folder: pathlib.Path) -> dict:
    files, known = [], set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        known.add(os.path.realpath(parent))
        folders[:] = [f for f in folders if os.path.realpath(os.path.join(parent, f)) not in known]
        files += [pathlib.Path(parent, name) for name in names]
    return {file: folder for file in sorted(files) if _is_image(file)}


def _is_image(file: pathlib.Path) -> bool:
    """Tells an image by its name; hidden files and earlier results are none."""
    named_so = file.suffix.lower() in SUFFIXES and not file.name.startswith(".")
    ours = file.name.endswith(RESULT_ENDINGS) and any(
        (folder / RESULTS_FILE).is_file() for folder in _absolute(file).parents
    )
    return named_so and not ours


def _absolute(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(os.path.abspath(path))  # does not follow links, unlike resolve()


def name_results(found: dict, output_dir: pathlib.Path) -> list[Input]:
    """Gives every image a stem of its own, in the folder that it has below the common one.

    Raises:
      ValueError: a result would replace an image or another result.
    """
    root = os.path.commonpath(found.values())
    relative = {file: file.relative_to(root) for file in found}
    sharing = collections.Counter(path.with_suffix("") for path in relative.values())
    inputs = [
        # a.png beside a.jpg: the suffix stays in the name
        Input(file, path if sharing[path.with_suffix("")] > 1 else path.with_suffix(""))
        for file, path in relative.items()
    ]
    originals = {file.resolve() for file in found}
    taken = set()
    for item in inputs:
        for result in (result_path(output_dir, item.stem, ending) for ending in RESULT_ENDINGS):
            if result.resolve() in originals or result in taken:
                raise ValueError(
                    f"The result of {item.file} would replace {result}. Choose another "
                    "`output_dir`, or rename the image."
                )
            taken.add(result)
    return inputs


def result_path(output_dir: pathlib.Path, stem: pathlib.Path, ending: str) -> pathlib.Path:
    """Returns the file of one result; a dot in the stem stays, unlike with `with_suffix`."""
    return output_dir / stem.with_name(stem.name + ending)
