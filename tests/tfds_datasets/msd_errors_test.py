"""What is wrong in a copy of MSD is named, all of it at once."""

import shutil

import numpy as np
import pytest
from made_archives import build, save
from made_msd import (
    IMAGES,
    draw_image,
    make_kaggle,
    make_voc,
    numbers_of,
    read_all,
    save_palette,
)

from tfds_datasets.msd.msd_dataset_builder import Builder

KAGGLE_CHANGES = {
    "no_mask": (
        lambda root: [(root / f"ground_truth_1/S{x}_0001.png").unlink() for x in ("cr", "ta")],
        r"images without a mask: \S+Scr_0001\.jpg, \S+Sta_0001\.jpg",
    ),
    "no_image": (
        lambda root: [(root / f"oil/Oil_000{x}.jpg").unlink() for x in (1, 2)],
        r"masks without an image: \S+Oil_0001\.png, \S+Oil_0002\.png",
    ),
    "empty": (
        lambda root: [(shutil.rmtree(root / name), (root / name).mkdir()) for name in ("good",)],
        "folders without any image: good",
    ),
    "twice": (
        lambda root: save(root / "oil/Oil_0001.png", draw_image(1)),
        r"images of one name: \S+Oil_0001\.jpg, \S+Oil_0001\.png",
    ),
    "misplaced": (
        lambda root: (root / "oil/Oil_0001.jpg").rename(root / "oil/Scr_0101.jpg"),
        r"folder and name tell different types: \S+Scr_0101\.jpg; .*mask.*Oil_0001\.png",
    ),
    "nothing_marked": (
        lambda root: [
            save(root / f"ground_truth_1/Scr_000{x}.png", np.zeros((36, 64))) for x in (1, 4)
        ],
        r"2 others: .*Scr_0001\.jpg has scratch.* marks nothing; .*Scr_0004\.jpg .* nothing",
    ),
    "good_marked": (
        lambda root: save(root / "ground_truth_1/None_0003.png", 255 * numbers_of("oil")),
        r"good/0003\.bmp is good, and its mask marks 70 px",
    ),
    "size": (
        lambda root: save(root / "ground_truth_1/Scr_0001.png", [[1]]),
        r"Scr_0001\.png must have the size of its image, \(36, 64\). Received: \(1, 1\)",
    ),
    "all_gone": (
        lambda root: (shutil.rmtree(root), save(root / "photos/Oil_0001.jpg", [[1]], "JPEG")),
        "must hold the images of MSD",
    ),
    "bad_zip": (
        lambda root: (shutil.rmtree(root), root.mkdir(), (root / "a.zip").write_bytes(b"PK")),
        r"a\.zip is truncated or no zip file",
    ),
}
VOC_CHANGES = {
    "other_type": (
        lambda root: [
            save_palette(root / f"SegmentationClass/{stem}.png", numbers_of("oil"))
            for stem in ("Scr_0001", "Sta_0004")
        ],
        r"2 others: .*Scr_0001\.jpg has scratch, and its mask marks oil; .*Sta_0004\.jpg has stain",
    ),
    "no_type": (
        lambda root: (root / "JPEGImages/Oil_0001.jpg").rename(root / "JPEGImages/1.jpg"),
        r"no type in the name: \S+1\.jpg; .*listed in \S+ and not there: Oil_0001",
    ),
    "unlisted": (
        lambda root: (root / "ImageSets/Segmentation/val.txt").unlink(),
        r"in none of the lists: \S+Oil_0001\.jpg, ",
    ),
    "no_test": (
        lambda root: (root / "ImageSets/Segmentation/test.txt").unlink(),
        r"no image to test: .*in none of the lists: \S+Oil_0003",
    ),
    "both": (
        lambda root: (root / "ImageSets/Segmentation/val.txt").write_text("Oil_0003\nOil_0001"),
        "listed to train and to test: Oil_0003",
    ),
}


@pytest.mark.parametrize("change, message", KAGGLE_CHANGES.values(), ids=KAGGLE_CHANGES)
def test_bad_kaggle_folders(change, message, tmp_path):
    check_error(make_kaggle, change, message, tmp_path)


@pytest.mark.parametrize("change, message", VOC_CHANGES.values(), ids=VOC_CHANGES)
def test_bad_voc_folders(change, message, tmp_path):
    check_error(make_voc, change, message, tmp_path)


def check_error(make_copy, change, message, tmp_path):
    make_copy(tmp_path / "archive")
    change(tmp_path / "archive")
    with pytest.raises(ValueError, match=message):
        build(Builder, "screen", tmp_path / "archive", tmp_path / "data")


def test_broken_files_are_named_and_skipped_only_when_asked(tmp_path):
    make_kaggle(tmp_path / "archive")
    for name in ("oil/Oil_0001.jpg", "ground_truth_1/Scr_0002.png"):
        file = tmp_path / "archive" / name
        file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"\.(jpg|png) is truncated.*--skip_broken_images"):
        build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    builder = build(
        Builder, "screen", tmp_path / "archive", tmp_path / "other", skip_broken_images=True
    )
    skipped = ["oil/Oil_0001.jpg", "scratch/Scr_0002.jpg"]
    assert sorted(builder.info.metadata["skipped_images"]) == skipped
    assert len(read_all(builder)) == 4 * IMAGES - 2
