"""SuperSimpleNet: the network, the features it learns from, and the batches of them."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

import builders
from builders.super_simple_net import (
    adaptor_of,
    encoder_of,
    mask_head_of,
    score_head_of,
    strides_of,
)
from zoo.data import datasets
from zoo.feature_learning import batches as feature_batches
from zoo.feature_learning import cache
from zoo.feature_learning import cells as feature_cells
from zoo.feature_learning.cache import Features
from zoo.feature_learning.learner import FeatureLearning
from zoo.recipes import get_recipe

MODULE = "super_simple_net/dagm_synthetic/class_1_small"
SMALL = {
    "builder_args": {"weights": None, "mask_filters": 8, "score_filters": 4},
    "image_size": (64, 48),
    "batch_size": 4,
    "steps_per_epoch": 3,
    "epochs": 2,
    "mixed_precision": "float32",
}
RANDOM = np.random.default_rng(0)


@pytest.fixture(scope="module")
def network():
    keras.utils.set_random_seed(0)
    args = {"mask_filters": 8, "score_filters": 4}
    return builders.build("super_simple_net", image_shape=(None, None, 1), **args)


@pytest.fixture(scope="module")
def built(data_dir):
    return datasets.prepare_dataset("dagm_synthetic/class_1_small", data_dir=data_dir)


@pytest.fixture
def few_copies(monkeypatch):
    monkeypatch.setattr(cache, "COPIES", 0)


def some_features(labels=(0, 0, 0, 1, 1), masked=True):
    """Features [5, 8, 8, 152] of images with a map of 32x32 cells."""
    masks = np.zeros((len(labels), 32, 32), np.uint8)
    for mask, label in zip(masks, labels):
        if label and masked:
            mask[4:9, 6:8] = 1
        elif label:
            mask[:] = 255
    values = RANDOM.normal(size=(len(labels), 8, 8, 152)).astype(np.float16)
    foregrounds = np.ones((len(labels), 8, 8), bool)
    foregrounds[:, :, 6:] = False
    return Features(values, masks, foregrounds, np.array(labels, np.uint8))


def batches(features, first_epoch=0, **changes):
    recipe = get_recipe(MODULE, **{**SMALL, **changes})
    return list(feature_batches.training_batches(features, recipe, first_epoch).as_numpy_iterator())


def equal(one, other):
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def test_what_learns_and_what_is_frozen(network):
    trainable = sum(int(np.prod(weight.shape)) for weight in network.trainable_weights)
    adaptor = 152 * 152 + 152
    mask = 152 * 8 + 2 * 8 + 8 * 4 * 4 + 1
    score = 153 * 25 * 4 + 2 * 4 + (2 * 4 + 2) + 1
    assert trainable == adaptor + mask + score
    assert not network.get_layer("backbone").trainable_weights
    assert strides_of(network) == (8, 2)


def test_the_parts_are_the_whole(network):
    images = RANDOM.random((2, 64, 32, 1), np.float32)
    expected = network(images)
    adapted = adaptor_of(network)(encoder_of(network)(images))
    cells = mask_head_of(network)(adapted)
    score = score_head_of(network)([adapted, cells])
    np.testing.assert_allclose(score, expected["score_logits"], atol=1e-5)
    enlarged = network.get_layer("up_map")(cells)
    np.testing.assert_allclose(enlarged, expected["mask_logits"], atol=1e-5)
    probability = ops.sigmoid(expected["mask_logits"])[..., 0]
    np.testing.assert_allclose(expected["anomaly_map"], probability, atol=1e-6)


def test_the_adaptor_begins_as_nothing(network):
    fresh = builders.build("super_simple_net", image_shape=(None, None, 1))
    features = RANDOM.normal(size=(1, 3, 3, 152)).astype(np.float32)
    np.testing.assert_allclose(adaptor_of(fresh)(features), features, rtol=1e-5, atol=1e-5)


def test_every_weight_of_the_heads_learns():
    keras.utils.set_random_seed(0)
    learner = FeatureLearning(builders.build("super_simple_net", image_shape=(None, None, 1)))
    before = [ops.convert_to_numpy(weight) for weight in learner.trainable_weights]
    learner.compile(keras.optimizers.SGD(1.0))
    asked, truth = batches(some_features())[0]
    learner.train_on_batch(asked, truth)
    for old, weight in zip(before, learner.trainable_weights, strict=True):
        assert not np.array_equal(old, ops.convert_to_numpy(weight)), weight.path


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"neighbourhood": 2}, "`neighbourhood` must be an odd number"),
        ({"smoothing": -1.0}, "`smoothing` must be 0 or more"),
        ({"map_stride": 3}, "`map_stride` must be 1 or an even number"),
        ({"strides": (16, 8)}, "`strides` must be"),
    ],
)
def test_arguments_out_of_range(changes, message):
    with pytest.raises(ValueError, match=message):
        builders.build("super_simple_net", **changes)


def test_seed_and_step_alone_decide_a_batch():
    features = some_features()
    whole = batches(features)
    assert len(whole) == 6
    assert equal(whole[3:], batches(features, 1)) and equal(whole, batches(features))
    assert not equal(whole[0], whole[1]) and not equal(whole[0], batches(features, seed=1)[0])


def test_noise_is_a_defect_and_lies_in_the_foreground_of_good_images():
    features, noisy = some_features(), 0
    for asked, truth in batches(features, epochs=8):
        noise = asked["noise"].any(axis=-1)
        assert not noise[:, :, 6:].any() and not noise[2:].any()
        defects = truth["mask"].reshape(4, 8, 4, 8, 4).any(axis=(2, 4))
        assert defects[noise].all()
        np.testing.assert_array_equal(truth["label"] == 1, defects.any(axis=(1, 2)))
        assert (truth["label"][2:] == 1).all()  # half of a batch is defective
        noisy += noise.any(axis=(1, 2)).sum()
        if noise.any():
            spread = asked["noise"][noise].std()
            assert spread == pytest.approx(feature_batches.NOISE, rel=0.1)
    assert 12 < noisy <= 24  # of 48 good images, every second one where a shape came out


def test_cells_are_drawn_from_all_images():
    features = some_features((0, 0, 0, 0, 1))
    draws = feature_cells.CellDraws(features)
    cells = draws.draw(0, 3)
    assert cells.values.shape == (2048, 1, 1, 152) and cells.masks.shape == (2048, 4, 4)
    kinds = np.split(np.arange(2048), [1536, 1792])
    good, defective, noisy = (cells.masks[kind] for kind in kinds)
    assert not good.any() and (defective == 1).any(axis=(1, 2)).all() and (noisy == 1).all()
    assert not (defective == 1).all()  # their mask, not the whole cell
    np.testing.assert_array_equal(np.flatnonzero(cells.noisy[:, 0, 0]), kinds[2])
    places = {vector.tobytes(): place for place, vector in np.ndenumerate(_as_bytes(features))}
    drawn = [[places[vector.tobytes()] for vector in cells.values[kind, 0, 0]] for kind in kinds]
    assert {place[0] for place in drawn[0]} == set(range(5))
    assert {place[0] for place in drawn[1]} == {4}
    assert max(place[2] for place in drawn[2]) < 6  # the foreground
    assert equal(list(cells), list(draws.draw(0, 3)))
    assert not equal(list(cells), list(draws.draw(0, 4)))


def _as_bytes(features):
    """Each vector as one value."""
    values = features.values
    return values.view(np.dtype((np.void, values.dtype.itemsize * values.shape[-1])))[..., 0]


def test_without_masks_noise_stands_for_defects():
    cells = feature_cells.CellDraws(some_features(masked=False)).draw(0, 0)
    assert cells.noisy.sum() == 512 and (cells.masks == 1).any(axis=(1, 2)).sum() == 512
    features = some_features((0, 0))
    features.foregrounds[:] = False
    nowhere = feature_cells.CellDraws(features).draw(0, 0)
    assert len(nowhere.values) == 2048 and not nowhere.noisy.any() and not nowhere.masks.any()


def test_where_nothing_is_known_to_be_good_an_error_says_so():
    with pytest.raises(ValueError, match="Add good images, or masks"):
        feature_cells.CellDraws(some_features((1, 1), masked=False))


def test_supervision_is_what_the_features_know():
    kinds = {
        "good images alone": some_features((0, 0, 0)),
        "image labels": some_features(masked=False),
        "masks": some_features(),
    }
    both = some_features()
    both.masks[-1] = 255
    kinds["masks and image labels"] = both
    for kind, features in kinds.items():
        assert cache.supervision(features) == kind
    for _, truth in batches(kinds["image labels"]):
        assert (truth["mask"][2:] == 255).all() and (truth["label"][2:] == 1).all()
    recipe = get_recipe(MODULE, **SMALL)
    for kind, features in kinds.items():
        validation = list(feature_batches.validation_batches(features, recipe))
        has_noise = any(asked["noise"].numpy().any() for asked, _ in validation)
        assert has_noise == ("masks" not in kind)


def test_statistics_are_those_of_all_cells():
    features = some_features()
    mean, variance = cache.statistics(features)
    flat = features.values.reshape(-1, 152).astype(np.float64)
    np.testing.assert_allclose(mean, flat.mean(axis=0))
    np.testing.assert_allclose(variance, flat.var(axis=0))


def test_features_of_a_data_set(network, built, few_copies):
    recipe = get_recipe(MODULE, **SMALL)
    found = cache.read_features(network, built, recipe, (2,))
    examples = list(datasets.read_folds(built, recipe, (2,)).as_numpy_iterator())
    assert found.values.shape == (len(examples), 8, 6, 152)
    assert found.masks.shape == (len(examples), 32, 24) and found.foregrounds.all()
    np.testing.assert_array_equal(found.labels, [example["label"] > 0 for example in examples])
    image = examples[3]["image"][None].astype(np.float32) / 255
    np.testing.assert_allclose(found.values[3:4], encoder_of(network)(image), atol=0.02, rtol=0.01)
    for mask, example in zip(found.masks, examples):
        blocks = example["mask"][..., 0].reshape(32, 2, 24, 2).any(axis=(1, 3))
        np.testing.assert_array_equal(mask == 1, blocks)


def test_copies_follow_and_memory_is_bounded(network, built, monkeypatch, caplog):
    recipe = get_recipe(MODULE, **SMALL)
    plain = cache.read_features(network, built, recipe, (2,))
    count = len(plain.labels)
    monkeypatch.setattr(cache, "COPIES", 2 * count)
    found = cache.read_features(network, built, recipe, (2,), changed=True)
    assert len(found.labels) == 2 * count
    assert equal([part[:count] for part in found], list(plain))
    assert not np.array_equal(found.values[count:], plain.values)
    again = cache.read_features(network, built, recipe, (2,), changed=True)
    assert equal(list(found), list(again))
    room = 3 * 2 * 8 * 6 * 152
    monkeypatch.setattr(cache, "CACHE_BYTES", room)
    few = cache.read_features(network, built, recipe, (2,), changed=True)
    assert few.values.nbytes <= room and len(few.labels) == 3
    assert "others teach nothing" in caplog.text
    assert few.labels.sum() == min(plain.labels.sum(), 3)  # defective ones first


def test_a_padded_image_has_cells_of_which_nobody_knows(network, built, few_copies):
    recipe = get_recipe(MODULE, **{**SMALL, "image_size": (60, 48)})
    found = cache.read_features(network, built, recipe, (2,))
    assert found.masks.shape[1:] == (32, 24)
    assert (found.masks[:, [0, -1]] == 255).all() and (found.masks[:, 1:-1] != 255).all()
    assert not found.foregrounds[:, [0, -1]].all() or found.foregrounds.any()
