"""Every builder of the registry: shapes, parameters, gradients, and the run directory."""

import json

import keras
import numpy as np
import outlined
import pytest
from keras import ops
from small_builders import SMALL

import builders
from builders import padding
from builders.boxes import boxes, heat_map
from builders.predictions import predictions
from builders.runs import run_dir

# Published counts for one channel in and out; a new builder must stand here.
PARAMETERS = {
    "deeplab_v3_plus": 1_869_873,
    "fast_unet": 1_985_394,
    "flex_unet": 7_803_985,
    "micro_segmentor": 522_773,
    "patch_core": 1_324_929,
    "super_simple_net": 885_100,
    "tiny_unet": 1_850_305,
    "transfusion": 54_559_559,
    "unet": 7_768_353,
    "vgg16_cam": 14_715_714,
}
# Where labels tell types apart, a mask has a channel for each label.
CLASSES = {"vgg16_cam": "num_labels", "micro_segmentor": "num_labels"}
# A defect of any type is all that they know, and a published size takes a minute for a step.
ONE_DEFECT = {name: SMALL[name] for name in ("patch_core", "super_simple_net", "transfusion")}


def random_image(*shape, seed=0):
    return np.random.default_rng(seed).random(shape, np.float32)


def test_every_builder_is_tested():
    assert set(PARAMETERS) == set(builders.BUILDERS)


@pytest.mark.parametrize("name", builders.BUILDERS)
def test_parameters(name):
    assert outlined.build(name, image_shape=(None, None, 1)).count_params() == PARAMETERS[name]


@pytest.mark.parametrize("name", builders.BUILDERS)
@pytest.mark.parametrize("size", [(32, 48), (61, 45), (1, 9)])
def test_output(name, size):
    arguments = ONE_DEFECT.get(name) or {CLASSES.get(name, "num_classes"): 4}
    model = builders.build(name, image_shape=(None, None, 3), **arguments)
    outputs = predictions(model(random_image(2, *size, 3)))
    assert outputs["mask"].shape == (2, *size, 1 if name in ONE_DEFECT else 4)
    if name not in ONE_DEFECT:
        np.testing.assert_allclose(ops.sum(outputs["mask"], axis=-1), 1.0, atol=1e-5)
    assert np.isfinite(ops.convert_to_numpy(outputs["mask_logits"])).all()
    assert outputs["score"].shape == (2,)


@pytest.mark.parametrize("name", builders.BUILDERS)
def test_every_weight_learns(name):
    keras.utils.set_random_seed(0)
    arguments = ONE_DEFECT.get(name, {})
    if name == "transfusion":  # with 32 groups of one channel, what is added to all of it is lost
        arguments = arguments | {"base_filters": 64}
    model = builders.build(name, image_shape=(32, 32, 1), **arguments)
    before = model.get_weights()
    losses = dict.fromkeys(model.output, "mse")
    model.compile(keras.optimizers.SGD(1.0), losses, jit_compile=False)
    image = random_image(2, 32, 32, 1)
    targets = {key: np.ones((2, *value.shape[1:])) for key, value in model.output.items()}
    model.train_on_batch(image, targets)
    still = [
        variable.path
        for variable, old in zip(model.weights, before)
        if np.array_equal(ops.convert_to_numpy(variable), old)
    ]
    frozen = [
        weight.path for layer in model.layers if not layer.trainable for weight in layer.weights
    ]
    # The network in a loop answers as after training, so nothing moves its statistics there.
    moving = ["mask_norm/moving_mean", "mask_norm/moving_variance"]
    assert still == (moving if name == "transfusion" else frozen)


@pytest.mark.parametrize("name", ["tiny_unet", "fast_unet"])
def test_standardized_images_have_no_brightness_and_no_contrast(name):
    keras.utils.set_random_seed(0)
    model = builders.build(name, image_shape=(None, None, 1), standardize=True)
    image = np.stack([random_image(45, 61, 1), 0.2 + 0.1 * random_image(45, 61, 1, seed=1)])
    normalized = ops.convert_to_numpy(model.get_layer("normalize")(image))
    np.testing.assert_allclose(normalized.mean(axis=(1, 2, 3)), 0.0, atol=1e-5)
    np.testing.assert_allclose(normalized.std(axis=(1, 2, 3)), 1.0, atol=1e-3)
    logits = model(image)["mask_logits"]
    fainter = model(0.3 + 0.5 * image)["mask_logits"]
    np.testing.assert_allclose(logits, fainter, atol=0.01)
    constant = model(np.full((1, 16, 16, 1), 0.5, np.float32))["mask_logits"]
    assert np.isfinite(ops.convert_to_numpy(constant)).all()


