"""Copies are found among lookalikes and among parts in one pose, drawn here and real."""

import io
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from tfds_datasets import images
from tfds_datasets.copies import (
    COPY_SIDE,
    group_copies,
    group_lookalikes,
    thumbnail,
    warn_of_torn,
)

PARTS = 40
TURN, MIRROR = Image.Transpose.ROTATE_90, Image.Transpose.FLIP_LEFT_RIGHT


def draw_part(number: int, size: int = 128) -> Image.Image:
    """A bright disc with a bar, always in one pose; a spot and the noise differ."""
    rng = np.random.default_rng(number)
    y, x = np.mgrid[:size, :size] / size
    part = 60 + 120.0 * ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.09)
    part[(abs(x - 0.3) < 0.05) & (abs(y - 0.6) < 0.2)] += 50
    center = rng.uniform(0.25, 0.75, 2)
    part[(x - center[0]) ** 2 + (y - center[1]) ** 2 < 0.001] -= 60
    noisy = np.clip(part + rng.normal(0, 5, part.shape), 0, 255)
    return Image.fromarray(noisy.astype(np.uint8))


def as_jpeg(image: Image.Image) -> Image.Image:
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=85)
    return Image.open(stream)


COPIES = {
    "jpeg": as_jpeg,
    "scaled": lambda image: image.resize((90, 90)),
    "turned": lambda image: image.transpose(TURN),
    "mirrored": lambda image: as_jpeg(image.transpose(MIRROR)),
}


def group(named: dict[str, Image.Image]) -> dict[str, str]:
    thumbnails = {
        name: thumbnail(np.asarray(image)[..., None], COPY_SIDE) for name, image in named.items()
    }
    return group_copies(thumbnails)


def test_parts_in_one_pose_are_no_copies_but_their_copies_are():
    parts = {f"{number}": draw_part(number) for number in range(PARTS)}
    small = {name: thumbnail(np.asarray(image)[..., None]) for name, image in parts.items()}
    assert len(set(group_lookalikes(small).values())) == 1
    assert len(set(group(parts).values())) == PARTS
    for number in range(0, PARTS, 4):
        for kind, copy in COPIES.items():
            parts[f"{number}_{kind}"] = copy(parts[f"{number}"])
    groups = group(parts)
    assert len(set(groups.values())) == PARTS
    assert all(groups[name] == groups[name.partition("_")[0]] for name in groups)


def test_many_copies_of_each_of_many_images_are_no_pose():
    rng = np.random.default_rng(0)
    originals = [rng.integers(20, 200, (64, 64)) for _ in range(12)]
    named = {
        f"{number}_{copy}": Image.fromarray((image + 2 * copy).astype(np.uint8))
        for number, image in enumerate(originals)
        for copy in range(10)
    }
    groups = group({name: as_jpeg(image) for name, image in named.items()})
    assert all(groups[name] == f"{name.partition('_')[0]}_0" for name in named)


def test_one_image_saved_many_times_is_one_group():
    named = {f"{number:02}": draw_part(0) for number in range(20)}
    assert set(group(named).values()) == {"00"}


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
@pytest.mark.parametrize(
    "folder, count", [("mvtec_ad/screw", 182), ("mvtec_ad_256/transistor", 60)]
)
def test_real_parts(folder, count):
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / folder
    files = sorted(root.glob("t*/*/*.png"))  # train and test
    parts = {file: Image.fromarray(images.read_image(file)[..., 0]) for file in files}
    assert len(parts) == count
    named = {str(file): part for file, part in parts.items()}
    assert len(set(group(named).values())) == count
    for file in files[::9]:
        turned = parts[file].transpose(TURN).resize((200, 200))
        named[f"{file} turned"] = as_jpeg(turned)
    groups = group(named)
    assert len(set(groups.values())) == count
    assert all(groups[f"{file} turned"] == str(file) for file in files[::9])


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_surfaces_that_were_turned_and_mirrored():
    folder = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "neu_seg/images/training"
    pixels = {file.name: images.read_image(file) for file in folder.iterdir()}
    lookalikes = group_lookalikes({name: thumbnail(image) for name, image in pixels.items()})
    copies = group_copies({name: thumbnail(image, COPY_SIDE) for name, image in pixels.items()})
    assert len(set(lookalikes.values())) == 1100
    assert len(set(copies.values())) == 1103


def test_copies_on_both_sides_of_a_split_are_named(caplog):
    groups = {"a": "a", "b": "a", "c": "c", "d": "c"}
    split_of = {"a": "train", "b": "test", "c": "test", "d": "test"}
    with caplog.at_level("WARNING"):
        warn_of_torn(groups, split_of)
    assert caplog.text.rstrip().endswith("better than it is: a, b")
