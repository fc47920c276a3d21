"""Measurements of predictions that are known, worked out by hand."""

import itertools
import json

import numpy as np
import pytest
from tiny_run import RECIPE

from zoo.evaluation.calibration import calibrate
from zoo.evaluation.evaluate import evaluate
from zoo.evaluation.samples import ANY_DEFECT, ScoredImage, predicted_samples
from zoo.metrics import anomaly
from zoo.metrics.regions import Region
from zoo.prediction.predictor import Predictor, peak
from zoo.report import verdict

CALIBRATION = {"threshold": 0.5, "score_threshold": 0.1, "source": "by hand"}


def known_predictor():
    """Answers with the image itself as probability."""

    def predict(images):
        mask = images.astype(np.float32) / 255
        return {"mask": mask, "score": mask.max(axis=(1, 2, 3))}

    return Predictor(predict, RECIPE, CALIBRATION)


def known_batch():
    """A good image, and a defective one of which half of the defect is bright."""
    images = np.zeros((2, 4, 4, 1), np.uint8)
    masks = np.zeros((2, 4, 4, 1), np.uint8)
    images[0, 0, 0], images[1, :2] = 51, 204
    masks[1, 1:3] = 1
    names = np.array([b"good.png", b"bad.png"])
    return {"image": images, "mask": masks, "label": np.array([0, 1]), "file_name": names}


def known_samples():
    return predicted_samples(known_predictor(), [known_batch()])


def sample(name, label, **changes):
    """A map of 4x4 with a bright upper half, over a mask whose middle rows are defective."""
    anomaly_map, mask = np.zeros((4, 4), np.float32), np.zeros((4, 4), np.uint8)
    anomaly_map[:2] = 0.8
    if label != "good":
        mask[1:3] = 1
    fields = {"image": None, "mask": mask, "anomaly_map": anomaly_map, "score": 0.8}
    return ScoredImage(file_name=name, label=label, **{**fields, **changes})


def test_by_hand():
    metrics, gallery, curves, _ = evaluate(known_samples(), calibration=CALIBRATION)
    assert metrics["images"] == 2 and metrics["defective"] == 1
    assert metrics["image_shape"] == [4, 4, 1]
    assert metrics["defect_iou"] == pytest.approx(4 / 12)
    assert metrics["set_dice"] == pytest.approx(8 / 16)
    assert (metrics["tp"], metrics["fp"], metrics["tn"], metrics["fn"]) == (1, 1, 0, 0)
    assert metrics["image_auroc"] == 1.0
    assert metrics["hits"] == 0  # the first of the brightest pixels lies beside the defect
    assert metrics["pixel_confusion"]["counts"] == [[20, 4], [4, 4]]
    assert metrics["mean_iou"] == metrics["set_iou"] == pytest.approx(4 / 12)
    assert metrics["mean_iou_with_background"] == pytest.approx((20 / 28 + 4 / 12) / 2)
    low = metrics["at_thresholds"][0]  # 0.05: the good image has one false pixel
    assert low["set_iou"] == pytest.approx(4 / 13)
    assert low["nvidia_dice_mean"] == pytest.approx((0.5 + 0) / 2, abs=1e-4)
    assert [row["file_name"] for row in metrics["per_image"]] == ["good.png", "bad.png"]
    assert metrics["per_image"][0]["iou"] is None
    # half of the defect lies above all good pixels but 4 of 24, the other half below 5 of them
    found = (1 - 2 / 24 + (1 - (5 + 24) / 2 / 24)) / 2
    assert metrics["pixel_auroc"] == pytest.approx(found)
    assert metrics["per_image"][1]["pro@0.3"] == metrics["au_pro@0.3"]
    assert {entry["file_name"] for entry in gallery} == {"good.png", "bad.png"}
    assert np.float32(0.5) in curves["overlap"]["threshold"]
    assert len(curves["overlap"]["threshold"]) <= 255
    json.dumps(metrics, allow_nan=False)


def test_oracle_is_apart_from_the_result():
    metrics, *_ = evaluate(known_samples())
    for key in ("threshold", "score_threshold", "defect_iou", "set_iou", "tp", "tnr", "mean_iou"):
        assert metrics[key] is None
    assert metrics["oracle"]["image_f1"] == 1
    assert metrics["oracle"]["set_f1"] == pytest.approx(0.5)
    assert metrics["image_auroc"] == 1  # needs no threshold
    assert metrics["threshold_source"] == "not calibrated"


