import io
import json
import pathlib
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_png import encode_png
from PIL import Image
from small_builders import SMALL
from tiny_run import CALIBRATION, METRICS, RECIPE, tiny_run

import builders
from builders.predictions import predictions
from builders.runs.atomic import write_json
from builders.runs.run_dir import load_model
from export import saved_model
from export.publish import publish
from export.serve import make_server
from export.versions import version_paths
from tfds_datasets.images import decode_image

TOLERANCE = 1e-5  # the same graph on the same machine

# Runs without Keras: loads the module, and answers every array and file of the questions.
WITHOUT_KERAS = """
import sys
sys.modules["keras"] = sys.modules["tf_keras"] = None
import numpy as np, tensorflow as tf
module = tf.saved_model.load(sys.argv[1])
answers = {}
for name, question in np.load(sys.argv[2]).items():
    if name.startswith("float"):
        answer = module(question, training=False)
    elif name.startswith("uint8"):
        answer = module.signatures["serve_uint8"](image=tf.constant(question))
    else:
        answer = module.signatures["serve_bytes"](bytes=tf.constant(question.tobytes()))
    answers |= {f"{name}/{key}": value.numpy() for key, value in answer.items()}
np.savez(sys.argv[3], **answers)
assert sys.modules["keras"] is None
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    directory = tiny_run(tmp_path_factory.mktemp("runs") / "one")
    write_json(directory / "environment.json", {"textures": "self"})
    return directory


@pytest.fixture(scope="module")
def modules_dir(run, tmp_path_factory):
    modules_dir = tmp_path_factory.mktemp("modules")
    publish(run, modules_dir)
    return modules_dir


@pytest.fixture(scope="module")
def module_path(modules_dir):
    return str(version_paths(modules_dir, RECIPE["module"], 1)["module"])


def picture(seed, shape, high=255):
    return np.random.default_rng(seed).integers(0, high, shape, endpoint=True)


def file_bytes(pixels, format):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format)
    return stream.getvalue()


def test_loads_without_keras_and_predicts_as_the_training_model(run, module_path, tmp_path):
    files = {
        "png_8": file_bytes(picture(1, (40, 33)).astype("uint8"), "PNG"),
        "png_16": file_bytes(picture(2, (40, 33), high=65535).astype("uint16"), "PNG"),
        "png_16_colour": encode_png(picture(9, (20, 20, 3), high=65535).astype("uint16")),
        "png_16_transparent": encode_png(picture(10, (20, 20, 2), high=65535).astype("uint16")),
        "png_colour": file_bytes(picture(3, (20, 20, 3)).astype("uint8"), "PNG"),
        "jpeg": file_bytes(picture(4, (40, 33)).astype("uint8"), "JPEG"),
        "jpeg_colour": file_bytes(picture(8, (24, 24, 3)).astype("uint8"), "JPEG"),
    }
    pixels = {name: decode_image(content, name=name)[None] for name, content in files.items()}
    pixels["uint8"] = picture(5, (2, 61, 45, 1)).astype("uint8")
    floats = {name: (image / 255).astype("float32") for name, image in pixels.items()}
    floats["float_32x48"] = np.random.default_rng(6).random((2, 32, 48, 1), "float32")
    floats["float_61x45"] = np.random.default_rng(7).random((1, 61, 45, 1), "float32")

    questions = {name: value for name, value in floats.items() if name.startswith("float")}
    questions |= {name: np.frombuffer(content, "uint8") for name, content in files.items()}
    np.savez(tmp_path / "questions.npz", **questions, uint8=pixels["uint8"])
    files = [tmp_path / "questions.npz", tmp_path / "answers.npz"]
    subprocess.run([sys.executable, "-c", WITHOUT_KERAS, module_path, *files], check=True)

    model, _ = load_model(run)
    answers = np.load(tmp_path / "answers.npz")
    for name, image in floats.items():
        for key, expected in predictions(model(image, training=False)).items():
            np.testing.assert_allclose(
                answers[f"{name}/{key}"], expected, rtol=0, atol=TOLERANCE, err_msg=f"{name} {key}"
            )
        assert answers[f"{name}/mask"].shape == (*image.shape[:3], 1)
    # A constant network would agree with itself on anything.
    assert answers["float_61x45/mask"].std() > 100 * TOLERANCE


def test_hub_loads_folder_file_and_server(modules_dir, module_path, tmp_path, monkeypatch):
    import tensorflow_hub as hub

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    image = np.random.default_rng(0).random((1, 32, 32, 1), "float32")
    expected = tf.saved_model.load(module_path)(image)["mask"]
    with make_server(modules_dir) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        base = "http://{}:{}".format(*server.server_address)
        for handle in (
            module_path,
            f"file://{module_path}",
            f"{base}/{RECIPE['module']}/1",
            f"{base}/{RECIPE['module']}",
            f"{base}/{RECIPE['module']}/1.tar.gz",
        ):
            module = hub.load(handle)
            np.testing.assert_array_equal(module(image)["mask"], expected, err_msg=handle)
        server.shutdown()
    downloads = list(tmp_path.glob("*/saved_model.pb"))
    assert len(downloads) == 3


def test_attributes_and_assets(module_path):
    module = tf.saved_model.load(module_path)
    assert float(module.threshold) == CALIBRATION["threshold"]
    assert float(module.score_threshold) == CALIBRATION["score_threshold"]
    assert [name.decode() for name in module.class_names.numpy()] == RECIPE["class_names"]
    assert set(module.signatures) == {"serving_default", "serve_uint8", "serve_bytes"}
    stored = {
        name: pathlib.Path(getattr(module, name).asset_path.numpy().decode()).read_text()
        for name in ("card", "recipe", "calibration", "metrics")
    }
    assert stored["card"].startswith(f"# Module defect-zoo/{RECIPE['module']}/1\n")
    assert "Their textures: all from" in stored["card"]
    assert json.loads(stored["recipe"]) == RECIPE
    assert json.loads(stored["calibration"]) == CALIBRATION
    assert json.loads(stored["metrics"]) == METRICS


def test_regularization_losses_are_those_of_the_model(run, module_path):
    model, _ = load_model(run)
    module = tf.saved_model.load(module_path)
    assert len(module.regularization_losses) == len(model.losses) == 46
    ours = float(tf.add_n([loss() for loss in module.regularization_losses]))
    assert ours == pytest.approx(float(sum(model.losses)), rel=1e-5)


def test_gradient_loop_moves_every_weight(module_path):
    module = tf.saved_model.load(module_path)
    assert len(module.trainable_variables) == len(module.variables) == 46
    before = [variable.numpy() for variable in module.trainable_variables]
    image = np.random.default_rng(0).random((2, 32, 48, 1), "float32")
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(module(image, training=True)["mask_logits"] ** 2)
    gradients = tape.gradient(loss, module.trainable_variables)
    for variable, gradient in zip(module.trainable_variables, gradients):
        variable.assign_sub(1e-3 * gradient)
    assert moved(before, module.trainable_variables) == 46
    after = tf.reduce_mean(module(image, training=False)["mask_logits"] ** 2)
    assert float(after) < float(loss)


def test_keras_layer_learns_every_weight(module_path):
    layer = keras.layers.TFSMLayer(
        module_path, call_endpoint="serving_default", trainable=True, dtype="float32"
    )
    image = keras.Input((None, None, 1))
    model = keras.Model(image, layer(image)["mask"])
    before = [weight.numpy() for weight in model.trainable_weights]
    assert len(before) == 46
    model.compile(keras.optimizers.SGD(0.1), "binary_crossentropy")
    x = np.random.default_rng(0).random((2, 32, 48, 1), "float32")
    model.fit(x, (x > 0.5).astype("float32"), epochs=1, verbose=0)
    assert moved(before, model.trainable_weights) == 46


def moved(before, variables):
    return sum(not np.array_equal(old, new.numpy()) for old, new in zip(before, variables))


def test_softmax_labels_colour_and_moving_averages(tmp_path):
    image = keras.Input((None, None, 3), name="image")
    x = keras.layers.BatchNormalization(name="norm")(image)
    logits = keras.layers.Conv2D(4, 3, padding="same", name="mask_logits")(x)
    pooled = keras.layers.GlobalAveragePooling2D(name="pool")(x)
    labels = keras.layers.Dense(2, name="label_logits")(pooled)
    model = keras.Model(image, {"mask_logits": logits, "label_logits": labels})
    saved_model.write(model, tmp_path / "1", class_names=["good", "a", "b", "c"])

    module = tf.saved_model.load(str(tmp_path / "1"))
    x = np.random.default_rng(0).random((2, 9, 7, 3), "float32")
    outputs = module(x)
    assert set(outputs) == {"mask", "mask_logits", "score", "label", "label_logits"}
    np.testing.assert_allclose(tf.reduce_sum(outputs["mask"], axis=-1), np.ones((2, 9, 7)), 1e-5)
    best = np.max(1 - outputs["mask"].numpy()[..., 0], axis=(1, 2))
    np.testing.assert_allclose(outputs["score"], best, rtol=1e-5)
    assert (len(module.variables), len(module.trainable_variables)) == (8, 6)
    before = [variable.numpy() for variable in module.variables]
    module(x, training=True)
    assert moved(before, module.variables) == 2  # moving mean and variance


def test_model_of_one_size(tmp_path):
    image = keras.Input((8, 8, 1), name="image")
    logits = keras.layers.Conv2D(1, 3, padding="same", name="mask_logits")(image)
    model = keras.Model(image, {"mask_logits": logits})
    saved_model.write(model, tmp_path / "1", class_names=["good", "bad"])
    module = tf.saved_model.load(str(tmp_path / "1"))
    png = file_bytes(picture(0, (8, 8)).astype("uint8"), "PNG")
    assert module.signatures["serve_bytes"](bytes=tf.constant(png))["mask"].shape == (1, 8, 8, 1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        other_size = file_bytes(picture(0, (9, 8)).astype("uint8"), "PNG")
        module.signatures["serve_bytes"](bytes=tf.constant(other_size))
    with pytest.raises(tf.errors.InvalidArgumentError):
        module.signatures["serve_bytes"](bytes=tf.constant(b"no image"))


@pytest.mark.parametrize(
    "name, arguments",
    # SiLU has a gradient of its own, boxes are drawn by a loop, and one holds a whole network.
    [
        ("micro_segmentor", {"base_filters": 2}),
        ("vgg16_cam", {"backbone": "MobileNetV3Small"}),
        ("transfusion", SMALL["transfusion"]),
    ],
)
def test_equal_models_give_equal_files(name, arguments, tmp_path):
    contents = []
    for place in ("one", "other"):
        keras.utils.clear_session()  # numbers the layers that Keras names by itself from 1 again
        keras.utils.set_random_seed(0)
        model = builders.build(name, **arguments)
        saved_model.write(model, tmp_path / place, class_names=["good", "bad"])
        contents.append((tmp_path / place / "saved_model.pb").read_bytes())
    assert contents[0] == contents[1]
