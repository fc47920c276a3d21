"""Gives a model weights as if it had been trained."""

import numpy as np


def learnt(model):
    """The model with statistics and weights as if it had learnt."""
    rng = np.random.default_rng(0)
    for variable in model.variables:
        if any(part in variable.path for part in ("moving", "gamma", "beta", "/bank")):
            variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model
