import base64
import io

import numpy as np
import pytest
from PIL import Image

from zoo.evaluation import outliers
from zoo.evaluation.outliers import OutlierSearch, modified_z_scores
from zoo.evaluation.samples import ScoredImage


def make_sample(score, label="good", size=(8, 6)):
    scores = np.full(size, score / 2, np.float32)
    scores[2, 3] = score
    return ScoredImage(
        file_name=f"{label}_{score}.png",
        label=label,
        image=np.full((*size, 1), 90, np.uint8),
        mask=np.zeros(size, np.uint8),
        anomaly_map=scores,
        score=score,
    )


def search(scores):
    found = OutlierSearch()
    for score in scores:
        found.add(make_sample(score), outliers.TRAINING)
    return found


def picture(address):
    content = base64.b64decode(address.removeprefix("data:image/jpeg;base64,"))
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))


def test_modified_z_scores_by_hand():
    # median 3, absolute deviations 2 1 0 1 97: their median is 1
    np.testing.assert_allclose(
        modified_z_scores(np.array([1, 2, 3, 4, 100])), 0.6745 * np.array([-2, -1, 0, 1, 97])
    )


def test_most_values_equal():
    # the median deviation is 0; the mean one is 2 / 8
    values = np.array([1.0] * 7 + [3.0])
    np.testing.assert_allclose(modified_z_scores(values)[-1], np.sqrt(2 / np.pi) * 2 / 0.25)
    np.testing.assert_array_equal(modified_z_scores(np.ones(4)), np.zeros(4))
    np.testing.assert_array_equal(modified_z_scores(np.ones(1)), np.zeros(1))


def test_chance_is_as_stated():
    rng = np.random.default_rng(0)
    for count, chance in ((300, 1 / 14), (8, 1 / 12)):
        named = [modified_z_scores(rng.normal(size=count)).max() > 3.5 for _ in range(3000)]
        assert np.mean(named) == pytest.approx(chance, abs=0.02)


def test_high_scores_are_outliers_and_low_ones_are_not():
    usual = [0.1, 0.11, 0.12, 0.13, 0.14, 0.15]
    found = search([*usual, 0.9, 0.001]).found(0.5)
    (row,) = found
    assert (row["file_name"], row["score"], row["role"]) == ("good_0.9.png", 0.9, "training")
    logarithms = np.log([*usual, 0.9, 0.001])
    assert row["z"] == pytest.approx(modified_z_scores(logarithms)[6])
    assert search(usual).found(0.5) == []
    assert search([0.0, 0.0, 0.0]).found(0.5) == []


def test_worst_first_and_no_more_than_a_dozen():
    usual = np.linspace(0.1, 0.2, 100).tolist()
    high = np.linspace(0.8, 0.99, 20).tolist()
    found = search([*high[:10], *usual, *high[10:]])
    assert [row["score"] for row in found.found(0.5)] == high[: -outliers.MOST - 1 : -1]
    assert len(found._heap) == outliers.MOST  # memory does not grow


def test_defective_images_are_passed_over():
    found = search([0.1, 0.11, 0.12, 0.13])
    found.add(make_sample(0.99, "dent"), outliers.VALIDATION)
    assert found.found(0.5) == []
    found.add(make_sample(0.99), outliers.VALIDATION)
    assert [row["role"] for row in found.found(0.5)] == ["validation"]


def test_pictures_show_where():
    found = search([0.1, 0.11, 0.12, 0.13])
    found.add(make_sample(0.9, size=(80, 60)), outliers.TRAINING)
    (row,) = found.found(0.6)
    image, levels, marked = (picture(row["pictures"][name]) for name in ("image", "map", "marked"))
    assert image.shape == levels.shape == marked.shape == (80, 60, 3)
    assert np.abs(image.astype(int) - 90).max() < 5
    row, column = np.unravel_index(levels.astype(int).sum(axis=-1).argmax(), (80, 60))
    assert abs(row - 2) <= 1 and abs(column - 3) <= 1
    changed = np.abs(marked.astype(int) - image).max(axis=-1) > 40
    assert changed[2, 3] and not changed[20:].any()
