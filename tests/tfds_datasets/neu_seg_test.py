"""The NEU-Seg builder on archives that the tests make, and on the real one where it is."""

import os
import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from made_archives import build, examples, save
from made_neu_seg import make_archive

from tfds_datasets.copies import group_lookalikes, thumbnail
from tfds_datasets.neu_seg import neu_seg_dataset_builder
from tfds_datasets.neu_seg.neu_seg_dataset_builder import Builder


class NeuSegTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("strip",)
    SPLITS = {"train": 12, "test": 12}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        make_archive(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


def test_copies_share_a_fold_and_labels_name_the_largest_type(tmp_path):
    make_archive(tmp_path / "archive", splits=("training",))
    builder = build(Builder, "strip", tmp_path / "archive", tmp_path / "data")
    assert set(builder.info.splits) == {"train"}
    assert builder.info.metadata["copies"] == {"training": 9}
    rows = sorted(examples(builder), key=lambda row: row["file_name"])
    folds = [row["fold"] for row in rows]
    for start in range(0, 12, 4):
        assert len(set(folds[start : start + 4])) == 1
    assert [row["label"] for row in rows[::4]] == [1, 2, 3]
    assert np.unique(rows[0]["mask"]).tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda root: (root / "annotations/training/000001.png").unlink(), "stand alone: 000001$"),
        (lambda root: save(root / "annotations/training/9.png", [[1]]), "stand alone: 9$"),
        (
            lambda root: save(root / "annotations/training/000001.png", [[0, 9]]),
            r"000001.png must hold values from 0 to 3. Received: 9",
        ),
        (
            lambda root: save(root / "annotations/training/000001.png", [[0, 1]]),
            r"must have the size of its image, \(40, 40\). Received: \(1, 2\)",
        ),
        (lambda root: shutil.rmtree(root / "images"), "must hold images/training of NEU-Seg"),
        (
            lambda root: [(root / name / "test").mkdir() for name in ("images", "annotations")],
            "images/test and .*annotations/test hold no images. Put those of NEU-Seg there",
        ),
    ],
)
def test_bad_archives(change, message, tmp_path):
    make_archive(tmp_path / "archive", splits=("training",))
    change(tmp_path / "archive")
    with pytest.raises(ValueError, match=message):
        build(Builder, "strip", tmp_path / "archive", tmp_path / "data")


def test_broken_images_are_named_and_skipped_only_when_asked(tmp_path):
    make_archive(tmp_path / "archive", splits=("training",))
    file = tmp_path / "archive/images/training/000005.png"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"000005\.png is truncated.*--skip_broken_images"):
        build(Builder, "strip", tmp_path / "archive", tmp_path / "data")
    builder = build(
        Builder, "strip", tmp_path / "archive", tmp_path / "other", skip_broken_images=True
    )
    assert len(examples(builder)) == 11
    assert builder.info.metadata["skipped_images"] == ["training/000005.png"]


def test_lookalikes_are_no_copies():
    rng = np.random.default_rng(0)
    base = np.linspace(0, 255, 64)[:, None] * np.ones((64, 64))
    images = {f"{i}": base + rng.normal(0, 90, (64, 64)) for i in range(6)}
    images["copy"] = images["3"][::-1] + rng.normal(0, 2, (64, 64))
    images["flat"] = images["plain"] = np.zeros((64, 64))
    images["plain"] = images["plain"] + 40
    thumbnails = {
        name: thumbnail(np.clip(image, 0, 255).astype(np.uint8)[..., None])
        for name, image in images.items()
    }
    groups = group_lookalikes(thumbnails)
    assert groups["copy"] == groups["3"] and groups["flat"] == groups["plain"]
    assert len(set(groups.values())) == 7


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_files():
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "neu_seg"
    pairs = neu_seg_dataset_builder.find_pairs(
        root / "images/training", root / "annotations/training"
    )
    assert len(pairs) == 3630
    _, mask_file = pairs["000201.jpg"]
    mask = neu_seg_dataset_builder.read_mask(mask_file)
    assert mask.shape == (200, 200, 1) and mask.any()
