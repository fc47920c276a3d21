"""Finds the anomaly maps of a test set and the ground truth of each: MVTec AD, LOCO, own folders.

A key, such as "scratch/000", is what a map, its image and its ground truth share: the folder, if
any, and the name without suffix.
"""

import json
import pathlib
from collections.abc import Callable, Collection
from typing import NamedTuple

from tfds_datasets.features import GOOD
from tfds_datasets.images import SUFFIXES
from zoo.data.mask_files import read_mask
from zoo.saved_maps.maps import READERS, MapFile

DEFECT = "defect"  # the label where no folder names the type
DEFECTS_CONFIG = "defects_config.json"
DEFECT_FIELDS = ("defect_name", "pixel_value", "saturation_threshold", "relative_saturation")


class _Truth(NamedTuple):
    """The ground truth of a test set by key; `expected` says where that of a key belongs."""

    masks: dict[str, tuple[pathlib.Path, ...]]
    expected: Callable[[str], pathlib.Path]
    images: dict[str, pathlib.Path] = {}
    defects: dict[int, dict] | None = None


class Layout(NamedTuple):
    """Reads the ground truth of a test set, and says where its maps are expected."""

    truth: Callable[[pathlib.Path], _Truth]
    maps: str


def find_maps(
    maps_dir, ground_truth_dir, layout: str, *, ground_truth_threshold: float | None = None
) -> list[MapFile]:
    """Finds the maps of a test set, each with its ground truth.

    Args:
      maps_dir: folder of the maps, .npy, .npz or .tiff.
      ground_truth_dir: folder of the test set; in the layouts of MVTec the folder of one category,
        which holds `test` and `ground_truth`.
      layout: one of LAYOUTS.
      ground_truth_threshold: see `ground_truth.read_truth`. Where no folder names the
        label it also decides which images are good: those without defect in their mask.

    Returns:
      A `MapFile` for each image of the test set, by name, which is that of the map relative to
      `maps_dir`.

    Raises:
      ValueError: there is no map, not exactly one for each image, or ground truth is missing.
    """
    if layout not in LAYOUTS:
        raise ValueError(f"Argument `layout` must be one of {list(LAYOUTS)}. Received: {layout!r}")
    maps_dir, ground_truth_dir = pathlib.Path(maps_dir), pathlib.Path(ground_truth_dir)
    for argument, folder in (("maps_dir", maps_dir), ("ground_truth_dir", ground_truth_dir)):
        if not folder.is_dir():
            raise ValueError(f"Argument `{argument}` must be a folder. Received: {folder}")
    inner = maps_dir / "test"
    nested = layout != "folder" and inner.is_dir()
    maps = _one_each(_files(inner if nested else maps_dir, tuple(READERS)))
    if not maps:
        raise ValueError(
            f"No anomaly map was found. They must be {LAYOUTS[layout].maps} and end in "
            f"{', '.join(READERS)}. Received: {maps_dir}"
        )
    truth = LAYOUTS[layout].truth(ground_truth_dir)
    _require_pairs(maps, truth)
    items = []
    for key, path in maps.items():
        masks = truth.masks.get(key, ())
        label = key.rpartition("/")[0]
        if not label:
            label = DEFECT if read_mask(masks[0], ground_truth_threshold).any() else GOOD
        name = path.relative_to(maps_dir).as_posix()
        items.append(MapFile(name, path, label, masks, truth.images.get(key), truth.defects))
    return sorted(items, key=lambda item: item.name)


