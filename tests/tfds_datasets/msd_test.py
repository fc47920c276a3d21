"""The MSD builder on copies that the tests draw, in both layouts, and on real images."""

import os
import pathlib
import shutil
import tempfile
import zipfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from absl.testing import absltest
from made_archives import build, save
from made_msd import (
    IMAGES,
    NUMBERS,
    PREFIXES,
    draw_image,
    make_kaggle,
    make_voc,
    numbers_of,
    read_all,
    save_palette,
)

from tfds_datasets import images
from tfds_datasets.copies import group_lookalikes, thumbnail
from tfds_datasets.msd import masks
from tfds_datasets.msd.archive import find_images
from tfds_datasets.msd.msd_dataset_builder import Builder
from tfds_datasets.shrink import shrink_mask
from zoo.data import datasets


class MsdTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("screen",)
    SPLITS = {"train": 18, "test": 6}
    make_copy = staticmethod(make_kaggle)

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.make_copy(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


class MsdVocTest(MsdTest):
    SPLITS = {"train": 14, "test": 4}
    make_copy = staticmethod(make_voc)


def zip_folder(folder: pathlib.Path, file: pathlib.Path) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder.parent))


def check_labels_and_masks(rows: dict[str, dict]) -> None:
    names = ["good", "scratch", "stain", "oil"]
    for name, row in rows.items():
        assert name.startswith(f"{names[row['label']]}/")
        assert row["image"].shape == (36, 64, 3)
        assert np.unique(row["mask"]).tolist() == ([0, row["label"]] if row["label"] else [0])
        assert (row["mask"] > 0).sum() == (70 if row["label"] else 0)


def test_kaggle_layout(tmp_path):
    make_kaggle(tmp_path / "archive" / "nested" / "deeper")
    builder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    assert builder.info.features["label"].names == ["good", "scratch", "stain", "oil"]
    assert builder.info.metadata == {
        **{"skipped_images": [], "copies": 0, "masks": "ground truth", "several_types": []}
    }
    rows = read_all(builder)
    check_labels_and_masks(rows)
    assert len(rows) == 4 * IMAGES
    assert {row["fold"] in (7, 8, 9) for row in rows.values() if row["split"] == "test"} == {True}


def test_zip_files_give_what_the_folder_gives(tmp_path):
    make_kaggle(tmp_path / "archive")
    (tmp_path / "archive/oil/._Oil_0000.jpg").write_bytes(b"of a Mac")
    (tmp_path / "zipped").mkdir()
    zip_folder(tmp_path / "archive", tmp_path / "zipped" / "archive.zip")
    folder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    zipped = build(Builder, "screen", tmp_path / "zipped", tmp_path / "other")
    rows, zipped_rows = read_all(folder), read_all(zipped)
    assert rows.keys() == zipped_rows.keys()
    for name, row in rows.items():
        assert (row["mask"] == zipped_rows[name]["mask"]).all()
        assert (row["split"], row["fold"]) == (
            zipped_rows[name]["split"],
            zipped_rows[name]["fold"],
        )


def test_a_thin_scratch_keeps_its_label_and_its_mask(tmp_path):
    """Two pixels of 1920x1080 at the size of training."""
    make_kaggle(tmp_path / "archive")
    for number, top in enumerate((500, 501, 502)):
        colors = np.zeros((1080, 1920, 3), np.uint8)
        colors[top : top + 2, 200:1700] = 128
        image = np.random.default_rng(number).integers(0, 200, (1080, 1920, 3))
        save(tmp_path / f"archive/scratch/Scr_000{number}.jpg", image, "JPEG")
        save(tmp_path / f"archive/ground_truth_1/Scr_000{number}.png", colors)
    builder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    scratch = builder.info.features["label"].str2int("scratch")
    found = 0
    for row in datasets.read_examples(builder, "train+test", image_size=(320, 576)):
        assert row["image"].shape == (320, 576, 3)
        if b"Scr_000" in row["file_name"].numpy() and row["file_name"].numpy()[-5:-4] in b"012":
            assert int(row["label"]) == scratch
            columns = (row["mask"].numpy()[..., 0] == scratch).any(axis=0)
            assert columns[60:510].all() and not columns[:59].any() and not columns[511:].any()
            found += 1
    assert found == 3


def test_official_lists_are_the_splits(tmp_path):
    make_voc(tmp_path / "archive" / "MSD")
    save(tmp_path / "archive/good/0001.png", draw_image(99))
    builder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    rows = read_all(builder)
    check_labels_and_masks(rows)
    listed = (tmp_path / "archive/MSD/ImageSets/Segmentation/test.txt").read_text().split()
    tested = {name for name, row in rows.items() if row["split"] == "test" and row["label"]}
    assert {pathlib.PurePath(name).stem for name in tested} == set(listed)
    assert len(rows) == 3 * IMAGES + 1


def test_both_layouts_have_the_same_examples_and_folds(tmp_path):
    make_kaggle(tmp_path / "kaggle")
    shutil.rmtree(tmp_path / "kaggle/good")
    make_voc(tmp_path / "voc")
    rows = [
        read_all(build(Builder, "screen", tmp_path / copy, tmp_path / f"{copy}_data"))
        for copy in ("kaggle", "voc")
    ]
    assert rows[0].keys() == rows[1].keys()
    for name, row in rows[0].items():
        assert (row["image"] == rows[1][name]["image"]).all()
        assert (row["label"], row["fold"]) == (rows[1][name]["label"], rows[1][name]["fold"])


