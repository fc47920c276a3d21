"""Where the textures of synthetic anomalies come from: folders of pictures, formulas, or the image.

A source is named by a word, and by a path where it needs one:

| source         | texture                                                                      |
|----------------|------------------------------------------------------------------------------|
| `dtd:FOLDER`   | the Describable Textures Dataset, as extracted, for research                 |
| `folder:FOLDER`| any pictures in a folder and those below it                                  |
| `procedural`   | drawn by `procedural_textures`                                               |
| `self`         | the image itself, changed, with its 8x8 tiles in random order                |

Beside the first three, every second texture is of the image itself, as in TransFusion.
"""

import concurrent.futures
import functools
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from absl import logging
from PIL import Image

from tfds_datasets.images import BrokenImageError, is_image, read_image
from zoo.synthetic_anomalies.procedural_textures import procedural_texture
from zoo.synthetic_anomalies.texture_augment import augmented

DEFAULT_SOURCES = ("procedural",)
SELF_SHARE = 0.5  # of the textures, where there is another source too
TILES = 8  # along each side
DTD_CLASSES = 47
CACHED_PICTURES = 512  # 100 MB in colour at 256x256


class Textures(NamedTuple):
    """A source that is there, as it was named, and its picture files in the order of their names.

    The name belongs beside every result: another source gives another model.
    """

    source: str
    files: tuple[pathlib.Path, ...] = ()


def find_textures(sources: Sequence[str] = DEFAULT_SOURCES) -> Textures:
    """Returns the first source that is there; those before it are logged with what they lack.

    Args:
      sources: see the module; such as ("dtd:textures/dtd", "procedural").

    Raises:
      ValueError: a source is unknown, or none is there.
    """
    lacks = []
    for source in sources:
        kind, _, folder = source.partition(":")
        if kind in _FOLDER_KINDS and folder:
            lack, files = _find_pictures(kind, pathlib.Path(folder))
        elif source in ("procedural", "self"):
            lack, files = None, ()
        else:
            raise ValueError(
                "Argument `sources` must hold dtd:FOLDER, folder:FOLDER, procedural or self. "
                f"Received: {source!r}"
            )
        if lack is None:
            for message in lacks:
                logging.warning("%s Textures come from %s.", message, source)
            return Textures(source, files)
        lacks.append(lack)
    raise ValueError(
        "Argument `sources` must name one source of textures that is there: add procedural, which "
        f"needs no files, at its end. Received: {tuple(sources)}. {' '.join(lacks)}".rstrip()
    )


def require_readable(textures: Textures) -> None:
    """Reads every picture once: a broken one shall be found before hours of training, not in them.

    Raises:
      ValueError: some are broken; the message names them all.
    """
    with concurrent.futures.ThreadPoolExecutor() as pool:
        broken = [message for message in pool.map(_what_is_wrong, textures.files) if message]
    if broken:
        raise ValueError(
            f"Every picture of {textures.source} must be readable. Repair or remove these "
            f"{len(broken)} of {len(textures.files)}: {' '.join(broken)}"
        )


def draw_texture(textures: Textures, rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Draws the texture of an anomaly.

    Args:
      textures: from `find_textures`.
      rng: decides what is drawn.
      image: uint8 [H, W, C] that gets the anomaly, C 1 or 3.

    Returns:
      uint8 [H, W, C].
    """
    if textures.source == "self" or rng.random() < SELF_SHARE:
        return shuffled_tiles(rng, augmented(rng, image))
    if textures.files:
        file = textures.files[rng.integers(len(textures.files))]
        return augmented(rng, _read_picture(file, image.shape))
    return augmented(rng, procedural_texture(rng, image.shape))


def shuffled_tiles(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """Cuts an image [H, W, C] into `TILES` x `TILES` tiles and puts them in random order.

    Sides that `TILES` does not divide are mirrored at the end, and cut off again.
    """
    height, width, channels = image.shape
    pad = [(0, -height % TILES), (0, -width % TILES), (0, 0)]
    padded = np.pad(image, pad, mode="symmetric")
    rows, columns = padded.shape[0] // TILES, padded.shape[1] // TILES
    tiles = padded.reshape(TILES, rows, TILES, columns, channels).swapaxes(1, 2)
    tiles = tiles.reshape(TILES**2, rows, columns, channels)[rng.permutation(TILES**2)]
    tiles = tiles.reshape(TILES, TILES, rows, columns, channels).swapaxes(1, 2)
    return tiles.reshape(padded.shape)[:height, :width]


def _find_pictures(kind, folder):
    """Returns what a folder lacks, a sentence or None, and its files."""
    if not folder.is_dir():
        return f"The folder {folder} is missing: {_FOLDER_KINDS[kind]}.", ()
    root = folder / "images" if kind == "dtd" else folder
    files = tuple(sorted(file for file in root.rglob("*") if file.is_file() and is_image(file)))
    if kind == "dtd" and len({file.parent for file in files}) != DTD_CLASSES:
        return (
            f"{folder} is not DTD, which has pictures in {DTD_CLASSES} folders below images/: "
            f"{_FOLDER_KINDS[kind]}, or call it folder:{folder}.",
            (),
        )
    if not files:
        return f"The folder {folder} holds no picture: {_FOLDER_KINDS[kind]}.", ()
    return None, files


def _what_is_wrong(file) -> str | None:
    try:
        read_image(file)
    except BrokenImageError as error:
        return str(error)
    return None


@functools.lru_cache(maxsize=CACHED_PICTURES)
def _read_picture(file, shape) -> np.ndarray:
    height, width, channels = shape
    picture = read_image(file, channels=channels)
    picture = Image.fromarray(picture[..., 0] if channels == 1 else picture)
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR)).reshape(shape)


_FOLDER_KINDS = {
    "dtd": "extract dtd-r1.0.1.tar.gz of Oxford's VGG and name its folder dtd",
    "folder": "name a folder with pictures of textures",
}
