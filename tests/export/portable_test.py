"""Models in the formats of other runtimes, each run by its own and by the predictor of `zoo`."""

import json

import keras
import numpy as np
import pytest
from learnt_weights import learnt
from PIL import Image
from small_builders import SMALL, assert_answers_at_any_size, builder_arguments

import builders
from builders.predictions import predictions
from builders.runs import runtimes
from export import FORMATS, check, licences, portable, writers
from zoo.prediction.predictor import load_predictor

for package in ("ai_edge_litert", "onnx", "onnxruntime", "openvino", "tf2onnx"):
    pytest.importorskip(package)

SIZE = (64, 96)
IMAGES = [np.random.default_rng(i).integers(0, 256, (70, 96, 3)).astype(np.uint8) for i in range(3)]


def made(name):
    keras.utils.set_random_seed(0)
    arguments = builder_arguments(name)
    recipe = {
        "module": f"{name}/dagm2007/class_1",
        "builder": name,
        "builder_args": arguments,
        "image_size": None,
        "class_names": ["good", "dent", "scratch"],
    }
    return builders.build(name, **arguments), recipe


def run_file(description, folder, images):
    run = runtimes.load(folder / description["file"], description["precision"])
    return run(images.astype(np.float32) / 255)


def test_every_format_has_a_writer_and_a_runtime():
    assert set(FORMATS) == {"saved_model", *writers.SUFFIXES}
    assert {format for format, _ in writers.WRITERS} == set(writers.SUFFIXES)
    assert set(writers.SUFFIXES.values()) == set(runtimes.RUNTIMES)


@pytest.mark.parametrize("format, precision", writers.WRITERS)
def test_files_answer_as_the_model(format, precision, tmp_path):
    model, recipe = made("unet")
    images = np.stack(IMAGES)[:, :64]
    written = portable.write(
        model,
        recipe,
        tmp_path / "1",
        format=format,
        precision=precision,
        images=list(images),
        calibration={"threshold": 0.25},
        known_images=["0123"],
        learnt_from=["neu_seg/strip"],
    )
    found, expected = run_file(written, tmp_path, images), predictions(model(images / 255.0))
    assert set(found) == set(expected)
    tolerance = {"float32": 1e-4, "float16": 2e-2, "int8": 0.1}[precision]
    for key, value in expected.items():
        np.testing.assert_allclose(found[key], value, atol=tolerance)
    assert np.ptp(found["mask"]) > 3 * tolerance  # a constant would agree with a constant
    suffix = writers.SUFFIXES[format]
    names = {f"1.{precision}{suffix}", f"1.{precision}{suffix}.json"}
    names |= {f"1.{precision}.bin"} if format == "openvino" else set()
    assert {path.name for path in tmp_path.iterdir()} == names

    described = json.loads((tmp_path / f"1.{precision}{suffix}.json").read_text())
    assert described["data_licence"] == licences.of_images(["neu_seg/strip"])
    predictor = load_predictor(str(tmp_path / written["file"]))
    np.testing.assert_allclose(predictor.predict(images)["mask"], expected["mask"], atol=tolerance)
    assert (
        predictor.known_images == {"0123"}
        and predictor.learnt_from == ("neu_seg/strip",)
        and predictor.threshold == 0.25
        and predictor.class_names == recipe["class_names"]
    )
    path = sorted(file for file in tmp_path.iterdir() if file.suffix != ".json")[0]
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")  # as one copied from another model
    with pytest.raises(ValueError, match="copy all files of a model together"):
        load_predictor(str(tmp_path / written["file"]))
    path.write_bytes(content)
    # Another size, and another number of images at once.
    odd = IMAGES[0][None, :37, :41]
    np.testing.assert_allclose(
        predictor.predict(odd)["mask"], predictions(model(odd / 255.0))["mask"], atol=tolerance
    )


