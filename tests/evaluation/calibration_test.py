"""Calibration on samples whose scores are known."""

import numpy as np
import pytest

from zoo.data.leakage import refuse_test_split
from zoo.evaluation.calibration import calibrate
from zoo.evaluation.samples import ScoredImage

TRAIN = {"split": "train", "test_split": "test"}


def known_samples():
    """Two good images, and one whose defect is half bright, beside a bright and a void row."""
    maps, masks = np.zeros((3, 4, 4), np.float32), np.zeros((3, 4, 4), np.uint8)
    maps[0, 0, 0], maps[1, 0, 1:3], maps[2, :2] = 0.2, 0.4, 0.8
    masks[2, 1:3], masks[2, 3] = 2, 255
    maps[2, 3] = 0.9  # ignored
    return [
        ScoredImage(
            file_name=f"{index}.png",
            label=label,
            image=None,
            mask=masks[index],
            anomaly_map=maps[index],
            score=float(maps[index].max()),
        )
        for index, label in enumerate(["good", "good", "dent"])
    ]


def test_best_f1_by_hand():
    calibration = calibrate(known_samples(), **TRAIN, folds=(0, 1))
    achieved = calibration.pop("achieved")
    assert calibration == {
        "threshold": pytest.approx((0.4 + 0.8) / 2, rel=1e-3),  # as wide as a bin
        "score_threshold": pytest.approx((0.4 + 0.9) / 2),
        "pixel_rule": "best_f1",
        "image_rule": "best_f1",
        "source": "best F1 on folds 0, 1 of the train split",
        "images": 3,
        "defective": 1,
    }
    assert achieved == {
        "pixel_f1": pytest.approx(2 * 4 / (8 + 8)),
        "pixel_false_alarms": 0,
        "image_f1": 1,
        "image_false_alarms": 0,
    }


def test_budgets_by_hand():
    calibration = calibrate(
        known_samples(),
        **TRAIN,
        pixel_rule="false_alarms:0.07",  # 2 of the 32 pixels of good images
        image_rule="conformal:0.5",
    )
    assert calibration["threshold"] == pytest.approx(0.2, rel=1e-3)
    assert calibration["threshold"] >= np.float32(0.2)
    assert calibration["score_threshold"] == np.float32(0.4)
    assert calibration["source"] == (
        "pixels by false alarms of at most 7%, images by conformal prediction with alpha = 0.5, "
        "n = 2 good images, on the train split"
    )
    assert calibration["achieved"] == {
        "pixel_f1": pytest.approx(2 * 4 / (4 + 4 + 2 + 8)),
        "pixel_false_alarms": 2 / 32,
        "image_f1": 1,
        "image_false_alarms": 0,
    }


def test_rates_without_their_images_are_none():
    achieved = calibrate(known_samples()[2:], **TRAIN)["achieved"]
    assert achieved["pixel_false_alarms"] is achieved["image_false_alarms"] is None
    good_alone = calibrate(
        known_samples()[:2],
        **TRAIN,
        folds=(3,),
        pixel_rule="false_alarms:0",
        image_rule="false_alarms:0",
    )
    assert good_alone["achieved"]["image_f1"] is None
    assert good_alone["achieved"]["pixel_false_alarms"] == 0
    assert good_alone["source"] == "false alarms of at most 0% on fold 3 of the train split"


def test_defects_without_masks_take_an_even_chance():
    samples = known_samples()
    samples[2].mask[:] = 255
    calibration = calibrate(samples, **TRAIN, without_masks=0.5)
    assert calibration["threshold"] == 0.5
    assert calibration["source"].startswith(
        "pixels by an even chance, since no defective image has a mask, images by best F1"
    )
    assert calibration["achieved"]["pixel_f1"] is None
    assert calibration["achieved"]["image_f1"] == 1
    with pytest.raises(ValueError, match="needs a defect pixel"):
        calibrate(samples, **TRAIN)
    budget = calibrate(samples, **TRAIN, pixel_rule="false_alarms:0.07", without_masks=0.5)
    assert budget["threshold"] == pytest.approx(0.2, rel=1e-3)


