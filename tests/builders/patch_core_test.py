"""PatchCore: distances by hand, the blur, the score, and the order of what it finds."""

import keras
import numpy as np
import pytest
from keras import ops

import builders
from builders import gaussian_blur
from builders.memory_bank import MemoryBank
from builders.patch_core import bank_of, features_of
from builders.predictions import predictions


def filled(vectors, *, size=4, num_neighbours=None, radius=1.0):
    vectors = np.array(vectors, np.float32)
    bank = MemoryBank(size, num_neighbours)
    bank.build((None, None, None, vectors.shape[1]))
    bank.set_bank(vectors, radius)
    return bank


def test_distances_are_those_to_the_nearest_vector():
    bank = filled([[0, 0], [3, 4]], radius=2.0)
    features = np.array([[[[0, 0], [0, 1], [3, 8]]]], np.float32)
    (found,) = bank(features)
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0, 0, :, 0], [0, 0.5, 2], atol=1e-6)


@pytest.mark.parametrize("count", [1023, 1024, 1025, 2500])
def test_banks_of_many_vectors_are_compared_in_parts(count):
    random = np.random.default_rng(0)
    vectors = random.normal(size=(count, 3)).astype(np.float32)
    features = random.normal(size=(1, 2, 5, 3)).astype(np.float32)
    (found,) = filled(vectors, size=count)(features)
    expected = np.linalg.norm(features[..., None, :] - vectors, axis=-1).min(axis=-1)
    np.testing.assert_allclose(ops.convert_to_numpy(found)[..., 0], expected, atol=1e-5)


def test_the_score_of_a_place_between_many_vectors_is_lower():
    """The distances of (0, 2) to (0, 0), (1, 0) and (9, 0) are 2, 5**0.5 and 85**0.5."""
    bank = filled([[0, 0], [1, 0], [9, 0]], size=3, num_neighbours=2)
    features = np.array([[[[0, 2], [0, 0]]], [[[9, 0], [9, 1]]]], np.float32)
    _, score = bank(features)
    near = np.exp([2, 5**0.5])
    far = np.exp([1, 65**0.5])  # from (9, 1) to (9, 0) and (1, 0)
    expected = [2 * (1 - near[0] / near.sum()), 1 - far[0] / far.sum()]
    np.testing.assert_allclose(score, expected, rtol=1e-5)


def test_a_bank_that_is_not_full_repeats_a_vector():
    bank = filled([[1, 2]], size=3)
    np.testing.assert_array_equal(bank.bank, [[1, 2]] * 3)


@pytest.mark.parametrize("count", [0, 5])
def test_a_bank_holds_so_many_vectors(count):
    with pytest.raises(ValueError, match=f"must be 1 to 4 vectors. Received: {count}"):
        filled(np.zeros((count, 2)))


def test_a_blur_keeps_constants_and_the_sum_inside():
    blur = gaussian_blur.GaussianBlur(1.0)
    np.testing.assert_allclose(blur(np.full((1, 3, 2, 1), 5.0, np.float32)), 5.0, rtol=1e-6)
    point = np.zeros((1, 21, 21, 1), np.float32)
    point[0, 10, 10] = 1.0
    spread = ops.convert_to_numpy(blur(point))[0, ..., 0]
    assert spread.sum() == pytest.approx(1.0, abs=1e-5)
    assert spread[10, 11] / spread[10, 10] == pytest.approx(np.exp(-0.5), rel=1e-4)


def test_what_was_never_seen_is_farther_away():
    """A grey image fills the bank; a white square in one is found where it is."""
    keras.utils.set_random_seed(0)
    model = builders.build(
        "patch_core", image_shape=(None, None, 1), backbone="MobileNetV2", bank_size=8
    )
    grey = np.full((1, 128, 96, 1), 0.5, np.float32)
    features = ops.convert_to_numpy(features_of(model)(grey))
    vectors = features.reshape(-1, features.shape[-1])
    bank_of(model).set_bank(vectors[::24], 1.0)
    marked = grey.copy()
    marked[0, 80:96, 32:48] = 1.0
    found = {key: ops.convert_to_numpy(x) for key, x in predictions(model(marked)).items()}
    assert found["score"][0] > predictions(model(grey))["score"][0]
    row, column = np.unravel_index(found["anomaly_map"][0].argmax(), (128, 96))
    assert 64 <= row < 112 and 16 <= column < 64
    np.testing.assert_allclose(found["mask"][..., 0], found["anomaly_map"], rtol=1e-6)


def test_only_the_bank_is_not_frozen_features():
    model = builders.build("patch_core", backbone="MobileNetV3Small", bank_size=8)
    assert not model.trainable_variables
    assert features_of(model).count_params() < model.count_params()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"strides": ()}, "`strides` must be some of 2, 4, 8, 16 and 32.*Received"),
        ({"strides": (16, 8)}, "from the smallest. Received: "),
        ({"neighbourhood": 2}, "`neighbourhood` must be an odd number from 1. Received: 2"),
        ({"bank_size": 0}, "`size` must be 1 or more. Received: 0"),
        ({"bank_size": 4, "num_neighbours": 9}, "`num_neighbours` must be None or 2 to 4"),
        ({"smoothing": -1.0}, "`smoothing` must be 0 or more. Received: -1"),
        ({"backbone": "ResNet51"}, "`backbone` must be one of .*EfficientNetLite0.*Received"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(ValueError, match=message):
        builders.build("patch_core", **{"backbone": "MobileNetV3Small", **arguments})
