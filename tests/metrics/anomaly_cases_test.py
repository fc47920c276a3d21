"""Anomaly maps worked out by hand: odd inputs, ignored pixels, missing classes, the tables."""

import warnings

import numpy as np
import pytest
from anomaly_examples import CLOSE, LIMITS, example, measure
from sklearn import metrics as sklearn_metrics

from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.metrics.regions import Region

MASK = np.zeros((10, 10), bool)
MASK[2:4, 2:5] = MASK[7, 7] = True


@pytest.mark.parametrize("mode", ["exact", "stream"])
def test_perfect_inverted_and_constant_maps(mode):
    good = np.zeros((10, 10), np.float32)
    perfect = measure([MASK * 0.7, good], [MASK, None], mode=mode)
    inverted = measure([~MASK * 1.0, good + 1], [MASK, None], mode=mode)
    for key in ("pixel_auroc", "pixel_ap", "au_pro@1", "au_pro@0.3", "au_pro@0.05", "image_auroc"):
        assert perfect[key] == 1.0
    for key in ("pixel_auroc", "au_pro@1", "au_pro@0.3", "au_pro@0.05"):
        assert inverted[key] == 0.0
    for value in (0.0, -3.5, 1e20):
        constant = measure([good + value, good + value], [MASK, None], mode=mode)
        assert constant["pixel_auroc"] == constant["image_auroc"] == 0.5
        for limit in LIMITS:
            if mode == "exact":
                assert constant[f"au_pro@{limit:g}"] == pytest.approx(limit / 2, **CLOSE)
        if mode == "exact":
            assert constant["pixel_ap"] == pytest.approx(MASK.sum() / 200, **CLOSE)


def test_region_shapes():
    result = measure([MASK * 1.0], [MASK])
    assert result["regions"] == 2
    assert [row["area"] for row in result["per_region"]] == [6, 1]  # one region is a single pixel
    assert result["per_region"][0]["box"] == [0.2, 0.2, 0.4, 0.5]
    diagonal = np.eye(4, dtype=bool)
    assert measure([diagonal * 1.0], [diagonal])["regions"] == 1


def test_scores_above_all_good_ones_count_fully_at_once():
    anomaly_map = np.linspace(0, 0.5, 100).reshape(10, 10)
    half = anomaly_map + (MASK & (np.arange(10) < 5))  # one of two regions stands out
    half[7, 7] = -1
    assert measure([half], [MASK])["au_pro@0.05"] == 0.5


def test_ignored_pixels_count_nowhere():
    maps, masks = example()
    rng = np.random.default_rng(1)
    ignored = [rng.random(mask.shape) < 0.2 for mask in masks]
    marked = [np.where(i, 255, mask).astype(np.uint8) for i, mask in zip(ignored, masks)]
    result = measure(maps, marked, ignore=255)
    noisy = [np.where(i, 99, a) for a, i in zip(maps, ignored)]
    again = measure(noisy, marked, ignore=255)
    truth = np.concatenate([m[~i] for m, i in zip(masks, ignored)])
    scores = np.concatenate([a[~i] for a, i in zip(maps, ignored)])
    assert result["pixel_auroc"] == again["pixel_auroc"]
    assert result["au_pro@0.3"] == again["au_pro@0.3"]
    assert result["pixel_auroc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(truth, scores), **CLOSE
    )
    assert sum(row["area"] for row in result["per_region"]) == truth.sum()


@pytest.mark.parametrize(
    "values, label, defect_pixels",
    [
        ([0, 1], None, 50),
        ([False, True], None, 50),
        ([0, 255], None, 50),  # a PNG file of MVTec AD
        ([0, 255], "scratch", 50),
        ([0, 255], "good", 0),  # a good image with an ignored corner
        ([0.0, 1.0], 1, 50),
    ],
)
@pytest.mark.parametrize("kind", [np.asarray, np.ndarray.tolist])
def test_mask_values(values, label, defect_pixels, kind):
    mask = np.array(values)[np.arange(100).reshape(10, 10) % 2]
    evaluator = AnomalyEvaluator()
    evaluator.update(np.ones((10, 10)), kind(mask), label)
    assert evaluator.compute()["per_image"][0]["defect_pixels"] == defect_pixels


def test_255_beside_1_is_ignored():
    mask = np.array([[0, 1], [255, 255]], np.uint8)
    row = measure([np.ones((2, 2))], [mask])["per_image"][0]
    assert row["defect_pixels"] == 1


def test_grey_levels_need_a_threshold():
    mask = np.array([[0, 128], [255, 255]], np.uint8)
    with pytest.raises(ValueError, match=r"part\.png.*grey levels such as 128.*`ground_truth_thr"):
        AnomalyEvaluator().update(np.ones((2, 2)), mask, file_name="part.png")
    result = measure([np.eye(2)], [mask], ground_truth_threshold=127)
    assert result["per_image"][0]["defect_pixels"] == 3


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_scores_must_be_finite(value):
    anomaly_map = np.zeros((4, 5), np.float32)
    anomaly_map[1, 2] = value
    with pytest.raises(ValueError, match=rf"part 7.*finite. Received {value} at row 1, column 2"):
        AnomalyEvaluator().update(anomaly_map, file_name="part 7")
    with pytest.raises(ValueError, match="image score must be finite"):
        AnomalyEvaluator().update(np.ones((2, 2)), image_score=value)


