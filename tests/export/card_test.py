import keras
import pytest
from tiny_run import CALIBRATION, METRICS, RECIPE

import builders
from export import card


@pytest.fixture(scope="module")
def model():
    return builders.build(RECIPE["builder"], **RECIPE["builder_args"])


def render(model, recipe=RECIPE, calibration=CALIBRATION, metrics=METRICS, **options):
    return card.render(
        model, recipe, version=3, calibration=calibration, metrics=metrics, **options
    )


def test_every_builder_has_a_page():
    missing = [name for name in builders.BUILDERS if not (card.CARDS / f"{name}.md").is_file()]
    assert not missing


def test_documentation_format(model):
    lines = render(model).splitlines()
    assert lines[0] == "# Module defect-zoo/tiny_unet/dagm2007/class_4/3"
    assert lines[1] == "" and lines[2].endswith(".") and lines[3] == ""
    for tag in (
        "asset-path: tiny_unet/dagm2007/class_4/3.tar.gz",
        "task: image-segmentation",
        "fine-tunable: true",
        "format: saved_model_2",
    ):
        assert f"<!-- {tag} -->" in lines
    assert "## Overview" in lines
    assert 'hub.load("modules/tiny_unet/dagm2007/class_4/3")' in "\n".join(lines)


def test_facts_of_the_run(model):
    text = render(model)
    assert "1,850,305 parameters" in text
    assert "CC BY 4.0" in text
    assert "64x64 pixels" in text
    assert "Pixel threshold 0.375, image threshold 0.625. Source of both: best F1 on fold 9" in text
    assert "| Test images | 575 | Images that were measured. |" in text
    assert "| Defect IoU | 0.8125 | Predicted and true area" in text
    assert "| TPR | undefined | The share of the defective images" in text
    assert "per_image" not in text


def test_thresholds_next_to_one_are_told_from_it(model):
    calibration = {**CALIBRATION, "threshold": 0.99999994, "score_threshold": 1.0}
    text = render(model, calibration=calibration)
    assert "Pixel threshold 0.9999999, image threshold 1." in text


def test_rounding_is_told_whatever_else_is_known(model):
    rounded = "The weights were rounded to bfloat16"
    assert rounded in render(model, weights="bfloat16")
    assert rounded in render(model, weights="bfloat16", metrics={**METRICS, "seen": True})
    assert rounded in render(model, weights="bfloat16", calibration={})
    assert rounded not in render(model)


def test_thresholds_without_a_source(model):
    assert "Source of both: not stated" in render(
        model, calibration={"threshold": 0.4, "score_threshold": 0.6}
    )


def test_licences_of_all_that_the_weights_know(model):
    assert "<!-- license: apache-2.0 -->" in render(model)
    known = {"learnt_from": [RECIPE["dataset"], "mvtec_ad/screw"]}
    text = render(model, environment=known)
    assert "<!-- license: cc-by-nc-sa-4.0 -->" in text
    assert "the weights know images of" in text and "no commercial use" in text
    text = render(model, environment={"learnt_from": ["neu_seg/strip"]})
    assert "<!-- license: other -->" in text


def test_weights_of_a_backbone(model):
    assert "## Notice" not in render(model)
    recipe = {**RECIPE, "builder": "vgg16_cam"}
    small = {"image_shape": [64, 64, 1], "weights": "imagenet"}
    published = {**recipe, "builder_args": {**small, "backbone": "EfficientNetLite0"}}
    text = render(model, published)
    assert "the weights know images of dagm2007/class_4, imagenet/EfficientNetLite0, lic" in text
    assert "<!-- license: apache-2.0 -->" in text
    assert "## Notice" in text and "tensorflow/tpu" in text and "LICENSE-2.0" in text
    text = render(model, {**recipe, "builder_args": small})
    assert "<!-- license: other -->" in text and "ImageNet: for research only" in text
    assert "## Notice" not in text


def test_textures_of_painted_defects(model):
    assert "Their textures" not in render(model)
    text = render(model, environment={"textures": "dtd:/home/me/dtd"})
    assert "Describable Textures Dataset, which is for research" in text and "/home" not in text
    assert "Their textures: all from\nthe image itself" in render(
        model, environment={"textures": "self"}
    )


