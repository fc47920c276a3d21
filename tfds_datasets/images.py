"""Reads image files as cameras and archives deliver them: grey or colour, 8 or 16 bit, rotated."""

import io
import os
from pathlib import PurePath

import numpy as np
from absl import logging
from PIL import Image, ImageOps, TiffImagePlugin, UnidentifiedImageError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")

FAINT = 2**6  # highest value of an image of 16 bits in 8, below which it keeps few levels
PNG_BIT_DEPTH_AT = 24  # the place of the byte that says it
# Pillow refuses from twice as many on; left alone from 179 million, which line cameras exceed.
Image.MAX_IMAGE_PIXELS = 2**29


def is_image(file) -> bool:
    """Returns whether a path names an image file.

    Hidden ones, such as macOS's `._1.png`, are none.
    """
    return not file.name.startswith(".") and PurePath(file.name).suffix.lower() in SUFFIXES


class BrokenImageError(ValueError):
    """A file that is no readable image; the message names it."""


def read_image(file, *, channels: int = 1) -> np.ndarray:
    """Reads one image file as uint8, upright, with the wanted number of channels.

    A 16-bit image is scaled from 0..65535 to 0..255, of colours by their upper eight bits, and a
    colour image is turned to grey (ITU-R BT.601 luma) where one channel is wanted; each is logged
    once. EXIF rotation is applied, an alpha channel is dropped.

    Args:
      file: a path-like object with `read_bytes()` and `name` (also inside a zip file), or a path.
      channels: 1 or 3.

    Returns:
      uint8 [H, W, channels].

    Raises:
      BrokenImageError: the file is truncated, no image, or one of 32 bits a value. The message
        names the file.
    """
    if isinstance(file, str | os.PathLike) and not hasattr(file, "read_bytes"):
        with open(file, "rb") as stream:
            content = stream.read()
    else:
        content = file.read_bytes()
    return decode_image(content, name=str(file), channels=channels)


def decode_image(content: bytes, *, name: str, channels: int = 1) -> np.ndarray:
    """Decodes the bytes of one image file; see `read_image`. `name` stands in every message."""
    if channels not in (1, 3):
        raise ValueError(f"Argument `channels` must be 1 or 3. Received: {channels}")
    try:
        with Image.open(io.BytesIO(content)) as image:
            if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
                logging.log_first_n(
                    logging.WARNING,
                    "%s has %d pages: of such, the first is read alone.",
                    1,
                    name,
                    image.n_frames,
                )
            image.load()
            if image.mode == "F" or (image.mode == "I" and image.format == "TIFF"):
                raise ValueError("values of 32 bits say no range: save it with 8 or 16 bits")
            deep = _has_16_bits(image, content)
            pixels = _to_uint8(ImageOps.exif_transpose(image), channels, name)
            if deep:
                _log_depth(name, np.asarray(pixels).max())
    except Exception as error:  # what damaged files raise has no common class
        # Pillow's own words name a place in memory
        reason = "unknown format" if isinstance(error, UnidentifiedImageError) else error
        raise BrokenImageError(
            f"{name} is truncated or no image of 8 or 16 bits ({reason}). Replace the file, or "
            "leave it out."
        ) from error
    return pixels if pixels.ndim == 3 else pixels[..., None]


def _has_16_bits(image: Image.Image, content: bytes) -> bool:
    """Returns whether a file has 16 bits a value.

    Pillow opens those of colours as if they had 8.
    """
    if image.format == "PNG":
        return content[PNG_BIT_DEPTH_AT] == 16
    bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, ()) if image.format == "TIFF" else ()
    return image.mode.startswith("I") or 16 in np.atleast_1d(bits)


def _log_depth(name: str, highest: int) -> None:
    logging.log_first_n(
        logging.WARNING, "%s has 16 bits a value: such images are scaled to 8 bits.", 1, name
    )
    if highest < FAINT:
        logging.log_first_n(
            logging.WARNING,
            "%s has 16 bits a value, and none above %d of 255 in 8 bits: such images become almost "
            "black. Where a camera of 10 or 12 bits made them, scale its values to 0..65535 first.",
            1,
            name,
            highest,
        )


def _to_uint8(image: Image.Image, channels: int, name: str) -> np.ndarray:
    if image.mode == "I" or image.mode.startswith("I;16"):
        # Pillow reads 16-bit grey PNG and TIFF in these modes; 257 maps 65535 to 255.
        values = np.clip(np.asarray(image, np.float64), 0, 65535)
        grey = np.round(values / 257).astype(np.uint8)
        return grey if channels == 1 else np.repeat(grey[..., None], 3, axis=-1)
    if channels == 1 and image.mode not in ("L", "1", "LA"):
        logging.log_first_n(
            logging.WARNING, "%s is in colour: such images are turned to grey.", 1, name
        )
    if image.mode == "P":  # a palette may hold transparency, which a direct conversion mixes in
        image = image.convert("RGB")
    return np.asarray(image.convert("L" if channels == 1 else "RGB"))
