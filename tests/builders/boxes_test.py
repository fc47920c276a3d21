"""Boxes from heat maps, against SciPy's labels and by hand."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from scipy import ndimage

from builders import boxes


def draw(heat, **arguments):
    found = boxes.boxes(np.asarray(heat, np.float32), **arguments)
    return [ops.convert_to_numpy(each) for each in found]


def expected_boxes(heat, threshold):
    """Pairs of score and box, highest first, of one map."""
    labels, _ = ndimage.label(heat > threshold, structure=np.ones((3, 3)))
    size = np.array([*heat.shape, *heat.shape], np.float32)
    found = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(labels), start=1):
        box = np.array([rows.start, columns.start, rows.stop, columns.stop]) / size
        found.append((float(heat[labels == number].max()), *box.tolist()))
    return sorted(found, reverse=True)


def spiral(size):
    """A path one pixel wide from the corner to the middle, with one pixel between its windings."""
    path = np.zeros((size, size), np.float32)
    y = x = 0
    path[y, x] = 1
    lengths = [size - 1, *(length for length in range(size - 1, 1, -2) for _ in range(2))]
    for turn, length in enumerate(lengths):
        dy, dx = [(0, 1), (1, 0), (0, -1), (-1, 0)][turn % 4]
        for _ in range(length):
            y, x = y + dy, x + dx
            path[y, x] = 1
    return path


@pytest.mark.parametrize("seed", range(20))
def test_agrees_with_scipy(seed):
    random = np.random.default_rng(seed)
    height, width = random.integers(1, 24, 2)
    heat = random.random((3, height, width)).astype(np.float32)
    threshold = random.choice([0.4, 0.6, 0.8, 0.95])
    found, scores = draw(heat, threshold=threshold, max_boxes=200)
    for image, box, score in zip(heat, found, scores):
        expected = np.array(expected_boxes(image, np.float32(threshold))).reshape(-1, 5)
        count = len(expected)
        np.testing.assert_allclose(score[:count], expected[:, 0])
        np.testing.assert_allclose(box[:count], expected[:, 1:], atol=1e-6)
        assert not score[count:].any() and not box[count:].any()


@pytest.mark.parametrize(
    "rows, expected",
    [
        (["....", "....", "....", "...."], []),
        (["####", "####", "####", "####"], [[0, 0, 1, 1]]),
        (["#...", "....", "....", "...."], [[0, 0, 0.25, 0.25]]),
        (["....", "....", "....", "...#"], [[0.75, 0.75, 1, 1]]),
        (["#...", ".#..", "..#.", "...#"], [[0, 0, 1, 1]]),
        (["##..", "....", "...#", "...#"], [[0, 0, 0.25, 0.5], [0.5, 0.75, 1, 1]]),
        (["####", "#..#", "#.##", "#..."], [[0, 0, 1, 1]]),
    ],
    ids=["empty", "full", "first pixel", "last pixel", "diagonal", "two blobs", "ring"],
)
def test_by_hand(rows, expected):
    heat = np.array([[0.9 * (pixel == "#") for pixel in row] for row in rows])
    found, scores = draw([heat])
    found = sorted(box.tolist() for box, score in zip(found[0], scores[0]) if score)
    assert found == expected
    assert scores[0].tolist() == pytest.approx([0.9] * len(expected) + [0] * (16 - len(expected)))


@pytest.mark.parametrize("size", [5, 31])
def test_one_long_path_is_one_region(size):
    found, scores = draw([spiral(size)])
    _, regions = ndimage.label(spiral(size), structure=np.ones((3, 3)))
    assert regions == 1 and np.count_nonzero(scores) == 1
    assert found[0, 0].tolist() == [0, 0, 1, 1]


def test_the_hottest_regions_are_kept_in_order():
    heat = np.zeros((1, 9, 9), np.float32)
    heat[0, 0, [0, 2, 4, 6, 8]] = [0.75, 0.95, 0.8, 0.9, 0.7]
    found, scores = draw(heat, max_boxes=3)
    np.testing.assert_allclose(scores[0], [0.95, 0.9, 0.8])
    np.testing.assert_allclose(found[0, :, 1] * 9, [2, 6, 4], atol=1e-5)


def test_a_single_box_holds_all_regions():
    heat = np.zeros((2, 4, 8), np.float32)
    heat[0, 0, 2], heat[0, 2, 5] = 0.8, 0.9
    found, scores = draw(heat, single=True)
    assert found.tolist() == [[[0, 0.25, 0.75, 0.75]], [[0, 0, 0, 0]]]
    np.testing.assert_allclose(scores, [[0.9], [0]])


def test_normalized_maps():
    heat = np.array([[[1.0, 3.0], [2.0, 5.0]], [[4.0, 4.0], [4.0, 4.0]], [[0, 0], [0, 0]]])
    found = ops.convert_to_numpy(boxes.normalized(heat.astype(np.float32)))
    assert found.tolist() == [[[0, 0.5], [0.25, 1]], [[0, 0], [0, 0]], [[0, 0], [0, 0]]]


def test_evidence_is_the_difference_from_good():
    cam = np.random.default_rng(0).normal(size=(3, 2, 4, 5)).astype(np.float32)
    found = ops.convert_to_numpy(boxes.evidence(cam, np.array([0, 3, 4])))
    assert not found[0].any()
    np.testing.assert_allclose(found[1], cam[1, ..., 3] - cam[1, ..., 0], atol=1e-6)
    of_label = ops.convert_to_numpy(boxes.evidence(cam, np.array([0, 3, 4]), "label"))
    np.testing.assert_allclose(of_label[1], cam[1, ..., 3], atol=1e-6)
    np.testing.assert_allclose(found[2], cam[2, ..., 4] - cam[2, ..., 0], atol=1e-6)


def test_boxes_of_blobs_are_finer_than_cells():
    cam, truth = blobs(seed=0, count=100)
    heat = boxes.heat_map(cam, np.ones(len(cam), int))
    assert heat.shape == (100, 56, 56)
    assert float(ops.max(heat)) == 1 and float(ops.min(heat)) == 0
    from_cells = draw(boxes.normalized(cam[..., 1]))[0][:, 0]
    assert mean_iou(from_cells, truth) < 0.75
    assert mean_iou(draw(heat)[0][:, 0], truth) > 0.87


def test_heat_of_one_cell_has_a_box_and_good_images_have_none():
    cam = np.zeros((2, 5, 5, 2), np.float32)
    cam[:, 0, 3, 1] = 4
    found, scores = draw(boxes.heat_map(cam, np.array([1, 0])))
    assert scores[0, 0] == 1 and not scores[0, 1:].any() and not scores[1].any()
    middle = (found[0, 0, :2] + found[0, 0, 2:]) / 2
    np.testing.assert_allclose(middle, [0.1, 0.7], atol=0.06)


def blobs(seed, count, cells=14, pixels=16):
    """Maps of smooth blobs 1.5 to 4 cells wide at the threshold, and their boxes."""
    random = np.random.default_rng(seed)
    place = (np.arange(cells * pixels) + 0.5) / pixels
    center, extent = random.uniform(3, 11, (count, 2, 1)), random.uniform(1.5, 4, (count, 2, 1))
    height, width = (
        boxes.THRESHOLD ** ((2 * (place - center[:, axis]) / extent[:, axis]) ** 2)
        for axis in (0, 1)
    )
    blob = height[:, :, None] * width[:, None, :]
    blob = blob.reshape(count, cells, pixels, cells, pixels).mean((2, 4))
    truth = np.concatenate([center - extent / 2, center + extent / 2], axis=1)[..., 0] / cells
    return np.stack([np.zeros_like(blob), blob], axis=-1).astype(np.float32), truth


def mean_iou(found, truth):
    def area(box):
        return np.prod(np.maximum(box[:, 2:] - box[:, :2], 0), axis=1)

    both = np.concatenate(
        [np.maximum(found[:, :2], truth[:, :2]), np.minimum(found[:, 2:], truth[:, 2:])], axis=1
    )
    return np.mean(area(both) / (area(found) + area(truth) - area(both)))


def test_in_a_saved_model_of_any_size(tmp_path):
    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def call(cam):
        found, scores = boxes.boxes(boxes.heat_map(cam, tf.ones(tf.shape(cam)[:1], tf.int32)))
        return {"box": found, "box_score": scores}

    module = tf.Module()
    module.call = call
    tf.saved_model.save(module, str(tmp_path))
    loaded = tf.saved_model.load(str(tmp_path))
    for shape in ((1, 3, 5, 3), (4, 7, 2, 3), (2, 1, 1, 3)):
        cam = np.random.default_rng(0).normal(size=shape).astype(np.float32)
        found = loaded.call(tf.constant(cam))
        expected = draw(boxes.heat_map(cam, np.ones(shape[0], int)))
        np.testing.assert_allclose(found["box"], expected[0], atol=1e-6)
        np.testing.assert_allclose(found["box_score"], expected[1], atol=1e-6)


def test_in_a_functional_model():
    image = keras.Input((None, None))
    model = keras.Model(image, boxes.boxes(image, max_boxes=5))
    heat = np.random.default_rng(0).random((2, 6, 9)).astype(np.float32)
    assert [tuple(each.shape) for each in model.output] == [(None, 5, 4), (None, 5)]
    for one, other in zip(model(heat), draw(heat, max_boxes=5)):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "arguments, match",
    [
        ({"threshold": 1.0}, "`threshold` must be in .* Received: 1.0"),
        ({"max_boxes": 0}, "or more"),
    ],
)
def test_arguments_out_of_range(arguments, match):
    with pytest.raises(ValueError, match=match):
        draw(np.zeros((1, 2, 2)), **arguments)


def test_rounding_draws_no_box():
    rng = np.random.default_rng(0)
    constant = rng.uniform(-5, 5, (50, 1, 1, 2)).astype("f")
    cam = constant * (1 + rng.uniform(-2e-7, 2e-7, (50, 6, 5, 2)).astype("f"))
    box, score = boxes.boxes(boxes.heat_map(cam, np.ones(50, "int32")))
    assert not ops.convert_to_numpy(box).any() and not ops.convert_to_numpy(score).any()
