"""What a user's folder holds, as far as names and heads of files say it."""

import collections
import pathlib
from typing import NamedTuple

from PIL import Image

from tfds_datasets import images
from tfds_datasets.image_mask_folder import manifest, palette
from tfds_datasets.image_mask_folder.layouts import Layout, find_layout

_GREY = ("1", "L", "LA", "I", "F", "I;16", "I;16B", "I;16L", "I;16N")
_ROTATED = 5  # EXIF orientations from here on swap height and width
_ORIENTATION = 0x0112
_EXPECTED = (*palette.FILES, manifest.FILE)


class Folder(NamedTuple):
    """What a folder holds.

    Attributes:
      root: the folder.
      layout: its images, see `layouts.Layout`.
      sizes: how many images have each size, (height, width) in pixels, upright.
      channels: 1 where every image is grey, else 3.
      formats: how many images have each file format, such as PNG.
      unreadable: names of the files that are no image in spite of their suffix.
      left_out: how many other files there are of each suffix.
    """

    root: pathlib.Path
    layout: Layout
    sizes: collections.Counter
    channels: int
    formats: collections.Counter
    unreadable: list[str]
    left_out: collections.Counter

    @property
    def size(self) -> tuple[int, int]:
        """The height and the width that most images have."""
        return self.sizes.most_common(1)[0][0]

    def describe(self) -> list[str]:
        """Returns what was found, in two lines."""
        sizes = [f"{w}x{h} ({n})" for (h, w), n in self.sizes.most_common(3)]
        more = len(self.sizes) - len(sizes)
        parts = [
            ", ".join(sizes) + (f" and {more} other sizes" if more else ""),
            "grey" if self.channels == 1 else "colour",
            ", ".join(self.formats),
        ]
        if self.unreadable:
            parts.append(f"{len(self.unreadable)} unreadable, such as {self.unreadable[0]}")
        if self.left_out:
            others = ", ".join(f"{n} {suffix}" for suffix, n in self.left_out.most_common())
            parts.append(f"left out: {others}")
        return [
            f"{self.root}: {len(self.layout.sources)} images, layout: {self.layout.name}",
            "; ".join(parts),
        ]


def inspect_folder(root) -> Folder:
    """Looks at all files of a folder without decoding any.

    Raises:
      ValueError: the folder is missing, holds no image or a single one, none of them can be read,
        or they lie in no known layout.
    """
    root = pathlib.Path(root)
    layout = find_layout(root)
    if len(layout.sources) == 1:
        raise ValueError(
            f"{root} must hold more than one image: some to train on, and others to choose "
            f"thresholds and to measure. Received: {next(iter(layout.sources))}"
        )
    sizes, formats, modes, unreadable = collections.Counter(), collections.Counter(), set(), []
    for name, source in layout.sources.items():
        try:
            with Image.open(source.image) as image:
                width, height = image.size
                if image.getexif().get(_ORIENTATION, 1) >= _ROTATED:
                    width, height = height, width
                sizes[height, width] += 1
                formats[image.format] += 1
                modes.add(image.mode)
        except Exception:  # what damaged files raise has no common class
            unreadable.append(name)
    if not sizes:
        raise ValueError(
            f"{root} must hold images that can be read. None of {len(unreadable)} can, such as "
            f"{unreadable[0]}: they are truncated or no images."
        )
    channels = 1 if modes <= set(_GREY) else 3
    return Folder(root, layout, sizes, channels, formats, unreadable, _left_out(root))


def _left_out(root) -> collections.Counter:
    files = (file for file in root.rglob("*") if file.is_file() and file.name not in _EXPECTED)
    return collections.Counter(
        file.suffix.lower() or "without a suffix"
        for file in files
        if not file.name.startswith(".") and not images.is_image(file)
    )
