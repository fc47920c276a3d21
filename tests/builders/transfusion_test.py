"""TransFusion: published sizes, the schedule, the loop, and that three backends agree."""

import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import outlined
import pytest
from keras import ops
from scipy import ndimage
from transfusion_answers import IMAGES, SMALL, answers

import builders
from builders import transfusion_network, transparency
from builders.predictions import predictions
from builders.runs.run_dir import dtype_policy
from builders.transfusion import denoiser

NUM_STEPS = 20

# Answers in another backend as this file does, with the same weights.
OTHER_BACKEND = """
import sys
import numpy as np, keras
import builders
from transfusion_answers import SMALL, answers
assert keras.backend.backend() == sys.argv[1]
model = builders.build("transfusion", **SMALL)
with np.load(sys.argv[2]) as weights:
    model.set_weights(list(weights.values()))
np.savez(sys.argv[3], **answers(model))
"""


def blended(random, step):
    """The truth of two images with a defect at a step, as `forward_sample` takes it."""
    mask = random.integers(0, 2, (2, 8, 8, 1)).astype(np.float32)
    return {
        "normal": random.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32),
        "anomaly": mask * random.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32),
        "mask": mask,
        "step": np.full(2, step, np.int32),
    }


def oracle(truth, step):
    """Heads that know the truth."""
    return {
        "appearance": transparency.opacity(step, NUM_STEPS) * truth["anomaly"],
        "normal": truth["normal"],
        "mask_logit": 2 * truth["mask"] - 1,
    }


@pytest.mark.parametrize(
    "arguments, trainable",
    [
        ({}, 54_559_431),
        ({"base_filters": 32}, 13_657_447),
        ({"base_filters": 32, "multipliers": (1, 1), "attention": (0, 1)}, 294_375),
        ({"base_filters": 32, "multipliers": (1, 1, 2), "attention": (0, 0, 1)}, 714_535),
    ],
)
def test_published_sizes(arguments, trainable):
    if "multipliers" in arguments:
        arguments = {**arguments, "num_blocks": 1}
    model = outlined.build("transfusion", **arguments)
    assert sum(int(np.prod(weight.shape)) for weight in model.trainable_weights) == trainable
    if not arguments:
        parts = {"step": 82_432, "stem": 2_944, "down": 15_064_640, "bottleneck": 10_757_120}
        for part, count in {**parts, "up": 28_648_000}.items():
            found = (layer for layer in denoiser(model).layers if layer.name.startswith(part))
            assert sum(layer.count_params() for layer in found) == count, part


def test_rows_are_coded_by_their_sine():
    code = ops.convert_to_numpy(transfusion_network.RowCode()(np.zeros((2, 300, 5, 3))))
    expected = np.sin(np.arange(300.0))[None, :, None, None]
    np.testing.assert_allclose(code, np.broadcast_to(expected, (2, 300, 5, 1)), atol=1e-6)


def test_steps_are_coded_by_waves():
    code = ops.convert_to_numpy(transfusion_network.StepCode(64)(np.array([0, 7, 19])))
    angles = np.array([[0], [7], [19]]) * 1e4 ** (-np.arange(32) / 31)
    np.testing.assert_allclose(code, np.hstack([np.sin(angles), np.cos(angles)]), atol=1e-5)


@pytest.mark.parametrize("step", range(1, NUM_STEPS))
def test_who_knows_the_truth_steps_back_along_the_schedule(step):
    truth = blended(np.random.default_rng(step), step)
    image = transparency.forward_sample(**truth, num_steps=NUM_STEPS)
    found = transparency.reverse_step(image, truth["step"], oracle(truth, truth["step"]), NUM_STEPS)
    before = {**truth, "step": truth["step"] - 1}
    expected = transparency.forward_sample(**before, num_steps=NUM_STEPS)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    if step == 1:
        np.testing.assert_allclose(found, truth["normal"], rtol=0, atol=1e-6)


def test_ends_of_the_schedule():
    truth = blended(np.random.default_rng(0), 0)
    first = transparency.forward_sample(**truth, num_steps=NUM_STEPS)
    np.testing.assert_array_equal(first, truth["normal"])
    truth["step"] += NUM_STEPS - 1
    last = transparency.forward_sample(**truth, num_steps=NUM_STEPS)
    opaque = np.where(truth["mask"] > 0, truth["anomaly"], truth["normal"])
    np.testing.assert_allclose(last, opaque, atol=1e-6)


def test_an_empty_mask_leaves_the_image():
    random = np.random.default_rng(0)
    truth = blended(random, 5)
    heads = {**oracle(truth, truth["step"]), "mask_logit": np.full_like(truth["mask"], -0.1)}
    image = random.uniform(-1, 1, (2, 8, 8, 3)).astype(np.float32)
    found = transparency.reverse_step(image, truth["step"], heads, NUM_STEPS)
    np.testing.assert_array_equal(found, image)


