import numpy as np
import pytest
from PIL import Image

from zoo import ground_truth, maps
from zoo.maps import MapFile

SCORES = np.array([[0.5, -2.0, 3.25], [1e-7, 7.0, 0.125]], np.float32)
MASK = np.array([[0, 255, 0], [0, 255, 255]], np.uint8)
DEFECTS = {
    64: {"defect_name": "bent", "saturation_threshold": 2, "relative_saturation": False},
    255: {"defect_name": "lost", "saturation_threshold": 0.5, "relative_saturation": True},
}


def save_tiff(path, scores, compression=None):
    Image.fromarray(scores).save(path, compression=compression)


@pytest.mark.parametrize(
    "dtype", ["float16", "float32", ">f4", "float64", "int16", "uint16", "int32", "int64"]
)
def test_npy(tmp_path, dtype):
    scores = SCORES.astype(dtype)
    np.save(tmp_path / "a.npy", scores)
    read = maps.read_map(tmp_path / "a.npy")
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, scores.astype(np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 1), (1, 2, 3)])
def test_an_axis_of_one_is_dropped(tmp_path, shape):
    np.save(tmp_path / "a.npy", SCORES.reshape(shape))
    np.testing.assert_array_equal(maps.read_map(tmp_path / "a.npy"), SCORES)


def test_npz_by_its_only_array_or_by_name(tmp_path):
    path = tmp_path / "a.npz"
    for arrays in ({"x": SCORES}, {"anomaly_map": SCORES, "score": np.float32(7)}):
        np.savez_compressed(path, **arrays)
        np.testing.assert_array_equal(maps.read_map(path), SCORES)