@pytest.mark.parametrize("name", sorted(set(SMALL) - {"unet"}))
def test_every_builder_can_be_written_for_one_size(name, tmp_path):
    model, recipe = made(name)
    written = portable.write(
        model, recipe, tmp_path / "1", format="onnx", image_size=SIZE, images=IMAGES
    )
    assert written["file"] == "1.64x96.float32.onnx" and written["max_difference"] < 1e-4
    predict = load_predictor(str(tmp_path / written["file"])).predict
    assert predict(np.stack(IMAGES)[:, :64])["mask"].shape[1:3] == SIZE
    with pytest.raises(ValueError, match=r"takes images of 64x96 pixels alone.*70x96.*--tile_size"):
        predict(np.stack(IMAGES))


@pytest.mark.parametrize(
    "name, format",
    [
        ("fast_unet", "litert"),
        ("micro_segmentor", "litert"),
        ("tiny_unet", "litert"),
        ("vgg16_cam", "litert"),
        ("deeplab_v3_plus", "onnx"),
        ("deeplab_v3_plus", "keras"),
        ("flex_unet", "keras"),
    ],
)
def test_any_size(name, format, tmp_path):
    """Features of unknown size tempt TensorFlow into operations that LiteRT does not have.

    And its dilated convolutions into taking height and width to be equal.
    """
    model, recipe = made(name)
    learnt(model)
    written = portable.write(model, recipe, tmp_path / "1", format=format)
    predict = load_predictor(str(tmp_path / written["file"])).predict
    assert_answers_at_any_size(predict, model, tolerance=1e-4)


@pytest.mark.parametrize("format", ["litert", "onnx"])
def test_a_loop_is_refused_in_int8(format, tmp_path):
    """LiteRT's converter would end the whole process, ONNX's file would not be smaller."""
    model, recipe = made("transfusion")
    with pytest.raises(ValueError, match=r"int8 cannot hold.*--precision=float16"):
        portable.write(
            model,
            recipe,
            tmp_path / "1",
            format=format,
            precision="int8",
            image_size=(64, 64),
            images=IMAGES,
        )
    assert not list(tmp_path.iterdir())


def test_what_answers_otherwise_is_not_written(tmp_path, monkeypatch):
    model, recipe = made("unet")
    other = made("unet")[0]
    other.set_weights([2 * weight for weight in other.get_weights()])
    right = writers.WRITERS["keras", "float32"]
    monkeypatch.setitem(
        writers.WRITERS,
        ("keras", "float32"),
        lambda full, path, batch: right(
            keras.Model(other.input, predictions(other.output)), path, 0
        ),
    )
    with pytest.raises(ValueError, match=r"answers otherwise than the model.*set --image_size"):
        portable.write(model, recipe, tmp_path / "1", format="keras", images=IMAGES)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"format": "onyx"}, "Argument `format` must be one of litert, onnx, openvino, keras"),
        ({"precision": "float16"}, "must be one of float32, int8 for onnx. Received: 'float16'"),
        ({"precision": "int8", "images": None}, "Precision int8 must be fitted to images"),
        ({"image_size": (71, 96)}, "must be 71x96 pixels or larger. Received: 70x96"),
    ],
)
def test_bad_arguments(changes, message, tmp_path):
    model, recipe = made("unet")
    arguments = {"format": "onnx", "images": IMAGES, **changes}
    with pytest.raises(ValueError, match=message):
        portable.write(model, recipe, tmp_path / "1", **arguments)
    assert not list(tmp_path.iterdir())


def test_a_file_needs_its_description(tmp_path):
    (tmp_path / "1.float32.onnx").write_bytes(b"")
    with pytest.raises(ValueError, match=r"beside 1\.float32\.onnx\.json.*copy both"):
        load_predictor(str(tmp_path / "1.float32.onnx"))


