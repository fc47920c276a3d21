import numpy as np
import pytest
from PIL import Image

from zoo.data import mask_files
from zoo.saved_maps import ground_truth
from zoo.saved_maps.maps import MapFile

MASK = np.array([[0, 255, 0], [0, 255, 255]], np.uint8)
DEFECTS = {
    64: {"defect_name": "bent", "saturation_threshold": 2, "relative_saturation": False},
    255: {"defect_name": "lost", "saturation_threshold": 0.5, "relative_saturation": True},
}


def save_mask(path, kind):
    """MASK as the PNG files of several tools hold it."""
    grey = Image.fromarray(MASK)
    if kind == "indexed":  # black and white, in the other order
        grey = Image.fromarray(np.where(MASK, 0, 1).astype(np.uint8))
        grey.putpalette([255, 255, 255, 0, 0, 0])
    elif kind == "colour map":
        grey = Image.fromarray(MASK // 255)
        grey.putpalette([0, 0, 0, 128, 0, 0])
    elif kind == "ones":
        grey = Image.fromarray(MASK // 255)
    elif kind == "16 bits":
        grey = Image.fromarray(MASK.astype(np.uint16))
    elif kind != "L":
        grey = grey.convert(kind)
    grey.save(path)


@pytest.mark.parametrize(
    "kind", ["L", "1", "P", "RGB", "RGBA", "LA", "ones", "indexed", "colour map", "16 bits"]
)
def test_masks_of_every_kind(tmp_path, kind):
    save_mask(tmp_path / "a.png", kind)
    mask = mask_files.read_mask(tmp_path / "a.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK > 0)


def test_truncated_files_are_named(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 30):
        (tmp_path / "a.png").write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"a\.png is truncated or no image"):
            mask_files.read_mask(tmp_path / "a.png")


def test_grey_levels_need_a_threshold(tmp_path):
    levels = np.array([[0, 100, 127, 128, 255]], np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png .*100, 127, 128:.*ground_truth_threshold"):
        mask_files.read_mask(tmp_path / "a.png")
    mask = mask_files.read_mask(tmp_path / "a.png", 127)
    np.testing.assert_array_equal(mask, levels > 127)


def test_colours_are_refused(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is in colour"):
        mask_files.read_mask(tmp_path / "a.png", 127)


def test_good_without_mask_has_the_size_of_its_image(tmp_path):
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(tmp_path / "a.png")
    item = MapFile("good/a.npy", tmp_path / "a.npy", "good", (), tmp_path / "a.png")
    assert ground_truth.truth_shape(item) == (4, 6)
    mask = ground_truth.read_truth(item, shape=(9, 9))
    assert mask.shape == (4, 6) and mask.dtype == bool and not mask.any()
    alone = item._replace(image_path=None)
    assert ground_truth.truth_shape(alone) is None
    assert ground_truth.read_truth(alone, shape=(9, 9)).shape == (9, 9)
    with pytest.raises(ValueError, match=r"a\.npy's ground truth is unknown.*set `shape`"):
        ground_truth.read_truth(alone)


def test_common_shape(tmp_path):
    items = []
    for stem, shape in (("a", (4, 6)), ("b", (4, 6)), ("c", (6, 4))):
        Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / f"{stem}.png")
        items.append(MapFile(stem, tmp_path, "good", (), tmp_path / f"{stem}.png"))
    unknown = MapFile("d", tmp_path, "good", ())
    assert ground_truth.common_shape([*items[:2], unknown]) == (4, 6)
    assert ground_truth.common_shape(items) is None
    assert ground_truth.common_shape([unknown]) is None


def test_good_with_a_defect_in_its_mask(tmp_path):
    Image.fromarray(MASK).save(tmp_path / "a.png")
    item = MapFile("good/a.npy", tmp_path / "a.npy", "good", (tmp_path / "a.png",))
    with pytest.raises(ValueError, match=r"a\.png marks a defect in an image .* good"):
        ground_truth.read_truth(item)
    mask = ground_truth.read_truth(item._replace(label="hole"))
    np.testing.assert_array_equal(mask, MASK > 0)


def loco_item(tmp_path, *channels):
    for index, channel in enumerate(channels):
        Image.fromarray(np.asarray(channel, np.uint8)).save(tmp_path / f"{index:03}.png")
    paths = tuple(tmp_path / f"{index:03}.png" for index in range(len(channels)))
    return MapFile("x/a.npy", tmp_path / "a.npy", "logical_anomalies", paths, defects=DEFECTS)


def test_loco_regions_overlap_and_saturate(tmp_path):
    item = loco_item(tmp_path, [[64, 64, 64]], [[0, 255, 255]], [[255, 255, 255]], [[0, 0, 255]])
    regions = ground_truth.read_truth(item)
    np.testing.assert_array_equal(regions[1].mask, [[False, True, True]])
    # 2 of 3 pixels; half of 2; half of 3 rounded down; half of 1, but one pixel at least
    assert [region.saturation_area for region in regions] == [2, 1, 1, 1]


def test_loco_saturation_is_capped_at_the_area(tmp_path):
    with pytest.warns(UserWarning, match=r"000\.png marks 1 pixels.*threshold 2 of bent"):
        (region,) = ground_truth.read_truth(loco_item(tmp_path, [[0, 0, 64]]))
    assert region.saturation_area == 1


@pytest.mark.parametrize(
    "channel, received", [([[64, 255]], "64, 255"), ([[0, 0]], "none"), ([[0, 7]], "7")]
)
def test_loco_channels_have_one_known_level(tmp_path, channel, received):
    with pytest.raises(ValueError, match=rf"000\.png .*\(64, 255\)\. Received: {received}\."):
        ground_truth.read_truth(loco_item(tmp_path, channel))


def test_loco_channels_have_one_size_and_no_threshold(tmp_path):
    item = loco_item(tmp_path, [[64, 64]], [[255], [255]])
    with pytest.raises(ValueError, match=r"001\.png has the size \(2, 1\)"):
        ground_truth.read_truth(item)
    with pytest.raises(ValueError, match="`ground_truth_threshold` must be None in MVTec LOCO"):
        ground_truth.read_truth(item, ground_truth_threshold=3)


def test_size_of_a_turned_photograph(tmp_path):
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(np.zeros((10, 20), np.uint8)).save(tmp_path / "good.jpg", exif=turned)
    item = MapFile("good/a.npy", tmp_path / "a.npy", "good", (), tmp_path / "good.jpg")
    assert ground_truth.truth_shape(item) == (20, 10)
