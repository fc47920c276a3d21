"""What cameras deliver, through a user's folder: 16 bits, colour, photos stored on their side."""

import pathlib
import struct

import numpy as np
import pytest
from made_archives import build, examples, save
from made_image_folders import SIZE, make_image, make_mask
from made_png import encode_png
from PIL import Image

from tfds_datasets import images
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder

ROTATED = Image.Exif()
ROTATED[0x0112] = 6  # the camera was turned by 90 degrees


def encode_tiff(pixels: np.ndarray) -> bytes:
    """Encodes uint16 [H, W, 3], which Pillow does not, without compression."""
    height, width, channels = pixels.shape
    header, num_tags = 8, 9
    bits = header + 2 + 12 * num_tags + 4  # where the bits of the channels stand
    data = bits + 2 * channels
    tags = [  # number, type (3: 16 bits, 4: 32 bits), count, value or where it stands
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, channels, bits),
        (259, 3, 1, 1),  # no compression
        (262, 3, 1, 2),  # RGB
        (273, 4, 1, data),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, pixels.nbytes),
    ]
    directory = b"".join(struct.pack("<HHII", *tag) for tag in tags)
    return b"".join(
        [
            struct.pack("<2sHIH", b"II", 42, header, num_tags),
            directory,
            struct.pack("<I3H", 0, *[16] * channels),
            pixels.astype("<u2").tobytes(),
        ]
    )


def test_16_bits_and_rotated_photos(tmp_path):
    """Each with a mask of the upright size, and what the pixels then are."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 2**16, SIZE).astype(np.uint16)
    expected = np.round(grey / 257).astype(np.uint8)[..., None].repeat(3, axis=-1)
    color = rng.integers(0, 2**16, (*SIZE, 3)).astype(np.uint16)
    (tmp_path / "mine/images").mkdir(parents=True)
    for suffix in ("png", "tif"):
        Image.fromarray(grey).save(tmp_path / f"mine/images/grey_{suffix}.{suffix}")
        encode = encode_png if suffix == "png" else encode_tiff
        (tmp_path / f"mine/images/color_{suffix}.{suffix}").write_bytes(encode(color))
    photo = Image.fromarray(np.linspace(0, 255, SIZE[0] * SIZE[1]).reshape(SIZE).astype(np.uint8))
    photo.rotate(90, expand=True).save(tmp_path / "mine/images/photo.jpg", exif=ROTATED, quality=95)
    for file in list((tmp_path / "mine/images").iterdir()):
        save(tmp_path / "mine/masks" / f"{file.stem}.png", make_mask(1))
    builder = build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")
    rows = [row for split in builder.info.splits for row in examples(builder, split)]
    found = {pathlib.Path(row["file_name"].decode()).stem: row for row in rows}
    assert len(found) == 5
    for name, row in found.items():
        np.testing.assert_array_equal(row["mask"][..., 0], make_mask(1))
        assert row["image"].shape == (*SIZE, 3), name
    for suffix in ("png", "tif"):
        np.testing.assert_array_equal(found[f"grey_{suffix}"]["image"], expected)
        difference = found[f"color_{suffix}"]["image"] - np.round(color / 257)
        assert abs(difference).max() <= 1
    assert abs(found["photo"]["image"][..., 0] - np.asarray(photo, float)).max() < 8


def test_a_mask_of_the_stored_size_does_not_fit_a_rotated_photo(tmp_path):
    (tmp_path / "mine/images").mkdir(parents=True)
    photo = Image.fromarray(make_image(0).astype(np.uint8))
    photo.save(tmp_path / "mine/images/photo.jpg", exif=ROTATED)
    save(tmp_path / "mine/masks/photo.png", make_mask(1))
    message = r"must have the size of its image, \(32, 24\). Received: \(24, 32\)"
    with pytest.raises(ValueError, match=message):
        build(Builder, "grey", tmp_path / "mine", tmp_path / "data")


@pytest.mark.parametrize("kind", ["grey.png", "grey.tif", "colour.png", "colour.tif"])
def test_values_of_12_bits_are_warned_of(kind, tmp_path, monkeypatch):
    logged = []
    monkeypatch.setattr(
        images.logging, "log_first_n", lambda _, text, n, *values: logged.append(text % values)
    )
    grey = np.arange(0, 4096, 16, dtype=np.uint16).reshape(16, 16)
    if kind.startswith("grey"):
        Image.fromarray(grey).save(tmp_path / kind)
    else:
        encode = encode_png if kind.endswith("png") else encode_tiff
        (tmp_path / kind).write_bytes(encode(np.repeat(grey[..., None], 3, axis=-1)))
    highest = int(images.read_image(tmp_path / kind, channels=3).max())
    assert highest in (15, 16)
    scaled, faint = logged
    assert scaled.endswith(f"{kind} has 16 bits a value: such images are scaled to 8 bits.")
    assert f"none above {highest} of 255 in 8 bits: such images become almost black" in faint
    logged.clear()
    images.decode_image(encode_png(np.full((2, 2, 3), 65535, np.uint16)), name="a", channels=3)
    images.decode_image(encode_png(np.full((2, 2, 3), 9, np.uint8)), name="b", channels=3)
    assert logged == ["a has 16 bits a value: such images are scaled to 8 bits."]


def test_a_damaged_directory_is_named(tmp_path):
    """Pillow raises what it raises nowhere else."""
    content = encode_tiff(np.zeros((4, 4, 3), np.uint16))
    path = tmp_path / "part_7.tif"
    path.write_bytes(content.replace(struct.pack("<HH", 256, 4), struct.pack("<HH", 255, 4)))
    with pytest.raises(images.BrokenImageError, match=r"part_7\.tif is truncated or no image"):
        images.read_image(path)


def test_images_of_line_cameras_may_be_large(tmp_path):
    Image.new("1", (20_000, 9_000)).save(tmp_path / "line.png")  # Pillow alone refuses it
    assert images.read_image(tmp_path / "line.png").shape == (9_000, 20_000, 1)


def test_the_first_page_is_read_alone(tmp_path, caplog):
    pages = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (7, 9)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with caplog.at_level("WARNING"):
        assert (images.read_image(tmp_path / "pages.tif") == 7).all()
    assert "has 2 pages" in caplog.text