def test_images_are_read_as_the_network_sees_them(tmp_path):
    for index in range(200):
        Image.fromarray(np.full((8, 6), index, np.uint8)).save(tmp_path / f"{index:03}.png")
    recipe = {"builder_args": {"image_shape": [None, None, 1]}, "image_size": [4, 3]}
    images = portable.read_images([str(tmp_path / "*.png")], recipe)
    assert len(images) <= portable.MOST_IMAGES and images[1].shape == (4, 3, 1)
    assert [int(image[0, 0, 0]) for image in images] == list(range(0, 200, 4))
    assert portable.read_images([], recipe) == []
    with pytest.raises(ValueError, match=r"must name image files\. Received: nowhere"):
        portable.read_images(["nowhere"], recipe)


def test_a_network_that_size_makes_another_is_not_written(tmp_path):
    """Without rates of its own, DeepLabv3+ takes those of the size that it is built for."""
    arguments = {**builder_arguments("deeplab_v3_plus"), "rates": None}
    recipe = {"builder": "deeplab_v3_plus", "builder_args": arguments}
    keras.utils.set_random_seed(0)
    model = builders.build("deeplab_v3_plus", **arguments)
    for weight in model.trainable_weights:
        if weight.name == "gamma":  # or deep features vanish, and with them what dilations do
            weight.assign(3 * weight)
    with pytest.raises(ValueError, match=r"of 64x96 answers otherwise than the model.*`rates`"):
        portable.write(
            model, recipe, tmp_path / "1", format="keras", image_size=SIZE, images=IMAGES
        )
    assert not list(tmp_path.iterdir())


def test_an_output_that_is_no_number_does_not_agree():
    model = [{"mask": np.ones((1, 4, 4, 1)), "score": np.ones(1), "box": np.zeros((1, 2, 4))}]
    assert check.agrees(check.compare(model, model, 0.5), "float32")
    broken = [{**model[0], "box": np.full((1, 2, 4), np.nan)}]
    assert not check.agrees(check.compare(model, broken, 0.5), "float32")


def test_nothing_marked_is_no_agreement():
    """A file that answers 0 everywhere would pass where the model marks nothing, too."""
    model = [{"mask": np.full((1, 4, 4, 1), 0.3), "score": np.array([0.3])}]
    wrong = [{"mask": np.zeros((1, 4, 4, 1)), "score": np.array([0.0])}]
    figures = check.compare(model, wrong, 0.5)
    assert figures["agreement"] is None and not check.agrees(figures, "int8")
    assert check.agrees(check.compare(model, model, 0.5), "float32")


def test_rounding_across_the_threshold_is_no_other_mark():
    """A network of boxes has its best threshold at the last number below 1."""
    threshold = float(np.nextafter(np.float32(1), np.float32(0)))
    mask = np.array([1.0, 1.0, 0.4, 0.0], np.float32).reshape(1, 2, 2, 1)
    model = [{"mask": mask, "score": np.array([1.0])}]
    rounded, wrong = mask.copy(), mask.copy()
    rounded[0, 0, 0], wrong[0, 0, 0] = threshold, 0.9
    for other, agreement in ((rounded, 1.0), (wrong, 0.5)):
        found = [{"mask": other, "score": np.array([1.0])}]
        assert check.compare(model, found, threshold)["agreement"] == agreement
    # Near 0 a hundred times as much is no rounding.
    faint = [{**model[0], "mask": 1e-6 * mask}]
    nothing = [{**model[0], "mask": 0 * mask}]
    assert check.compare(faint, nothing, 5e-7)["agreement"] == 0.0


def test_images_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "broken.png").write_bytes(b"no image")
    (tmp_path / "folder").mkdir()
    recipe = {"builder_args": {"image_shape": [None, None, 1]}, "image_size": None}
    with pytest.raises(ValueError, match=r"broken\.png is truncated or neither PNG nor JPEG"):
        portable.read_images([str(tmp_path / "*.png")], recipe)
    with pytest.raises(ValueError, match="must name image files"):
        portable.read_images([str(tmp_path / "folder")], recipe)
    Image.fromarray(np.arange(700, dtype=np.uint16).astype(np.uint8)[None].repeat(600, 0)).save(
        tmp_path / "large.png"
    )
    (large,) = portable.read_images([str(tmp_path / "large.png")], recipe)
    assert large.shape == (*check.SIZE, 1)
