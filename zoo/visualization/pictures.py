"""Turns arrays into pictures that people look at: overlays, heat maps, contact sheets."""

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

IGNORE = 255

# Colours of the defect types 1, 2, ..., strongest first; the 13th has that of the first again.
# Source of the first seven, which colour-blind people can tell apart: Okabe and Ito, "Color
# Universal Design", 2008; without black.
PALETTE = (
    (213, 94, 0),
    (86, 180, 233),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (0, 114, 178),
    (230, 159, 0),
    (148, 103, 189),
    (140, 86, 75),
    (23, 190, 207),
    (188, 189, 34),
    (255, 152, 150),
)
IGNORE_COLOR = (128, 128, 128)
GAP_COLOR = 128  # grey level between pictures, neither the darkest nor the brightest part of any
ALPHA = 0.35  # opacity of a fill: colours are told apart, the surface below is still seen
MIN_TEXT_SIZE = 12  # pixels; below, names cannot be read
PIXELS_PER_TEXT_SIZE = 60  # text is one pixel high for each of these of the longest side
PIXELS_PER_LINE_WIDTH = 256  # a contour is one pixel wide for each of these of the longest side
FASTEST = 1  # of zlib's levels, for large pictures of surfaces


def type_color(defect_type: int) -> tuple[int, int, int]:
    """Returns the colour of a defect type 1, 2, ... or of the ignored pixels, 255."""
    if defect_type == IGNORE:
        return IGNORE_COLOR
    return PALETTE[(defect_type - 1) % len(PALETTE)]


def to_rgb(image: np.ndarray) -> np.ndarray:
    """Turns uint8 [H, W], [H, W, 1] or [H, W, 3] into uint8 [H, W, 3]."""
    if image.ndim == 2:
        image = image[..., None]
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] not in (1, 3):
        raise ValueError(
            "Argument `image` must be uint8 [H, W], [H, W, 1] or [H, W, 3]. "
            f"Received: {image.dtype} {list(image.shape)}"
        )
    return np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image


def overlay(
    image: np.ndarray,
    mask: np.ndarray,
    color: tuple[int, int, int] = PALETTE[0],
    alpha: float = ALPHA,
) -> np.ndarray:
    """Fills a region translucently and draws a line around it.

    The line lies outside of the region, so that small defects are not hidden by it.

    Args:
      image: uint8 [H, W, C], C 1 or 3.
      mask: bool [H, W], the region.
      color: red, green and blue, 0..255.
      alpha: opacity of the fill in [0, 1]; 0 draws the line alone.

    Returns:
      uint8 [H, W, 3], a new array.

    Raises:
      ValueError: the shapes differ.
    """
    if mask.shape != image.shape[:2]:
        raise ValueError(
            "Argument `mask` must have the height and width of the image, "
            f"{list(image.shape[:2])}. Received: {list(mask.shape)}"
        )
    picture = to_rgb(image).copy()
    for channel, value in zip(np.moveaxis(picture, -1, 0), color):
        channel[mask] = np.round(channel[mask] * np.float32(1 - alpha) + np.float32(alpha * value))
    if mask.any():
        width = max(1, round(max(mask.shape) / PIXELS_PER_LINE_WIDTH))
        picture[ndimage.binary_dilation(mask, iterations=width) & ~mask] = color
    return picture


def overlay_types(image: np.ndarray, mask: np.ndarray, alpha: float = ALPHA) -> np.ndarray:
    """Draws each id of an index mask uint8 [H, W] over the image in its colour; see `overlay`."""
    picture = to_rgb(image)
    for defect_type in np.unique(mask[mask > 0]).tolist():
        picture = overlay(picture, mask == defect_type, type_color(defect_type), alpha)
    return picture


def with_box(picture: np.ndarray, box: Sequence[float]) -> np.ndarray:
    """Draws the outline of a box [ymin, xmin, ymax, xmax] in [0, 1] on RGB uint8 [H, W, 3]."""
    height, width = picture.shape[:2]
    top, left, bottom, right = np.array(box) * (height, width, height, width)
    image = Image.fromarray(picture)
    thickness = max(2, round(max(height, width) / 300))
    ImageDraw.Draw(image).rectangle(
        (left, top, max(right - 1, left), max(bottom - 1, top)),
        outline=type_color(1),
        width=thickness,
    )
    return np.asarray(image)


def color_types(mask: np.ndarray) -> np.ndarray:
    """Paints an index mask uint8 [H, W] on black: each defect type in its colour."""
    return _color_table()[mask]


def index_png_bytes(mask: np.ndarray) -> bytes:
    """Encodes an index mask uint8 [H, W] as a palette PNG: its pixels are the ids, seen in colour.

    Pillow reads the ids back; libraries that turn palettes into colours see those of `color_types`.
    """
    image = Image.fromarray(mask)
    image.putpalette(_color_table().tobytes())
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def _color_table() -> np.ndarray:
    table = np.zeros((256, 3), np.uint8)
    table[1:] = [type_color(defect_type) for defect_type in range(1, 256)]
    return table


