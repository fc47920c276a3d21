"""The magnetic-tile builder on folders that the tests make, and on real ones where they are."""

import os
import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from made_archives import build, examples, save
from made_magnetic_tile import TILES, make_folders

from tfds_datasets.copies import join_groups
from tfds_datasets.magnetic_tile import magnetic_tile_dataset_builder
from tfds_datasets.magnetic_tile.magnetic_tile_dataset_builder import FOLDERS, Builder


class MagneticTileTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("tile",)
    SPLITS = {"train": 84, "test": 36}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        make_folders(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


def test_exposures_of_a_tile_stay_together(tmp_path):
    make_folders(tmp_path / "archive")
    builder = build(Builder, "tile", tmp_path / "archive", tmp_path / "data")
    places = {}
    for split in ("train", "test"):
        rows = examples(builder, split)
        assert {row["label"] for row in rows} == set(range(6))
        for row in rows:
            tile = int(row["file_name"].decode().partition("_num_")[2][:-4]) // 1000
            places.setdefault(tile, set()).add((split, int(row["fold"])))
            assert np.unique(row["mask"]).tolist() == [0, row["label"]][: 1 + (row["label"] > 0)]
            assert (row["mask"] > 0).sum() == (20 if row["label"] else 0)
    assert len(places) == 60 and all(len(each) == 1 for each in places.values())


def test_series_by_hand():
    numbers = {"a": 40, "b": 10, "c": 240, "d": 441, "e": 9000}
    assert magnetic_tile_dataset_builder.group_series(numbers) == {
        **dict.fromkeys("bac", "b"),
        **{"d": "d", "e": "e"},
    }
    copies = {"a": "a", "b": "b", "c": "c", "d": "d", "e": "d"}
    joined = join_groups({"a": "a", "b": "a", "c": "c", "d": "c", "e": "e"}, copies)
    assert joined == {"a": "a", "b": "a", "c": "c", "d": "c", "e": "c"}


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda root: shutil.rmtree(root / "MT_Fray"), "Missing: MT_Fray"),
        (
            lambda root: (root / "MT_Fray/Imgs/exp1_num_40030.png").unlink(),
            r"exp1_num_40030\.jpg must .* have the mask exp1_num_40030\.png",
        ),
        (lambda root: save(root / "MT_Fray/Imgs/tile.jpg", [[1]], "JPEG"), "must be named like"),
        (
            lambda root: save(root / "MT_Fray/Imgs/exp1_num_40030.png", [[1]]),
            r"must have the size of its image, \(20, 30\). Received: \(1, 1\)",
        ),
    ],
)
def test_bad_folders(change, message, tmp_path):
    make_folders(tmp_path / "archive", exposures=1)
    change(tmp_path / "archive")
    with pytest.raises(ValueError, match=message):
        build(Builder, "tile", tmp_path / "archive", tmp_path / "data")


@pytest.mark.parametrize("suffix", ["jpg", "png"])
def test_broken_files_are_named_and_skipped_only_when_asked(suffix, tmp_path):
    make_folders(tmp_path / "archive", exposures=1)
    file = tmp_path / f"archive/MT_Fray/Imgs/exp1_num_40030.{suffix}"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=rf"exp1_num_40030\.{suffix} is truncated.*--skip_broken"):
        build(Builder, "tile", tmp_path / "archive", tmp_path / "data")
    builder = build(
        Builder, "tile", tmp_path / "archive", tmp_path / "other", skip_broken_images=True
    )
    assert builder.info.metadata["skipped_images"] == ["MT_Fray/exp1_num_40030.jpg"]
    assert sum(split.num_examples for split in builder.info.splits.values()) == 6 * TILES - 1


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_numbers_never_repeat():
    sources = magnetic_tile_dataset_builder.find_images(
        pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "magnetic_tile"
    )
    numbers = {name: source.number for name, source in sources.items()}
    assert len(set(numbers.values())) == len(sources) == 534
    groups = magnetic_tile_dataset_builder.group_series(numbers)
    one_tile = [f"MT_Blowhole/exp{e}_num_{n}.jpg" for e, n in ((1, 317483), (2, 317512))]
    assert len(set(groups.values())) == 201
    assert groups[one_tile[0]] == groups[one_tile[1]]


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_files():
    sources = magnetic_tile_dataset_builder.find_images(
        pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "magnetic_tile"
    )
    counts = np.bincount([source.label for source in sources.values()])
    assert dict(zip(FOLDERS.values(), counts.tolist())) == {
        **{"good": 377, "blowhole": 48, "break": 36, "crack": 25, "fray": 14, "uneven": 34}
    }
