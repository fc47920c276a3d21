"""Maps and scores of other libraries are measured by their own list of images."""

import json

import numpy as np
import pytest
from PIL import Image

from zoo.benchmark.measure_peer import measure_peer


@pytest.fixture
def left(tmp_path):
    """A folder as the benchmark leaves it: a good image, and one with a defect that is found."""
    mask = np.zeros((16, 16), np.uint8)
    mask[4:8, 4:8] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    test = [{"image": "good/0.png", "mask": None}, {"image": "scratch/0.png", "mask": "mask.png"}]
    (tmp_path / "files.json").write_text(json.dumps({"train": [], "test": test}))
    for name, found in (("good", np.zeros((8, 8))), ("scratch", mask[::2, ::2] / 255)):
        (tmp_path / "maps/padim" / name).mkdir(parents=True)
        np.save(tmp_path / f"maps/padim/{name}/0.npy", found.astype(np.float32))
    write_scores(tmp_path, {"good/0.npy": 2.0, "scratch/0.npy": 1.0})
    return tmp_path


def write_scores(folder, scores):
    images = [{"map": name, "score": score} for name, score in scores.items()]
    result = {"method": "padim", "milliseconds": 5.0, "images": images}
    (folder / "maps/padim.json").write_text(json.dumps(result))


@pytest.mark.parametrize("size, pixels", [(None, [16, 16]), (8, [8, 8])])
def test_scores_of_the_method_and_of_its_map_are_told_apart(left, size, pixels):
    (row,) = measure_peer(left / "files.json", left / "maps", size)
    assert row["image_auroc"] == 0 and row["image_auroc_of_map"] == 1
    assert row["pixels"] == pixels and row["milliseconds"] == 5 and "images" not in row
    assert row["pixel_auroc"] == 1 and row["pixel_ap"] == 1 and row["au_pro@0.3"] == 1


def test_other_images_are_refused(left):
    write_scores(left, {"good/0.npy": 0.0})
    with pytest.raises(ValueError, match="must name the test images"):
        list(measure_peer(left / "files.json", left / "maps"))