def test_undefined_figures_are_none_with_a_reason():
    good = itertools.islice(known_samples(), 1)
    metrics, _, curves, _ = evaluate(good, calibration=CALIBRATION)
    for key in ("defect_iou", "image_auroc", "tpr", "au_pro@0.3", "boundary_f1"):
        assert metrics[key] is None
    assert metrics["reasons"]["image_auroc"] == "nothing defective was measured"
    assert metrics["set_iou"] is None and metrics["oracle"]["set_f1"] is None
    assert metrics["per_type"] == []
    table = verdict.table({**metrics, "dataset": "d", "split": "test"})
    (line,) = [line for line in table.splitlines() if line.startswith("undefined")]
    assert line.endswith(": nothing defective was measured")
    assert all(name in line for name in ("image AUROC", "defect IoU", "balanced accuracy"))
    assert set(curves) == {"overlap"}
    json.dumps(metrics, allow_nan=False)
    with pytest.raises(ValueError, match="There is no image to measure"):
        evaluate([])


def test_types_are_told_apart():
    types = np.zeros((4, 4), np.uint8)
    types[1], types[2] = 1, 2
    samples = [
        sample("a", "dent", types=types),
        sample("b", "scratch", types=types, mask=2 * sample("", "dent").mask, score=0.05),
        sample("c", "good", types=np.zeros((4, 4), np.uint8)),
    ]
    metrics, *_ = evaluate(
        samples, calibration=CALIBRATION, class_names=["good", "dent", "scratch"]
    )
    confusion = metrics["pixel_confusion"]
    assert confusion["classes"] == ["background", "dent", "scratch"]
    assert confusion["counts"] == [[32, 0, 0], [0, 4, 4], [0, 4, 4]]
    assert metrics["mean_iou"] == pytest.approx(1 / 3)
    dent, scratch = metrics["per_type"]
    assert (dent["label"], dent["images"], dent["found"], dent["regions"]) == ("dent", 1, 1, 1)
    assert scratch["found"] == 0 and scratch["mean_iou"] == pytest.approx(4 / 12)
    assert dent["au_pro@0.3"] == scratch["au_pro@0.3"] == pytest.approx(metrics["au_pro@0.3"])


def test_groups_of_loco_share_the_good_images():
    top = sample("", "dent").mask.astype(bool)
    samples = [
        sample("good", "good", score=0.1),
        sample("a", "logical_anomalies", regions=[Region(top, 2)], score=0.9),
        sample("b", "structural_anomalies", regions=[Region(top, 8)], score=0.05),
    ]
    metrics, *_ = evaluate(samples, by_group=True)
    logical, structural = (
        metrics["groups"][f"{name}_anomalies"] for name in ("logical", "structural")
    )
    assert (logical["image_auroc"], structural["image_auroc"]) == (1, 0)
    assert metrics["mean_of_groups"]["image_auroc"] == 0.5
    assert metrics["image_auroc"] == 0.5
    # 2 of the 8 pixels suffice in the first one, and 4 are above all but 12 of 24 good ones
    assert logical["au_spro@0.3"] > logical["au_pro@0.3"] == pytest.approx(structural["au_pro@0.3"])
    assert structural["au_spro@0.3"] == pytest.approx(structural["au_pro@0.3"])
    assert [row["file_name"] for row in metrics["per_image"]] == ["good", "a", "b"]


def test_ignored_pixels_are_not_judged():
    mask = sample("", "dent").mask
    mask[1] = 255
    metrics, *_ = evaluate([sample("a", "dent", mask=mask)], calibration=CALIBRATION)
    assert metrics["pixel_confusion"]["counts"] == [[4, 4], [4, 0]]
    assert metrics["defect_iou"] == 0 and metrics["hits"] == 0


def test_defects_without_masks_are_not_measured():
    samples = [
        sample("a", "dent", mask=np.full((4, 4), 255, np.uint8), boxes=np.array([[0, 0, 1, 1]])),
        sample("b", "good", score=0.05, boxes=np.array([[0, 0, 1, 1]])),
    ]
    metrics, gallery, curves, _ = evaluate(samples, calibration=CALIBRATION)
    assert (metrics["tp"], metrics["tn"], metrics["masked"]) == (1, 1, 0)
    for key in ("defect_iou", "set_iou", "mean_iou", "boundary_f1", "hit_rate", "pixel_auroc"):
        assert metrics[key] is None
        assert metrics["reasons"][key] == "no defective image has a mask"
    assert metrics["hits"] is metrics["boxes"] is metrics["pixel_confusion"] is None
    assert metrics["at_thresholds"] == [] and "overlap" not in curves
    assert [entry["iou"] for entry in gallery] == [None, None]
    assert "where a defect is was not measured" in " ".join(verdict.counts(metrics))
    for calibration in (CALIBRATION, None):
        metrics, *_ = evaluate(samples, calibration=calibration)
        assert "no defective image has a mask" in verdict.table(
            {**metrics, "dataset": "d", "split": "test"}
        )


