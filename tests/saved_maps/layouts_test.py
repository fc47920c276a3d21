import json
import os
import pathlib

import numpy as np
import pytest
from PIL import Image

from zoo.report.results import write_results
from zoo.saved_maps import evaluate, ground_truth, layouts, maps

SCREW = pathlib.Path(os.environ.get("ZOO_DATA_DIR", "")) / "mvtec_ad" / "screw"
DEFECT = {
    "defect_name": "bent",
    "pixel_value": 64,
    "saturation_threshold": 1,
    "relative_saturation": False,
}


def save_map(path, shape=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    np.save(path, np.zeros(shape, np.float32))


def save_image(path, level, shape=(4, 6)):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(shape, np.uint8)
    pixels[0, 0] = level
    Image.fromarray(pixels).save(path)


@pytest.fixture
def mvtec(tmp_path):
    """Maps and ground truth of two good images and two defective ones."""
    maps_dir, truth_dir = tmp_path / "screw_maps", tmp_path / "screw"
    for key in ("good/000", "good/001", "scratch/000", "bent.top/a.1"):
        save_map(maps_dir / "test" / f"{key}.npy")
        save_image(truth_dir / "test" / f"{key}.png", 99)
        if not key.startswith("good"):
            save_image(truth_dir / "ground_truth" / f"{key}_mask.png", 255)
    return maps_dir, truth_dir


@pytest.fixture
def loco(tmp_path):
    """A good image, one with a structural anomaly of two channels, one with a logical one."""
    maps_dir, truth_dir = tmp_path / "pushpins_maps", tmp_path / "pushpins"
    for label in ("good", "structural_anomalies", "logical_anomalies"):
        save_map(maps_dir / "test" / label / "000.npy")
        save_image(truth_dir / "test" / label / "000.png", 99)
        if label != "good":
            save_image(truth_dir / "ground_truth" / label / "000" / "000.png", 64)
    save_image(truth_dir / "ground_truth" / "structural_anomalies" / "000" / "001.png", 64)
    (truth_dir / "defects_config.json").write_text(json.dumps([DEFECT]))
    return maps_dir, truth_dir


def test_mvtec(mvtec):
    maps_dir, truth_dir = mvtec
    items = layouts.find_maps(*map(str, mvtec), "mvtec")
    assert [(item.name, item.label) for item in items] == [
        ("test/bent.top/a.1.npy", "bent.top"),
        ("test/good/000.npy", "good"),
        ("test/good/001.npy", "good"),
        ("test/scratch/000.npy", "scratch"),
    ]
    assert items[0].truth_paths == (truth_dir / "ground_truth/bent.top/a.1_mask.png",)
    assert items[1].truth_paths == ()
    assert items[1].image_path == truth_dir / "test/good/000.png"
    assert [int(ground_truth.read_truth(item).sum()) for item in items] == [1, 0, 0, 1]
    inside = layouts.find_maps(maps_dir / "test", truth_dir, "mvtec")
    assert inside[0].name == "bent.top/a.1.npy"
    assert [item[1:] for item in inside] == [item[1:] for item in items]


def test_mvtec_without_images(mvtec):
    maps_dir, truth_dir = mvtec
    for image in (truth_dir / "test").rglob("*.png"):
        image.unlink()
    items = layouts.find_maps(maps_dir, truth_dir, "mvtec")
    assert len(items) == 4 and items[1].image_path is None
    assert ground_truth.read_truth(items[1], shape=(4, 6)).shape == (4, 6)


def test_hidden_and_other_files_are_no_maps(mvtec):
    maps_dir, truth_dir = mvtec
    for name in ("._000.npy", "000.png", "notes.txt"):
        (maps_dir / "test" / "good" / name).write_bytes(b"\0")
    assert len(layouts.find_maps(maps_dir, truth_dir, "mvtec")) == 4


def test_loco(loco):
    items = layouts.find_maps(*loco, "loco")
    assert [item.label for item in items] == ["good", "logical_anomalies", "structural_anomalies"]
    assert items[0].truth_paths == () and len(items[2].truth_paths) == 2
    assert not ground_truth.read_truth(items[0]).any()
    assert [len(ground_truth.read_truth(item)) for item in items[1:]] == [1, 2]


@pytest.fixture
def flat(tmp_path):
    for stem, level in (("a", 0), ("b", 255), ("c", 100)):
        save_map(tmp_path / "maps" / f"{stem}.npy")
        save_image(tmp_path / "truth" / f"{stem}.png", level)
    return tmp_path / "maps", tmp_path / "truth"


def test_folder_without_labels(flat):
    items = layouts.find_maps(*flat, "folder", ground_truth_threshold=99)
    assert [item.label for item in items] == ["good", "defect", "defect"]
    items = layouts.find_maps(*flat, "folder", ground_truth_threshold=100)
    assert [item.label for item in items] == ["good", "defect", "good"]
    # the black mask still says how large the ground truth is
    assert ground_truth.truth_shape(items[0]) == (4, 6)
    with pytest.raises(ValueError, match=r"c\.png has the grey levels 100"):
        layouts.find_maps(*flat, "folder")


def test_folder_with_labels(tmp_path):
    for key in ("good/a", "hole/a", "hole/b"):
        save_map(tmp_path / "maps" / f"{key}.npy")
    for key in ("hole/a", "hole/b"):
        save_image(tmp_path / "truth" / f"{key}.png", 1)
    items = layouts.find_maps(tmp_path / "maps", tmp_path / "truth", "folder")
    assert [item.label for item in items] == ["good", "hole", "hole"]
    assert [item.truth_paths == () for item in items] == [True, False, False]


def test_no_maps(mvtec):
    maps_dir, truth_dir = mvtec
    message = rf"No anomaly map was found.*<maps_dir>/test/.*Received: {truth_dir}$"
    with pytest.raises(ValueError, match=message):
        layouts.find_maps(truth_dir, truth_dir, "mvtec")
    with pytest.raises(ValueError, match="No anomaly map was found"):
        layouts.find_maps(maps_dir.parent, truth_dir, "mvtec")  # of all categories


def test_every_test_image_needs_a_map(mvtec):
    maps_dir, truth_dir = mvtec
    (maps_dir / "test/good/001.npy").unlink()
    (maps_dir / "test/scratch/000.npy").unlink()
    message = r"2 of 4 test images have no anomaly map: good/001, scratch/000\. Save a map"
    with pytest.raises(ValueError, match=message):
        layouts.find_maps(maps_dir, truth_dir, "mvtec")


def test_missing_maps_are_counted_and_the_first_named(mvtec):
    maps_dir, truth_dir = mvtec
    for index in range(5):
        save_image(truth_dir / "ground_truth" / "hole" / f"{index}_mask.png", 255)
    message = r"5 of 9 test images have no anomaly map: hole/0, hole/1, hole/2, \.\.\.\. "
    with pytest.raises(ValueError, match=message):
        layouts.find_maps(maps_dir, truth_dir, "mvtec")


def test_a_defective_map_needs_ground_truth(mvtec):
    maps_dir, truth_dir = mvtec
    mask = truth_dir / "ground_truth/scratch/000_mask.png"
    mask.unlink()
    with pytest.raises(ValueError, match=rf"1 of 4 anomaly maps .* it must be {mask}\."):
        layouts.find_maps(maps_dir, truth_dir, "mvtec")


@pytest.mark.parametrize("layout", ["mvtec", "folder"])
def test_extra_maps(mvtec, flat, layout):
    maps_dir, truth_dir = {"mvtec": mvtec, "folder": flat}[layout]
    extra = maps_dir / {"mvtec": "test/good/777.npy", "folder": "777.npy"}[layout]
    save_map(extra)
    with pytest.raises(ValueError, match=f"1 .*anomaly maps .*777.*{extra}"):
        layouts.find_maps(maps_dir, truth_dir, layout)


def test_two_maps_of_one_image(mvtec):
    maps_dir, truth_dir = mvtec
    (maps_dir / "test/good/000.tiff").touch()
    with pytest.raises(ValueError, match=r"000\.npy and .*000\.tiff are maps of one image"):
        layouts.find_maps(maps_dir, truth_dir, "mvtec")


def test_arguments(mvtec, loco):
    maps_dir, truth_dir = mvtec
    with pytest.raises(ValueError, match=r"`layout` must be one of \['mvtec', 'loco', 'folder'\]"):
        layouts.find_maps(maps_dir, truth_dir, "visa")
    with pytest.raises(ValueError, match=r"Argument `maps_dir` must be a folder\. Received: /none"):
        layouts.find_maps("/none", truth_dir, "mvtec")
    with pytest.raises(ValueError, match="`ground_truth_dir` must be the folder of one category"):
        layouts.find_maps(maps_dir, truth_dir / "ground_truth", "mvtec")
    with pytest.raises(ValueError, match=r"defects_config\.json, so it is of MVTec LOCO"):
        layouts.find_maps(*loco, "mvtec")


@pytest.mark.parametrize("content", [None, "[", '{"a": 1}', '[{"pixel_value": 1}]', "3"])
def test_broken_defects_config(loco, content):
    config = loco[1] / "defects_config.json"
    config.unlink()
    if content:
        config.write_text(content)
    with pytest.raises(ValueError, match=rf"{config} must be a list of defects with the fields"):
        layouts.find_maps(*loco, "loco")


@pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="needs the real images")
def test_real_screws(tmp_path):
    """Small maps, with brightness as the anomaly score."""
    images = sorted((SCREW / "test").glob("*/*.png"))
    for image in images:
        path = tmp_path / "test" / image.parent.name / f"{image.stem}.tiff"
        path.parent.mkdir(parents=True, exist_ok=True)
        grey = np.asarray(Image.open(image).convert("F").resize((128, 128)))
        Image.fromarray(grey).save(path, compression="tiff_adobe_deflate")
    items = layouts.find_maps(tmp_path, SCREW, "mvtec")
    assert len(items) == len(images)
    assert {item.label for item in items} == {image.parent.name for image in images}
    for item in items[:: len(items) // 6]:
        truth = ground_truth.read_truth(item)
        assert truth.shape == (1024, 1024) and truth.any() == (item.label != "good")
        assert maps.resize_map(maps.read_map(item.map_path), truth.shape).shape == truth.shape


def test_maps_of_good_images_alone_have_a_report(tmp_path):
    """Nothing is defective, so that no pixel threshold is the best one."""
    for folder in ("maps", "truth", "out"):
        (tmp_path / folder).mkdir()
    for name in "abc":
        image = np.random.default_rng(ord(name)).random((8, 8))
        np.save(tmp_path / f"maps/{name}.npy", image)
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / f"truth/{name}.png")
    evaluation = evaluate.measure_maps(tmp_path / "maps", tmp_path / "truth", "folder")
    write_results(tmp_path / "out", evaluation)
    assert (tmp_path / "out/report.html").is_file()
