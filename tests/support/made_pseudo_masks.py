"""Makes a teacher, its data set and a folder for its masks."""

import pathlib

import numpy as np
from made_archives import build, save
from made_predictors import bright

from tfds_datasets.image_mask_folder import manifest
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo import recipes
from zoo.prediction.predictor import Predictor

SIDE = 32


MODULE = "transfusion/image_mask_folder/grey"


def part(number, spot=None):
    """A dark part with noise, and a spot of some grey level."""
    image = np.random.default_rng(number).integers(20, 60, (SIDE, SIDE))
    if spot is not None:
        image[8:14, 8:14] = spot
    return image.astype(np.uint8)


def make_folder(root: pathlib.Path):
    """Twenty good images and ten with a spot to learn from, ten and five to measure on."""
    for split, first, good, defective in (("train", 0, 20, 10), ("test", 100, 10, 5)):
        for number in range(good + defective):
            spot = None if number < good else 240
            mask = np.zeros((SIDE, SIDE), np.uint8)
            mask[8:14, 8:14] = 255 * (spot is not None)
            save(root / split / f"images/{number:02}.png", part(first + number, spot))
            save(root / split / f"masks/{number:02}.png", mask)


def teacher(model=bright, **changes) -> Predictor:
    recipe = recipes.get_recipe(MODULE, **changes).to_dict()
    return Predictor(model, {**recipe, "class_names": ["good", "defect"]}, {})


def entries(folder, name):
    return {entry["source"]: entry for entry in manifest.read_manifest(folder / name).values()}


def built(folder, name, tmp_path):
    return build(Builder, "grey", folder / name, tmp_path / name)