def test_imported_weights(model):
    recipe = {**RECIPE, "dataset": "own_surface", "image_size": None}
    text = render(model, recipe, calibration={}, metrics={})
    assert "not calibrated. Both are 0.5" in text
    assert "were not evaluated" in text
    assert "No test image chose" not in text
    assert "licence of the data: see the data set" in text
    assert "at\ntheir own size" in text


def test_other_outputs_and_figures():
    image = keras.Input((None, None, 3), name="image")
    mask = keras.layers.Conv2D(3, 1, name="mask_logits")(image)
    labels = keras.layers.Dense(2, name="label_logits")(
        keras.layers.GlobalAveragePooling2D(name="pool")(image)
    )
    model = keras.Model(image, {"mask_logits": mask, "label_logits": labels})
    recipe = {**RECIPE, "class_names": ["good", "hole", "cut"]}
    text = render(model, recipe, metrics={"later_figure": 1})
    assert "float32 [B, H, W, 3], probability of good, hole, cut" in text
    assert "| `label` | float32 [B, 2], probability that the image is good, defect |" in text
    assert "`cam`" not in text
    assert "| `later_figure` | 1 |  |" in text
    assert "Colour files are turned to grey" not in text


def test_a_classifier_says_that_it_learns_from_labels(model):
    assert render(model).splitlines()[2].startswith("Marks surface defects")
    assert "did not start at random" not in render(model)
    args = {"image_shape": (64, 64, 1), "backbone": "MobileNetV2"}
    recipe = {**RECIPE, "builder": "vgg16_cam", "start_from": "runs/masks"}
    text = render(builders.build("vgg16_cam", **args), recipe)
    assert "labels alone after a start from a run that had learnt oth" in text.splitlines()[2]
    assert "from the weights of another run, `runs/masks`" in text


def test_standardised_images_are_told(model):
    assert "mean 0 and standard deviation 1" not in render(model)
    args = {**RECIPE["builder_args"], "standardize": True}
    assert "mean 0 and standard deviation 1" in render(model, {**RECIPE, "builder_args": args})


def test_figures_that_the_model_has_alone(model):
    table = {"classes": ["background", "defect"], "iou": [0.99, 0.5]}
    metrics = {
        **METRICS,
        "mean_iou": 0.5,
        "labels": None,
        "label_f1": None,
        "boxes": None,
        "box_mean_iou": None,
        "seen": False,
        "pixel_confusion": table,
    }
    text = render(model, metrics=metrics)
    for words in (
        "Label F1",
        "`labels`",
        "Box IoU",
        "Mean IoU",
        "`seen`",
        "learnt from",
    ):
        assert words not in text
    table = {"classes": ["background", "hole", "cut"], "iou": [0.99, 0.5, None]}
    metrics |= {"labels": {"macro_f1": 0.25}, "label_f1": 0.25, "pixel_confusion": table}
    text = render(model, metrics=metrics)
    assert "| Label F1 | 0.2500 | F1 of the labels of images" in text
    assert "| Mean IoU of types | 0.5000 |" in text
    assert "| IoU of hole | 0.5000 |" in text and "| IoU of cut | undefined |" in text


def test_says_when_the_images_were_seen(model):
    text = render(model, metrics={**METRICS, "seen": True})
    assert "learnt from some of these images" in text and "No test image chose" not in text


def test_builder_without_a_page(model):
    with pytest.raises(ValueError, match=r"Write export/cards/new_net\.md"):
        render(model, {**RECIPE, "builder": "new_net"})


def test_says_on_what_it_was_measured(model):
    measured = {"dataset": "dagm2007/class_4/1.0.0", "split": "test", "image_shape": [96, 80, 1]}
    text = render(model, metrics={**METRICS, **measured, "threshold": 0.4, "hits": 7})
    assert "Measured on dagm2007/class_4/1.0.0, split test, at 96x80 pixels." in text
    assert "| Hottest pixel on the defect | 7 |" in text
    assert "| `threshold` |" not in text and "| `split` |" not in text
