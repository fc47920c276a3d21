"""What the values and colours of a user's masks mean: a palette file, or two values without one."""

import csv
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, ImageColor, ImageOps

from tfds_datasets.features import GOOD, IGNORE
from tfds_datasets.images import BrokenImageError

FILES = ("palette.json", "palette.csv")
BACKGROUND, IGNORED = "background", "ignore"  # the names in a palette that are no defect types
_FORM = 'such as {"scratch": [255, 0, 0], "stain": "#00ff00"} or {"scratch": 1, "stain": 2}'

Palette = dict[str, tuple[int, ...]]  # name -> (value,) of a grey mask or (red, green, blue)


def read_palette(root: Path) -> Palette | None:
    """Reads `palette.json` or `palette.csv`; None where there is neither.

    JSON maps a name to a colour or a value; a row of CSV is `name,red,green,blue`,
    `name,#rrggbb` or `name,value`. `background` is black or 0 unless it is named.

    Raises:
      ValueError: the file cannot be read, or two names share a colour.
    """
    file = next((root / name for name in FILES if (root / name).is_file()), None)
    if file is None:
        return None
    try:
        if file.suffix == ".json":
            text = file.read_text(encoding="utf-8-sig")
            rows = json.loads(text, object_pairs_hook=list)  # a dict would lose doubled names
        else:
            lines = csv.reader(file.read_text(encoding="utf-8-sig").splitlines())
            rows = [(row[0], row[1:]) for row in lines if row and not _is_head(row[1:])]
        names = [name.strip() for name, _ in rows]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{', '.join(doubled)} more than once")
        palette = {name: _color(value) for name, (_, value) in zip(names, rows)}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"{file} must map names to colours, {_FORM}. Received: {error}") from error
    lengths = {len(color) for color in palette.values()}
    if len(lengths) != 1 or GOOD in palette or not set(palette) - {BACKGROUND, IGNORED}:
        raise ValueError(f"{file} must name defect types by colours or by values, {_FORM}.")
    palette.setdefault(BACKGROUND, (0,) * lengths.pop())
    if len(set(palette.values())) < len(palette):
        raise ValueError(f"{file} must give each name its own colour. Received: {palette}")
    return palette


def defect_types(palette: Palette | None) -> list[str]:
    """Returns the names of the mask ids 1..K, in the order of the palette file."""
    if palette is None:
        return ["defect"]
    return [name for name in palette if name not in (BACKGROUND, IGNORED)]


def read_mask(file: Path, palette: Palette | None) -> np.ndarray:
    """Reads a mask as uint8 [H, W, 1]: 0 background, 1..K the defect types, 255 ignore.

    Args:
      file: a grey, indexed or colour image without losses.
      palette: of `read_palette`; None means that the mask has 0 and one other value.

    Raises:
      BrokenImageError: the file is truncated or no image.
      ValueError: it has colours outside the palette; the message says which, where, how often.
    """
    if palette is None:
        return _read_binary(file, _decode(file, black_first=True))
    pixels = _decode(file, as_color=len(palette[BACKGROUND]) == 3)
    ids = {name: number for number, name in enumerate(defect_types(palette), start=1)}
    ids |= {BACKGROUND: 0, IGNORED: IGNORE}
    mask = np.zeros(pixels.shape[:2], np.uint8)
    known = np.zeros(pixels.shape[:2], bool)
    for name, color in palette.items():
        here = (pixels == color).all(axis=-1)
        mask[here], known[here] = ids[name], True
    if not known.all():
        colors, counts = np.unique(pixels[~known], axis=0, return_counts=True)
        row, column = np.argwhere(~known)[0]
        shown = ", ".join(f"{tuple(map(int, c))} in {n} pixels" for c, n in zip(colors, counts[:3]))
        raise ValueError(
            f"{file} must have the colours of the palette alone, {dict(palette)}. "
            f"Received: {shown}{' and others' if len(colors) > 3 else ''}; "
            f"{int((~known).sum())} pixels in all, the first in row {row}, column {column}. "
            "Name the colour in the palette file, or save the mask without smoothing."
        )
    return mask[..., None]


def _read_binary(file: Path, pixels: np.ndarray) -> np.ndarray:
    values, counts = np.unique(pixels, return_counts=True)
    if len(set(values.tolist()) - {0}) > 1:
        found = ", ".join(f"{v} in {n} pixels" for v, n in zip(values[:5], counts))
        raise ValueError(
            f"{file} must have 0 and one other value. Received: {found}"
            f"{' and others' if len(values) > 5 else ''}. A mask of several types needs one of "
            f"{', '.join(FILES)} beside its folder, {_FORM}."
        )
    return (pixels != 0).astype(np.uint8)


def _decode(file: Path, *, as_color: bool = False, black_first: bool = False) -> np.ndarray:
    """Returns the stored values, [H, W, 3] or [H, W, 1].

    An indexed image has its indices as values.

    With `black_first`, what is black in an indexed image has the value 0, whatever its index.
    """
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            image.load()
            image = ImageOps.exif_transpose(image)
            if black_first and image.mode == "P":
                pixels = _by_brightness(image)
            elif as_color or image.mode not in ("1", "L", "P", "I", "I;16"):
                pixels = np.asarray(image.convert("RGB"))
            else:
                pixels = np.asarray(image)[..., None]
    except Exception as error:  # what damaged files raise has no common class
        raise BrokenImageError(
            f"{file} is truncated or no image ({error}). Replace the file, or leave it out."
        ) from error
    if as_color or pixels.shape[-1] == 1:
        return pixels
    if (pixels != pixels[..., :1]).any():
        raise ValueError(
            f"{file} is in colour. It needs one of {', '.join(FILES)} with colours, {_FORM}."
        )
    return pixels[..., :1]


def _by_brightness(image: Image.Image) -> np.ndarray:
    """Returns the grey levels of an indexed image.

    The indices where it has colours and none is black.
    """
    colors, indices = np.asarray(image.convert("RGB")), np.asarray(image)[..., None]
    if (colors == colors[..., :1]).all():
        return colors[..., :1]
    black = (colors == 0).all(axis=-1, keepdims=True)
    if not black.any():
        return indices
    return np.where(black, 0, np.where(indices == 0, colors.max(axis=-1, keepdims=True), indices))


def _is_head(cells: list[str]) -> bool:
    """Returns whether a row of CSV names the columns."""
    names = [cell.strip().lower() for cell in cells]
    return names in (["r", "g", "b"], ["red", "green", "blue"], ["color"], ["value"])


def _color(value) -> tuple[int, ...]:
    parts = [value] if isinstance(value, int | str) else list(value)
    if len(parts) == 1 and isinstance(parts[0], str) and parts[0].strip().startswith("#"):
        color = ImageColor.getrgb(parts[0].strip())
        if len(color) == 4:
            raise ValueError(f"{value!r} with opacity, which masks do not have: write #rrggbb")
        return color
    color = tuple(int(part) for part in parts)
    if len(color) not in (1, 3) or not all(0 <= part <= 255 for part in color):
        raise ValueError(f"{value!r} is no colour")
    return color
