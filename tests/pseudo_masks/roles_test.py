"""Who may see which image, on tables of facts made up here."""

import numpy as np
import pytest

from zoo import recipes
from zoo.pseudo_masks import roles
from zoo.pseudo_masks.roles import ImageFacts


def recipe(**changes):
    return recipes.get_recipe("transfusion/mvtec_ad/screw", validation_folds=(0, 1), **changes)


def thumbnails(names, seed=0):
    rng = np.random.default_rng(seed)
    return {name: rng.random((64, 64), np.float32) for name in sorted(names)}


def mvtec():
    """Train is all good; test has good and defective images."""
    facts = {f"train/{i}": ImageFacts("train", i % 10, False) for i in range(40)}
    facts |= {f"test/{i}": ImageFacts("test", i % 10, i >= 10) for i in range(30)}
    return facts


def test_of_a_test_split_with_the_only_defects_half_is_the_students():
    facts = mvtec()
    given = roles.honest_roles(facts, recipe(), thumbnails(facts))
    for name, (split, fold, _) in facts.items():
        if split == "train":
            expected = roles.CALIBRATION if fold < 2 else roles.TEACHER
        else:
            expected = roles.STUDENT if fold < 4 else roles.VALIDATION if fold == 4 else roles.TEST
        assert given[name] == roles.Role(expected, split == "train")
    assert roles.count_roles(given.values()) == {
        "teacher_train": 32,
        "calibration": 8,
        "student_train": 12,
        "student_val": 3,
        "test": 15,
    }


def test_where_train_has_defects_they_are_the_students_and_all_of_test_measures():
    facts = {f"train/{i}": ImageFacts("train", i % 10, i >= 20) for i in range(40)}
    facts |= {f"test/{i}": ImageFacts("test", i % 10, i >= 5) for i in range(10)}
    given = roles.honest_roles(facts, recipe(), thumbnails(facts))
    for name, (split, fold, defective) in facts.items():
        if split == "test":
            assert given[name] == roles.Role(roles.TEST, False)
        elif defective:
            assert given[name].role == (roles.VALIDATION if fold < 2 else roles.STUDENT)
            assert not given[name].taught


@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_of_a_teachers_image_measures_nobody(turned, caplog):
    facts = mvtec()
    pictures = thumbnails(facts)
    pictures["test/5"] = np.rot90(pictures["train/7"]) if turned else pictures["train/7"] * 0.9
    given = roles.honest_roles(facts, recipe(), pictures)
    assert given["train/7"].role == roles.TEACHER
    assert given["test/5"] == roles.Role(roles.REFUSED, False)
    assert sum(role.role == roles.REFUSED for role in given.values()) == 1


def test_copies_with_one_role_keep_it():
    facts = mvtec()
    pictures = thumbnails(facts)
    pictures["test/5"] = pictures["test/6"]  # both measure
    given = roles.honest_roles(facts, recipe(), pictures)
    assert given["test/5"].role == given["test/6"].role == roles.TEST


def test_roles_do_not_depend_on_the_order_of_the_images():
    facts = mvtec()
    pictures = thumbnails(facts)
    backwards = dict(reversed(facts.items()))
    for name, rule in roles.ROLES.items():
        assert rule(facts, recipe(), pictures) == rule(backwards, recipe(), pictures), name


def test_the_published_roles_leak_and_say_so(caplog):
    facts = mvtec()
    given = roles.published_roles(facts, recipe(), thumbnails(facts))
    counts = roles.count_roles(given.values())
    assert counts == {"student_train": 49, "student_val": 7, "test": 14}
    taught = [name for name, role in given.items() if role.role == roles.TEST and role.taught]
    assert taught and all(name.startswith("train/") for name in taught)
    assert f"{len(taught)} of the 14 test images have taught the teacher" in caplog.text
