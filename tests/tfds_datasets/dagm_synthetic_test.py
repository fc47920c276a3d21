import hashlib

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage

from tfds_datasets.dagm_synthetic import dagm_synthetic_dataset_builder as dataset
from tfds_datasets.dagm_synthetic import scene, textures

CLASSES = list(textures.TEXTURES)
FULL_CLASSES = [1, 4]  # at 512 px a hash costs ten times as much, so two classes stand for all
SOFT_EDGE = 8  # px: how far a defect fades out beyond its mask
GOLDEN = {
    (1, 128): "decbbc5fba1da75f",
    (2, 128): "01fec001de86b199",
    (3, 128): "78b4179efba1155e",
    (4, 128): "ba3cbe19de027f5c",
    (5, 128): "d7e3981ce939afde",
    (6, 128): "3e19efe9e93111f5",
    (7, 128): "78e979c3cd2c271c",
    (8, 128): "6c33e5ad630df7a8",
    (9, 128): "79ae84ba0b4b8c2a",
    (10, 128): "1e343228f40b7f4f",
    (1, 512): "0a0ff412ae0bcc0e",
    (4, 512): "0b99f06162318523",
}


def render(class_id, index=3, *, size=128, defective=True, split="train"):
    return scene.render(class_id, index, split=split, size=size, seed=7, defective=defective)


def digest(class_id, size):
    """Hash of the pixels of a defective training image and a good test image."""
    sha = hashlib.sha256()
    for example in (
        render(class_id, 3, size=size),
        render(class_id, 4, size=size, defective=False, split="test"),
    ):
        for key in ("image", "mask", "weak_mask"):
            sha.update(example[key].tobytes())
    return sha.hexdigest()[:16]


@pytest.mark.parametrize(
    ("class_id", "size"), [(n, 128) for n in CLASSES] + [(n, 512) for n in FULL_CLASSES]
)
def test_pixels_never_change(class_id, size):
    assert digest(class_id, size) == GOLDEN[class_id, size]


def test_neither_order_nor_threads_matter():
    forward = list(dataset.map_ahead(lambda n: digest(n, 128), CLASSES, num_threads=4))
    backward = [digest(n, 128) for n in reversed(CLASSES)]
    assert forward == backward[::-1]


def test_every_argument_changes_the_image():
    variants = [
        scene.render(n, index, split=split, size=64, seed=seed, defective=False)["image"]
        for n, index, split, seed in [
            (5, 0, "train", 0),
            (5, 1, "train", 0),
            (5, 0, "test", 0),
            (5, 0, "train", 1),
        ]
    ]
    assert len({image.tobytes() for image in variants}) == len(variants)


@pytest.mark.parametrize("class_id", CLASSES)
def test_masks_fit_the_defect(class_id):
    for index in range(6):
        bad = render(class_id, index)
        good = render(class_id, index, defective=False)
        mask, weak_mask = bad["mask"][..., 0] > 0, bad["weak_mask"][..., 0] > 0
        assert 8 <= mask.sum() < weak_mask.sum() < 0.6 * mask.size
        assert not (mask & ~weak_mask).any()
        assert not good["mask"].any() and not good["weak_mask"].any()
        difference = np.abs(bad["image"][..., 0].astype(int) - good["image"][..., 0])
        beyond = ndimage.distance_transform_edt(~mask) > SOFT_EDGE
        assert not difference[beyond].any()
        assert difference[mask].mean() > 8


@pytest.mark.parametrize("class_id", [2, 6])
def test_the_brightest_show_through_dark_defects(class_id):
    for index in range(6):
        pair = [
            render(class_id, index, size=512, defective=defective) for defective in (True, False)
        ]
        dark, bright = (example["image"][pair[0]["mask"] > 0] for example in pair)
        assert dark.mean() < 0.6 * bright.mean()
        assert 0 < np.mean(dark > 100) < 0.5 * np.mean(bright > 100)


@pytest.mark.parametrize("class_id", CLASSES)
def test_full_size_is_grey_with_contrast(class_id):
    image = render(class_id, size=512)["image"]
    assert image.shape == (512, 512, 1) and image.dtype == np.uint8
    assert 50 < image.mean() < 210
    assert 12 < image.std() < 90


def test_defective_images_are_counted_and_mixed():
    configs = {config.name: config for config in dataset.Builder.BUILDER_CONFIGS}
    assert len(configs) == 20
    assert [n for n in CLASSES if configs[f"class_{n}"].version == "1.1.0"] == [2, 6]
    assert configs["class_3"].size == 512 and configs["class_3_small"].size == 128
    for split, expected in (("train", 79), ("test", 71)):
        defective = dataset.defective_indices(1, split)
        assert len(defective) == expected
        assert 0.35 < np.mean(list(defective)) / 575 < 0.65
    assert len(dataset.defective_indices(10, "test")) == 150
    assert dataset.defective_indices(1, "train") != dataset.defective_indices(2, "train")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"class_id": 11, "split": "train"}, "class_id"),
        ({"class_id": 1, "split": "val"}, "split"),
        ({"class_id": 1, "split": "train", "size": 32}, "size"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"Argument `{message}`.*Received"):
        scene.render(index=0, defective=True, **arguments)


def test_look_ahead_is_bounded():
    started = []
    results = dataset.map_ahead(lambda n: started.append(n) or n, range(100), num_threads=2)
    assert next(results) == 0
    assert len(started) <= 5
    assert list(results) == list(range(1, 100))


def test_builds_with_tfds(tmp_path):
    builder = dataset.Builder(config="class_4_small", data_dir=tmp_path)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(max_examples_per_split=16)
    )
    defective = dataset.defective_indices(4, "train")
    examples = list(tfds.as_numpy(builder.as_dataset(split="train")))
    assert len(examples) == 16
    for example in examples:
        index = int(example["file_name"].decode().removeprefix("train_").removesuffix(".png"))
        assert example["label"] == (index in defective) == example["mask"].any()
        rendered = scene.render(
            4, index, split="train", size=128, seed=dataset.DATA_SEED, defective=index in defective
        )
        for key in ("image", "mask", "weak_mask"):
            np.testing.assert_array_equal(example[key], rendered[key])
        assert 0 <= example["fold"] < 10
