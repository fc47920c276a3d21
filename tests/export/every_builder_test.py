"""What every builder must stand: saving, loading, export, other sizes, lower precision, XLA."""

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_hub as hub
from learnt_weights import learnt
from small_builders import SMALL, assert_answers_at_any_size, builder_arguments

import builders
from builders import dilated
from builders.predictions import predictions
from builders.runs import run_dir
from builders.runs.atomic import write_json
from export.publish import publish
from export.versions import version_paths
from zoo.prediction.predictor import load_predictor

IMAGES = np.random.default_rng(0).random((2, 37, 41, 3)).astype(np.float32)


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
    model = learnt(builders.build(name, **builder_arguments(name)))
    for convolution in convolutions(model):
        assert max(convolution.dilation_rate) == 1 or isinstance(convolution, dilated.OfInputSize)
    recipe = {
        "module": f"{name}/dagm_synthetic/class_1",
        "name": "default",
        "builder": name,
        "builder_args": builder_arguments(name),
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
        model = builders.build(name, **builder_arguments(name))
    logits = model(IMAGES)["mask_logits"]
    assert logits.dtype == tf.float32 and np.isfinite(logits).all()


@pytest.mark.parametrize("name", SMALL)
def test_compiles_with_xla(name):
    # A loop that feeds back its mask would make more of a rounding where a logit happens to be 0.
    keras.utils.set_random_seed(0)
    model = builders.build(name, **{**builder_arguments(name), "image_shape": [48, 32, 3]})
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
        model = builders.build(name, **{**builder_arguments(name), "image_shape": [*size, 3]})
    model.compile(keras.optimizers.SGD(1e-2), dict.fromkeys(model.output, "mse"), jit_compile=xla)
    images = IMAGES[:, :32, :32]
    outputs = model(images)
    loss = model.train_on_batch(images, {key: np.ones_like(outputs[key]) for key in outputs})
    assert np.isfinite(loss).all()
    assert all(np.isfinite(weight).all() for weight in model.get_weights())
