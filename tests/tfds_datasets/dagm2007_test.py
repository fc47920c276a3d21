"""The DAGM 2007 builder on archives that the tests make, and on real ones where they are."""

import os
import pathlib
import shutil
import tempfile
import zipfile

import made_archives
import numpy as np
import pytest
import tensorflow_datasets as tfds
from made_archives import examples, save
from made_dagm2007 import SIZE, make_competition, make_public

from tfds_datasets.dagm2007 import archive, dagm2007_dataset_builder


class Dagm2007Test(tfds.testing.DatasetBuilderTestCase):
    DATASET_CLASS = dagm2007_dataset_builder.Builder
    BUILDER_CONFIG_NAMES_TO_TEST = ("class_1", "class_10")
    SPLITS = {"train": 5, "test": 5}

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        for number in (1, 10):
            make_competition(pathlib.Path(cls.EXAMPLE_DIR), number)
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.EXAMPLE_DIR)
        super().tearDownClass()


def build(manual_dir, data_dir, number=1, **options):
    builder_class = dagm2007_dataset_builder.Builder
    return made_archives.build(builder_class, f"class_{number}", manual_dir, data_dir, **options)


def zipped(root: pathlib.Path, name: str) -> None:
    with zipfile.ZipFile(root / f"{name}.zip", "w") as file:
        for path in sorted((root / name).rglob("*")):
            file.write(path, path.relative_to(root))
    shutil.rmtree(root / name)


def test_zip_gives_what_the_folder_gives(tmp_path):
    make_competition(tmp_path, 1)
    from_folder = dagm2007_dataset_builder.find_splits(tmp_path, 1)
    pixels = {name: s.image.read_bytes() for name, s in from_folder["train"].items()}
    zipped(tmp_path, "Class1")
    from_zip = dagm2007_dataset_builder.find_splits(tmp_path, 1)
    assert {name: s.image.read_bytes() for name, s in from_zip["train"].items()} == pixels
    found = examples(build(tmp_path, tmp_path / "data"))
    assert sorted(int(e["mask"].sum()) for e in found) == [0, 0, 0, 20, 20]
    assert all((e["mask"].max() > 0) == (e["label"] == 1) for e in found)


def test_public_release_is_halved_and_its_ellipses_are_drawn(tmp_path):
    make_public(tmp_path, 3)
    zipped(tmp_path, "Class3_def")
    builder = build(tmp_path, tmp_path / "data", number=3)
    names = {
        split: {e["file_name"] for e in examples(builder, split)} for split in builder.info.splits
    }
    assert not names["train"] & names["test"]
    assert len(names["train"] | names["test"]) == 12
    defective = [e for e in examples(builder) + examples(builder, "test") if e["label"]]
    area = np.pi * 6 * 3
    assert len(defective) == 4
    assert all(abs(int(e["mask"].sum()) - area) < 0.1 * area for e in defective)


def test_ellipse_by_hand():
    ellipse = archive.Ellipse(2.0, 1.0, np.pi / 2, 1.0, 2.0)  # upright: 2 px up and down, 1 aside
    assert archive.draw_ellipse(ellipse, (5, 3))[..., 0].tolist() == [
        [0, 1, 0],
        [0, 1, 0],
        [1, 1, 1],
        [0, 1, 0],
        [0, 1, 0],
    ]


def test_truncated_image_is_named_and_skipped_only_when_asked(tmp_path):
    make_competition(tmp_path, 1)
    broken = tmp_path / "Class1" / "Train" / "0004.PNG"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"Train/0004.PNG is truncated"):
        build(tmp_path, tmp_path / "data")
    builder = build(tmp_path, tmp_path / "data", skip_broken_images=True)
    assert len(examples(builder)) == 4
    reread = dagm2007_dataset_builder.Builder(config="class_1", data_dir=tmp_path / "data")
    assert reread.info.metadata["skipped_images"] == ["0004.PNG"]


def damage_missing_mask(folder):
    (folder / "Label" / "0001_label.PNG").unlink()


def damage_size(folder):
    save(folder / "Label" / "0001_label.PNG", np.full((8, 8), 255))


def damage_empty_mask(folder):
    save(folder / "Label" / "0001_label.PNG", np.zeros(SIZE))


def damage_unlisted(folder):
    save(folder / "0099.PNG", np.zeros(SIZE))


def damage_good_with_mask(folder):
    save(folder / "Label" / "0005_label.PNG", np.full(SIZE, 255))


def damage_labels(folder):
    (folder / "Label" / "Labels.txt").unlink()


@pytest.mark.parametrize(
    "damage, message",
    [
        (damage_missing_mask, "0001.PNG is defective, and its mask .*0001_label.PNG is missing"),
        (damage_size, "24x32 pixels and its mask 8x8"),
        (damage_empty_mask, "0001.PNG is defective, and its mask marks no pixel"),
        (damage_unlisted, "does not list 0099.PNG"),
        (damage_good_with_mask, "calls 0005.PNG good, and a mask"),
        (damage_labels, "Labels.txt is missing"),
    ],
)
def test_labels_that_disagree_with_the_files(tmp_path, damage, message):
    make_competition(tmp_path, 1)
    damage(tmp_path / "Class1" / "Train")
    with pytest.raises(ValueError, match=message):
        build(tmp_path, tmp_path / "data")


def test_missing_class_says_what_to_put_where(tmp_path):
    make_competition(tmp_path, 1)
    with pytest.raises(ValueError, match=r"must hold Class2 or Class2.zip[\s\S]*Labels.txt"):
        build(tmp_path, tmp_path / "data", number=2)


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="needs the real images")
def test_real_images(tmp_path):
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"])
    builder = build(root / "dagm2007", tmp_path, number=1)
    found = {e["file_name"].decode(): e for e in examples(builder)}
    assert {name: int(e["mask"].sum()) for name, e in found.items()} == {
        "0593.PNG": 0,
        "0595.PNG": 15236,
        "0602.PNG": 0,
        "0616.PNG": 6245,
        "0626.PNG": 6835,
    }
    assert found["0593.PNG"]["image"].shape == (512, 512, 1)


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="needs the real images")
@pytest.mark.parametrize("number", range(1, 11))
def test_real_label_files_have_the_published_counts(number, tmp_path):
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / "dagm2007_labels" / f"Class{number}"
    published = (79, 66, 66, 82, 70, 83, 150, 150, 150, 150)[number - 1]
    shutil.copytree(root / "Train", tmp_path / "Train")
    listing = (tmp_path / "Train" / "Label" / "Labels.txt").read_text()
    for row in [line.split("\t") for line in listing.splitlines()[1:]]:
        for path in [tmp_path / "Train" / row[2]] + [tmp_path / "Train/Label" / row[4]] * (
            row[1] == "1"
        ):
            path.touch()
    rows = list(archive.read_competition_labels(tmp_path / "Train"))
    assert sum(mask is not None for _, mask in rows) == published
