"""Warnings beside figures that should not be trusted."""

import re

import pytest

from zoo.report import verdict
from zoo.report.doubts import auroc_interval, doubts

GOOD_MODEL = {
    "images": 100,
    "defective": 40,
    "image_auroc": 0.98,
    "tp": 38,
    "fp": 1,
    "pixel_confusion": {"counts": [[900, 10], [10, 80]]},
}


def test_a_good_model_is_not_doubted():
    assert doubts(GOOD_MODEL, {"defective": 12, "source": "images by best F1"}) == []


@pytest.mark.parametrize(
    "changes, calibration, words",
    [
        ({"image_auroc": 0.55}, {}, "has not learnt.*0.550 may be chance"),
        ({"tp": 40, "fp": 60}, {}, "Every image is rejected"),
        ({"pixel_confusion": {"counts": [[100, 800], [0, 100]]}}, {}, "90% of all pixels"),
        ({}, {"defective": 3, "source": "by best F1 on fold 1"}, "Only 3 defective validation"),
    ],
)
def test_each_reason(changes, calibration, words):
    (sentence,) = doubts(GOOD_MODEL | changes, calibration)
    assert re.search(words, sentence)


def test_thresholds_of_good_images_need_no_defects():
    assert doubts(GOOD_MODEL, {"defective": 0, "source": "images by the normal limit"}) == []


def test_interval_of_hanley_and_mcneil():
    # Their example: an area of 0.893, of 51 abnormal and 58 normal images, standard error 0.032.
    low, high = auroc_interval({"image_auroc": 0.893, "images": 109, "defective": 51})
    assert (high - low) / 2 / 1.96 == pytest.approx(0.032, abs=0.0006)
    assert auroc_interval({"image_auroc": None, "images": 5, "defective": 0}) is None


def test_the_terminal_shows_them():
    metrics = {
        **GOOD_MODEL,
        "image_auroc": 0.5,
        "dataset": "d",
        "split": "test",
        "bounds": {},
        "reasons": {},
        "per_type": [],
        "score_threshold": 0.5,
        "threshold_source": "given",
        "fn": 2,
    }
    assert "warning" in verdict.table(metrics) and "may be chance" in verdict.table(metrics)
