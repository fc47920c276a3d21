"""Counts of masks worked out by hand; every class that could be lost is named."""

import json
import types

import numpy as np
import pytest
from made_archives import save
from run_command import command

from zoo.data import statistics

MASK = [[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 255], [1, 0, 7, 0]]


@pytest.fixture
def builder(monkeypatch):
    """Two splits; `dent` has two regions of 2 and 1 pixels, `chip` no pixel."""
    masks = {
        "train": [(MASK, 1), (np.zeros((4, 4)), 0), (np.zeros((4, 4)), 2)],
        "test": [(MASK[:2], 0)],
    }

    def read_examples(builder, split, *, mask_feature):
        rows = [
            {"mask": np.array(mask, np.uint8)[..., None], "label": label}
            for mask, label in masks[split]
        ]
        return types.SimpleNamespace(as_numpy_iterator=lambda: iter(rows))

    monkeypatch.setattr(statistics.datasets, "read_examples", read_examples)
    label = types.SimpleNamespace(names=["good", "dent", "line", "chip"])
    return types.SimpleNamespace(
        info=types.SimpleNamespace(full_name="parts", features={"label": label}, splits=masks)
    )


def test_counts_by_hand(builder):
    found = statistics.dataset_statistics(builder)
    assert found["images"]["train"] == {"good": 1, "dent": 1, "line": 1, "chip": 0}
    assert found["masks"]["train"] == {"dent": 1, "line": 1, "chip": 0}
    assert found["pixels"] == {"background": 45, "dent": 5, "line": 4, "chip": 0, "ignored": 1}
    assert found["defects"]["dent"] == {
        "regions": 3,
        "smallest": 1,
        "median": 2,
        "largest": 2,
        "histogram": [1, 2],
    }
    assert found["defects"]["chip"]["regions"] == 0
    assert found["image_sizes"] == {"4x4": 3, "2x4": 1}


def test_no_class_is_lost_silently(builder):
    found = statistics.dataset_statistics(builder)
    assert found["problems"] == [
        "'chip' is a class, but no mask has one pixel of it.",
        "The id 7 is in the masks, but no class has it.",
        "The split 'train' has no image of: chip.",
        "The split 'test' has no image of: chip.",
        "1 images of 'line' have an empty mask.",
        "1 images are labelled 'good', but their masks have a defect.",
    ]
    assert "problem  The id 7 is in the masks" in statistics.table(found)


def test_written_files(builder, tmp_path):
    found = statistics.dataset_statistics(builder)
    statistics.write_statistics(tmp_path / "new", found)
    assert json.loads((tmp_path / "new" / "statistics.json").read_text()) == found
    assert (tmp_path / "new" / "statistics.png").read_bytes().startswith(b"\x89PNG")


def test_command_counts_a_folder(tmp_path):
    for number in range(40):
        pixels = np.random.default_rng(number).integers(0, 256, (20, 30))
        mask = np.zeros((20, 30))
        mask[2:8, 2:8], mask[12, 12:14] = number % 2, 2 * (number % 2)
        save(tmp_path / "parts/images" / f"{number}.png", pixels)
        save(tmp_path / "parts/masks" / f"{number}.png", mask)
    (tmp_path / "parts/palette.csv").write_text("scratch,1\npit,2\n")
    done = command(
        "statistics",
        "--dataset=image_mask_folder/grey",
        "--manual_dir=parts",
        "--data_dir=data",
        "--output_dir=counts",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["label"] == ["train", "test", "masks", "pixels", "defects", "median"]
    assert rows["scratch"][2:] == ["20", "720", "20", "36"]
    assert rows["pit"] == ["0", "0", "20", "40", "20", "2"]
    assert rows["problem"] == ["none"]
    found = json.loads((tmp_path / "counts/statistics.json").read_text())
    assert found["image_sizes"] == {"20x30": 40}
    assert sum(found["images"]["train"].values()) + sum(found["images"]["test"].values()) == 40
    assert (tmp_path / "counts/statistics.png").stat().st_size > 1000
