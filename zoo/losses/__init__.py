"""Losses: of masks by name, of image labels, and those of the models that have their own."""

from zoo.losses.mask import (
    LOSSES,
    adaptive,
    bce,
    bce_dice,
    ce,
    defect_dice,
    dice,
    focal,
    get_loss,
    jaccard,
    lovasz,
    squared_dice,
    tversky,
    type_ce,
)

__all__ = [
    "LOSSES",
    "adaptive",
    "bce",
    "bce_dice",
    "ce",
    "defect_dice",
    "dice",
    "focal",
    "get_loss",
    "jaccard",
    "lovasz",
    "squared_dice",
    "tversky",
    "type_ce",
]