def test_images_without_masks_count_beside_those_with():
    unmasked = sample("a", "dent", mask=np.full((4, 4), 255, np.uint8))
    metrics, *_ = evaluate([unmasked, sample("b", "dent")], calibration=CALIBRATION)
    assert (metrics["defective"], metrics["masked"]) == (2, 1)
    assert metrics["defect_iou"] == metrics["set_iou"] == pytest.approx(4 / 12)
    assert (metrics["hits"], metrics["hit_rate"]) == (0, 0.0)


def test_sure_pixels_are_told_apart_by_the_peak():
    metrics, *_ = evaluate([sample("a", "dent", peak=(1, 3))], calibration=CALIBRATION)
    assert (metrics["hits"], metrics["hit_rate"]) == (1, 1.0)
    assert metrics["hit_interval"][0] == pytest.approx(0.2065, abs=1e-4)
    logits = np.zeros((2, 3, 4, 1), np.float32)
    logits[0, 0], logits[0, 2, 1], logits[1, 1, 3] = 40, 50, 1
    np.testing.assert_allclose(peak(logits), [[2.5 / 3, 1.5 / 4], [1.5 / 3, 3.5 / 4]])
    types = np.concatenate([np.zeros_like(logits), logits, logits], axis=-1)
    np.testing.assert_allclose(peak(types), peak(logits))


def test_boxes_count_in_rejected_images():
    boxes = {"boxes": np.array([[0.25, 0, 0.75, 1]])}
    samples = [
        sample("a", "dent", **boxes),
        sample("b", "dent", score=0.05, **boxes),
        sample("c", "good", **boxes),
    ]
    metrics, *_ = evaluate(samples, calibration=CALIBRATION)
    assert metrics["box_recall@0.3"] == 0.5 == metrics["box_precision@0.3"]
    assert metrics["box_mean_iou"] == 0.5


@pytest.mark.parametrize("names", [["good", "dent", "scratch"], ["good", "defect", "scratch"]])
def test_two_labels_of_several_types(names):
    samples = [
        sample("a", names[1], defect_type=ANY_DEFECT),
        sample("b", "scratch", defect_type=ANY_DEFECT, score=0.05),
        sample("c", "good", defect_type=ANY_DEFECT),
    ]
    metrics, *_ = evaluate(samples, calibration=CALIBRATION, class_names=names)
    assert metrics["labels"]["counts"] == [[0, 1], [1, 1]]
    assert metrics["label_f1"] == metrics["f1"] == 0.5


def test_many_pixels_are_counted_in_bins(monkeypatch):
    exact, *_ = evaluate(known_samples(), calibration=CALIBRATION)
    monkeypatch.setattr(anomaly, "EXACT_SCORES", 8)
    metrics, *_ = evaluate(known_samples(), calibration=CALIBRATION)
    for key in ("pixel_auroc", "au_pro@0.3"):
        assert 0 < metrics["bounds"][key] < 1
        assert abs(metrics[key] - exact[key]) <= metrics["bounds"][key]
    assert exact["bounds"] == {}


def test_pixels_of_a_forgotten_mask_are_not_judged():
    """A right answer on them would count as false alarms."""
    batch = known_batch()
    forgotten = {key: value[1:].copy() for key, value in batch.items()}
    forgotten["mask"][:] = 0
    forgotten["file_name"] = np.array([b"forgotten.png"])
    batches = [batch, forgotten]
    both, *_ = evaluate(predicted_samples(known_predictor(), batches), calibration=CALIBRATION)
    alone, *_ = evaluate(known_samples(), calibration=CALIBRATION)
    assert both["images"] == 3 and both["tp"] == alone["tp"] + 1
    for key in ("pixel_ap", "pixel_auroc", "au_pro@0.3", "set_iou", "mean_iou", "boundary_f1"):
        assert both[key] == pytest.approx(alone[key]), key
    thresholds = [
        calibrate(predicted_samples(known_predictor(), some), split="a", test_split="b")
        for some in (batches[:1], batches)
    ]
    assert thresholds[0]["threshold"] == thresholds[1]["threshold"]
    assert thresholds[0]["achieved"]["pixel_f1"] == thresholds[1]["achieved"]["pixel_f1"]


def test_a_defect_that_its_mask_forgot_has_no_overlap():
    """A model that marks nothing would be right about it."""
    forgotten = sample("b", "dent", mask=np.zeros((4, 4), np.uint8), score=0.9)
    metrics, *_ = evaluate([sample("a", "dent"), forgotten], calibration=CALIBRATION)
    alone, *_ = evaluate([sample("a", "dent")], calibration=CALIBRATION)
    assert metrics["defective"] == 2 and metrics["masked"] == 1
    for key in ("defect_iou", "defect_dice", "hit_rate", "boundary_f1"):
        assert metrics[key] == alone[key]
