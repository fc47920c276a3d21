"""The layouts in which users keep their own images."""

import numpy as np
import pytest
from made_archives import build, examples, save

from tfds_datasets.image_mask_folder import layouts
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder

SIZE = (24, 32)


def image(number):
    return np.random.default_rng(number).integers(0, 256, SIZE, np.uint8)


def mask(rows):
    drawn = np.zeros(SIZE, np.uint8)
    drawn[:rows] = 255
    return drawn


def write(root, **files):
    for folder, numbers in files.items():
        for number in numbers:
            pixels = (
                mask(number % 7 + 1) if "mask" in folder or "truth" in folder else image(number)
            )
            save(root / folder.replace("__", "/") / f"{number}.png", pixels)


def built(root, tmp_path):
    """The label, the number of defect pixels and of ignored ones, by the image's name."""
    builder = build(Builder, "grey", root, tmp_path / "data")
    rows = [row for split in builder.info.splits for row in examples(builder, split)]
    found = {
        row["file_name"].decode(): (
            int(row["label"]),
            int(((row["mask"] > 0) & (row["mask"] < 255)).sum()),
            int((row["mask"] == 255).sum()),
        )
        for row in rows
    }
    return builder, found


def test_good_images_alone(tmp_path):
    write(tmp_path / "mine", good=range(12))
    builder, found = built(tmp_path / "mine", tmp_path)
    assert found == {f"good/{n}.png": (0, 0, 0) for n in range(12)}
    assert set(builder.info.splits) == {"train", "test"}


def test_images_beside_each_other_are_good(tmp_path):
    write(tmp_path, mine=range(12))
    assert built(tmp_path / "mine", tmp_path)[1] == {f"{n}.png": (0, 0, 0) for n in range(12)}


@pytest.mark.parametrize("folder", ["images", ""])
def test_masks_of_the_defective_images_alone(folder, tmp_path):
    root = tmp_path / "mine"
    write(root / folder, **{".": range(12)})
    write(root, masks=(3, 4))
    found = built(root, tmp_path)[1]
    prefix = f"{folder}/" if folder else ""
    expected = {f"{prefix}{n}.png": (0, 0, 0) for n in range(12)}
    expected |= {f"{prefix}3.png": (1, 4 * 32, 0), f"{prefix}4.png": (1, 5 * 32, 0)}
    assert found == expected


def test_masks_beside_good_and_defective_images(tmp_path):
    root = tmp_path / "mine"
    write(root, good=range(10), defect=(20, 21, 22), mask=(20, 21))
    found = built(root, tmp_path)[1]
    assert found["defect/20.png"] == (1, 7 * 32, 0) and found["defect/21.png"] == (1, 32, 0)
    assert found["defect/22.png"] == (1, 0, 24 * 32)  # its label alone is known
    assert found["good/3.png"] == (0, 0, 0)


def test_layout_of_mvtec(tmp_path):
    root = tmp_path / "mine"
    write(root, train__good=range(8), test__good=(30, 31), test__cut=(40,), test__hole=(50, 51))
    builder, found = built(root, tmp_path)
    assert builder.info.features["label"].names == ["good", "cut", "hole"]
    assert found["test/hole/50.png"] == (2, 0, 24 * 32)
    write(root, ground_truth__cut=(40,), ground_truth__hole=(50, 51))
    (root / "ground_truth/cut/40.png").rename(root / "ground_truth/cut/40_mask.png")
    builder, found = built(root, tmp_path / "again")
    assert found["test/cut/40.png"] == (1, 6 * 32, 0)
    assert found["test/hole/50.png"] == (2, 2 * 32, 0)
    assert builder.info.splits["train"].num_examples == 8
    (root / "ground_truth/hole/51.png").unlink()
    with pytest.raises(ValueError, match=r"must have a mask in ground_truth.*51\.png"):
        layouts.find_layout(root)


@pytest.mark.parametrize(
    "folders, message",
    [
        ({"defect": range(4)}, "must hold good images, too"),
        ({"good": range(4), "defect": (5,), "mask": (6,)}, r"belong to none: 6\.png"),
        ({"ok": range(4), "nok": (5,)}, r"(?s)holds no images.*Received the folders nok, ok"),
        ({"good": range(4), ".": (9,)}, "images beside the folders good"),
        ({"good": range(4), "mask": (1,), "masks": (2,)}, "must hold its masks in one folder"),
        ({"good__old": range(4)}, r"good must hold images and no folders\. Received: old"),
    ],
)
def test_what_would_be_lost_is_refused(folders, message, tmp_path):
    write(tmp_path / "mine", **folders)
    with pytest.raises(ValueError, match=message):
        layouts.find_layout(tmp_path / "mine")


def test_missing_folder(tmp_path):
    with pytest.raises(ValueError, match=r"must be a folder of images\. It is missing"):
        layouts.find_layout(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="holds no images"):
        layouts.find_layout(tmp_path / "empty")


def test_masks_are_named_as_their_images_or_with_mask_behind(tmp_path):
    for name in ("images/a.png", "images/b_mask.png"):
        save(tmp_path / name, image(1))
    save(tmp_path / "masks/a_mask.png", mask(2))
    save(tmp_path / "masks/b_mask.png", mask(3))
    sources = layouts.find_layout(tmp_path).sources
    names = {name: source.mask.name for name, source in sources.items()}
    assert names == {"images/a.png": "a_mask.png", "images/b_mask.png": "b_mask.png"}
    save(tmp_path / "masks/a.png", mask(2))  # two masks of one image
    with pytest.raises(ValueError, match=r"belong to none: a_mask\.png"):
        layouts.find_layout(tmp_path)
