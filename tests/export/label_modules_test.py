"""Models of labels, from training to the boxes and pictures of an exported module."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
from made_archives import save

import builders
from builders.predictions import predictions
from export.publish import publish
from export.versions import version_paths
from zoo.prediction.files import predict_files
from zoo.prediction.predictor import load_predictor
from zoo.recipes import get_recipe
from zoo.training.train import train

SIZE = (32, 48)
FRESH = """
import sys
import numpy as np
import tensorflow as tf
import tensorflow_hub as hub
module = hub.load(sys.argv[1])
found = module.signatures["serve_uint8"](image=tf.constant(np.load(sys.argv[2])))
np.savez(sys.argv[3], **{key: value.numpy() for key, value in found.items()})
assert not {"zoo", "builders", "export"} & set(sys.modules)
"""


def made_image(number, defective):
    image = np.random.default_rng(number).integers(90, 130, SIZE)
    if defective:
        image[8:20, 10 + number % 20 : 24 + number % 20] = 250
    return image


def without_masks(root):
    for number in range(40):
        name = "defect" if number % 2 else "good"
        save(root / name / f"{number}.png", made_image(number, number % 2))


def with_masks(root):
    for number in range(40):
        image = made_image(number, number % 2)
        save(root / f"images/{number}.png", image)
        save(root / f"masks/{number}.png", 255 * (image == 250))


def trained(builder, make, folder):
    """A run of a few steps, and its published module."""
    make(folder / "parts")
    args = {"num_labels": 2, "base_filters": 4}
    if builder == "vgg16_cam":
        path = folder / "backbone.weights.h5"
        keras.applications.MobileNetV2(include_top=False, weights=None).save_weights(path)
        args = {"backbone": "MobileNetV2", "weights": str(path), "trainable_from": None}
    recipe = get_recipe(
        f"{builder}/image_mask_folder/grey",
        "small" if builder == "vgg16_cam" else "default",
        builder_args=args,
        image_size=SIZE,
        crop_size=None,
        batch_size=4,
        steps_per_epoch=3,
        epochs=2,
        mixed_precision="float32",
    )
    folders = {"runs_dir": folder, "data_dir": folder, "manual_dir": folder / "parts"}
    run = train(recipe, **folders)
    publish(run, folder / "modules")
    module = version_paths(folder / "modules", recipe.module, 1)["module"]
    return run, module


@pytest.fixture(
    scope="module",
    params=[
        ("vgg16_cam", without_masks),
        ("vgg16_cam", with_masks),
        ("micro_segmentor", with_masks),
    ],
    ids=["cam without masks", "cam with masks", "micro_segmentor"],
)
def case(request, tmp_path_factory):
    builder, make = request.param
    folder = tmp_path_factory.mktemp("labels")
    return builder, make, folder, *trained(builder, make, folder)


def test_measured_and_shown(case):
    builder, make, _, run, _ = case
    metrics = json.loads((run / "metrics.json").read_text())
    page = (run / "report.html").read_text()
    assert metrics["defective"] and metrics["label_f1"] == metrics["f1"]
    assert "Labels of images" in page and "Label F1" in page
    assert "Balanced accuracy of labels" in page and "Hit rate" in page
    if make is without_masks:
        assert metrics["masked"] == 0 and metrics["defect_iou"] is metrics["hits"] is None
        assert "Undefined: no defective image has a mask." in page
        assert "where a defect is was not measured" in page
    else:
        assert metrics["hit_rate"] is not None and len(metrics["hit_interval"]) == 2
        assert ("Box recall" in page) == (metrics["boxes"] is not None) == (builder == "vgg16_cam")


def test_predicts_alike_from_run_and_module(case, tmp_path):
    builder, _, folder, run, module = case
    rows = []
    for source in (run, module):
        predictor = load_predictor(str(source))._replace(
            calibration={"threshold": 0.5, "score_threshold": -1.0}  # all are rejected
        )
        out = tmp_path / source.parent.name / source.name
        rows.append(list(predict_files(predictor, [folder / "parts"], out)))
        row = rows[-1][0]
        assert row["label"] == "defect" and ("boxes" in row) == (builder == "vgg16_cam")
        assert (out / row["overlay"]).is_file() and (out / row["mask"]).is_file()
        if "boxes" in row:
            assert all(row["boxes"] for row in rows[-1])
            assert row["boxes"][0]["score"] == pytest.approx(row["score"], rel=1e-5)
    for one, other in zip(*rows):
        assert one["score"] == pytest.approx(other["score"], abs=1e-4)
        assert len(one.get("boxes", [])) == len(other.get("boxes", []))


def test_what_passes_has_no_type_and_no_box(case, tmp_path):
    _, _, folder, run, _ = case
    predictor = load_predictor(str(run))._replace(
        calibration={"threshold": -1.0, "score_threshold": 1.0}
    )
    for row in predict_files(predictor, [folder / "parts"], tmp_path):
        assert (row["defect"], row["label"], row.get("boxes", [])) == (False, "good", [])
        assert row["defect_fraction"] == 1  # pixels have a threshold of their own


def test_a_fresh_process_loads_the_module(case, tmp_path):
    _, _, _, run, module = case
    images = np.stack([made_image(number, number % 2) for number in range(4)])
    images = images[..., None].astype(np.uint8)
    np.save(tmp_path / "images.npy", images)
    files = [str(tmp_path / name) for name in ("images.npy", "found.npz")]
    subprocess.run([sys.executable, "-c", FRESH, str(module), *files], check=True, cwd=tmp_path)
    found, expected = np.load(files[1]), load_predictor(str(run)).predict(images)
    for key in set(expected) - {"peak"}:
        np.testing.assert_allclose(found[key], expected[key], atol=1e-4, err_msg=key)


def test_heads_that_disagree():
    """The mask says whether, the labels but good say which."""
    model = builders.build("micro_segmentor", num_labels=3, base_filters=2)
    mask = np.full((2, 4, 4, 1), -9, np.float32)
    mask[1, 2, 2] = 9
    labels = np.array([[-9, 0, 9], [9, 1, 0]], np.float32)  # a type without a mark; a mark in good
    found = predictions({"mask_logits": mask, "label_logits": labels})
    assert [bool(score > 0.5) for score in found["score"]] == [False, True]
    assert np.argmax(found["label"], axis=-1).tolist() == [0, 1]
    assert np.argmax(found["mask"], axis=-1)[1, 2, 2] == 1
    assert set(predictions(model.output)) == {*model.output, "mask", "score", "label"}
    with pytest.raises(ValueError, match=r"one mask channel.* Received: 3 channels and 3 labels"):
        predictions({"mask_logits": mask.repeat(3, -1), "label_logits": labels})