def test_copies_of_a_phone_share_fold_and_split(tmp_path):
    make_kaggle(tmp_path / "archive")
    for number in range(4):
        image = draw_image(77)
        image[:2, number] = 255
        save(tmp_path / f"archive/stain/Sta_{number:04}.jpg", image, "JPEG")
    builder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    assert builder.info.metadata["copies"] == 3
    rows = read_all(builder)
    places = {
        (rows[f"stain/Sta_{number:04}.jpg"]["split"], rows[f"stain/Sta_{number:04}.jpg"]["fold"])
        for number in range(4)
    }
    assert len(places) == 1


def test_copies_that_the_lists_tear_apart_are_told(tmp_path):
    make_voc(tmp_path / "archive")
    for stem in ("Oil_0000", "Oil_0003"):  # to train and to test
        save(tmp_path / f"archive/JPEGImages/{stem}.jpg", draw_image(77), "JPEG")
    with absltest.mock.patch("absl.logging.warning") as warning:
        build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    told = [call.args for call in warning.call_args_list if "copies of each other" in call.args[0]]
    assert [args[1] for args in told] == ["oil/Oil_0000.jpg, oil/Oil_0003.jpg"]


def test_pseudo_masks_only_where_there_are_no_others(tmp_path):
    make_kaggle(tmp_path / "a", {type_: f"pseudo_ground_truth/{type_}" for type_ in PREFIXES})
    builder = build(Builder, "screen", tmp_path / "a", tmp_path / "data")
    assert builder.info.metadata["masks"] == "pseudo"
    check_labels_and_masks(read_all(builder))
    make_kaggle(tmp_path / "a")
    for file in (tmp_path / "a/pseudo_ground_truth").rglob("*.png"):
        save(file, np.zeros((36, 64)))
    builder = build(Builder, "screen", tmp_path / "a", tmp_path / "other")
    assert builder.info.metadata["masks"] == "ground truth"


def test_a_second_type_in_a_mask_is_kept_and_told(tmp_path):
    make_voc(tmp_path / "archive")
    numbers = numbers_of("scratch")
    numbers[:3, :3] = NUMBERS["stain"]
    save_palette(tmp_path / "archive/SegmentationClass/Scr_0002.png", numbers)
    builder = build(Builder, "screen", tmp_path / "archive", tmp_path / "data")
    assert builder.info.metadata["several_types"] == ["scratch/Scr_0002.jpg"]
    row = read_all(builder)["scratch/Scr_0002.jpg"]
    assert row["label"] == 1 and np.bincount(row["mask"].ravel()).tolist()[1:] == [70, 9]


@pytest.mark.parametrize("numbers", [(1, 2, 3), (3, 1, 2), (2, 2, 2)])
def test_numbers_of_types_are_learnt(numbers):
    counts, labels = {}, {}
    for label, number in enumerate(numbers, start=1):
        for image in range(3):
            labels[f"{label}{image}"] = label
            counts[f"{label}{image}"] = np.bincount([0, number], minlength=256)
    types = masks.find_types(counts, labels)
    assert types == ({} if len(set(numbers)) == 1 else dict(zip(numbers, (1, 2, 3))))
    assert masks.find_contradictions(counts, labels, types) == []
    shown = np.uint8([0, numbers[0], masks.UNNAMED, 255])
    assert masks.to_ids(shown, 1, types).tolist() == [0, 1, 1, 255]


def test_forms_of_masks(tmp_path):
    line = numbers_of("oil")
    save(tmp_path / "numbers.png", np.where(line, 3, 0) + 255 * (np.arange(64) == 63))
    save(tmp_path / "grey.bmp", 255 * line, "BMP")
    save(tmp_path / "smooth.png", 100 * line + np.roll(line, 2, axis=0))
    save(tmp_path / "lossy.jpg", np.stack([128 * line, 0 * line, 0 * line], axis=-1), "JPEG")
    save(tmp_path / "colour.png", line[..., None] * np.uint8([128, 128, 0]))
    save(tmp_path / "unknown.png", line[..., None] * np.uint8([9, 8, 7]))
    shown = {file.stem: np.unique(masks.read_values(file)).tolist() for file in tmp_path.iterdir()}
    assert shown == {
        **{name: [0, masks.UNNAMED] for name in ("grey", "smooth", "lossy", "unknown")},
        **{"numbers": [0, 3, 255], "colour": [0, 3]},
    }


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")
def test_real_files():
    found = find_images(pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "msd")
    assert found.pseudo_masks and len(found.sources) == 12
    thumbnails, counts = {}, {}
    for name, source in found.sources.items():
        image, values = images.read_image(source.image, channels=3), masks.read_values(source.mask)
        assert image.shape == (1080, 1920, 3) and values.shape == (1080, 1920, 1)
        thumbnails[name] = thumbnail(image)
        counts[name] = np.bincount(values.ravel(), minlength=256)
        kept = shrink_mask(masks.to_ids(values, source.label, {}), (320, 576))
        assert np.unique(kept).tolist() == [0, source.label]
    labels = {name: source.label for name, source in found.sources.items()}
    assert np.bincount(list(labels.values())).tolist() == [0, 4, 4, 4]
    assert masks.find_contradictions(counts, labels, masks.find_types(counts, labels)) == []
    groups = group_lookalikes(thumbnails)  # three of the stains are on one phone in one pose
    assert {groups[f"stain/Sta_000{number}.jpg"] for number in (2, 3, 4)} == {"stain/Sta_0002.jpg"}
    assert len(set(groups.values())) == 10
