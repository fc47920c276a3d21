"""From a teacher to its students: folders, manifests, refusals, and the comparison."""

import json
import shutil

import keras
import numpy as np
import pytest
from made_archives import build, examples, save
from made_predictors import bright
from made_pseudo_masks import SIDE, built, entries, make_folder, teacher

from builders.runs.atomic import write_json
from builders.runs.run_dir import save_model
from tfds_datasets.image_mask_folder import manifest
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo import recipes
from zoo.data import datasets
from zoo.evaluation import evaluate_run
from zoo.prediction import predictor
from zoo.pseudo_masks import compare, write
from zoo.results import tables


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("parts")
    make_folder(root / "mine")
    return build(Builder, "grey", root / "mine", root / "data")


@pytest.fixture(scope="module")
def written(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written") / "masks"
    return folder, write.write_pseudo_masks(teacher(), data, folder)


def test_thresholds_come_from_good_images_of_the_validation_folds(written, data):
    folder, calibration = written
    levels = calibration["levels"]
    assert levels["low"] <= levels["pixel"] <= levels["image"] < 61 / 255  # no spot chose one
    roles = json.loads((folder / "roles.json").read_text())
    assert roles["counts"]["calibration"] == calibration["images"] == 4
    assert json.loads((folder / "calibration.json").read_text()) == calibration


def test_thresholds_do_not_change_with_the_test_images(data, written, tmp_path):
    """Test images are not asked about, but for their number."""
    asked = []

    def remembering(images):
        asked.append(int(images[0, 10, 10, 0]))
        return bright(images)

    write.write_pseudo_masks(teacher(remembering), data, tmp_path / "masks")
    counts = json.loads((tmp_path / "masks/roles.json").read_text())["counts"]
    assert len(asked) == counts["calibration"] + counts["student_train"] + counts["student_val"]


def test_students_learn_from_the_teacher_from_paint_or_from_the_truth(written, tmp_path):
    folder, calibration = written
    found = {name: manifest.read_manifest(folder / name) for name in write.FOLDERS}
    kinds = {
        name: {entry["mask_source"] for entry in known.values() if entry["role"] != "test"}
        for name, known in found.items()
    }
    assert kinds == {
        "pseudo": {"known_good", "pseudo"},
        "synthetic": {"known_good", "synthetic"},
        "ground_truth": {"known_good", "ground_truth"},
    }
    assert calibration["marked"] == 10 and calibration["empty"] == 0
    sets = {name: built(folder, name, tmp_path) for name in write.FOLDERS}
    for name, builder in sets.items():
        test = examples(builder, "test")
        assert len(test) == 15 and sum(row["label"] > 0 for row in test) == 5
        assert all(set(np.unique(row["mask"])) <= {0, 1} for row in test)
        assert {int(row["fold"]) for row in examples(builder)} == {0, 1}
        assert builder.info.metadata["taught"] == 0
        assert len(examples(builder)) == {"pseudo": 30, "synthetic": 40, "ground_truth": 30}[name]
    marked = [row["mask"][..., 0] for row in examples(sets["pseudo"]) if row["label"] > 0]
    assert len(marked) == 10
    for mask in marked:
        assert (mask[8:14, 8:14] == 1).all() and np.count_nonzero(mask == 1) == 36
        assert (mask[6:16, 6:16] > 0).all()  # the ring is open


def test_the_images_keep_their_origin(written, tmp_path):
    for name in write.FOLDERS:
        assert datasets.origins(built(written[0], name, tmp_path)) == ["image_mask_folder/grey"]
    folder = tmp_path / "of_others"
    shutil.copytree(written[0] / "pseudo", folder / "pseudo")
    lines = [
        {**line, "datasets": ["mvtec_ad/screw"]} for line in entries(folder, "pseudo").values()
    ]
    manifest.write_manifest(folder / "pseudo", lines)
    assert datasets.origins(built(folder, "pseudo", folder)) == ["mvtec_ad/screw"]


def test_foregrounds_of_some_images_alone(data, tmp_path):
    """The others are marked as without the folder, as in the teacher's training."""
    save(tmp_path / "parts/train/images/00.png", np.full((SIDE, SIDE), 255, np.uint8))
    known = teacher(foreground_dir=str(tmp_path / "parts"))
    written = write.write_pseudo_masks(known, data, tmp_path / "masks")
    assert written["marked"]


def test_the_images_are_one_file(written):
    folder, _ = written
    file = "test/images/" + sorted(p.name for p in (folder / "pseudo/test/images").iterdir())[0]
    assert len({(folder / name / file).stat().st_ino for name in write.FOLDERS}) == 1


def test_equal_runs_write_equal_manifests(written, data, tmp_path):
    folder, _ = written
    write.write_pseudo_masks(teacher(), data, tmp_path / "again")
    for name in write.FOLDERS:
        for file in ("manifest.jsonl", "palette.json"):
            again = (tmp_path / "again" / name / file).read_bytes()
            assert again == (folder / name / file).read_bytes()


def test_known_labels(data, tmp_path):
    """A teacher that sees nothing: defective images are left out, good ones are good."""

    def blind(images):
        mask = np.full((*images.shape[:3], 1), 0.25, np.float32)
        return {"mask": mask, "score": mask.max(axis=(1, 2, 3))}

    calibration = write.write_pseudo_masks(
        teacher(blind), data, tmp_path / "masks", image_labels=True
    )
    assert calibration["left_out"] == 10 and calibration["marked"] == 0
    left_out = [e for e in entries(tmp_path / "masks", "pseudo").values() if not e["use"]]
    assert len(left_out) == 10 and {e["reason"] for e in left_out} == {write.NO_REGION}
    assert len(examples(built(tmp_path / "masks", "pseudo", tmp_path))) == 20


def test_published_roles_are_counted_in_the_data_set(data, tmp_path):
    write.write_pseudo_masks(teacher(), data, tmp_path / "masks", preset="seed-712")
    builder = built(tmp_path / "masks", "ground_truth", tmp_path)
    assert builder.info.metadata["taught"] > 0


@pytest.mark.parametrize(
    "changes, preset, message",
    [
        ({"image_rule": "best_f1"}, "honest", "by good images alone"),
        ({}, "fair", "`preset` must be one of honest, seed-712"),
    ],
)
def test_errors(changes, preset, message, data, tmp_path):
    with pytest.raises(ValueError, match=message):
        write.write_pseudo_masks(teacher(**changes), data, tmp_path / "m", preset=preset)
    assert not list(tmp_path.iterdir())


def test_no_teacher_and_no_place(data, written, tmp_path):
    supervised = teacher()._replace(
        recipe=recipes.get_recipe("unet/image_mask_folder/grey").to_dict()
    )
    with pytest.raises(ValueError, match="must have learnt from good images alone"):
        write.write_pseudo_masks(supervised, data, tmp_path / "masks")
    with pytest.raises(ValueError, match="is there already"):
        write.write_pseudo_masks(teacher(), data, written[0])


def test_a_crash_leaves_nothing_behind(data, tmp_path):
    def failing(images):
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="full"):
        write.write_pseudo_masks(teacher(failing), data, tmp_path / "masks")
    assert not list(tmp_path.iterdir())


