"""The KolektorSDD builder on folders that the tests make, in both layouts."""

import pathlib
import shutil
import tempfile

import pytest
import tensorflow_datasets as tfds
from made_archives import build, examples, save
from made_kolektor_sdd import ITEMS, SURFACES, make_items

from tfds_datasets.kolektor_sdd import kolektor_sdd_dataset_builder
from tfds_datasets.kolektor_sdd.kolektor_sdd_dataset_builder import Builder


class KolektorSddTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("commutator",)
    SPLITS = {"train": 42, "test": 18}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        make_items(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


@pytest.mark.parametrize("flat", [False, True])
def test_surfaces_of_an_item_stay_together(flat, tmp_path):
    make_items(tmp_path / "archive", flat=flat)
    builder = build(Builder, "commutator", tmp_path / "archive", tmp_path / "data")
    places, defective = {}, 0
    for split in ("train", "test"):
        for row in examples(builder, split):
            item = row["file_name"].decode()[:5]
            places.setdefault(item, set()).add((split, int(row["fold"])))
            assert row["mask"].sum() == 24 * row["label"]
            defective += row["label"]
    assert len(places) == ITEMS and all(len(each) == 1 for each in places.values())
    assert defective == ITEMS // 2


def test_both_layouts_name_the_same_items(tmp_path):
    items = []
    for flat in (False, True):
        make_items(tmp_path / str(flat), flat=flat)
        sources = kolektor_sdd_dataset_builder.find_images(tmp_path / str(flat))
        items.append([source.item for source in sources.values()])
    assert items[0] == items[1]


@pytest.mark.parametrize(
    "change, message",
    [
        (
            lambda root: (root / "kos02/Part1_label.bmp").unlink(),
            r"stand alone: kos02/Part1\.jpg$",
        ),
        (lambda root: (root / "kos02/Part1.jpg").unlink(), r"stand alone: kos02/Part1_label\.bmp$"),
        (
            lambda root: save(root / "kos02/Part1_label.bmp", [[0]], "BMP"),
            r"must have the size of its image, \(42, 20\). Received: \(1, 1\)",
        ),
        (
            lambda root: save(root / "kos02/Part1.png", [[0]]),
            r"kos02 must have one file of each stem.* Received: Part1\.jpg, Part1\.png$",
        ),
        (
            lambda root: (*map(shutil.rmtree, root.iterdir()), save(root / "a.txt", [[0]])),
            "must hold the folders kos01 to kos50",
        ),
        (
            lambda root: (root / "kos02").rename(root / "kosmos"),
            r"Part0\.jpg must be named by its item",
        ),
    ],
)
def test_bad_folders(change, message, tmp_path):
    make_items(tmp_path / "archive")
    change(tmp_path / "archive")
    with pytest.raises(ValueError, match=message):
        build(Builder, "commutator", tmp_path / "archive", tmp_path / "data")


def test_broken_images_are_named_and_skipped_only_when_asked(tmp_path):
    make_items(tmp_path / "archive")
    file = tmp_path / "archive/kos02/Part1.jpg"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=r"Part1\.jpg is truncated.*--skip_broken_images"):
        build(Builder, "commutator", tmp_path / "archive", tmp_path / "data")
    builder = build(
        Builder, "commutator", tmp_path / "archive", tmp_path / "other", skip_broken_images=True
    )
    assert builder.info.metadata["skipped_images"] == ["kos02/Part1.jpg"]
    assert len(examples(builder)) + len(examples(builder, "test")) == ITEMS * SURFACES - 1
