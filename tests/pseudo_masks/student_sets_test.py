"""Data sets of students whose defects have no masks, or whose masks and paint have terms."""

import json

from made_archives import build, examples, save
from made_pseudo_masks import built, entries, make_folder, part, teacher
from made_textures import make_dtd

from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo import recipes
from zoo.data import datasets, leakage
from zoo.pseudo_masks import write


def test_defects_without_masks(tmp_path):
    """They teach from the teacher's masks alone, and stay defective in the test."""
    for number in range(40):
        spot, folder = (None, "good") if number < 28 else (240, "defect")
        suffix = ".bmp" if number % 2 else ".png"  # pairs of files share a stem
        save(tmp_path / f"mine/{folder}/{number // 2}{suffix}", part(number, spot))
    data = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    write.write_pseudo_masks(teacher(), data, tmp_path / "masks")
    given = json.loads((tmp_path / "masks/roles.json").read_text())["images"]
    tested = [key for key, role in given.items() if role["role"] == "test"]
    defective = sum("/defect/" in key for key in tested)
    assert len(given) == 40 and 0 < defective < len(tested)
    for name in write.FOLDERS:
        student_set = built(tmp_path / "masks", name, tmp_path)
        test = examples(student_set, "test")
        assert [row["label"] > 0 for row in test] == [(row["mask"] > 0).all() for row in test]
        assert (len(test), sum(row["label"] > 0 for row in test)) == (len(tested), defective)
        learnt = {int(row["label"]) for row in examples(student_set)}
        assert learnt == ({0} if name == "ground_truth" else {0, 1})
    reasons = {e["reason"] for e in entries(tmp_path / "masks", "ground_truth").values()}
    assert reasons == {None, write.NO_MASK}


def test_terms_of_teacher_and_textures_stay_with_the_students(tmp_path):
    make_folder(tmp_path / "mine")
    data = build(Builder, "grey", tmp_path / "mine", tmp_path / "data")
    make_dtd(tmp_path / "dtd", 47)
    known = teacher(textures=(f"dtd:{tmp_path / 'dtd'}",))
    known = known._replace(learnt_from=("dtd", "image_mask_folder/grey", "mvtec_ad/screw"))
    write.write_pseudo_masks(known, data, tmp_path / "masks")
    more = {"pseudo": ["dtd", "mvtec_ad/screw"], "synthetic": ["dtd"], "ground_truth": []}
    recipe = recipes.get_recipe("unet/image_mask_folder/grey")
    for name, others in more.items():
        student_set = built(tmp_path / "masks", name, tmp_path)
        own = "image_mask_folder/grey"
        assert leakage.training_sources(recipe, student_set) == sorted([own, *others])
        assert datasets.origins(student_set) == [own]
