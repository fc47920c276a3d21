"""What file managers leave behind stops no builder and is no image."""

import pathlib

import pytest
from made_archives import build
from made_dagm2007 import make_competition, make_public
from made_image_folders import make_folder
from made_kolektor_sdd import make_items
from made_magnetic_tile import make_folders
from made_msd import make_kaggle, make_voc
from made_mvtec_ad import make_category
from made_neu_seg import make_archive

from tfds_datasets import DATASETS

ARCHIVES = {
    "dagm2007/class_1": lambda root: make_competition(root, 1),
    "dagm2007/class_2": lambda root: make_public(root, 2),
    "image_mask_folder/grey": make_folder,
    "image_mask_folder/rgb": lambda root: make_folder(root, kind="index"),
    "kolektor_sdd/commutator": make_items,
    "magnetic_tile/tile": lambda root: make_folders(root, exposures=1),
    "msd/screen": make_kaggle,
    "mvtec_ad/screw": lambda root: make_category(root, "screw"),
    "neu_seg/strip": make_archive,
}


def litter(root: pathlib.Path) -> None:
    """Leaves, in every folder, the files of macOS and Windows and a hidden twin of each image."""
    for folder in [root, *root.rglob("*/")]:
        for file in list(folder.iterdir()):
            if file.is_file():
                (folder / f"._{file.name}").write_bytes(b"no image")
        (folder / ".DS_Store").write_bytes(b"no image")
        (folder / "Thumbs.db").write_bytes(b"no image")
        (folder / ".ipynb_checkpoints").mkdir()


def test_every_archive_is_there():
    manual = {name for name, each in DATASETS.items() if each.MANUAL_DOWNLOAD_INSTRUCTIONS}
    assert {dataset.partition("/")[0] for dataset in ARCHIVES} == manual


@pytest.mark.parametrize("dataset", ARCHIVES)
def test_hidden_files_change_nothing(dataset, tmp_path):
    name, _, config = dataset.partition("/")
    counts = []
    for folder in ("clean", "littered"):
        ARCHIVES[dataset](tmp_path / folder)
        if folder == "littered":
            litter(tmp_path / folder)
        builder = build(DATASETS[name], config, tmp_path / folder, tmp_path / f"{folder}_data")
        counts.append({split: part.num_examples for split, part in builder.info.splits.items()})
    assert counts[0] == counts[1] and sum(counts[0].values())


def test_hidden_files_change_nothing_in_the_layout_of_pascal_voc(tmp_path):
    make_voc(tmp_path / "archive")
    litter(tmp_path / "archive")
    builder = build(DATASETS["msd"], "screen", tmp_path / "archive", tmp_path / "data")
    assert set(builder.info.splits) == {"train", "test"}
