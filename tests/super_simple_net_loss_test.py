"""Losses of SuperSimpleNet by hand, and that cells of which nobody knows teach nothing."""

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.super_simple_net_loss import super_simple_net_losses


def losses(mask, logits, label=(0,), score=(0.0,)):
    truth = {"mask": np.array([mask], np.uint8), "label": np.array(label, np.float32)}
    heads = {
        "cell_logits": tf.constant(logits, tf.float32)[None, ..., None],
        "score_logits": tf.constant(score, tf.float32),
    }
    return {name: float(value) for name, value in super_simple_net_losses(truth, heads).items()}


def test_margins_are_means_of_good_and_of_defective_cells():
    # Good cells at -1, -0.25, 0.5 exceed -0.5 by 0, 0.25, 1; a defective one at 0.2 lacks 0.3.
    found = losses([[0, 0], [0, 1]], [[-1.0, -0.25], [0.5, 0.2]])
    assert found["margin"] == pytest.approx(1.25 / 3 + 0.3)
    assert losses([[0, 0]], [[-0.5, -9.0]])["margin"] == 0.0


def test_focal_loss_is_that_of_what_is_wrong():
    # A logit of log 3 is a probability of 3/4.
    found = losses([[0, 1]], [[math.log(3), math.log(3)]], label=(1, 0), score=(0.0, -math.log(3)))
    cells = (0.75**4 * math.log(4) + 0.25**4 * math.log(4 / 3)) / 2
    assert found["focal"] == pytest.approx(cells)
    images = (0.5**4 * math.log(2) + 0.25**4 * math.log(4 / 3)) / 2
    assert found["score"] == pytest.approx(images)


def test_cells_of_which_nobody_knows_teach_nothing():
    known = losses([[0, 1]], [[0.3, 0.1]])
    assert losses([[0, 1, 255, 255]], [[0.3, 0.1, 7.0, -7.0]]) == pytest.approx(known)
    unknown = losses([[255, 255]], [[3.0, -3.0]], label=(1,), score=(0.0,))
    assert unknown["margin"] == unknown["focal"] == 0.0 and unknown["score"] > 0.0


def test_sure_and_wrong_is_finite():
    found = losses([[0, 1]], [[1e4, -1e4]], label=(1,), score=(-1e4,))
    assert found == pytest.approx({"margin": 2e4 + 1.0, "focal": 1e4, "score": 1e4})
