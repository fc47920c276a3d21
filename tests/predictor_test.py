"""Run directory, module folder and URL answer alike."""

import threading

import numpy as np
import pytest
from tiny_run import CALIBRATION, RECIPE, tiny_run

import zoo
from export.publish import publish
from export.serve import make_server
from zoo.evaluate import calibrate, defect_probability, evaluate
from zoo.predictor import Predictor, load_predictor


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    run = tiny_run(folder / "run")
    publish(run, folder / "modules")
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
    server.shutdown()
    server.server_close()


def test_load_takes_the_newest_version(published):
    _, modules = published
    module = zoo.load(RECIPE["module"], modules_dir=modules)
    assert module(np.zeros((1, 16, 16, 1), np.float32))["mask"].shape == (1, 16, 16, 1)
    with pytest.raises(ValueError, match="python -m zoo train --module=tiny_unet/x"):
        zoo.load("tiny_unet/x", modules_dir=modules)


def test_source_that_is_no_model(tmp_path):
    with pytest.raises(ValueError, match="must be a run directory, the folder of a module"):
        load_predictor(str(tmp_path))


def known_predictor(calibration=None):
    """Answers with the image itself as probability."""

    def predict(images):
        mask = images.astype(np.float32) / 255
        return {"mask": mask, "score": mask.max(axis=(1, 2, 3))}

    return Predictor(predict, {**RECIPE}, calibration or {})


def known_batch():
    """A good image, and a defective one of which half of the defect is bright."""
    images = np.zeros((2, 4, 4, 1), np.uint8)
    masks = np.zeros((2, 4, 4, 1), np.uint8)
    images[0, 0, 0], images[1, :2] = 51, 204
    masks[1, 1:3] = 1
    names = np.array([b"good.png", b"bad.png"])
    return {"image": images, "mask": masks, "label": np.array([0, 1]), "file_name": names}


def test_evaluate_by_hand():
    calibration = {"threshold": 0.5, "score_threshold": 0.1, "source": "by hand"}
    metrics, gallery = evaluate(known_predictor(calibration), [known_batch()])
    assert metrics["images"] == 2 and metrics["defective"] == 1
    assert metrics["defect_iou"] == pytest.approx(4 / 12)
    assert metrics["set_dice"] == pytest.approx(8 / 16)
    assert (metrics["tp"], metrics["fp"], metrics["tn"], metrics["fn"]) == (1, 1, 0, 0)
    assert metrics["image_auroc"] == 1.0
    assert metrics["hits"] == 0  # the first of the brightest pixels lies beside the defect
    low = metrics["at_thresholds"][0]  # 0.05: the good image has one false pixel
    assert low["set_iou"] == pytest.approx(4 / 13)
    assert low["nvidia_dice_mean"] == pytest.approx((0.5 + 0) / 2, abs=1e-4)
    assert [entry["kind"] for entry in gallery] == ["worst", "best", "alarm"]
    assert metrics["per_image"][1]["file_name"] == "bad.png"
    assert metrics["per_image"][0]["iou"] is None


def test_calibrate_by_hand():
    calibration = calibrate(known_predictor(), [known_batch()], source="two images")
    assert 51 / 255 < calibration["threshold"] < 204 / 255
    assert calibration["score_threshold"] == pytest.approx((51 + 204) / 2 / 255)
    assert (calibration["images"], calibration["defective"]) == (2, 1)


def test_undefined_figures_are_none():
    batch = {key: value[:1] for key, value in known_batch().items()}
    metrics, _ = evaluate(known_predictor(), [batch])
    assert metrics["defect_iou"] is None and metrics["image_auroc"] is None
    assert metrics["tpr"] is None and metrics["set_iou"] == 1.0
    with pytest.raises(ValueError, match="There is no image to measure"):
        evaluate(known_predictor(), [])


def test_any_defect_type_counts():
    mask = np.array([0.2, 0.5, 0.3], np.float32).reshape(1, 1, 1, 3)
    assert defect_probability(mask)[0, 0, 0] == pytest.approx(0.8)
