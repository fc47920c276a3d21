"""What the values of a user's masks mean, where the file alone must say it."""

import numpy as np
import pytest
from PIL import Image

from tfds_datasets.image_mask_folder import palette


@pytest.mark.parametrize("colors", [(255, 0), (0, 255), ((255, 0, 0), 0), (0, (255, 0, 0))])
def test_black_is_background_at_any_index_of_a_palette(colors, tmp_path):
    shown = [color if isinstance(color, tuple) else (color,) * 3 for color in colors]
    background = shown.index((0, 0, 0))
    indices = np.full((6, 5), background, np.uint8)
    indices[1:3, 2:4] = 1 - background
    mask = Image.fromarray(indices, "P")
    mask.putpalette([part for color in shown for part in color])
    mask.save(tmp_path / "mask.png")
    read = palette.read_mask(tmp_path / "mask.png", None)[..., 0]
    np.testing.assert_array_equal(read, indices != background)


def test_a_rotated_mask_follows_its_image(tmp_path):
    mask = np.zeros((4, 6), np.uint8)
    mask[0, :2] = 255
    turned = Image.Exif()
    turned[0x0112] = 3
    Image.fromarray(mask).save(tmp_path / "mask.png", exif=turned)
    read = palette.read_mask(tmp_path / "mask.png", None)[..., 0]
    np.testing.assert_array_equal(read, mask[::-1, ::-1] > 0)


@pytest.mark.parametrize("head", ["name,r,g,b", "name,red,green,blue", "name,color"])
def test_a_head_of_a_palette_names_no_type(head, tmp_path):
    (tmp_path / "palette.csv").write_text(f"{head}\nscratch,255,0,0\n")
    assert palette.defect_types(palette.read_palette(tmp_path)) == ["scratch"]