def test_the_loop_of_who_knows_the_truth_removes_the_defect():
    truth = blended(np.random.default_rng(0), NUM_STEPS - 1)
    asked = []

    def network(inputs, training):
        asked.append((int(inputs["step"][0]), np.asarray(inputs["mask"]).mean()))
        return oracle(truth, inputs["step"])

    image = transparency.forward_sample(**truth, num_steps=NUM_STEPS)
    found, mean = transparency.ReverseProcess(network, NUM_STEPS, "full")(image)
    np.testing.assert_allclose(found, truth["normal"], rtol=0, atol=1e-5)
    assert [step for step, _ in asked] == list(range(19, 0, -1))
    assert [share for _, share in asked] == [0.0, *[truth["mask"].mean()] * 18]
    probability = 1 / (1 + np.exp(1 - 2 * truth["mask"]))
    np.testing.assert_allclose(mean, probability, rtol=1e-5)

    asked.clear()
    _, mean = transparency.ReverseProcess(network, NUM_STEPS, "published")(image)
    assert [step for step, _ in asked] == list(range(18, 0, -1))
    np.testing.assert_allclose(mean, probability * 18 / 19, rtol=1e-5)


def test_maps_are_smoothed_with_nothing_beyond_the_borders():
    mask, image, other = (
        np.random.default_rng(i).random((1, 12, 9, 3), np.float32) for i in range(3)
    )
    found = transparency.AnomalyMap()(mask[..., :1], image, other)
    mixed = 0.95 * mask[..., 0] + 0.05 * ((image - other) ** 2).mean(-1)
    expected = ndimage.uniform_filter(mixed, (0, 7, 7), mode="constant")
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_outputs_fit_the_image_and_each_other():
    keras.utils.set_random_seed(0)
    model = builders.build("transfusion", image_shape=(None, None, 1), **SMALL)
    grey = IMAGES[..., :1]
    found = predictions(model(grey))
    assert found["anomaly_map"].shape == (2, 21, 26)
    assert found["reconstruction"].shape == (2, 21, 26, 3)
    np.testing.assert_allclose(found["mask"][..., 0], found["anomaly_map"], atol=1e-6)
    np.testing.assert_allclose(found["score"], np.max(found["anomaly_map"], (1, 2)), atol=1e-6)
    one = model(grey[1:])
    np.testing.assert_allclose(one["anomaly_map"][0], found["anomaly_map"][1], atol=1e-5)


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_attention_row_by_row_is_that_of_all_at_once(policy, monkeypatch):
    parts = np.random.default_rng(0).normal(0, 1, (2, 5, 6, 12)).astype(np.float32)
    layer = transfusion_network.SpatialAttention(dtype=policy)
    found = ops.cast(layer(parts), "float32")
    monkeypatch.setattr(transfusion_network, "MOST_CELLS", 29)
    tolerance = 1e-6 if policy == "float32" else 1e-2
    np.testing.assert_allclose(ops.cast(layer(parts), "float32"), found, atol=tolerance)
    query, key, value = (x.reshape(2, 30, 4) for x in np.split(parts, 3, axis=-1))
    weights = np.exp(query @ key.transpose(0, 2, 1) / 2)  # 2 is the root of 4 channels
    expected = (weights / weights.sum(-1, keepdims=True)) @ value
    tolerance = 1e-5 if policy == "float32" else 5e-2
    np.testing.assert_allclose(found, expected.reshape(2, 5, 6, 4), atol=tolerance)


def test_a_saved_model_answers_alike(tmp_path):
    model = builders.build("transfusion", **SMALL)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    expected, found = model(IMAGES), loaded(IMAGES)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=1e-6)


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_agree(backend, tmp_path):
    pytest.importorskip(backend)
    keras.utils.set_random_seed(0)
    model = builders.build("transfusion", **SMALL)
    files = [tmp_path / "weights.npz", tmp_path / "answers.npz"]
    np.savez(files[0], *model.get_weights())
    tests = pathlib.Path(__file__).parents[1]
    environment = {
        **os.environ,
        "KERAS_BACKEND": backend,
        "PYTHONPATH": os.pathsep.join([str(tests.parent), str(tests / "support")]),
    }
    command = [sys.executable, "-c", OTHER_BACKEND, backend, *files]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found, expected = np.load(files[1]), answers(model)
    assert set(found) == set(expected)
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, rtol=0, atol=1e-4, err_msg=key)
        assert np.ptp(value) > 1e-2  # constants would agree, too


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"base_filters": 48}, "`base_filters` must be a multiple of 32, .*Received: 48"),
        ({"attention": (True,)}, "an entry for each level.*Received: .* and .True"),
        ({"stem_stride": 3}, r"`stem_stride` must be one of \(1, 2, 4\)\. Received: 3"),
        ({"num_steps": 2}, r"`num_steps` must be 3 or more\. Received: 2"),
        ({"image_shape": (8, 8, 4)}, "must have 1 or 3 channels.*Received: 4"),
        ({"steps": "x"}, "`steps` must be one of published, full. Received: 'x'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        builders.build("transfusion", **arguments)


def test_the_network_is_computed_as_the_policy_says():
    with dtype_policy("mixed_bfloat16"):
        network = denoiser(builders.build("transfusion", **SMALL))
    assert network.get_layer("down1_block1_conv1").compute_dtype == "bfloat16"
    assert {head.dtype for head in network.output.values()} == {"float32"}
