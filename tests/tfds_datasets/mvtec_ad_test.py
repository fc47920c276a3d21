"""The MVTec AD builder on archives that the tests make, and on real files where they are."""

import os
import pathlib
import shutil
import tarfile
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from made_archives import build, examples, save
from made_mvtec_ad import make_category
from PIL import Image

from tfds_datasets.mvtec_ad import categories, mvtec_ad_dataset_builder
from tfds_datasets.mvtec_ad.mvtec_ad_dataset_builder import Builder


class MvtecAdTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("bottle", "screw")
    SPLITS = {"train": 2, "test": 8}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        for category in cls.BUILDER_CONFIG_NAMES_TO_TEST:
            make_category(pathlib.Path(cls.EXAMPLE_DIR), category)
        root = pathlib.Path(cls.EXAMPLE_DIR) / "screw"
        for folder in ("test", "ground_truth"):  # as many images as the bottle has
            shutil.rmtree(root / folder / "thread_side")
            shutil.rmtree(root / folder / "thread_top")
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


def test_labels_masks_and_channels(tmp_path):
    make_category(tmp_path / "archive", "screw")
    builder = build(Builder, "screw", tmp_path / "archive", tmp_path / "data")
    names = builder.info.features["label"].names
    assert names == ["good", *categories.DEFECT_TYPES["screw"]]
    rows = {row["file_name"].decode(): row for row in examples(builder, "test")}
    row = rows["test/scratch_neck/001.png"]
    assert row["image"].shape == (24, 32, 1)
    assert names[row["label"]] == "scratch_neck"
    assert np.unique(row["mask"]).tolist() == [0, 3] and (row["mask"] == 3).sum() == 4 * 5
    assert not rows["test/good/000.png"]["mask"].any()
    assert len(examples(builder)) == 2


def test_the_archive_gives_what_the_folder_gives(tmp_path):
    make_category(tmp_path / "archive", "toothbrush")
    expected = examples(
        build(Builder, "toothbrush", tmp_path / "archive", tmp_path / "data"), "test"
    )
    for name in ("toothbrush.tar.xz", "mvtec_anomaly_detection.tar.xz"):
        packed = tmp_path / name.partition(".")[0]
        packed.mkdir()
        with tarfile.open(packed / name, "w:xz") as archive:
            archive.add(tmp_path / "archive" / "toothbrush", "toothbrush")
        found = examples(build(Builder, "toothbrush", packed, tmp_path / f"{name}_data"), "test")
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_equal(one, other)


def test_equal_images_share_a_fold(tmp_path):
    make_category(tmp_path / "archive", "screw", images=6)
    good = tmp_path / "archive/screw/train/good"
    copies = ["train/good/copy.png", *(f"test/good/copy{i}.png" for i in range(6))]
    for name, original in zip(copies, [0, *range(6)]):
        shutil.copy(good / f"{original:03}.png", tmp_path / "archive/screw" / name)
    builder = build(Builder, "screw", tmp_path / "archive", tmp_path / "data")
    folds = {row["file_name"].decode(): row["fold"] for row in examples(builder)}
    assert len(set(folds.values())) == 6
    folds |= {row["file_name"].decode(): row["fold"] for row in examples(builder, "test")}
    for name, original in zip(copies, [0, *range(6)]):
        assert folds[name] == folds[f"train/good/{original:03}.png"]


def test_copies_in_other_files_share_a_fold(tmp_path):
    make_category(tmp_path / "archive", "screw", images=6)
    root = tmp_path / "archive/screw"
    for number in range(6):
        image = Image.open(root / f"train/good/{number:03}.png").transpose(
            Image.Transpose.ROTATE_180
        )
        image.save(root / f"test/good/{number:03}.png")
    builder = build(Builder, "screw", tmp_path / "archive", tmp_path / "data")
    assert builder.info.metadata["copies"] == 6
    folds = {row["file_name"].decode(): row["fold"] for row in examples(builder)}
    for row in examples(builder, "test"):
        if row["label"] == 0:
            assert row["fold"] == folds[row["file_name"].decode().replace("test", "train")]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda root: (root / "screw/ground_truth/thread_top/001_mask.png").unlink(),
            r"1 are missing: .*thread_top/001_mask\.png",
        ),
        (
            lambda root: save(root / "screw/ground_truth/thread_top/001_mask.png", [[255]]),
            r"001_mask\.png must have the size of its image, \(24, 32\). Received: \(1, 1\)",
        ),
        (lambda root: (root / "screw/test/rust").mkdir(), r"of screw\. Received: rust"),
        (lambda root: shutil.rmtree(root / "screw/train"), "must hold a folder for each defect"),
        (lambda root: (root / "screw").rename(root / "grid"), "It holds grid"),
    ],
)
def test_bad_archives(change, message, tmp_path):
    make_category(tmp_path / "archive", "screw")
    change(tmp_path / "archive")
    with pytest.raises(ValueError, match=message):
        build(Builder, "screw", tmp_path / "archive", tmp_path / "data")


def test_broken_images_are_named_and_skipped_only_when_asked(tmp_path):
    make_category(tmp_path / "archive", "screw")
    file = tmp_path / "archive/screw/test/thread_side/001.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"thread_side/001\.png is truncated"):
        build(Builder, "screw", tmp_path / "archive", tmp_path / "data")
    builder = build(
        Builder, "screw", tmp_path / "archive", tmp_path / "other", skip_broken_images=True
    )
    assert len(examples(builder, "test")) == 11
    assert builder.info.metadata["skipped_images"] == ["test/thread_side/001.png"]


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_files():
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"])
    sources = mvtec_ad_dataset_builder.find_images(root / "mvtec_ad/screw", "test", "screw")
    assert np.bincount([source.label for source in sources.values()]).tolist() == [
        *(21, 12, 12, 13, 12, 12)
    ]
    mask = mvtec_ad_dataset_builder.read_mask(sources["test/thread_top/000.png"], (1024, 1024))
    assert np.unique(mask).tolist() == [0, 5]
    folder = root / "mvtec_ad_256/transistor"
    assert len(mvtec_ad_dataset_builder.find_images(folder, "test", "transistor")) == 10
