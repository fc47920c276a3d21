"""The metrics of anomaly maps against scikit-learn, a brute force, and cases worked out by hand."""

import itertools

import numpy as np
import pytest
from anomaly_examples import CLOSE, LIMITS, example, measure
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import ndimage
from sklearn import metrics as sklearn_metrics

from zoo.metrics import anomaly
from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.metrics.regions import Region


def brute_force(maps, regions_of, limit):
    """AU-sPRO by every threshold, from the definition; regions_of: (mask, saturation area)."""
    defect = [
        np.any([m for m, _ in r], axis=0) if r else np.zeros(a.shape, bool)
        for a, r in zip(maps, regions_of)
    ]
    good = np.concatenate([a[~d] for a, d in zip(maps, defect)])
    points = [(0.0, 0.0)]
    for threshold in np.unique(np.concatenate([a.ravel() for a in maps]))[::-1]:
        found = [
            min((a[m] >= threshold).sum() / s, 1) for a, r in zip(maps, regions_of) for m, s in r
        ]
        points.append(((good >= threshold).mean(), np.mean(found)))
    area = 0.0
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if x0 < limit and x1 > x0:
            end = min(x1, limit)
            y_end = y0 + (y1 - y0) * (end - x0) / (x1 - x0)
            area += (end - x0) * (y0 + y_end) / 2
    return area / limit


def connected(mask):
    labels, count = ndimage.label(mask, structure=np.ones((3, 3)))
    return [(labels == i + 1, (labels == i + 1).sum()) for i in range(count)]


@pytest.mark.parametrize("decimals", [None, 1, 0])
def test_equals_brute_force_and_scikit_learn(decimals):
    maps, masks = example(decimals=decimals)
    result = measure(maps, masks)
    for limit in LIMITS:
        expected = brute_force(maps, [connected(mask) for mask in masks], limit)
        assert result[f"au_pro@{limit:g}"] == pytest.approx(expected, **CLOSE)
    truth, scores = (
        np.concatenate([m.ravel() for m in masks]),
        np.concatenate([a.ravel() for a in maps]),
    )
    assert result["pixel_auroc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(truth, scores), **CLOSE
    )
    assert result["pixel_ap"] == pytest.approx(
        sklearn_metrics.average_precision_score(truth, scores), **CLOSE
    )
    defective, highest = [m.any() for m in masks], [a.max() for a in maps]
    assert result["image_auroc"] == pytest.approx(
        sklearn_metrics.roc_auc_score(defective, highest), **CLOSE
    )
    assert result["image_ap"] == pytest.approx(
        sklearn_metrics.average_precision_score(defective, highest), **CLOSE
    )


SCORES = st.sampled_from([-2.0, -0.0, 0.0, 0.25, 0.5, 1.0, 1e-30, 3e4])


@st.composite
def small_sets(draw):
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    count = draw(st.integers(1, 3))
    maps = [draw(arrays.arrays(np.float32, shape, elements=SCORES)) for _ in range(count)]
    masks = [draw(arrays.arrays(bool, shape)) for _ in range(count)]
    return maps, masks


@settings(max_examples=200, deadline=None)
@given(small_sets(), st.sampled_from([1.0, 0.5, 0.3, 0.05]))
def test_small_sets_equal_brute_force(maps_and_masks, limit):
    maps, masks = maps_and_masks
    result = measure(maps, masks, limits=(limit,))
    every_mask = np.concatenate([mask.ravel() for mask in masks])
    name = f"au_pro@{limit:g}"
    if every_mask.all() or not every_mask.any():
        for key in (name, "pixel_auroc", "pixel_ap"):
            assert np.isnan(result[key]) and result["reasons"][key]
        return
    expected = brute_force(maps, [connected(mask) for mask in masks], limit)
    assert result[name] == pytest.approx(expected, **CLOSE)
    assert 0 <= result[name] <= 1
    streamed = measure(maps, masks, limits=(limit,), mode="stream")
    for key in (name, "pixel_auroc", "pixel_ap"):
        assert abs(streamed[key] - result[key]) <= streamed["bounds"].get(key, 0) + 1e-12


