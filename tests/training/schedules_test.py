"""Learning rates of the schedules, step by step."""

import dataclasses

import pytest

from zoo.recipes import get_recipe
from zoo.training.schedules import SCHEDULES

RECIPE = get_recipe("unet/neu_seg/strip", decay_steps=None)


def rate(schedule, step, **changes):
    return float(SCHEDULES[schedule](dataclasses.replace(RECIPE, **changes))(step))


def test_steps_drop():
    changes = {"learning_rate": 1.0, "decay_steps": 10, "decay_rate": 0.5}
    assert [rate("steps", step, **changes) for step in (0, 9, 10, 25)] == [1.0, 1.0, 0.5, 0.25]
    assert SCHEDULES["steps"](RECIPE) == RECIPE.learning_rate


def test_cosine_rises_and_ends_at_zero():
    changes = {"learning_rate": 1.0, "epochs": 10, "steps_per_epoch": 20}
    rates = [rate("cosine", step, **changes) for step in (0, 5, 10, 105, 200)]
    assert rates == pytest.approx([0.0, 0.5, 1.0, 0.5, 0.0], abs=1e-6)


@pytest.mark.parametrize(
    "epoch, expected",
    # The epochs of OneCycleLR(max_lr=7.5e-5, total_steps=35) in PyTorch, the first being 1.
    [(1, 3.00e-6), (2, 4.95e-6), (3, 1.06e-5), (5, 3.02e-5), (8, 6.34e-5), (11, 7.49e-5),
     (15, 6.89e-5), (20, 5.05e-5), (25, 2.68e-5), (30, 7.45e-6), (34, 3.1e-7), (35, 3.0e-10)],
)  # fmt: skip
def test_one_cycle_is_that_of_pytorch(epoch, expected):
    changes = {"learning_rate": 7.5e-5, "epochs": 35, "steps_per_epoch": 137}
    for step in (137 * (epoch - 1), 137 * epoch - 1):
        assert rate("one_cycle", step, **changes) == pytest.approx(expected, rel=6e-3, abs=5e-12)
