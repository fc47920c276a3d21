"""What is chosen for a user's folder, in each layout, on 60 photographs of 640x480."""

import pathlib

import numpy as np
import pytest
from made_parts import LAYOUTS, make_parts
from PIL import Image

from zoo.auto import plan
from zoo.auto.folder import inspect_folder
from zoo.auto.plan import Counts, choose_builder, make_plan


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    for layout in LAYOUTS:
        make_parts(root / layout, layout)
    return root


@pytest.mark.parametrize(
    "layout, builder, fields",
    [
        ("masks", "super_simple_net", {"image_size": (384, 512)}),
        ("some_masks", "super_simple_net", {"image_size": (384, 512)}),
        ("labels_and_masks", "super_simple_net", {}),
        ("labels", "super_simple_net", {}),  # 12 defective images, of which eight train
        ("types", "deeplab_v3_plus", {"image_size": None, "loss": "ce+dice+defect_dice"}),
        ("mvtec", "patch_core", {"image_size": (384, 512)}),
        ("good", "patch_core", {}),
        ("flat", "patch_core", {}),
    ],
)
def test_every_layout(layout, builder, fields, parts, tmp_path):
    made = make_plan(parts / layout, data_dir=tmp_path)
    assert made.recipe.module == f"{builder}/image_mask_folder/rgb"
    assert {name: getattr(made.recipe, name) for name in fields} == fields
    if layout == "types":
        assert made.recipe.builder_args["num_classes"] == 3
    counts = made.counts
    good, defective = counts.good + counts.test_good, counts.defective + counts.test_defective
    assert (good, defective) == ((60, 0) if layout in ("good", "flat") else (48, 12))
    if layout not in ("good", "flat", "mvtec"):
        assert counts.test_defective >= 2 and counts.test_good >= 5
        assert counts.masked == (0 if layout == "labels" else counts.defective)
    lines = made.describe()
    assert len(lines) == 5 and "60 images" in lines[0] and "640x480 (60); colour" in lines[1]
    assert builder in lines[3]


def test_flags_come_before_what_is_inferred(parts, tmp_path):
    made = make_plan(
        parts / "masks",
        data_dir=tmp_path,
        module="unet",
        image_size=(240, 320),
        builder_args={"base_filters": 8},
    )
    assert made.recipe.module == "unet/image_mask_folder/rgb"
    assert made.recipe.image_size == (240, 320) and made.recipe.builder_args["base_filters"] == 8
    assert made.recipe.defective_fraction == 0.5
    fast = make_plan(parts / "masks", data_dir=tmp_path, fast=True)
    assert fast.recipe.builder == "fast_unet"
    with pytest.raises(ValueError, match=r"must be unet/image_mask_folder/rgb for .*, or unet"):
        make_plan(parts / "masks", data_dir=tmp_path, module="unet/image_mask_folder/grey")
    with pytest.raises(ValueError, match=r"must be one of .*tiny_unet.*Received: no_net"):
        make_plan(parts / "masks", data_dir=tmp_path, module="no_net")
    with pytest.raises(ValueError, match="--fast takes fast_unet, which needs masks"):
        make_plan(parts / "good", data_dir=tmp_path, fast=True)


def test_two_folders_have_their_own_data(parts, tmp_path):
    paths = {make_plan(parts / name, data_dir=tmp_path).data_dir for name in ("good", "flat")}
    assert len(paths) == 2 and all(path.parent == tmp_path for path in paths)


@pytest.mark.parametrize(
    "counts, expected",
    [
        (Counts(40, 0, 0, 10, 5, ["defect"]), "patch_core"),
        (Counts(40, 3, 0, 10, 2, ["defect"]), "super_simple_net"),
        (Counts(40, 3, 3, 10, 2, ["defect"]), "super_simple_net"),
        (Counts(40, 20, 0, 10, 5, ["defect"]), "vgg16_cam"),
        (Counts(40, 20, 20, 10, 5, ["a", "b"]), "deeplab_v3_plus"),
        (Counts(0, 20, 20, 0, 5, ["defect"]), "deeplab_v3_plus"),
    ],
)
def test_choice(counts, expected):
    name, recipe, reason = choose_builder(counts)
    assert name == expected and reason
    assert recipe == ("small" if expected == "vgg16_cam" else "default")


def test_defects_without_good_images_or_masks():
    with pytest.raises(ValueError, match="There must be good images, or masks"):
        choose_builder(Counts(0, 20, 0, 0, 5, ["defect"]))


@pytest.mark.parametrize(
    "name, size, expected",
    [
        ("patch_core", (480, 640), (384, 512)),
        ("patch_core", (96, 96), (288, 288)),
        ("patch_core", (3648, 5472), (352, 512)),
        ("super_simple_net", (400, 400), (384, 384)),
        ("transfusion", (480, 640), (192, 256)),
        ("unet", (480, 640), None),
        ("unet", (3648, 5472), (672, 1024)),
        ("patch_core", (10, 5000), (32, 512)),
    ],
)
def test_image_size(name, size, expected):
    assert plan.image_size(name, size) == expected


def test_what_is_no_image_is_counted(tmp_path):
    (tmp_path / "good").mkdir()
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 256, (20, 30), np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"good/{number}.png")
    turned = Image.fromarray(rng.integers(0, 256, (20, 30, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned.save(tmp_path / "good/3.jpg", exif=exif)
    for name in ("notes.txt", "b.heic", ".DS_Store"):
        (tmp_path / "good" / name).touch()
    pathlib.Path(tmp_path / "good/4.png").write_bytes(b"no image")
    found = inspect_folder(tmp_path)
    assert found.sizes == {(20, 30): 3, (30, 20): 1} and found.channels == 3
    assert found.left_out == {".txt": 1, ".heic": 1} and found.unreadable == ["good/4.png"]
    assert "left out: 1 .txt, 1 .heic" in found.describe()[1].replace(
        "1 .heic, 1 .txt", "1 .txt, 1 .heic"
    )


def test_folders_with_too_little(tmp_path):
    (tmp_path / "good").mkdir()
    (tmp_path / "good/1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="must hold more than one image"):
        inspect_folder(tmp_path)
    (tmp_path / "good/2.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"must hold images that can be read\. None of 2 can"):
        inspect_folder(tmp_path)
