"""Losses of SuperSimpleNet by hand, and that cells of which nobody knows teach nothing."""

import math

import numpy as np
import pytest
import tensorflow as tf

from zoo.losses.super_simple_net import super_simple_net_losses


def losses(mask, logits, label=(0,), score=(0.0,)):
    truth = {"cell_mask": np.array([mask], np.uint8), "label": np.array(label, np.float32)}
    heads = {
        "drawn_logits": tf.constant(logits, tf.float32)[None, ..., None],
        "score_logits": tf.constant(score, tf.float32),
    }
    return {name: float(value) for name, value in super_simple_net_losses(truth, heads).items()}


def test_cross_entropy_of_cells_and_of_images():
    # A logit of log 3 is a probability of 3/4.
    found = losses([[0, 1]], [[math.log(3), math.log(3)]], label=(1, 0), score=(0.0, -math.log(3)))
    assert found["cells"] == pytest.approx((math.log(4) + math.log(4 / 3)) / 2)
    assert found["score"] == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_cells_of_which_nobody_knows_teach_nothing():
    known = losses([[0, 1]], [[0.3, 0.1]])
    assert losses([[0, 1, 255, 255]], [[0.3, 0.1, 7.0, -7.0]]) == pytest.approx(known)
    unknown = losses([[255, 255]], [[3.0, -3.0]], label=(1,))
    assert unknown["cells"] == 0.0 and unknown["score"] > 0.0


def test_sure_and_wrong_is_finite():
    found = losses([[0, 1]], [[1e4, -1e4]], label=(1,), score=(-1e4,))
    assert found == pytest.approx({"cells": 1e4, "score": 1e4})
