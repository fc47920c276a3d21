"""Run directory, module folder and URL answer alike."""

import threading

import numpy as np
import pytest
import tensorflow as tf
from tiny_run import CALIBRATION, RECIPE, tiny_run

import zoo
from builders.predictions import defect_probability
from export.publish import publish
from export.serve import make_server
from zoo.prediction.predictor import at_size, load_predictor


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    run = tiny_run(folder / "run")
    publish(run, folder / "modules")
    # What stands beside it in another format is no version.
    (folder / "modules" / RECIPE["module"] / "1.int8.onnx.json").write_text("{}")
    return run, folder / "modules"


def test_run_module_and_url_answer_alike(published, monkeypatch, tmp_path):
    run, modules = published
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 33, 1), np.uint8)
    expected = load_predictor(str(run)).predict(images)
    server = make_server(modules)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    host, port = server.server_address
    for source in (
        str(modules / RECIPE["module"] / "1"),
        f"http://{host}:{port}/{RECIPE['module']}/1",
    ):
        predictor = load_predictor(source)
        found = predictor.predict(images)
        np.testing.assert_allclose(found["mask"], expected["mask"], atol=1e-5)
        np.testing.assert_allclose(found["score"], expected["score"], atol=1e-5)
        assert predictor.threshold == CALIBRATION["threshold"]
        assert predictor.class_names == ["good", "defect"] and predictor.channels == 1
        assert predictor.learnt_from == (RECIPE["dataset"],)
    by_handle = load_predictor(RECIPE["module"], modules)
    np.testing.assert_allclose(by_handle.predict(images)["mask"], expected["mask"], atol=1e-5)
    server.shutdown()
    server.server_close()


def test_load_takes_the_newest_version(published):
    _, modules = published
    module = zoo.load(RECIPE["module"], modules_dir=modules)
    assert module(np.zeros((1, 16, 16, 1), np.float32))["mask"].shape == (1, 16, 16, 1)
    with pytest.raises(ValueError, match="python -m zoo train --module=tiny_unet/x"):
        zoo.load("tiny_unet/x", modules_dir=modules)


def test_source_that_is_no_model(tmp_path):
    message = r"must be a run directory, the folder.*or its handle in modules"
    with pytest.raises(ValueError, match=message):
        load_predictor(str(tmp_path))


def test_any_defect_type_counts():
    mask = np.array([0.2, 0.5, 0.3], np.float32).reshape(1, 1, 1, 3)
    assert defect_probability(mask)[0, 0, 0] == pytest.approx(0.8)


def test_images_are_shown_at_the_size_of_the_training():
    seen = []

    def bright(images):
        seen.append(images)
        mask = images[..., :1].astype(np.float32) / 255
        return {"mask": mask, "score": mask.max(axis=(1, 2, 3))}

    predict = at_size(bright, (2, 2))
    images = np.zeros((1, 4, 4, 1), np.uint8)
    images[0, :2, :2] = 100
    images[0, 0, 0] = 200
    outputs = predict(images)
    np.testing.assert_array_equal(seen[0][0, ..., 0], [[125, 0], [0, 0]])  # the mean of four
    assert outputs["mask"].shape == (1, 4, 4, 1)
    assert outputs["score"][0] == pytest.approx(125 / 255)
    assert predict(images[:, :2, :2])["mask"].shape == (1, 2, 2, 1)
    assert seen[1].shape == (1, 2, 2, 1) and seen[1][0, 0, 0, 0] == 200  # as it is


def test_a_module_of_others_is_named(tmp_path):
    tf.saved_model.save(tf.Module(), str(tmp_path / "foreign"))
    with pytest.raises(ValueError, match=r"foreign must be a module that .*export convert"):
        load_predictor(str(tmp_path / "foreign"))