def test_original_tiny_unet_has_its_published_size():
    assert outlined.build("tiny_unet", variant="original").count_params() == 29_137_793


@pytest.mark.parametrize("width, parameters", [(16, 1_945_521), (32, 7_768_929), (64, 31_049_409)])
def test_unet_of_other_widths(width, parameters):
    model = outlined.build("unet", image_shape=(None, None, 3), base_filters=width)
    assert model.count_params() == parameters


@pytest.mark.parametrize(
    "kernel, classes, normalization, parameters",
    [
        (11, 5, None, 126_809_269),
        (11, 5, "batch", 126_858_165),
        (9, 6, None, 124_996_934),
        (9, 8, None, 124_996_968),
    ],
)
def test_flex_unet_has_its_published_size(kernel, classes, normalization, parameters):
    model = outlined.build(
        "flex_unet",
        image_shape=(None, None, 3),
        num_classes=classes,
        base_kernel=kernel,
        num_layers=8,
        dilation=3,
        normalization=normalization,
        input_scale="raw",
    )
    assert model.count_params() == parameters
    convolutions = [model.get_layer(f"down{level}_conv1") for level in range(1, 8)]
    kernels = [layer.kernel_size[0] for layer in convolutions]
    assert kernels == [max(3, kernel - 2 * level) for level in range(7)]
    assert [layer.dilation_rate[0] for layer in convolutions] == [3, 2, 1, 1, 1, 1, 1]


def test_padding_is_symmetric_and_leaves_fitting_images_alone():
    row = np.arange(1.0, 7).reshape(1, 1, 6, 1)
    padded = padding.PadToMultiple(4)(np.repeat(row, 4, axis=1))
    assert ops.convert_to_numpy(padded)[0, 0, :, 0].tolist() == [1, 1, 2, 3, 4, 5, 6, 6]
    names = [layer.name for layer in builders.build("tiny_unet", image_shape=(32, 32, 1)).layers]
    assert "pad" not in names


