"""What every builder must stand: saving, loading, export, other sizes, lower precision, XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from learnt_weights import learnt
from small_builders import SMALL

import builders
from builders import dilated, run_dir
from builders.atomic import write_json
from builders.predictions import predictions
from export.publish import publish
from export.versions import version_paths
from zoo.prediction.predictor import load_predictor

# Builders without the argument `num_classes`.
TELL_NO_TYPES = ("patch_core", "super_simple_net", "transfusion", "vgg16_cam")
IMAGES = np.random.default_rng(0).random((2, 37, 41, 3)).astype(np.float32)
SIZES = ((37, 41), (29, 41), (29, 58), (37, 41))  # one side changes, the other, both


def arguments(name):
    few = {"tiny_unet": {"num_classes": 1}, **{key: {} for key in TELL_NO_TYPES}}
    classes = few.get(name, {"num_classes": 3})
    return {"image_shape": [None, None, 3], **classes, **SMALL[name]}


def assert_answers_at_any_size(predict, model, tolerance=1e-5):
    """Asks about images uint8 whose sizes change; outside a graph a model has no size."""
    rng, spread = np.random.default_rng(1), 0.0
    for size in SIZES:
        images = rng.integers(0, 256, (2, *size, 3), np.uint8)
        found, expected = predict(images), predictions(model(images / np.float32(255)))
        keys = found.keys() & expected.keys()
        assert {"mask", "score"} <= keys and found["mask"].shape[1:3] == size
        for key in keys:
            np.testing.assert_allclose(
                found[key], expected[key], atol=tolerance, err_msg=f"{key} {size}"
            )
            spread = max(spread, np.ptp(expected[key]))
    assert spread > 3 * tolerance  # a constant would agree with a constant


def convolutions(model):
    """All convolutions, also of the networks in a network."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from convolutions(layer)
        elif hasattr(layer, "dilation_rate"):
            yield layer


def test_no_builder_is_left_out():
    assert set(SMALL) == set(builders.BUILDERS)


@pytest.mark.parametrize("name", SMALL)
def test_saved_loaded_and_exported_models_answer_alike(name, tmp_path):
    keras.utils.set_random_seed(0)
    model = learnt(builders.build(name, **arguments(name)))
    for convolution in convolutions(model):
        assert max(convolution.dilation_rate) == 1 or isinstance(convolution, dilated.OfInputSize)
    recipe = {
        "module": f"{name}/dagm_synthetic/class_1",
        "name": "default",
        "builder": name,
        "builder_args": arguments(name),
        "class_names": ["good", "dent", "scratch"],
        "image_size": None,
        "dataset": "dagm_synthetic/class_1",
        "seed": 0,
    }
    run = tmp_path / "run"
    run.mkdir()
    run_dir.save_model(model, recipe, run)
    write_json(run / "calibration.json", {"threshold": 0.5, "score_threshold": 0.5, "source": "s"})
    write_json(run / "metrics.json", {"images": 2})
    assert_answers_at_any_size(load_predictor(str(run)).predict, model)
    publish(run, tmp_path / "modules")
    folder = version_paths(tmp_path / "modules", recipe["module"], 1)["module"]
    module = hub.load(str(folder))
    assert len(module.trainable_variables) == len(model.trainable_variables)
    outputs = module.signatures["serving_default"].structured_outputs
    assert set(outputs) == set(predictions(model.output))
    assert_answers_at_any_size(lambda images: module(tf.constant(images / np.float32(255))), model)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_lower_precision_has_float32_logits(name, policy):
    with run_dir.dtype_policy(policy):
        model = builders.build(name, **arguments(name))
    logits = model(IMAGES)["mask_logits"]
    assert logits.dtype == tf.float32 and np.isfinite(logits).all()


@pytest.mark.parametrize("name", SMALL)
def test_compiles_with_xla(name):
    # A loop that feeds back its mask would make more of a rounding where a logit happens to be 0.
    keras.utils.set_random_seed(0)
    model = builders.build(name, **{**arguments(name), "image_shape": [48, 32, 3]})
    compiled = tf.function(model, jit_compile=True)(IMAGES[:, :32, :32].repeat(2, 1)[:, :48])
    plain = model(IMAGES[:, :32, :32].repeat(2, 1)[:, :48])
    np.testing.assert_allclose(compiled["mask_logits"], plain["mask_logits"], atol=1e-4)


@pytest.mark.parametrize(
    "name, policy, xla",
    [*((name, "mixed_float16", False) for name in SMALL), ("unet", "mixed_bfloat16", True)],
)
def test_a_training_step_in_lower_precision(name, policy, xla):
    """Of images of any size; with XLA sizes must be known."""
    keras.utils.set_random_seed(0)
    size = [32, 32] if xla else [None, None]
    with run_dir.dtype_policy(policy):
        model = builders.build(name, **{**arguments(name), "image_shape": [*size, 3]})
    model.compile(keras.optimizers.SGD(1e-2), dict.fromkeys(model.output, "mse"), jit_compile=xla)
    images = IMAGES[:, :32, :32]
    outputs = model(images)
    loss = model.train_on_batch(images, {key: np.ones_like(outputs[key]) for key in outputs})
    assert np.isfinite(loss).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
