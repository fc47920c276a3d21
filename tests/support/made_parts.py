"""Photographs of a drawn part, in each layout in which users keep theirs."""

import functools
import json
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

SIZE = (640, 480)  # width, height
TYPES = ("", "scratch", "stain")
LAYOUTS = ("masks", "types", "some_masks", "labels", "labels_and_masks", "mvtec", "good", "flat")


@functools.cache
def draw_part(number: int, kind: int) -> tuple[Image.Image, Image.Image]:
    """A metal part with two holes; `kind` 0 is good, 1 scratched, 2 stained; and its mask."""
    rng = np.random.default_rng(number)
    grey = rng.normal(120, 6, SIZE[::-1])
    image = Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")
    mask = Image.new("L", SIZE, 0)
    draw, draw_mask = ImageDraw.Draw(image), ImageDraw.Draw(mask)
    x, y = map(int, rng.integers(-15, 15, 2))
    draw.rounded_rectangle([120 + x, 90 + y, 520 + x, 390 + y], 30, fill=(170, 172, 178))
    for middle in (200, 440):
        draw.ellipse([middle - 25 + x, 215 + y, middle + 25 + x, 265 + y], fill=(60, 60, 62))
    row, column = int(rng.integers(130, 350)) + y, int(rng.integers(180, 460)) + x
    if kind == 1:
        length, angle = rng.integers(30, 80), rng.uniform(0, np.pi)
        dx, dy = length * np.cos(angle), length * np.sin(angle)
        ends = [column - dx, row - dy, column + dx, row + dy]
        draw.line(ends, fill=(90, 88, 86), width=4)
        draw_mask.line(ends, fill=255, width=4)
    elif kind == 2:
        radius = int(rng.integers(10, 25))
        box = [column - radius, row - radius, column + radius, row + radius]
        draw.ellipse(box, fill=(140, 128, 100))
        draw_mask.ellipse(box, fill=255)
    return image.filter(ImageFilter.GaussianBlur(1)), mask


def make_parts(root: pathlib.Path, layout: str, *, count: int = 60, defective: int = 12) -> None:
    """Draws photographs into a folder, the defective ones first; of "good" and "flat" none is."""
    for number in range(count):
        alone = layout in ("good", "flat")
        kind = 0 if alone or number >= defective else 1 + number % 2
        image, mask = draw_part(number, kind)
        index_mask = Image.fromarray((np.asarray(mask) > 0).astype(np.uint8) * kind)
        for folder, content in _places(layout, kind, number, count, image, mask, index_mask):
            path = root / f"{folder}{'.png' if content is not image else '.jpg'}"
            path.parent.mkdir(parents=True, exist_ok=True)
            content.save(path)
    if layout == "types":
        (root / "palette.json").write_text(json.dumps({"scratch": 1, "stain": 2}))


def _places(layout, kind, number, count, image, mask, index_mask):
    stem = f"p{number:02d}"
    if layout == "masks":
        return [(f"images/{stem}", image), (f"masks/{stem}", mask)]
    if layout == "types":
        return [(f"images/{stem}", image), (f"masks/{stem}", index_mask)]
    if layout == "some_masks":
        return [(f"images/{stem}", image), *([(f"masks/{stem}", mask)] if kind else [])]
    if layout == "mvtec" and kind:
        name = TYPES[kind]
        return [(f"test/{name}/{stem}", image), (f"ground_truth/{name}/{stem}_mask", mask)]
    if layout == "mvtec":
        return [(f"{'train' if number < 0.8 * count else 'test'}/good/{stem}", image)]
    if layout == "flat":
        return [(stem, image)]
    folder = "defect" if kind else "good"
    masks = [(f"mask/{stem}", mask)] if kind and layout == "labels_and_masks" else []
    return [(f"{folder}/{stem}", image), *masks]
