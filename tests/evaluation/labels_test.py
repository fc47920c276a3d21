"""Labels of images: their loss, their confusion, boxes, and training with them."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from made_archives import save

from zoo.data.datasets import count_labels, prepare_dataset
from zoo.losses.label import get_label_loss
from zoo.metrics.boxes import BoxCounts, box_iou, found_boxes
from zoo.metrics.labels import BalancedAccuracy, label_scores
from zoo.prediction.predictor import load_predictor
from zoo.recipes import RECIPES, get_recipe
from zoo.training import optimizers
from zoo.training.backup import Backup
from zoo.training.train import train

LOGITS = np.array([[2.0, 0.0], [0.0, 0.0], [1.0, 3.0]], np.float32)
LABELS = np.array([0, 1, 0])


def cross_entropies():
    exponentials = np.exp(LOGITS)
    return -np.log(exponentials[np.arange(3), LABELS] / exponentials.sum(axis=1))


def test_label_loss_is_a_mean():
    found = float(get_label_loss()(LABELS, LOGITS))
    assert found == pytest.approx(cross_entropies().mean(), rel=1e-6)


def test_label_loss_divides_by_the_sum_of_weights():
    weights = np.array([1.0, 3.0, 1.0])
    expected = (weights * cross_entropies()).sum() / 5
    assert float(get_label_loss((1.0, 3.0))(LABELS[:, None], LOGITS)) == pytest.approx(
        expected, rel=1e-6
    )


def test_balanced_accuracy_is_the_mean_recall_of_labels_that_occur():
    metric = BalancedAccuracy(3)
    metric.update_state(np.array([0, 0, 0]), np.eye(3)[[0, 0, 1]])
    metric.update_state(np.array([2]), np.eye(3)[[1]])
    assert float(metric.result()) == pytest.approx((2 / 3 + 0) / 2)


def test_label_scores_by_hand():
    # Of 4 good images 1 is taken for a scratch, both scratches are found, no stain occurs.
    confusion = np.array([[3, 1, 0], [0, 2, 0], [0, 0, 0]])
    scores = label_scores(confusion, ["good", "scratch", "stain"])
    assert scores["recall"] == [0.75, 1.0, None]
    assert scores["precision"] == [1.0, pytest.approx(2 / 3), None]
    assert scores["f1"] == [pytest.approx(6 / 7), pytest.approx(0.8), None]
    assert scores["macro_f1"] == pytest.approx((6 / 7 + 0.8) / 2)
    assert scores["accuracy"] == pytest.approx(5 / 6)
    low, high = scores["recall_interval"][1]
    assert low == pytest.approx(0.342, abs=1e-3) and high == 1.0
    assert scores["recall_interval"][2] is None
    assert scores["label_f1"] == scores["macro_f1"]
    two = label_scores(confusion[:2, :2], ["good", "defect"])
    assert two["label_f1"] == pytest.approx(0.8)  # of the defect


def test_box_iou_by_hand():
    boxes = [[0, 0, 0.5, 0.5], [0.5, 0.5, 1, 1], [0.2, 0.2, 0.2, 0.2]]
    iou = box_iou(boxes, [[0, 0, 0.5, 1]])
    assert iou[:, 0].tolist() == [0.5, 0.0, 0.0]
    assert box_iou(np.zeros((0, 4)), boxes).shape == (0, 3)


def test_each_box_is_found_once():
    true = np.array([[0, 0, 0.4, 0.4], [0.6, 0.6, 1, 1]])
    predicted = np.array([[0, 0, 0.4, 0.4], [0, 0, 0.4, 0.38], [0.6, 0.6, 1, 0.8]])
    assert found_boxes(predicted, true, 0.5) == 2
    assert found_boxes(predicted, true, 0.6) == 1
    assert found_boxes(predicted[:0], true, 0.5) == found_boxes(predicted, true[:0], 0.5) == 0


def test_boxes_are_counted():
    counts = BoxCounts()
    assert counts.result() is None
    mask = np.zeros((10, 10), np.uint8)
    mask[:5, :5] = 1
    mask[8, 8] = 1
    counts.add(np.array([[0, 0, 0.5, 0.3]]), mask)
    result = counts.result()
    assert result["true"] == 2 and result["predicted"] == 1
    assert (result["recall@0.5"], result["precision@0.5"]) == (0.5, 1.0)
    assert result["mean_iou"] == pytest.approx((0.6 + 0) / 2)


def test_boxes_on_good_images_are_wrong():
    counts = BoxCounts()
    counts.add(np.array([[0, 0, 0.5, 0.5]]), np.pad([[1]], (0, 1)))
    counts.add(np.array([[0, 0, 1, 1]]), np.zeros((2, 2), np.uint8))
    result = counts.result()
    assert (result["recall@0.5"], result["precision@0.5"], result["mean_iou"]) == (1, 0.5, 1)


SMALL = {
    "image_size": (32, 32),
    "crop_size": None,
    "batch_size": 4,
    "steps_per_epoch": 2,
    "epochs": 2,
    "mixed_precision": "float32",
}


@pytest.mark.parametrize(
    "module, name, changes, figure",
    [
        (
            "micro_segmentor/dagm_synthetic/class_1",
            "default",
            {"loss_weights": (3.0, 1.0)},
            "iou",
        ),
        (
            "vgg16_cam/dagm_synthetic/class_1",
            "small",
            {"stop_accuracy": 2.0},
            "balanced_accuracy",
        ),
    ],
)
def test_labels_are_learnt_and_measured(module, name, changes, figure, data_dir, tmp_path):
    recipe = get_recipe(module, name, **SMALL, **changes)
    recipe = dataclasses.replace(recipe, dataset="dagm_synthetic/class_1_small")
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    header = (run / "history.csv").read_text().splitlines()[0].split(",")
    assert {figure, f"val_{figure}", "accuracy"} <= set(header)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == metrics["tp"] + metrics["fn"] + metrics["fp"] + metrics["tn"]
    assert (metrics["boxes"] is not None) == ("cam" in module)
    answers = load_predictor(str(run)).predict(np.zeros((1, 32, 32, 1), np.uint8))
    np.testing.assert_allclose(answers["label"].sum(axis=-1), 1.0, atol=1e-5)


def test_training_stops_at_an_accuracy(data_dir, tmp_path):
    module = "micro_segmentor/dagm_synthetic/class_1_small"
    recipe = get_recipe(module, **SMALL, stop_accuracy=-1.0)
    run = train(recipe, runs_dir=tmp_path, data_dir=data_dir)
    assert len((run / "history.csv").read_text().splitlines()) == 2


def test_nothing_to_learn(data_dir, tmp_path):
    recipe = get_recipe("tiny_unet/dagm_synthetic/class_1_small", **SMALL, loss=None)
    with pytest.raises(ValueError, match=r"`loss` must name a loss.*tiny_unet has no labels"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def folder_of(root, good, defective):
    for number in range(good + defective):
        image = np.random.default_rng(number).integers(0, 256, (40, 40))
        save(root / "parts" / ("good" if number < good else "defect") / f"{number}.png", image)
    return {"runs_dir": root, "data_dir": root, "manual_dir": root / "parts"}


def folds_with(folders, label):
    """The folds of the train split that hold images of a label."""
    builder = prepare_dataset(
        "image_mask_folder/grey", data_dir=folders["data_dir"], manual_dir=folders["manual_dir"]
    )
    return tuple(fold for fold in range(10) if count_labels(builder, "train", (fold,))[label])


@pytest.mark.parametrize(
    "kind, changes, message",
    [
        ("validation", {}, r"no good image .*so false alarms cannot be measured there, and the"),
        (
            "validation",
            {"image_rule": "false_alarms:0", "pixel_rule": "false_alarms:0"},
            r"no defective image .*so missed defects cannot be measured there, and the weights",
        ),
        ("training", {}, r"has no defective image in the folds .*add defective images"),
    ],
)
def test_labels_need_both_kinds_of_images(kind, changes, message, tmp_path):
    scarce = "defective" if changes or kind == "training" else "good"
    counts = {"good": 60, "defective": 60, scarce: 4}
    folders = folder_of(tmp_path, **counts)
    scarce_folds = folds_with(folders, int(scarce == "defective"))
    others = tuple(sorted(set(range(7)) - set(scarce_folds)))
    recipe = get_recipe(
        "vgg16_cam/image_mask_folder/grey",
        "small",
        **SMALL,
        defective_fraction=None,
        validation_folds=scarce_folds if kind == "training" else others[:1],
        **changes,
    )
    with pytest.raises(ValueError, match=message):
        train(recipe, **folders)


def test_each_label_has_a_weight(data_dir, tmp_path):
    recipe = get_recipe(
        "vgg16_cam/dagm_synthetic/class_1", "small", **SMALL, label_weights=(1.0, 2.0, 3.0)
    )
    recipe = dataclasses.replace(recipe, dataset="dagm_synthetic/class_1_small")
    with pytest.raises(ValueError, match="`label_weights` must have a weight for each of the 2"):
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def test_the_lowest_loss_is_the_best_of_equal_epochs(tmp_path):
    backup = Backup(tmp_path, {}, monitor="val_balanced_accuracy")
    for accuracy, loss in ((0.5, 0.1), (1.0, 0.4), (1.0, 0.2), (1.0, 0.2), (1.0, 0.3)):
        backup.history.append({"val_balanced_accuracy": accuracy, "val_loss": loss})
    assert backup.best_epoch == 2


def test_no_recipe_favours_defects_twice():
    """Neither weights nor the sampling of batches may say it on top of the other."""
    for module, names in RECIPES.items():
        for name in names:
            recipe = get_recipe(module, name)
            assert None in (recipe.label_weights, recipe.defective_fraction), module


def test_published_recipes_have_the_optimizers_of_the_originals():
    cam = get_recipe("vgg16_cam/mvtec_ad/hazelnut", "published")
    plain = optimizers.build(cam, [])
    assert type(plain) is keras.optimizers.Adam and plain.weight_decay is None
    assert cam.builder_args["box_mode"] == "hull" and cam.builder_args["box_evidence"] == "label"
    fixel = optimizers.build(get_recipe("micro_segmentor/msd/screen", "fixel"), [])
    assert (fixel.weight_decay, fixel.beta_1, fixel.beta_2) == (5e-5, 0.9, 0.99)
    for optimizer in (plain, fixel):
        assert optimizer.global_clipnorm is optimizer.clipnorm is optimizer.clipvalue is None


def defects_only(root):
    for number in range(20):
        image = np.random.default_rng(number).integers(0, 256, (40, 40))
        save(root / f"images/{number}.png", image)
        save(root / f"masks/{number}.png", np.pad([[255]], (10, 29)))


def test_labels_need_good_images(tmp_path):
    defects_only(tmp_path / "parts")
    module = "vgg16_cam/image_mask_folder/grey"
    recipe = get_recipe(module, "small", **SMALL, defective_fraction=None)
    folders = {"runs_dir": tmp_path, "data_dir": tmp_path, "manual_dir": tmp_path / "parts"}
    with pytest.raises(ValueError, match=r"no good image .*add good images, or take a builder"):
        train(recipe, **folders)
