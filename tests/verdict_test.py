import pytest

from zoo import verdict


def make_metrics(*, defective, good, missed, alarms):
    return {"images": defective + good, "defective": defective, "fn": missed, "fp": alarms}


@pytest.mark.parametrize(
    ("missed", "alarms", "sentence"),
    [
        (0, 0, "Of 100 defective parts 0 pass, of 100 good parts 0 are rejected."),
        (1, 2, "Of 100 defective parts fewer than 1 passes, of 100 good parts 1 is rejected."),
        (299, 200, "Of 100 defective parts more than 99 pass, of 100 good parts 100 are rejected."),
    ],
)
def test_sentence_never_rounds_an_error_away(missed, alarms, sentence):
    metrics = make_metrics(defective=300, good=200, missed=missed, alarms=alarms)
    assert verdict.sentence(metrics) == sentence


def test_upper_bound():
    # no error in n trials: (1 - p)^n = 0.05
    assert verdict.upper_bound(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert verdict.upper_bound(5, 5) == 1.0
    assert verdict.upper_bound(1, 41) > 1 / 41
