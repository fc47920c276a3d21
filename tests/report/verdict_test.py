import pytest

from zoo.report import verdict


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


def test_sentence_of_one_kind_of_image():
    metrics = make_metrics(defective=0, good=4, missed=0, alarms=1)
    assert verdict.sentence(metrics) == "Of 100 good parts 25 are rejected."
    metrics = make_metrics(defective=4, good=0, missed=1, alarms=0)
    assert verdict.sentence(metrics) == "Of 100 defective parts 25 pass."


def test_counts_say_where_the_truth_may_lie():
    metrics = make_metrics(defective=59, good=41, missed=0, alarms=1)
    assert verdict.counts(metrics) == [
        "0 of 59 defective images pass; with so many measured, the true share lies between 0% "
        "and 6.11% (95% confidence).",
        "1 of 41 good images is rejected; with so many measured, the true share lies between "
        "0.432% and 12.6% (95% confidence).",
    ]


def test_counts_of_a_kind_that_is_missing():
    metrics = make_metrics(defective=5, good=0, missed=5, alarms=0)
    assert verdict.counts(metrics) == [
        "5 of 5 defective images pass; with so many measured, the true share lies between 56.6% "
        "and 100% (95% confidence).",
        "No good image was measured, so nothing is known about them.",
    ]