def with_legend(picture: np.ndarray, defect_types: list[str]) -> np.ndarray:
    """Names the defect types 1, 2, ... in their colours, in a strip below RGB uint8 [H, W, 3].

    The picture keeps its place, so its pixels are still those of the image; one that is too narrow
    for a name gets a margin at its right.
    """
    size = max(MIN_TEXT_SIZE, round(max(picture.shape[:2]) / PIXELS_PER_TEXT_SIZE))
    font = ImageFont.load_default(size)
    gap, line = size // 2, 2 * size
    widths = [size + 3 * gap + math.ceil(font.getlength(name)) for name in defect_types]
    width = max(picture.shape[1], *widths)
    places, x, y = [], 0, 0
    for entry in widths:
        if x and x + entry > width:
            x, y = 0, y + line
        places.append((x + gap, y + gap))
        x += entry
    strip = Image.new("RGB", (width, y + line))
    draw = ImageDraw.Draw(strip)
    for number, (name, (x, y)) in enumerate(zip(defect_types, places), start=1):
        draw.rectangle((x, y, x + size - 1, y + size - 1), fill=type_color(number))
        draw.text((x + size + gap, y + size / 2), name, fill="white", font=font, anchor="lm")
    margin = ((0, 0), (0, width - picture.shape[1]), (0, 0))
    return np.concatenate([np.pad(picture, margin), np.asarray(strip)])


def heat(probability: np.ndarray) -> np.ndarray:
    """Colours float [H, W] in [0, 1] from black over red to light yellow: uint8 [H, W, 3]."""
    from matplotlib import colormaps

    return colormaps["inferno"](np.clip(probability, 0.0, 1.0), bytes=True)[..., :3]


def row(pictures: list[np.ndarray], gap: int = 4) -> np.ndarray:
    """Puts RGB pictures side by side, top aligned, `gap` pixels apart: uint8 [H, W, 3]."""
    height = max(len(picture) for picture in pictures)
    parts = []
    for picture in pictures:
        below = ((0, height - len(picture)), (0, 0), (0, 0))
        parts.append(np.full((height, gap, 3), GAP_COLOR, np.uint8))
        parts.append(np.pad(picture, below, constant_values=GAP_COLOR))
    return np.concatenate(parts[1:], axis=1)


def grid(rows: list[list[np.ndarray]], gap: int = 4) -> np.ndarray:
    """Puts rows of RGB pictures below each other, left aligned: uint8 [H, W, 3]."""
    upright = [np.swapaxes(row(pictures, gap), 0, 1) for pictures in rows]
    return np.swapaxes(row(upright, gap), 0, 1)


def thumbnail_size(shape: tuple[int, int], longest_side: int) -> tuple[int, int]:
    """Returns height and width that `thumbnail` shrinks pictures of height and width `shape` to."""
    scale = min(1.0, longest_side / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def thumbnail(picture: np.ndarray, longest_side: int) -> np.ndarray:
    """Shrinks uint8 [H, W], [H, W, 1] or [H, W, 3] to `longest_side`; never enlarges."""
    height, width = thumbnail_size(picture.shape[:2], longest_side)
    if (height, width) == picture.shape[:2]:
        return picture
    small = np.asarray(_pillow(picture).resize((width, height), Image.Resampling.LANCZOS))
    return small.reshape(*small.shape[:2], *picture.shape[2:])


def block_maximum(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Shrinks [H, W] to height and width `size`, at most [H, W]: not even a single pixel is lost.

    Each pixel of the result is the highest of its block, and each of the picture lies in one block.
    """
    for axis, length in enumerate(size):
        starts = np.arange(length) * picture.shape[axis] // length
        picture = np.maximum.reduceat(picture, starts, axis=axis)
    return picture


def png_bytes(picture: np.ndarray, level: int = 6) -> bytes:
    """Encodes uint8 [H, W], [H, W, 1] or [H, W, 3] as PNG, without loss.

    Args:
      picture: the pixels.
      level: of zlib, 1 the fastest, 9 the smallest. Of a textured surface 1 takes a quarter of
        the time of 6, and the file is as small.
    """
    return _encoded(picture, "PNG", compress_level=level)


def jpeg_bytes(picture: np.ndarray) -> bytes:
    """Encodes as JPEG: a tenth of the size of a PNG where surfaces are textured."""
    return _encoded(picture, "JPEG", quality=90, subsampling=0)


def png_address(picture: np.ndarray) -> str:
    """Returns the picture itself as an address of a page: that of `png_bytes`."""
    return _address("png", png_bytes(picture))


def jpeg_address(picture: np.ndarray) -> str:
    """Returns the picture itself as an address of a page: that of `jpeg_bytes`."""
    return _address("jpeg", jpeg_bytes(picture))


def _address(form, content) -> str:
    return f"data:image/{form};base64,{base64.b64encode(content).decode()}"


def _encoded(picture, form: str, **options) -> bytes:
    stream = io.BytesIO()
    _pillow(picture).save(stream, form, **options)
    return stream.getvalue()


def _pillow(picture) -> Image.Image:
    return Image.fromarray(picture[..., 0] if picture.shape[2:] == (1,) else picture)
