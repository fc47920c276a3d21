import io

import numpy as np
import pytest
from PIL import Image

from zoo.visualization import pictures

RED = (200, 0, 0)


def test_to_rgb_repeats_grey():
    grey = np.array([[0, 7]], np.uint8)
    for image in (grey, grey[..., None], np.repeat(grey[..., None], 3, axis=-1)):
        np.testing.assert_array_equal(pictures.to_rgb(image), [[[0] * 3, [7] * 3]])


@pytest.mark.parametrize("image", [np.zeros((3, 3, 2), np.uint8), np.zeros((3, 3, 1), np.float32)])
def test_to_rgb_names_what_it_got(image):
    with pytest.raises(ValueError, match=r"Argument `image` must be uint8.*Received"):
        pictures.to_rgb(image)


def test_overlay_fills_the_region_and_lines_it_outside():
    image = np.full((3, 3, 1), 100, np.uint8)
    mask = np.zeros((3, 3), bool)
    mask[1, 1] = True
    picture = pictures.overlay(image, mask, RED, 0.5)
    surface, line, fill = [100, 100, 100], list(RED), [150, 50, 50]
    expected = [[surface, line, surface], [line, fill, line], [surface, line, surface]]
    np.testing.assert_array_equal(picture, expected)
    assert picture.dtype == np.uint8
    assert (image == 100).all()  # the image itself is untouched


def test_overlay_of_nothing_is_the_image():
    image = np.arange(27, dtype=np.uint8).reshape(3, 3, 3)
    np.testing.assert_array_equal(pictures.overlay(image, np.zeros((3, 3), bool), RED, 1.0), image)


def test_overlay_line_grows_with_the_image():
    mask = np.zeros((1, 768), bool)
    mask[0, 300] = True
    line = (pictures.overlay(np.zeros((1, 768, 1), np.uint8), mask, RED, 0.0) == RED).all(axis=-1)
    assert line.sum() == 2 * 3


def test_overlay_refuses_another_shape():
    with pytest.raises(ValueError, match="Argument `mask` must have the height"):
        pictures.overlay(np.zeros((3, 3, 1), np.uint8), np.zeros((3, 4), bool))


def test_defect_types_have_distinct_colors():
    colors = [pictures.type_color(n) for n in (*range(1, 13), 255)]
    assert len(set(colors)) == 13
    assert pictures.type_color(13) == pictures.type_color(1)


def test_overlay_types_and_color_types_agree():
    mask = np.array([[0, 1, 2, 255]], np.uint8)
    painted = pictures.color_types(mask)
    assert (painted[0, 0] == 0).all()
    for column, defect_type in enumerate((1, 2, 255), start=1):
        np.testing.assert_array_equal(painted[0, column], pictures.type_color(defect_type))
    over = pictures.overlay_types(np.zeros((1, 4, 1), np.uint8), mask, alpha=1.0)
    # the last id is drawn last, so its line covers its neighbour
    np.testing.assert_array_equal(over[0, 3], pictures.type_color(255))


def test_heat_gets_brighter_with_probability():
    picture = pictures.heat(np.array([[-1.0, 0.0, 0.25, 0.5, 0.75, 1.0, 2.0]]))
    assert picture.dtype == np.uint8 and picture.shape == (1, 7, 3)
    luma = picture[0] @ [0.299, 0.587, 0.114]
    assert (np.diff(luma[1:6]) > 20).all()
    assert luma[0] == luma[1] and luma[5] == luma[6]  # values beyond [0, 1] are cut


def test_row_and_grid_keep_every_pixel():
    small, tall = np.full((1, 2, 3), 1, np.uint8), np.full((3, 1, 3), 2, np.uint8)
    gap = pictures.GAP_COLOR
    expected = np.array([[1, 1, gap, 2], [gap, gap, gap, 2], [gap, gap, gap, 2]])
    np.testing.assert_array_equal(pictures.row([small, tall], gap=1)[..., 0], expected)
    sheet = pictures.grid([[small, tall], [small]], gap=1)
    below = np.array([[gap] * 4, [1, 1, gap, gap]])
    np.testing.assert_array_equal(sheet[..., 1], np.concatenate([expected, below]))


@pytest.mark.parametrize("shape", [(20, 40), (20, 40, 1), (20, 40, 3)])
def test_thumbnail_shrinks_and_never_enlarges(shape):
    picture = np.full(shape, 9, np.uint8)
    small = pictures.thumbnail(picture, 10)
    assert small.shape == (5, 10, *shape[2:])
    assert (small == 9).all()
    assert pictures.thumbnail(picture, 400) is picture


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
def test_encoded_pictures_come_back(shape):
    picture = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    again = np.asarray(Image.open(io.BytesIO(pictures.png_bytes(picture))))
    np.testing.assert_array_equal(again, picture.squeeze())
    assert Image.open(io.BytesIO(pictures.jpeg_bytes(picture))).size == (5, 4)
