"""The user's own folder: each layout, each kind of mask, and what can be wrong with them."""

import json
import pathlib
import shutil
import tempfile

import numpy as np
import pytest
import tensorflow_datasets as tfds
from made_archives import build, examples, save
from made_image_folders import RED, SIZE, make_folder, make_image, make_mask

from tfds_datasets.image_mask_folder import layouts
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo.data import datasets


class ImageMaskFolderTest(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = Builder
    SPLITS = {"train": 21, "test": 9}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        make_folder(pathlib.Path(cls.EXAMPLE_DIR))
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


@pytest.mark.parametrize("kind", ["color", "index", "binary"])
def test_masks_of_each_kind(kind, tmp_path):
    make_folder(tmp_path / "mine", kind=kind)
    build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    reread = Builder(config="grey", data_dir=tmp_path / "data")
    types = ["defect"] if kind == "binary" else ["scratch", "stain"]
    assert reread.info.features["label"].names == ["good", *types]
    for row in examples(reread) + examples(reread, "test"):
        expected = make_mask(int(pathlib.Path(row["file_name"].decode()).stem))
        expected = np.minimum(expected, len(types))
        np.testing.assert_array_equal(row["mask"][..., 0], expected)
        assert row["label"] == expected.max() and row["image"].shape == (*SIZE, 1)


def test_own_splits_and_ignored_pixels(tmp_path):
    for split, numbers in (("train", range(6)), ("test", range(6, 9))):
        for number in numbers:
            save(tmp_path / "mine" / split / f"images/{number}.png", make_image(number))
            mask = make_mask(number)
            mask[-1] = 9
            save(tmp_path / "mine" / split / f"masks/{number}.png", mask)
    palette = {"background": 0, "ignore": 9, "stain": 2, "scratch": 1}
    (tmp_path / "mine/palette.json").write_text(json.dumps(palette))
    builder = build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")
    rows = {row["file_name"].decode(): row for row in examples(builder, "test")}
    assert sorted(rows) == [f"test/images/{number}.png" for number in (6, 7, 8)]
    assert rows["test/images/7.png"]["label"] == 2  # scratch, the second of the palette file
    assert (rows["test/images/6.png"]["mask"][-1] == 255).all()
    assert rows["test/images/6.png"]["label"] == 0


def test_good_and_defect_folders_without_masks(tmp_path):
    for number in range(20):
        folder = "defect" if number % 2 else "good"
        save(tmp_path / "mine" / folder / f"{number}.png", make_image(number))
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    rows = examples(builder) + examples(builder, "test")
    assert len(rows) == 20
    for row in rows:
        assert row["label"] == row["file_name"].startswith(b"defect/")
        assert (row["mask"] == (255 if row["label"] else 0)).all()


def test_copies_share_a_fold_and_a_split(tmp_path):
    for number in range(40):
        image = make_image(number // 4)
        turned = np.rot90(image, number % 4)
        save(tmp_path / "mine/images" / f"{number}.png", turned)
        save(tmp_path / "mine/masks" / f"{number}.png", (turned > 250) * 255)
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    places = {}
    for split in builder.info.splits:
        for row in examples(builder, split):
            number = int(pathlib.Path(row["file_name"].decode()).stem)
            places.setdefault(number // 4, set()).add((split, int(row["fold"])))
    assert len(places) == 10 and all(len(each) == 1 for each in places.values())
    assert builder.info.metadata["copies"] == 30


def wrong_color(root):
    mask = np.zeros((*SIZE, 3))
    mask[4, 5:8] = (1, 2, 3)
    save(root / "masks/4.png", mask)


def no_stain(root):
    for file in (root / "masks").iterdir():
        save(file, np.zeros((*SIZE, 3)))
    save(root / "masks/1.png", np.full((*SIZE, 3), RED))


@pytest.mark.parametrize(
    "change, message",
    [
        (
            wrong_color,
            r"4\.png must have the colours of the palette alone[\s\S]*\(1, 2, 3\) in 3 pixels; "
            r"3 pixels in all, the first in row 4, column 5",
        ),
        (lambda root: (root / "palette.json").unlink(), r"0\.png is in colour|needs one of pal"),
        (lambda root: (root / "palette.json").write_text("[1"), "must map names to colours"),
        (lambda root: (root / "palette.json").write_text('{"a": 300}'), "300 is no colour"),
        (
            lambda root: (root / "palette.json").write_text('{"a": "#ff0000", "b": [255, 0, 0]}'),
            "must give each name its own colour",
        ),
        (
            lambda root: (root / "palette.json").write_text('{"good": 1, "a": 2}'),
            "must name defect types",
        ),
        (
            lambda root: save(root / "masks/4.png", np.zeros((3, 4, 3))),
            r"4\.png must have the size of its image, \(24, 32\). Received: \(3, 4\)",
        ),
        (
            lambda root: (root / "palette.json").write_text('{"a": "#ff000080"}'),
            "'#ff000080' with opacity.*write #rrggbb",
        ),
        (
            lambda root: (root / "palette.json").write_text('{"a": 1, "b": 2, "a ": 3}'),
            "Received: a more than once",
        ),
        (
            lambda root: (root / "images/batch").mkdir(),
            "images must hold images and no folders. Received: batch",
        ),
        (no_stain, "No image shows stain"),
        (
            lambda root: (root / "masks/4.png").unlink(),
            r"1 images have no mask, such as images/4\.webp, and \d have an empty one",
        ),
        (lambda root: save(root / "masks/a.png", [[0]]), r"belong to none: a\.png$"),
        (lambda root: save(root / "images/4.png", [[0]]), r"Received: 4\.png, 4\.webp"),
        (
            lambda root: shutil.rmtree(root / "masks"),
            "must hold the masks of its images",
        ),
        (
            lambda root: shutil.rmtree(root / "images"),
            r"(?s)holds no images.*images/7\.jpg",
        ),
        (lambda root: (root / "test").mkdir(), "must have a folder train as well"),
    ],
)
def test_bad_folders(change, message, tmp_path):
    make_folder(tmp_path / "mine", count=10)
    change(tmp_path / "mine")
    with pytest.raises(ValueError, match=message):
        build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")


def test_several_values_need_a_palette(tmp_path):
    make_folder(tmp_path / "mine", kind="index", count=10)
    (tmp_path / "mine/palette.csv").unlink()
    save(tmp_path / "mine/masks/0.png", np.arange(6).reshape(2, 3))
    with pytest.raises(ValueError, match=r"0 and one other value.* 1 in 1 pixels.*and others"):
        build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")


@pytest.mark.parametrize("broken", ["images/5.png", "masks/5.png"])
def test_broken_files_are_named_and_skipped_only_when_asked(broken, tmp_path):
    make_folder(tmp_path / "mine", count=10)
    file = tmp_path / "mine" / broken
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(ValueError, match=rf"{broken} is truncated.*--skip_broken_images"):
        build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")
    builder = build(Builder, "rgb", tmp_path / "mine", tmp_path / "other", skip_broken_images=True)
    assert builder.info.metadata["skipped_images"] == ["images/5.png"]
    assert sum(split.num_examples for split in builder.info.splits.values()) == 9


def test_another_folder_needs_another_data_dir(tmp_path):
    for name in ("mine", "yours"):
        make_folder(tmp_path / name, kind="binary", count=12)

    def prepare(manual_dir):
        return datasets.prepare_dataset(
            "image_mask_folder/grey", data_dir=tmp_path / "data", manual_dir=manual_dir
        )

    prepare(tmp_path / "mine")
    prepare(tmp_path / "mine")
    prepare(None)
    with pytest.raises(ValueError, match=r"built from .*mine.*another --data_dir for .*yours"):
        prepare(tmp_path / "yours")


def add_image(root):
    save(root / "images/new.png", make_image(99))
    save(root / "masks/new.png", make_mask(0))


@pytest.mark.parametrize(
    "change",
    [
        add_image,
        lambda root: save(root / "masks/1.png", make_mask(1)[::-1]),
        lambda root: (root / "palette.csv").write_text("dent,1\nstain,2\n"),
        lambda root: [(root / folder).unlink() for folder in ("images/0.png", "masks/0.png")],
    ],
)
def test_a_folder_that_changed_is_built_again(change, tmp_path):
    make_folder(tmp_path / "mine", kind="index", count=12)

    def prepare(data="data", manual_dir=tmp_path / "mine"):
        return datasets.prepare_dataset(
            "image_mask_folder/grey", data_dir=tmp_path / data, manual_dir=manual_dir
        )

    prepare()
    (tmp_path / "mine/images/.DS_Store").touch()
    (tmp_path / "mine/notes.txt").touch()
    prepare()
    change(tmp_path / "mine")
    stale = prepare(manual_dir=None)  # what is built stays in use without the folder
    fresh = prepare()
    fingerprints = [each.info.metadata["fingerprint"] for each in (stale, fresh)]
    assert fingerprints[0] != fingerprints[1] == fresh.fingerprint(tmp_path / "mine")
    prepare("other")


def test_hidden_files_are_no_images(tmp_path):
    make_folder(tmp_path / "mine", count=12)
    for folder in ("images", "masks"):
        for name in ("._1.png", ".DS_Store", "Thumbs.db"):
            (tmp_path / "mine" / folder / name).write_bytes(b"no image")
        (tmp_path / "mine" / folder / ".ipynb_checkpoints").mkdir()
    builder = build(Builder, "rgb", tmp_path / "mine", tmp_path / "data")
    assert sum(split.num_examples for split in builder.info.splits.values()) == 12


def test_folders_among_the_good_are_named(tmp_path):
    for number in range(4):
        save(tmp_path / "mine" / ("defect" if number % 2 else "good/old") / f"{number}.png", [[1]])
    with pytest.raises(ValueError, match=r"good must hold images and no folders\. Received: old"):
        build(Builder, "grey", tmp_path / "mine", tmp_path / "data")


def test_parts_in_one_pose_are_dealt_to_all_folds(tmp_path):
    for number in range(40):
        part = np.full((64, 64), 60.0)
        part[16:48, 12:40] = 170
        part += np.random.default_rng(number).normal(0, 4, part.shape)
        part[20 + number // 8 : 24 + number // 8, 16 + number % 20 : 20 + number % 20] = 90
        save(tmp_path / "mine/images" / f"{number}.png", part)
        save(tmp_path / "mine/masks" / f"{number}.png", (part < 100) & (part > 80))
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    assert builder.info.metadata["copies"] == 0
    rows = [row for split in ("train", "test") for row in examples(builder, split)]
    assert np.bincount([row["fold"] for row in rows]).tolist() == [4] * 10


@pytest.mark.parametrize(
    "folders, message",
    [(("good", "defect"), "images and also good, defect"), (("train",), "train and also images")],
)
def test_images_of_a_second_layout_are_not_lost(folders, message, tmp_path):
    make_folder(tmp_path, count=4)
    for name in folders:
        save(tmp_path / name / "1.png", make_image(1))
    with pytest.raises(ValueError, match=message):
        layouts.find_layout(tmp_path)