@pytest.mark.parametrize("size", [(1, 1), (3, 5), (16, 17), (31, 2), (33, 16)])
def test_padding_mirrors_as_often_as_it_must(size):
    image = np.random.default_rng(0).random((2, *size, 3), np.float32)
    missing = [-n % 16 for n in size]
    ends = [(0, 0), *((n // 2, n - n // 2) for n in missing), (0, 0)]
    expected = np.pad(image, ends, mode="symmetric")
    found = ops.convert_to_numpy(padding.PadToMultiple(16)(image))
    np.testing.assert_array_equal(found, expected)


def test_logits_are_float32_under_every_policy():
    for policy in ("float32", "mixed_bfloat16", "mixed_float16"):
        with run_dir.dtype_policy(policy):
            model = builders.build("tiny_unet")
        assert model.output["mask_logits"].dtype == "float32"
        assert model.get_layer("stem_conv1").compute_dtype == policy.removeprefix("mixed_")
    assert keras.config.dtype_policy().name == "float32"


def test_score_is_the_highest_defect_probability():
    logits = np.full((1, 2, 2, 1), -2.0, np.float32)
    logits[0, 1, 0, 0] = 3.0
    assert float(predictions({"mask_logits": logits})["score"][0]) == pytest.approx(0.952574, 1e-5)
    classes = np.log(np.array([[[[0.2, 0.5, 0.3], [0.9, 0.05, 0.05]]]], np.float32))
    assert float(predictions({"mask_logits": classes})["score"][0]) == pytest.approx(0.8, 1e-5)


@pytest.mark.parametrize("name, arguments", [("no_unet", {}), ("tiny_unet", {"variant": "huge"})])
def test_unknown_names_list_the_valid_ones(name, arguments):
    with pytest.raises(ValueError, match=r"must be one of .*tiny.*Received"):
        builders.build(name, **arguments)


def test_run_directory_rebuilds_in_float32(tmp_path):
    recipe = {"builder": "tiny_unet", "builder_args": {"image_shape": [None, None, 1]}}
    with run_dir.dtype_policy("mixed_bfloat16"):
        model = builders.build("tiny_unet")
    run_dir.save_model(model, recipe, tmp_path)
    loaded, read = run_dir.load_model(tmp_path)
    assert read == recipe
    assert loaded.get_layer("stem_conv1").compute_dtype == "float32"
    for one, other in zip(loaded.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["recipe.json", "weights.weights.h5"]


def test_missing_run_directory(tmp_path):
    (tmp_path / "recipe.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match=r"weights\.weights\.h5 is missing"):
        run_dir.load_model(tmp_path)


def test_run_directory_needs_no_starting_weights(tmp_path):
    network = keras.applications.MobileNetV3Small(include_top=False, weights=None)
    start = tmp_path / "start.weights.h5"
    network.save_weights(start)
    arguments = {"backbone": "MobileNetV3Small", "weights": str(start)}
    recipe = {"builder": "deeplab_v3_plus", "builder_args": arguments}
    model = builders.build("deeplab_v3_plus", **arguments)
    run_dir.save_model(model, recipe, tmp_path)
    start.unlink()
    loaded, _ = run_dir.load_model(tmp_path)
    for one, other in zip(loaded.get_weights(), model.get_weights()):
        np.testing.assert_array_equal(one, other)


def test_documents_without_folders():
    recipe = {
        "builder_args": {"weights": "/home/me/vgg16.weights.h5", "rates": (1, 2)},
        "textures": ["dtd:/data/dtd", "procedural"],
        "start_from": "runs/unet/neu_seg/strip/default_seed0",
        "foreground_dir": "/data/screw/parts",
        "image_size": None,
    }
    assert run_dir.without_folders(recipe) == {
        "builder_args": {"weights": "vgg16.weights.h5", "rates": [1, 2]},
        "textures": ["dtd:dtd", "procedural"],
        "start_from": "runs/unet/neu_seg/strip/default_seed0",
        "foreground_dir": "parts",
        "image_size": None,
    }


def test_labels_divide_the_defect_that_the_mask_found():
    mask_logits = np.full((1, 2, 2, 1), -9.0, np.float32)
    mask_logits[0, 0, 1] = np.log(3.0)
    label_logits = np.log(np.array([[0.9, 0.02, 0.08]], np.float32))
    found = predictions({"mask_logits": mask_logits, "label_logits": label_logits})
    np.testing.assert_allclose(found["mask"][0, 0, 1], [0.25, 0.15, 0.6], rtol=1e-5)
    np.testing.assert_allclose(found["label"][0], [0.25, 0.15, 0.6], rtol=1e-5)
    assert float(found["score"][0]) == pytest.approx(0.75)
    two = predictions({"mask_logits": mask_logits, "label_logits": label_logits[:, :2]})
    assert two["mask"].shape == (1, 2, 2, 1)
    np.testing.assert_allclose(two["label"][0], [0.25, 0.75], rtol=1e-5)


def test_labels_alone_decide_where_the_mask_is_their_evidence():
    cam = np.zeros((2, 4, 4, 2), np.float32)
    cam[:, 1, 2, 1] = 5.0
    label_logits = np.log(np.array([[0.4, 0.6], [0.6, 0.4]], np.float32))
    box, box_heat = boxes(heat_map(cam, np.array([1, 1])))
    outputs = {
        "mask_logits": cam[..., 1:],
        "label_logits": label_logits,
        "cam": cam,
        "box": box,
        "box_heat": box_heat,
    }
    found = {key: ops.convert_to_numpy(value) for key, value in predictions(outputs).items()}
    np.testing.assert_allclose(found["score"], [0.6, 0.4], rtol=1e-5)
    assert found["box_score"][0, 0] == pytest.approx(0.6)
    top, left, bottom, right = found["box"][0, 0]
    assert 0.25 <= top < 0.375 < bottom <= 0.5 and 0.5 <= left < 0.625 < right <= 0.75
    # Which images are good is up to the threshold of their score, so a doubtful one has its box.
    assert found["box_score"][1, 0] == pytest.approx(0.4)
    np.testing.assert_array_equal(found["box"][1, 0], found["box"][0, 0])
    assert not found["box_score"][:, 1:].any()