@pytest.mark.parametrize(
    "anomaly_map, mask, label, message",
    [
        (np.ones((4, 4)), np.ones((4, 5), bool), None, r"\(4, 4\).*\(4, 5\). Resize the map"),
        (np.ones((4, 4, 1)), None, None, r"shape \[H, W\]. Received: \(4, 4, 1\)"),
        (np.ones((0, 4)), None, None, r"shape \[H, W\]"),
        (np.ones((2, 2), complex), None, None, "must hold numbers. Received: complex128"),
        (np.ones((2, 2)), np.eye(2, dtype=bool), "good", "says good, but 2 pixels"),
        (np.ones((2, 2)), [Region(np.zeros((2, 2)), 3)], None, "region 0 must have defect pixels"),
        (np.ones((2, 2)), [Region(np.eye(2), 0)], None, "saturation area above 0"),
    ],
)
def test_bad_images_are_named(anomaly_map, mask, label, message):
    evaluator = AnomalyEvaluator()
    with pytest.raises(ValueError, match=rf"(?s)a/b\.tiff.*{message}"):
        evaluator.update(anomaly_map, mask, label, file_name="a/b.tiff")
    with pytest.raises(ValueError, match="no image to measure"):  # nothing was kept of it
        evaluator.compute()
    evaluator.update(MASK * 1.0, MASK)
    assert evaluator.compute()["pixel_auroc"] == 1


def test_bad_arguments():
    for arguments, message in (
        ({"pro_limits": (0.3, 1.5)}, r"`pro_limits` must lie in \(0, 1\]"),
        ({"mode": "fast"}, "`mode` must be one of exact, stream, auto. Received: 'fast'"),
        ({"mode": "stream", "bits": 40}, "`bits` must be from 9 to 28"),
    ):
        with pytest.raises(ValueError, match=message):
            AnomalyEvaluator(**arguments)


def test_8_bit_maps_warn_of_ties_and_float16_is_exact():
    with pytest.warns(UserWarning, match="at most 256 values"):
        AnomalyEvaluator().update(np.ones((2, 2), np.uint8))
    maps, masks = example()
    halves = [a.astype(np.float16) for a in maps]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = measure(halves, masks)
    expected = measure([a.astype(np.float64) for a in halves], masks)
    assert result["pixel_ap"] == expected["pixel_ap"]


def test_missing_classes_have_reasons():
    only_good = measure([np.ones((2, 2))], [None])
    for key in ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "au_pro@0.3", "pg@0.05"):
        assert np.isnan(only_good[key])
        assert only_good["reasons"][key] == "nothing defective was measured"
    all_bad = measure([np.ones((2, 2))], [np.ones((2, 2), bool)])
    for key in ("image_auroc", "pixel_auroc", "au_pro@0.3"):
        assert np.isnan(all_bad[key]) and all_bad["reasons"][key] == "nothing good was measured"


def test_one_image_with_both_kinds_of_pixels():
    result = measure([MASK * 1.0], [MASK])
    assert result["au_pro@0.3"] == result["pixel_auroc"] == 1
    assert np.isnan(result["image_auroc"])


def test_defective_image_without_a_mask_counts_as_an_image_alone():
    maps, masks = example()
    before = measure(maps, masks)
    evaluator = AnomalyEvaluator(LIMITS)
    for anomaly_map, mask in zip(maps, masks):
        evaluator.update(anomaly_map, mask)
    evaluator.update(maps[0] - 50, label="dent")
    after = evaluator.compute()
    assert after["pixel_auroc"] == before["pixel_auroc"]
    assert after["defective"] == before["defective"] + 1
    assert after["image_auroc"] < before["image_auroc"]
    assert np.isnan(after["per_image"][-1]["pro@0.3"])


def test_tables_add_up_to_the_figures():
    maps, masks = example()
    result = measure(maps, masks)
    assert np.mean([row["pro@0.3"] for row in result["per_region"]]) == pytest.approx(
        result["au_pro@0.3"], **CLOSE
    )
    rows = result["per_image"]
    pixels = np.array([row["defect_pixels"] for row in rows])
    shares = np.nan_to_num([row["pixel_auroc"] for row in rows])
    assert (pixels * shares).sum() / pixels.sum() == pytest.approx(result["pixel_auroc"], **CLOSE)
    assert sum(row["regions"] for row in rows) == result["regions"]
    assert rows[0]["label"] == "good" and rows[1]["label"] == "defect"
    assert [row["file_name"] for row in rows] == [f"image {i}" for i in range(6)]


def test_plant_rates():
    evaluator = AnomalyEvaluator()
    good, bad = np.linspace(0, 0.5, 40), np.linspace(0.4, 1, 40)
    for score in good:
        evaluator.update(np.full((1, 1), score), label="good")
    for score in bad:
        evaluator.update(np.full((1, 1), score), label="bad")
    result = evaluator.compute()
    # 2 of 40 may be missed or rejected: the third lowest defect, the third highest good part
    assert result["pg@0.05"] == np.mean(good < bad[2])
    assert result["pb@0.05"] == np.mean(bad > good[-3])
    assert result["pb@0.01"] == np.mean(bad > good[-1])  # 1 % of 40 good parts is none


def test_image_scores_may_be_given():
    evaluator = AnomalyEvaluator()
    evaluator.update(np.ones((2, 2)), label=0, image_score=0.1)
    evaluator.update(np.zeros((2, 2)), np.eye(2), image_score=0.9)
    result = evaluator.compute()
    assert result["image_auroc"] == 1
    assert result["pixel_auroc"] == pytest.approx(1 / 6)  # tied with 2 of 6 good pixels
