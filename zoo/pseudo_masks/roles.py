"""Who may see which image: a teacher, what chooses its thresholds, a student, or the measurement.

Roles are given to images before any model runs, by the teacher's recipe and the folds of the data
set. Copies of one part have one role.
"""

import collections
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from absl import logging

from tfds_datasets.copies import group_copies
from zoo.recipes.recipe import Recipe

TEACHER, CALIBRATION, STUDENT, VALIDATION, TEST, REFUSED = (
    "teacher_train",
    "calibration",
    "student_train",
    "student_val",
    "test",
    "refused",
)
# Of a test split that has the only defects: half for the student, half to measure everybody.
STUDENT_FOLDS, STUDENT_VALIDATION_FOLDS = (0, 1, 2, 3), (4,)
PUBLISHED_SHARES = {STUDENT: 0.7, VALIDATION: 0.1, TEST: 0.2}
PUBLISHED_SEED = 712


class ImageFacts(NamedTuple):
    """What decides the role of an image, beside its name."""

    split: str
    fold: int
    defective: bool


class Role(NamedTuple):
    """The role of an image, and whether the teacher or its thresholds know the image."""

    role: str
    taught: bool


def honest_roles(
    facts: Mapping[str, ImageFacts], recipe: Recipe, thumbnails: Mapping[str, np.ndarray]
) -> dict[str, Role]:
    """Gives each image one role, so that nobody is measured on what taught anybody.

    The good images of the teacher's training folds are `teacher_train`, of its validation folds
    `calibration`. The defective ones beside them are the student's, to learn from and to validate;
    where there are none, as in MVTec AD, five tenths of the test images are, good and defective.
    All other test images are `test`.

    Args:
      facts: of every image, by its name.
      recipe: the teacher's.
      thumbnails: of `tfds_datasets.copies.thumbnail` with `COPY_SIDE`, by the same names. Of a
        group of copies that would have several roles, those with the first of them keep it; the
        others are `refused`, and logged.
    """
    shares_train = any(each.defective and _learns(each, recipe) for each in facts.values())
    wanted = {name: _honest_role(each, recipe, shares_train) for name, each in facts.items()}
    order = (TEACHER, CALIBRATION, STUDENT, VALIDATION, TEST)
    groups = group_copies(thumbnails)
    first: dict[str, str] = {}
    for name in sorted(wanted, key=lambda name: order.index(wanted[name])):
        first.setdefault(groups[name], wanted[name])
    roles = {
        name: role if role == first[groups[name]] else REFUSED for name, role in wanted.items()
    }
    if refused := sorted(name for name, role in roles.items() if role == REFUSED):
        logging.warning(
            "%d images are copies of images with another role, and get none: %s",
            len(refused),
            ", ".join(refused),
        )
    return {name: Role(role, role in (TEACHER, CALIBRATION)) for name, role in roles.items()}


def published_roles(
    facts: Mapping[str, ImageFacts], recipe: Recipe, thumbnails: Mapping[str, np.ndarray]
) -> dict[str, Role]:
    """Divides the images as the published workflow does, 7:1:2 at random, and warns of its leaks.

    It copies the teacher's good training images among the test images and divides all of them, with
    no regard to copies or types of defect. So most images that measure the student have taught its
    teacher.

    Args:
      facts: as `honest_roles`; so are the others. Which images are copies makes no difference.
    """
    names = sorted(facts)
    order = np.random.default_rng(PUBLISHED_SEED).permutation(len(names))
    bounds = np.round(np.cumsum(list(PUBLISHED_SHARES.values())) * len(names))
    places = np.searchsorted(bounds, order, side="right")
    roles = {
        name: Role(list(PUBLISHED_SHARES)[place], teaches(facts[name], recipe))
        for name, place in zip(names, places)
    }
    taught = sum(role.taught for role in roles.values() if role.role == TEST)
    logging.warning(
        "%d of the %d test images have taught the teacher or chosen its thresholds, as in the "
        "published workflow: every figure on them flatters. Leave --roles out for roles apart.",
        taught,
        sum(role.role == TEST for role in roles.values()),
    )
    return roles


def teaches(each: ImageFacts, recipe: Recipe) -> bool:
    """Returns whether a teacher learns from an image, or chooses its thresholds by it."""
    return not each.defective and _learns(each, recipe)


def calibrates(each: ImageFacts, recipe: Recipe) -> bool:
    """Returns whether thresholds are chosen by an image."""
    return teaches(each, recipe) and each.fold in recipe.validation_folds


def count_roles(roles: Iterable[Role]) -> dict[str, int]:
    """Returns how many images have each role."""
    return dict(collections.Counter(role.role for role in roles))


def _learns(each: ImageFacts, recipe: Recipe) -> bool:
    return each.split in recipe.train_split.split("+") and each.fold not in recipe.test_folds


def _honest_role(each: ImageFacts, recipe: Recipe, shares_train: bool) -> str:
    if teaches(each, recipe):
        return CALIBRATION if calibrates(each, recipe) else TEACHER
    if _learns(each, recipe):
        return VALIDATION if each.fold in recipe.validation_folds else STUDENT
    if shares_train or each.fold not in STUDENT_FOLDS + STUDENT_VALIDATION_FOLDS:
        return TEST
    return STUDENT if each.fold in STUDENT_FOLDS else VALIDATION


ROLES = {"honest": honest_roles, "seed-712": published_roles}