@settings(max_examples=100, deadline=None)
@given(small_sets(), st.data())
def test_saturation_equals_brute_force(maps_and_masks, data):
    maps, masks = maps_and_masks
    regions_of = []
    for mask in masks:  # regions that overlap: the mask and its upper half
        upper = mask & (np.arange(len(mask)) <= len(mask) // 2)[:, None]
        areas = [(m, data.draw(st.floats(0.5, float(m.sum())))) for m in (mask, upper) if m.any()]
        regions_of.append(areas)
    evaluator = AnomalyEvaluator((0.3,))
    for anomaly_map, regions in zip(maps, regions_of):
        evaluator.update(anomaly_map, [Region(*region) for region in regions] or None)
    result = evaluator.compute()
    if all(mask.all() for mask in masks) or not any(mask.any() for mask in masks):
        return
    assert result["au_spro@0.3"] == pytest.approx(brute_force(maps, regions_of, 0.3), **CLOSE)
    whole = [[(m, m.sum()) for m, _ in regions] for regions in regions_of]
    assert result["au_pro@0.3"] == pytest.approx(brute_force(maps, whole, 0.3), **CLOSE)


@pytest.mark.parametrize(
    "transform",
    [
        lambda x: 1000 * x,
        lambda x: np.exp(x.astype(np.float64)),
        lambda x: np.searchsorted(np.unique(np.concatenate(example()[0])), x).astype(np.int32),
    ],
    ids=["times_1000", "exp", "rank"],
)
def test_only_the_order_of_scores_counts(transform):
    maps, masks = example()
    before, after = measure(maps, masks), measure([transform(a) for a in maps], masks)
    for key in ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05"):
        assert after[key] == pytest.approx(before[key], **CLOSE)


@pytest.mark.parametrize("mode", ["exact", "stream"])
def test_order_and_shards_change_nothing(mode):
    maps, masks = example()
    together = measure(maps, masks, mode=mode)
    reverse = measure(maps[::-1], masks[::-1], mode=mode)
    shards = [AnomalyEvaluator(LIMITS, mode) for _ in range(3)]
    for index, (anomaly_map, mask) in enumerate(zip(maps, masks)):
        shards[index % 3].update(anomaly_map, mask)
    shards[0].compute()  # measuring in between harms nothing
    for shard in shards[1:]:
        shards[0].merge(shard)
    merged = shards[0].compute()
    for key, value in together.items():
        if isinstance(value, float):
            assert reverse[key] == pytest.approx(value, **CLOSE)
            assert merged[key] == pytest.approx(value, **CLOSE)
    assert shards[1].compute()["images"] == 2  # and leaves the shard as it was
    with pytest.raises(ValueError, match="same mode"):
        AnomalyEvaluator().merge(AnomalyEvaluator(mode="stream"))


def test_auto_counts_from_where_scores_are_too_many(monkeypatch):
    maps, masks = example()

    def figures(mode):
        measured = measure(maps, masks, mode=mode)
        return {key: measured[key] for key in ("pixel_auroc", "pixel_ap", "au_pro@0.3", "bounds")}

    assert figures("auto") == figures("exact") != figures("stream")
    outside = sum(np.size(mask) - np.count_nonzero(mask) for mask in masks)
    monkeypatch.setattr(anomaly, "EXACT_SCORES", outside)
    assert figures("auto") == figures("exact")
    monkeypatch.setattr(anomaly, "EXACT_SCORES", outside - 1)
    assert figures("auto") == figures("stream")
    monkeypatch.setattr(anomaly, "EXACT_SCORES", maps[0].size * 2)
    for order in (1, -1):  # a shard that counts already, and one that does not yet
        shards = [AnomalyEvaluator(LIMITS, "auto") for _ in range(2)]
        for index, (anomaly_map, mask) in enumerate(zip(maps, masks)):
            shards[index > 0].update(anomaly_map, mask)
        first, second = shards[::order]
        first.merge(second)
        assert first.compute()["pixel_auroc"] == figures("stream")["pixel_auroc"]


def test_curve_to_the_end_is_the_mean_auroc_of_regions():
    maps, masks = example()
    good = np.concatenate([a[~m] for a, m in zip(maps, masks)])
    areas = []
    for anomaly_map, mask in zip(maps, masks):
        for region, _ in connected(mask):
            inside = anomaly_map[region]
            truth = np.r_[np.ones(inside.size), np.zeros(good.size)]
            areas.append(sklearn_metrics.roc_auc_score(truth, np.r_[inside, good]))
    result = measure(maps, masks)
    assert result["au_pro@1"] == pytest.approx(np.mean(areas), **CLOSE)
    assert [row["pro@1"] for row in result["per_region"]] == pytest.approx(areas, **CLOSE)


def test_stream_bounds_hold_and_are_small():
    rng = np.random.default_rng(0)
    masks = [np.zeros((256, 256), bool) for _ in range(8)]
    for mask in masks:
        mask[100:120, 50:60] = True
    maps = [np.exp(2 * (rng.normal(size=m.shape) + m)).astype(np.float32) for m in masks]
    exact = measure(maps, masks)
    for bits, largest in ((16, 1e-3), (22, 1e-5), (26, 1e-6)):
        streamed = measure(maps, masks, mode="stream", bits=bits)
        for key in ("pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05"):
            assert abs(streamed[key] - exact[key]) <= streamed["bounds"][key] <= largest * 10
    assert not exact["bounds"]


def test_curves_enclose_the_areas():
    maps, masks = example(images=8)
    evaluator = AnomalyEvaluator(LIMITS)
    for anomaly_map, mask in zip(maps, masks):
        evaluator.update(anomaly_map, mask)
    result, curves = evaluator.compute(), evaluator.curves()
    assert set(curves) == {"image_roc", "image_pr", "pixel_roc", "pixel_pr", "pro"}
    for name, area in (
        ("image_roc", "image_auroc"),
        ("pixel_roc", "pixel_auroc"),
        ("pro", "au_pro@1"),
    ):
        x, y = curves[name]["x"], curves[name]["y"]
        assert np.all(np.diff(x) >= 0) and np.all(np.diff(y) >= -1e-12)
        assert (x[0], y[0]) == (0, 0) and (x[-1], y[-1]) == pytest.approx((1, 1))
        assert np.trapezoid(y, x) == pytest.approx(result[area], abs=5e-3)
        assert len(x) <= 1000
    assert curves["pixel_pr"]["x"][-1] == 1


def test_golden_values():
    """Frozen, so that no later change of the code moves a published number unseen."""
    maps, masks = example(seed=7, images=10)
    result = measure(maps, masks)
    expected = {
        "pixel_auroc": 0.860505766575,
        "pixel_ap": 0.305405747996,
        "au_pro@1": 0.863776799241,
        "au_pro@0.3": 0.634094941818,
        "au_pro@0.05": 0.290877641660,
        "image_auroc": 1.0,
        "pg@0.05": 1.0,
    }
    assert {key: result[key] for key in expected} == pytest.approx(expected, **CLOSE)