def _require_pairs(maps: dict[str, pathlib.Path], truth: _Truth):
    """A map for each image and ground truth for each map: a part gives another number."""
    known = truth.masks.keys() | truth.images.keys()
    missing = known - maps.keys()
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(known)} test images have no anomaly map: {_first(missing)}. "
            "Save a map for each: figures of a part of the test set cannot be compared."
        )
    lone = [key for key in maps if key not in truth.masks and not key.startswith(f"{GOOD}/")]
    if lone:
        raise ValueError(
            f"{len(lone)} of {len(maps)} anomaly maps have no ground truth: {_first(lone)}. Of "
            f"{maps[min(lone)]} it must be {truth.expected(min(lone))}. Only maps in a folder "
            f"called {GOOD} need none."
        )
    good_images = {key for key in truth.images if key.startswith(f"{GOOD}/")}
    extra = maps.keys() - truth.masks.keys() - good_images if good_images else ()
    if extra:
        raise ValueError(
            f"{len(extra)} anomaly maps belong to no image of the test set: {_first(extra)}. "
            f"Remove them, such as {maps[min(extra)]}."
        )


def _first(keys: Collection[str], count: int = 3) -> str:
    return ", ".join(sorted(keys)[:count]) + (", ..." if len(keys) > count else "")


def _files(root: pathlib.Path, suffixes: tuple[str, ...]) -> list[tuple[str, pathlib.Path]]:
    """Returns the key of each file in `root` and in its folders, and the file.

    Hidden ones are none.
    """
    return [
        ((file.relative_to(root).parent / file.stem).as_posix(), file)
        for file in sorted([*root.glob("*"), *root.glob("*/*")])
        if file.suffix.lower() in suffixes and not file.name.startswith(".") and file.is_file()
    ]


def _one_each(files: list[tuple[str, pathlib.Path]]) -> dict[str, pathlib.Path]:
    maps: dict[str, pathlib.Path] = {}
    for key, path in files:
        if key in maps:
            raise ValueError(f"{maps[key]} and {path} are maps of one image. Remove one of them.")
        maps[key] = path
    return maps


def _mvtec(root: pathlib.Path) -> _Truth:
    if (root / DEFECTS_CONFIG).exists():
        raise ValueError(
            f"{root} has a {DEFECTS_CONFIG}, so it is of MVTec LOCO. Set `layout` to 'loco'."
        )
    folder = _ground_truth_folder(root)
    masks = {
        key.removesuffix("_mask"): (path,)
        for key, path in _files(folder, (".png",))
        if key.endswith("_mask") and not key.startswith(f"{GOOD}/")
    }
    images = dict(_files(root / "test", SUFFIXES))
    return _Truth(masks, lambda key: folder / f"{key}_mask.png", images)


def _loco(root: pathlib.Path) -> _Truth:
    folder = _ground_truth_folder(root)
    masks: dict[str, tuple[pathlib.Path, ...]] = {}
    for path in sorted(folder.glob("*/*/*.png")):
        key = path.parent.relative_to(folder).as_posix()
        masks[key] = (*masks.get(key, ()), path)
    images = dict(_files(root / "test", SUFFIXES))
    defects = _read_defects(root / DEFECTS_CONFIG)
    return _Truth(masks, lambda key: folder / key / "000.png", images, defects)


def _ground_truth_folder(root: pathlib.Path) -> pathlib.Path:
    folder = root / "ground_truth"
    if not folder.is_dir():
        raise ValueError(
            "Argument `ground_truth_dir` must be the folder of one category, which holds "
            f"`ground_truth` and `test`. Received: {root}"
        )
    return folder


def _read_defects(path: pathlib.Path) -> dict[int, dict]:
    try:
        entries = json.loads(path.read_text())
        return {
            entry["pixel_value"]: {key: entry[key] for key in DEFECT_FIELDS} for entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} must be a list of defects with the fields {', '.join(DEFECT_FIELDS)} "
            f"({error!r}). Download it again."
        ) from error


def _folder(root: pathlib.Path) -> _Truth:
    masks = {key: (path,) for key, path in _files(root, (".png",))}
    return _Truth(masks, lambda key: root / f"{key}.png")


LAYOUTS = {
    "mvtec": Layout(_mvtec, "<maps_dir>/test/<defect type or good>/<image>, for one category,"),
    "loco": Layout(_loco, "<maps_dir>/test/<defect type or good>/<image>, for one category,"),
    "folder": Layout(_folder, "<maps_dir>/<image> or <maps_dir>/<defect type or good>/<image>"),
}