def test_a_manifest_that_does_not_fit(written, tmp_path):
    folder, _ = written
    lines = (folder / "pseudo/manifest.jsonl").read_text().splitlines()
    for broken, message in (
        ([lines[0], lines[0]], "Line 2: file"),
        (["{}"], "Line 1: 'file'"),
        ([json.dumps({**json.loads(lines[0]), "fold": 10})], "fold 10"),
        ([json.dumps({**json.loads(lines[0]), "mask_source": "guess"})], "guess"),
        (["no json"], "Line 1"),
    ):
        (tmp_path / manifest.FILE).write_text("\n".join(broken))
        with pytest.raises(ValueError, match=message):
            manifest.read_manifest(tmp_path)
    with pytest.raises(ValueError, match="one of the two: a, c"):
        manifest.check_manifest({"a": {}, "b": {}}, ["b", "c"], tmp_path)


def student(folder, *, seed, masks, learnt=None) -> str:
    """The run directory of a tiny student."""
    run = folder / f"{learnt or 'truth'}_{seed}"
    run.mkdir(parents=True)
    recipe = recipes.get_recipe(
        "fast_unet/image_mask_folder/grey",
        seed=seed,
        builder_args={"base_filters": 4, "normalization": None},
    )
    keras.utils.set_random_seed(seed)
    from builders import build as build_model

    model = build_model(recipe.builder, **recipe.builder_args)
    save_model(model, {**recipe.to_dict(), "class_names": ["good", "defect"]}, run)
    write_json(run / "calibration.json", {"threshold": 0.5, "score_threshold": 0.5})
    write_json(run / "environment.json", {"masks": masks} if masks else {})
    return str(run)


def test_comparison(written, tmp_path):
    folder, _ = written
    builder = built(folder, "ground_truth", tmp_path)
    runs = [
        student(tmp_path / "runs", seed=seed, masks=masks, learnt=learnt)
        for learnt, masks in (("pseudo", ["known_good", "pseudo"]), ("truth", []))
        for seed in (0, 1)
    ]
    first = student(tmp_path / "teacher", seed=9, masks=[])

    def load(directory):
        if directory == first:
            return teacher()._replace(calibration={"threshold": 0.5, "score_threshold": 0.5})
        return predictor.load_predictor(directory)

    compared = compare.compare(first, runs, load, builder)
    assert compared["taught"] == 0 and compared["images"] == 15 and compared["defective"] == 5
    assert [row["learnt_from"] for row in compared["rows"]] == [
        "good images",
        "pseudo masks",
        "ground truth",
    ]
    known, pseudo, _ = compared["rows"]
    assert known["figures"]["set_iou"]["mean"] == known["figures"]["image_auroc"]["mean"] == 1.0
    assert known["figures"]["agreement_iou"]["mean"] is None  # with itself
    assert pseudo["seeds"] == [0, 1]
    # The teacher's masks are the truth here, so agreeing with them is being right.
    np.testing.assert_allclose(
        pseudo["figures"]["agreement_iou"]["values"], pseudo["figures"]["set_iou"]["values"]
    )
    table = tables.comparison_table(compared).splitlines()
    assert len(table) == 5 and "agreement with the teacher" in table[0]


def test_nobody_is_measured_against_a_teachers_masks(written, tmp_path):
    folder, _ = written
    builder = built(folder, "pseudo", tmp_path)
    run = predictor.load_predictor(student(tmp_path / "runs", seed=0, masks=["pseudo"]))
    for split in ("train", "train+test", "train[:50%]", "all"):
        with pytest.raises(ValueError, match="agreement"):
            evaluate_run.evaluate_on_dataset(run, builder, split)
    assert evaluate_run.evaluate_on_dataset(run, builder).metrics["images"] == 15
    calibration = evaluate_run.calibrate_predictor(
        run._replace(recipe={**run.recipe, "validation_folds": [0]}), builder
    )
    assert calibration["source"].endswith("where masks are those of a teacher")
