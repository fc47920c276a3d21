"""Folds, resizing and batches of a few small synthetic images."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_archives import build, save

from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo import recipes
from zoo.data import datasets, input_pipeline, training_examples

MODULE = "tiny_unet/dagm_synthetic/class_1_small"


def pipeline_recipe(**changes):
    return recipes.get_recipe(
        MODULE, **{"batch_size": 2, "steps_per_epoch": 2, "epochs": 3, **changes}
    )


@pytest.fixture
def builder(data_dir):
    return datasets.prepare_dataset("dagm_synthetic/class_1_small", data_dir=data_dir)


def test_batches_are_balanced_and_equal_when_resumed(builder):
    recipe = pipeline_recipe(batch_size=4, crop_size=(48, 64))
    batches = [
        (image.numpy(), target["mask_logits"].numpy())
        for image, target in input_pipeline.training_batches(builder, recipe)
    ]
    assert len(batches) == recipe.epochs * recipe.steps_per_epoch
    for image, mask in batches:
        assert image.shape == (4, 48, 64, 1) and image.dtype == np.float32
        assert (mask.reshape(4, -1).max(axis=1) > 0).tolist() == [True, True, False, False]
    resumed = input_pipeline.training_batches(builder, recipe, first_epoch=2)
    for (image, mask), (image_again, again) in zip(batches[4:], resumed, strict=True):
        np.testing.assert_array_equal(image, image_again)
        np.testing.assert_array_equal(mask, again["mask_logits"])
    assert len({image.tobytes() for image, _ in batches}) == len(batches)


def test_batches_depend_on_the_seed_of_the_recipe_alone(builder):
    recipe = pipeline_recipe(epochs=1)
    found = []
    for seed in (0, 5):
        keras.utils.set_random_seed(seed)
        batches = input_pipeline.training_batches(builder, recipe)
        found.append(np.concatenate([image.numpy() for image, _ in batches]))
    np.testing.assert_array_equal(*found)


def test_folds_keep_validation_out_of_training(builder):
    recipe = pipeline_recipe()
    names = {
        kind: {
            example["file_name"]
            for example in datasets.read_examples(builder, "train", folds=folds).as_numpy_iterator()
        }
        for kind, folds in (
            ("train", recipe.training_folds),
            ("validation", recipe.validation_folds),
        )
    }
    assert not names["train"] & names["validation"]
    assert len(names["train"] | names["validation"]) == 120


@pytest.mark.parametrize("missing_bytes, reads", [(0, 2), (1, 4)])
def test_validation_images_stay_in_memory_up_to_a_bound(missing_bytes, reads, monkeypatch):
    """One reading counts them; the first epoch keeps them, or each of three reads them again."""
    read = []

    def examples():
        read.append("all")
        for height in (4, 4, 6):
            image = np.full((height, 5, 3), 51, np.uint8)
            yield {"image": image, "mask": image[..., :1] // 51, "label": 1}

    signature = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "mask": tf.TensorSpec((None, None, 1), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
    }
    num_bytes = (4 + 4 + 6) * 5 * (3 + 1)
    monkeypatch.setattr(training_examples, "CACHE_BYTES", num_bytes - missing_bytes)
    batches = input_pipeline.validation_batches(
        tf.data.Dataset.from_generator(examples, output_signature=signature)
    )
    assert len(batches) == 2
    for _ in range(3):
        for image, target in batches.as_numpy_iterator():
            np.testing.assert_allclose(image, 0.2, rtol=1e-6)
            assert image.dtype == np.float32 and (target["mask_logits"] == 1).all()
    assert len(read) == reads


def test_resizing_keeps_masks_binary(builder):
    for example in datasets.read_examples(builder, "test", image_size=(50, 70)):
        assert example["image"].shape == (50, 70, 1)
        assert set(np.unique(example["mask"])) <= {0, 1}


def test_masks_without_a_defect_are_refused(tmp_path):
    """Folders of good and defective images have labels and no masks: 255 everywhere."""
    for folder in ("good", "defect"):
        for number in range(30):
            pixels = np.random.default_rng([number, len(folder)]).integers(0, 256, (20, 20))
            save(tmp_path / "parts" / folder / f"{number}.png", pixels)
    builder = datasets.prepare_dataset(
        "image_mask_folder/grey", manual_dir=tmp_path / "parts", data_dir=tmp_path / "data"
    )
    changes = {"crop_size": (16, 16)}
    recipe = recipes.get_recipe("unet/image_mask_folder/grey", **changes)
    with pytest.raises(ValueError, match=r"marks no pixel of a defect.*the builder vgg16_cam"):
        input_pipeline.training_batches(builder, recipe)
    labels = recipes.get_recipe("vgg16_cam/image_mask_folder/grey", **changes)
    image, _ = next(iter(input_pipeline.training_batches(builder, labels, 0, {"label_logits": 2})))
    assert image.shape == (10, 16, 16, 1)


@pytest.fixture
def scratches_with_pits(tmp_path):
    """Every mask shows a large scratch, and the first four a small pit beside it."""
    for number in range(30):
        mask = np.zeros((20, 20))
        mask[2:8, 2:8], mask[12, 12:14] = 1, 2 * (number < 4)
        pixels = np.random.default_rng(number).integers(0, 256, (20, 20))
        save(tmp_path / "parts/images" / f"{number}.png", pixels)
        save(tmp_path / "parts/masks" / f"{number}.png", mask)
    (tmp_path / "parts/palette.csv").write_text("scratch,1\npit,2\n")
    return datasets.prepare_dataset(
        "image_mask_folder/grey", manual_dir=tmp_path / "parts", data_dir=tmp_path / "data"
    )


def test_a_type_that_is_never_the_largest_is_counted(scratches_with_pits):
    splits = "train+test"
    assert datasets.count_labels(scratches_with_pits, splits).tolist() == [0, 30, 0]
    assert datasets.count_types(scratches_with_pits, splits).tolist() == [0, 30, 4]
    recipe = recipes.get_recipe(
        "unet/image_mask_folder/grey", crop_size=(16, 16), builder_args={"num_classes": 3}
    )
    _, target = next(iter(input_pipeline.training_batches(scratches_with_pits, recipe)))
    assert target["mask_logits"].shape == (recipe.batch_size, 16, 16, 1)


def test_a_type_without_an_image_to_learn_from_is_named(scratches_with_pits):
    with_pits = [
        fold
        for fold in range(10)
        if datasets.count_types(scratches_with_pits, "train+test", (fold,))[2]
    ]
    changes = {
        "train_split": "train+test",
        "validation_folds": tuple(with_pits),
        "crop_size": (16, 16),
    }
    for builder, argument in (("unet", "num_classes"), ("vgg16_cam", "num_labels")):
        recipe = recipes.get_recipe(
            f"{builder}/image_mask_folder/grey", builder_args={argument: 3}, **changes
        )
        with pytest.raises(ValueError, match="has no image of pit in the folds"):
            input_pipeline.training_batches(scratches_with_pits, recipe)


@pytest.mark.parametrize("dataset", ["dagm", "dagm2007/class_0"])
def test_unknown_dataset_lists_the_valid_ones(dataset, tmp_path):
    with pytest.raises(ValueError, match=r"dagm2007.*Received"):
        datasets.prepare_dataset(dataset, data_dir=tmp_path)


def test_missing_archive_says_what_to_do(tmp_path):
    with pytest.raises(ValueError, match=r"--manual_dir[\s\S]*Class1/Train/Label/Labels.txt"):
        datasets.prepare_dataset("dagm2007/class_1", data_dir=tmp_path)


@pytest.mark.parametrize("keep", [True, False])
def test_memory_is_counted_image_by_image(keep, tmp_path, monkeypatch):
    """One small image at the front says nothing of the others."""
    rng = np.random.default_rng(0)
    for number in range(20):
        side = 16 if number == 0 else 64
        mask = np.zeros((side, side), np.uint8)
        mask[:4] = 255 * (number % 2)
        name = f"{number:02}.png"
        save(tmp_path / "mine/train/images" / name, rng.integers(0, 256, mask.shape))
        save(tmp_path / "mine/train/masks" / name, mask)
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    recipe = recipes.get_recipe("unet/image_mask_folder/grey", crop_size=(16, 16))
    largest = 64 * 64 * 2
    monkeypatch.setattr(training_examples, "CACHE_BYTES", largest * (20 if keep else 4))
    found = training_examples.training_streams(builder, recipe)
    assert found.sizes <= {(16, 16), (64, 64)} and (64, 64) in found.sizes
    waiting = [4 // len(found.streams)] * len(found.streams)
    assert found.buffers == (found.lengths if keep else waiting)
    images = [example["image"].shape for part in found.streams for example in part]
    assert len(images) == datasets.count_labels(builder, "train", recipe.training_folds).sum()


@pytest.mark.parametrize("keep", [True, False])
def test_all_images_are_drawn_and_resumed(keep, tmp_path, monkeypatch):
    """Also those near the end of the data, where an epoch takes few and memory holds fewer."""
    rng = np.random.default_rng(0)
    for number in range(80):
        image = rng.integers(0, 256, (16, 16))
        image[0, 0] = number
        save(tmp_path / f"mine/train/images/{number:02}.png", image)
        save(tmp_path / f"mine/train/masks/{number:02}.png", np.full((16, 16), number % 2 * 255))
    builder = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    recipe = recipes.get_recipe(
        "unet/image_mask_folder/grey",
        crop_size=(16, 16),
        augmentation="identity",
        brightness=0.0,
        contrast=0.0,
        batch_size=4,
        steps_per_epoch=3,
        epochs=12,
    )
    monkeypatch.setattr(training_examples, "CACHE_BYTES", 16 * 16 * 2 * (80 if keep else 8))

    def drawn(first_epoch=0):
        batches = input_pipeline.training_batches(builder, recipe, first_epoch)
        return [np.rint(255 * image[:, 0, 0, 0].numpy()).tolist() for image, _ in batches]

    batches = drawn()
    assert len(batches) == 12 * 3 and drawn(first_epoch=5) == batches[5 * 3 :]
    count = datasets.count_labels(builder, "train", recipe.training_folds).sum()
    numbers = np.concatenate(batches)
    if keep:
        assert len(set(numbers)) > 0.8 * count
    else:
        assert len(set(numbers[:count])) == count  # each before any comes again


def test_images_of_many_sizes_do_not_fill_memory(monkeypatch):
    monkeypatch.setattr(input_pipeline, "EVALUATION_PIXELS", 100)
    monkeypatch.setattr(input_pipeline, "WAITING_PIXELS", 60)
    read = []

    def examples():
        for side in (5, 6, 5, 5, 5, 12, 3):
            read.append(side)
            yield {"image": np.zeros((side, side, 1), np.uint8), "label": side}

    signature = {
        "image": tf.TensorSpec([None, None, 1], tf.uint8),
        "label": tf.TensorSpec([], tf.int64),
    }
    dataset = tf.data.Dataset.from_generator(examples, output_signature=signature)
    batches = input_pipeline.same_size_batches(dataset)
    labels = [batch["label"].tolist() for batch in batches.as_numpy_iterator()]
    # 25 + 36 pixels, and 3 * 25, are too many to wait; 12 * 12 fill a batch of their own.
    assert labels == [[5], [6], [5, 5, 5], [12], [3]]
    assert [side for batch in labels for side in batch] == read