@pytest.mark.parametrize("compression", [None, "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("scores", [SCORES, np.array([[7, 65535]], np.uint16)])
def test_tiff(tmp_path, scores, compression):
    save_tiff(tmp_path / "a.TIFF", scores, compression)
    np.testing.assert_array_equal(maps.read_map(tmp_path / "a.TIFF"), scores)


def test_nan_is_left_to_the_evaluator(tmp_path):
    np.save(tmp_path / "a.npy", np.full((2, 2), np.nan))
    assert np.isnan(maps.read_map(tmp_path / "a.npy")).all()


@pytest.mark.parametrize("suffix", [".npy", ".tiff"])
def test_8_bits_warn_of_ties(tmp_path, suffix):
    path = (tmp_path / "a").with_suffix(suffix)
    {".npy": np.save, ".tiff": save_tiff}[suffix](path, MASK)
    with pytest.warns(UserWarning, match="pixels tie"):
        np.testing.assert_array_equal(maps.read_map(path), MASK)


@pytest.mark.parametrize(
    "array, reason",
    [
        (np.array([["a", None]], object), "Object arrays cannot be loaded"),
        (np.zeros((2, 2), complex), "its type is complex128"),
        (np.zeros((2, 2), bool), "its type is bool"),
        (np.zeros((2, 3, 3)), r"its shape is \(2, 3, 3\)"),
        (np.zeros(4), r"its shape is \(4,\)"),
        (np.zeros((0, 4)), r"its shape is \(0, 4\)"),
    ],
)
def test_what_is_no_map(tmp_path, array, reason):
    np.save(tmp_path / "a.npy", array, allow_pickle=True)
    with pytest.raises(ValueError, match=rf"a\.npy cannot be read.*{reason}.*Save it again"):
        maps.read_map(tmp_path / "a.npy")


@pytest.mark.parametrize("names", [(), ("x", "y")])
def test_npz_of_many_or_no_arrays(tmp_path, names):
    np.savez(tmp_path / "a.npz", **dict.fromkeys(names, SCORES))
    with pytest.raises(ValueError, match=r"a\.npz .*none is called anomaly_map"):
        maps.read_map(tmp_path / "a.npz")


def test_tiff_of_several_pages(tmp_path):
    pages = [Image.fromarray(SCORES)] * 2
    pages[0].save(tmp_path / "a.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"a\.tiff .*it has 2 pages"):
        maps.read_map(tmp_path / "a.tiff")


def test_another_suffix(tmp_path):
    with pytest.raises(ValueError, match=r"must end in \.npy, .*Received: .*a\.png"):
        maps.read_map(tmp_path / "a.png")


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tiff", ".png"])
def test_truncated_files_are_named(tmp_path, suffix):
    whole, cut = (tmp_path / "whole").with_suffix(suffix), (tmp_path / "cut").with_suffix(suffix)
    write = {".npy": np.save, ".npz": np.savez, ".tiff": save_tiff}.get(suffix)
    write(whole, SCORES) if write else Image.fromarray(MASK).save(whole)
    content = whole.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 30):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=f"cut{suffix} .* again"):
            maps.read_map(cut) if write else ground_truth.read_mask(cut)


def test_enlarged_by_half_pixel_centres():
    row = np.array([[0.0, 4.0, 2.0]], np.float32)
    expected = np.array([[0, 1, 3, 3.5, 2.5, 2]], np.float32)
    np.testing.assert_allclose(maps.resize_map(row, (1, 6)), expected, atol=1e-6)
    np.testing.assert_allclose(maps.resize_map(row.T, (6, 1)), expected.T, atol=1e-6)
    np.testing.assert_allclose(maps.resize_map(row, (2, 3)), np.repeat(row, 2, 0), atol=1e-6)


def test_shrunk_by_a_triangle_over_all_scores():
    row = np.array([[0.0, 0.0, 7.0, 0.0]], np.float32)
    # weights 1 - |distance| / 2 to the new centres, 1 and 3: 3, 3, 1 and 1, 3, 3 of 7
    np.testing.assert_allclose(maps.resize_map(row, (1, 2)), [[1, 3]], atol=1e-6)
    for index in range(64):
        hot = np.zeros((8, 8), np.float32)
        hot.flat[index] = 1
        assert maps.resize_map(hot, (2, 2)).max() > 0  # sampled, most of them would be lost


@pytest.mark.parametrize("shape", [(5, 9), (2, 2), (3, 40), (7, 5)])
def test_resizing_is_symmetric_and_keeps_the_range(shape):
    scores = np.random.default_rng(0).normal(size=(7, 5)).astype(np.float32)
    resized = maps.resize_map(scores, shape)
    assert resized.shape == shape and resized.dtype == np.float32
    np.testing.assert_allclose(
        maps.resize_map(scores[::-1, ::-1], shape), resized[::-1, ::-1], atol=1e-6
    )
    assert scores.min() <= resized.min() + 1e-6 and resized.max() <= scores.max() + 1e-6
    np.testing.assert_array_equal(maps.resize_map(np.full((7, 5), 0.3), shape), np.float32(0.3))


def save_mask(path, kind):
    """MASK as the PNG files of several tools hold it."""
    grey = Image.fromarray(MASK)
    if kind == "indexed":  # black and white, in the other order
        grey = Image.fromarray(np.where(MASK, 0, 1).astype(np.uint8), "P")
        grey.putpalette([255, 255, 255, 0, 0, 0])
    elif kind == "colour map":
        grey = Image.fromarray(MASK // 255, "P")
        grey.putpalette([0, 0, 0, 128, 0, 0])
    elif kind == "ones":
        grey = Image.fromarray(MASK // 255)
    elif kind == "16 bits":
        grey = Image.fromarray(MASK.astype(np.uint16))
    elif kind != "L":
        grey = grey.convert(kind)
    grey.save(path)


@pytest.mark.filterwarnings("ignore:'mode' parameter is deprecated")
@pytest.mark.parametrize(
    "kind", ["L", "1", "P", "RGB", "RGBA", "LA", "ones", "indexed", "colour map", "16 bits"]
)
def test_masks_of_every_kind(tmp_path, kind):
    save_mask(tmp_path / "a.png", kind)
    mask = ground_truth.read_mask(tmp_path / "a.png")
    assert mask.dtype == bool
    np.testing.assert_array_equal(mask, MASK > 0)


def test_grey_levels_need_a_threshold(tmp_path):
    levels = np.array([[0, 100, 127, 128, 255]], np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png .*100, 127, 128:.*ground_truth_threshold"):
        ground_truth.read_mask(tmp_path / "a.png")
    mask = ground_truth.read_mask(tmp_path / "a.png", 127)
    np.testing.assert_array_equal(mask, levels > 127)


def test_colours_are_refused(tmp_path):
    Image.fromarray(np.array([[[255, 0, 0], [0, 0, 0]]], np.uint8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match=r"a\.png is in colour"):
        ground_truth.read_mask(tmp_path / "a.png", 127)


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
