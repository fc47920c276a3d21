"""The real samples, built whole: how many there are, and that labels, masks and folds agree."""

import os
import pathlib

import numpy as np
import pytest
from made_archives import build, examples

from tfds_datasets import DATASETS
from tfds_datasets.copies import COPY_SIDE, group_copies, thumbnail
from tfds_datasets.features import IGNORE, NUM_FOLDS, largest_type

pytestmark = pytest.mark.skipif("ZOO_DATA_DIR" not in os.environ, reason="ZOO_DATA_DIR is not set")

# data set -> its folder, then split -> the number of images of each label
SAMPLES = {
    "dagm2007/class_4": ("dagm2007_96", {"train": [247, 41], "test": [246, 41]}),
    "magnetic_tile/tile": (
        "magnetic_tile",
        {"train": [282, 32, 29, 11, 10, 27], "test": [95, 16, 7, 14, 4, 7]},
    ),
    "mvtec_ad/screw": (
        "mvtec_ad",
        {"train": [100, 0, 0, 0, 0, 0], "test": [21, 12, 12, 13, 12, 12]},
    ),
    "mvtec_ad/transistor": ("mvtec_ad_256", {"train": [50, 0, 0, 0, 0], "test": [2, 2, 2, 2, 2]}),
    "neu_seg/strip": ("neu_seg", {"train": [0, 1134, 1336, 1160]}),
}
UNMARKED = {  # defective images whose masks are published empty
    "train/MT_Uneven/exp3_num_45042.jpg",
    "test/MT_Uneven/exp4_num_124690.jpg",
}


@pytest.mark.parametrize("dataset", SAMPLES)
def test_labels_masks_and_folds_agree(dataset, tmp_path):
    folder, expected = SAMPLES[dataset]
    name, _, config = dataset.partition("/")
    root = pathlib.Path(os.environ["ZOO_DATA_DIR"]) / folder
    builder = build(DATASETS[name], config, root, tmp_path)
    num_types = builder.info.features["label"].num_classes - 1
    counts, thumbnails, folds = {}, {}, {}
    for split in builder.info.splits:
        labels = []
        for row in examples(builder, split):
            file = f"{split}/{row['file_name'].decode()}"
            image, mask, label = row["image"], row["mask"], int(row["label"])
            assert mask.shape == (*image.shape[:2], 1), file
            assert set(np.unique(mask)) <= {*range(num_types + 1), IGNORE}, file
            assert largest_type(mask, num_types) == (0 if file in UNMARKED else label), file
            labels.append(label)
            thumbnails[file], folds[file] = thumbnail(image, COPY_SIDE), int(row["fold"])
        counts[split] = np.bincount(labels, minlength=num_types + 1).tolist()
    assert counts == expected
    assert set(folds.values()) == set(range(NUM_FOLDS))
    folds_of_group = {}
    for file, group in group_copies(thumbnails).items():
        folds_of_group.setdefault(group, set()).add(folds[file])
    assert all(len(each) == 1 for each in folds_of_group.values())
