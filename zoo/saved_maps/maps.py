"""Reads saved anomaly maps and resizes them."""

import pathlib
import warnings
import zipfile
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

NPZ_KEY = "anomaly_map"  # the array that is read where an .npz file has several


class MapFile(NamedTuple):
    """An anomaly map on disk and the files that say what it should have found.

    `truth_paths` is empty where a good image has no mask. `defects` maps the grey level of a
    MVTec LOCO channel to its entry of `defects_config.json`; None in the other layouts.
    """

    name: str
    map_path: pathlib.Path
    label: str
    truth_paths: tuple[pathlib.Path, ...]
    image_path: pathlib.Path | None = None
    defects: dict[int, dict] | None = None


def read_map(path) -> np.ndarray:
    """Reads one anomaly map from an .npy, .npz or .tiff file.

    Args:
      path: holds floats or integers [H, W]; [H, W, 1] and [1, H, W] are taken as [H, W].

    Returns:
      float32 [H, W]. NaN and infinity are left in.

    Raises:
      ValueError: the file is unreadable or holds something else. The message names it.
    """
    path = pathlib.Path(path)
    if path.suffix.lower() not in READERS:
        raise ValueError(f"An anomaly map must end in {', '.join(READERS)}. Received: {path}")
    try:
        scores = _as_map(READERS[path.suffix.lower()](path))
    except Exception as error:  # what damaged files raise has no common class
        raise ValueError(
            f"{path} cannot be read as an anomaly map: {error}. Save it again, as one float32 "
            "array [H, W]."
        ) from error
    if scores.dtype.itemsize == 1:
        # The text names no file, so that Python shows it once and not for every map.
        warnings.warn(
            "Anomaly maps of 8 bits hold at most 256 different scores: pixels tie, and the figures "
            "are coarser than the model. Save float32 scores.",
            stacklevel=2,
        )
    return scores.astype(np.float32)


def _as_map(scores: np.ndarray) -> np.ndarray:
    shape = scores.shape
    if scores.ndim == 3:
        scores = scores[..., 0] if shape[-1] == 1 else scores[0] if shape[0] == 1 else scores
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"its shape is {shape}")
    if scores.dtype.kind not in "iuf":
        raise ValueError(f"its type is {scores.dtype}")
    return scores


def _read_npy(path: pathlib.Path) -> np.ndarray:
    # Unlike `np.load` this opens no other kind of file under the name.
    with path.open("rb") as stream:
        return np.lib.format.read_array(stream, allow_pickle=False)


def _read_npz(path: pathlib.Path) -> np.ndarray:
    if not zipfile.is_zipfile(path):
        raise ValueError("it is truncated or no .npz archive")
    with np.load(path, allow_pickle=False) as arrays:
        names = arrays.files
        if len(names) != 1 and NPZ_KEY not in names:
            raise ValueError(f"it holds {names or 'no array'} and none is called {NPZ_KEY}")
        return arrays[names[0] if len(names) == 1 else NPZ_KEY]


def _read_tiff(path: pathlib.Path) -> np.ndarray:
    try:
        with Image.open(path, formats=["TIFF"]) as image:
            if image.n_frames > 1:
                raise ValueError(f"it has {image.n_frames} pages")
            return np.asarray(image)
    except UnidentifiedImageError as error:
        raise ValueError(
            "it is truncated, or no TIFF of one channel of 32-bit floats or integers"
        ) from error


READERS = {".npy": _read_npy, ".npz": _read_npz, ".tif": _read_tiff, ".tiff": _read_tiff}


def resize_map(scores: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Resizes a map bilinearly with half-pixel centres, edges continued.

    Enlarging interpolates between the four nearest scores. Shrinking averages over a triangle as
    wide as the scale, so that every score counts; sampling four of them (as `ndimage.zoom` does)
    would lose a thin defect between the samples.

    Args:
      scores: float [h, w].
      shape: (H, W).

    Returns:
      float32 [H, W].
    """
    scores = np.asarray(scores, np.float32)
    if scores.shape == tuple(shape):
        return scores
    height, width = shape
    resized = Image.fromarray(scores).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized)