def test_one_standard_error():
    """Every threshold from 0.4 to 0.8 has the best F1, and 0.5 is one of them."""
    rules = {"pixel_rule": "best_f1_1se", "image_rule": "normal:0.05"}
    calibration = calibrate(known_samples(), **TRAIN, **rules)
    assert calibration["threshold"] == 0.5
    assert calibration["source"] == (
        "pixels by best F1 within one standard error, as near to an even chance as that allows, "
        "images by the normal prediction limit with alpha = 0.05, n = 2 good images, on the train "
        "split"
    )
    samples = known_samples()
    unmasked = samples[2]._replace(mask=np.full((4, 4), 255, np.uint8))
    assert calibrate([*samples, unmasked], **TRAIN, **rules)["threshold"] == 0.5
    assert calibrate([*samples[:2], unmasked], **TRAIN, **rules, without_masks=0.5)["threshold"]
    with pytest.raises(ValueError, match="best_f1_1se needs a defect pixel"):
        calibrate([*samples[:2], unmasked], **TRAIN, **rules)


def test_one_standard_error_of_scores_that_hardly_differ():
    """No threshold of the grid lies between them."""
    narrow = [
        sample._replace(anomaly_map=0.6 + sample.anomaly_map / 1000)
        for sample in 4 * known_samples()
    ]
    found = [
        calibrate(narrow, **TRAIN, pixel_rule=rule)["threshold"]
        for rule in ("best_f1", "best_f1_1se")
    ]
    assert 0.6004 < found[0] == found[1] < 0.6008


def test_one_standard_error_needs_probabilities():
    samples = [sample._replace(anomaly_map=9 * sample.anomaly_map) for sample in known_samples()]
    with pytest.raises(ValueError, match=r"best_f1_1se needs scores in \[0, 1\]"):
        calibrate(samples, **TRAIN, pixel_rule="best_f1_1se")


@pytest.mark.parametrize("pixel_rule", ["best_f1", "best_f1_1se"])
def test_order_does_not_matter(pixel_rule):
    forth, back = (
        calibrate(samples, **TRAIN, pixel_rule=pixel_rule)
        for samples in (known_samples(), known_samples()[::-1])
    )
    assert forth == back


def test_nan_names_the_image():
    samples = known_samples()
    samples[1].anomaly_map[0, 0] = np.nan
    with pytest.raises(ValueError, match=r"1\.png: the anomaly map must be finite"):
        calibrate(samples, **TRAIN)


def test_rules_are_checked_before_the_images():
    def samples():
        raise AssertionError
        yield

    for changes, message in (
        ({"pixel_rule": "conformal:0.1"}, "`pixel_rule` must be"),
        ({"image_rule": "f1"}, "`image_rule` must be"),
        ({"split": "test[:50]"}, "`split` must hold no test image"),
    ):
        with pytest.raises(ValueError, match=message):
            calibrate(samples(), **{**TRAIN, **changes})


@pytest.mark.parametrize(
    "split, test_split",
    [
        ("test", "test"),
        ("test[:50]", "test"),
        ("test[:50%]", "test[50%:]"),  # a part of what others report as test
        ("train+test[:10]", "test"),
        ("test", "validation"),
        ("all", "test"),
        ("validation", "validation"),
        ("train", "train[80%:]"),
        ("train[:90%]", "train[80%:]"),
        ("train[:50%]", "train"),
        ("train[:10]+train[10:20]", "train[10:30]"),
    ],
)
def test_test_images_are_refused(split, test_split):
    with pytest.raises(ValueError, match=r"must hold no test image.*Choose folds"):
        refuse_test_split(split, test_split)


@pytest.mark.parametrize(
    "split, test_split",
    [
        ("train", "test"),
        ("train[:80%]", "train[80%:]"),
        ("train[-20:]", "train[:-20]"),
        ("train[:10] + validation", "train[10:30]"),
    ],
)
def test_splits_apart_are_accepted(split, test_split):
    refuse_test_split(split, test_split)
