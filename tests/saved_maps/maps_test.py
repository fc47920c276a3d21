import numpy as np
import pytest
from PIL import Image

from zoo.saved_maps import maps

SCORES = np.array([[0.5, -2.0, 3.25], [1e-7, 7.0, 0.125]], np.float32)


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
    {".npy": np.save, ".tiff": save_tiff}[suffix](path, np.array([[0, 255]], np.uint8))
    with pytest.warns(UserWarning, match="pixels tie"):
        np.testing.assert_array_equal(maps.read_map(path), [[0, 255]])


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
@pytest.mark.parametrize("suffix", [".npy", ".npz", ".tiff"])
def test_truncated_files_are_named(tmp_path, suffix):
    whole, cut = (tmp_path / "whole").with_suffix(suffix), (tmp_path / "cut").with_suffix(suffix)
    {".npy": np.save, ".npz": np.savez, ".tiff": save_tiff}[suffix](whole, SCORES)
    content = whole.read_bytes()
    for length in (0, 3, len(content) // 2, len(content) - 30):
        cut.write_bytes(content[:length])
        with pytest.raises(ValueError, match=f"cut{suffix} .* again"):
            maps.read_map(cut)


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
