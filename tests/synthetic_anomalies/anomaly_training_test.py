"""TransFusion trained end to end from good images alone, on a few small synthetic ones."""

import csv
import dataclasses
import json
import logging

import numpy as np
import pytest
import tensorflow as tf
from small_transfusion import MODULE, SMALL

from builders.runs import run_dir
from zoo.data import datasets
from zoo.prediction.files import predict_files
from zoo.prediction.predictor import at_size, load_predictor
from zoo.recipes import get_recipe
from zoo.recipes.recipe import parse_field
from zoo.synthetic_anomalies import batches as anomaly_pipeline
from zoo.synthetic_anomalies.textures import Textures
from zoo.training import recipe_checks
from zoo.training.backup import Backup
from zoo.training.run_paths import run_path
from zoo.training.train import train

GOOD = anomaly_pipeline.GoodImages(
    np.random.default_rng(0).integers(0, 256, (7, 32, 32, 1), np.uint8), np.ones((7, 32, 32), bool)
)
PROCEDURAL = Textures("procedural")


def weights(run):
    return run_dir.load_model(run)[0].get_weights()


def history(run):
    with open(run / "history.csv", newline="") as stream:
        return list(csv.DictReader(stream))


def batches(first_epoch, **changes):
    recipe = get_recipe(MODULE, **{**SMALL, **changes})
    found = anomaly_pipeline.training_batches(GOOD, recipe, PROCEDURAL, 4, first_epoch)
    return list(found.as_numpy_iterator())


def equal(one, other):
    pairs = zip(tf.nest.flatten(one), tf.nest.flatten(other), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


@pytest.fixture(scope="module")
def finished(data_dir, tmp_path_factory):
    recipe = get_recipe(MODULE, **SMALL)
    return train(recipe, runs_dir=tmp_path_factory.mktemp("runs"), data_dir=data_dir), recipe


def test_seed_and_step_alone_decide_a_batch():
    whole = batches(0)
    assert len(whole) == 12
    assert equal(whole[4:], batches(1)) and equal(whole, batches(0))
    assert not equal(whole[0], whole[1]) and not equal(whole[0], batches(0, seed=1)[0])


def test_all_images_come_before_any_comes_again():
    drawn = [anomaly_pipeline.drawn_images(7, number, 4, seed=3) for number in range(7)]
    chosen, places = (np.concatenate(parts) for parts in zip(*drawn))
    np.testing.assert_array_equal(places, np.arange(28))
    rounds = chosen.reshape(4, 7)
    np.testing.assert_array_equal(np.sort(rounds), np.tile(np.arange(7), (4, 1)))
    assert len({tuple(each) for each in rounds}) == 4


def test_what_the_network_is_asked_and_shall_answer():
    steps = []
    for asked, truth in batches(0, batch_size=8, epochs=10):
        assert asked["image"].shape == truth["normal"].shape == (8, 32, 32, 3)
        np.testing.assert_array_equal(asked["step"], truth["step"])
        opacity = truth["step"][:, None, None, None] / 3
        blended = truth["normal"] + opacity * (truth["anomaly"] - truth["mask"] * truth["normal"])
        np.testing.assert_allclose(asked["image"], blended, atol=1e-6)
        assert not asked["mask"][truth["step"] == 3].any()
        assert not truth["mask"][4:].any() and not asked["mask"][4:].any()
        seen = (truth["step"] < 3) & (np.arange(8) < 4)
        steps += truth["step"].tolist()
    assert asked["mask"][seen].any() and truth["mask"][:4].any()
    # 320 draws of three steps
    assert np.bincount(steps, minlength=4).tolist()[0] == 0
    assert np.bincount(steps)[1:].min() > 320 / 3 - 40


def change(**changes):
    recipe = get_recipe(MODULE, **{**SMALL, **changes})
    return anomaly_pipeline.change_images(
        GOOD.images[:4], GOOD.foregrounds[:4], tf.range(4, dtype=tf.int64), recipe
    )


def test_good_images_change_before_defects_are_painted():
    images, foregrounds, _ = change(augmentation="d4")
    for before, after in zip(GOOD.images, images.numpy()):
        turned = [np.rot90(x, k) for x in (before, before.transpose(1, 0, 2)) for k in range(4)]
        assert any(np.array_equal(after, each) for each in turned)
    assert not np.array_equal(GOOD.images[:4], images) and foregrounds.numpy().all()
    plain, turned = batches(0), batches(0, augmentation="d4")
    for (_, before), (_, after) in zip(plain, turned):
        np.testing.assert_array_equal(before["mask"], after["mask"])  # the defects stay
    assert not equal(plain, turned) and equal(turned[4:], batches(1, augmentation="d4"))


def test_no_defect_is_painted_beyond_the_border_of_a_turned_image():
    images, foregrounds, _ = change(rotation=45.0, brightness=0.1)
    assert images.dtype == tf.uint8 and foregrounds.dtype == tf.bool
    corners = foregrounds.numpy()[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert not corners.all() and foregrounds.numpy()[:, 12:20, 12:20].all()


def test_validation_images_and_their_defects_are_always_the_same():
    recipes = (get_recipe(MODULE, **SMALL, seed=seed) for seed in (0, 1))
    found = [
        list(anomaly_pipeline.validation_batches(GOOD, r, PROCEDURAL, 4).as_numpy_iterator())
        for r in recipes
    ]
    assert equal(*found)
    assert [len(asked["step"]) for asked, _ in found[0]] == [4, 3]


def test_run_is_complete_and_learns(finished):
    run, _ = finished
    rows = history(run)
    assert float(rows[-1]["loss"]) < 0.9 * float(rows[0]["loss"])
    parts = ("appearance", "mask", "normal", "consistency")
    for row in rows:
        for kind in ("", "val_"):
            total = sum(float(row[f"{kind}{part}"]) for part in parts)
            assert total == pytest.approx(float(row[f"{kind}loss"]), rel=1e-3)
    metrics = json.loads((run / "metrics.json").read_text())
    assert metrics["images"] == 120 and metrics["seen"] is False
    assert all(0 <= metrics[name] <= 1 for name in ("image_auroc", "au_pro@0.3", "pixel_ap"))
    assert (run / "report.html").is_file()
    assert json.loads((run / "environment.json").read_text())["textures"] == "procedural"


def test_thresholds_come_from_good_validation_images(finished, data_dir):
    run, recipe = finished
    calibration = json.loads((run / "calibration.json").read_text())
    predictor = load_predictor(str(run))
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    good = anomaly_pipeline.read_good_images(builder, recipe, recipe.validation_folds).images
    answers = predictor.predict(good)
    allowed = len(good) // 20
    assert np.sum(answers["score"] > calibration["score_threshold"]) == allowed
    assert np.mean(answers["mask"] > calibration["threshold"]) <= 0.001


def test_broken_run_resumes_as_an_unbroken_one(finished, data_dir, tmp_path, monkeypatch):
    run, recipe = finished

    class Broken(Exception):
        pass

    def break_off(self, epoch, logs=None, whole=Backup.on_epoch_end):
        whole(self, epoch, logs)
        raise Broken

    options = {"runs_dir": tmp_path, "data_dir": data_dir}
    with monkeypatch.context() as patch, pytest.raises(Broken):
        patch.setattr(Backup, "on_epoch_end", break_off)
        train(recipe, **options)
    assert not run_path(tmp_path, recipe).exists()
    resumed = train(recipe, resume=True, **options)
    for one, other in zip(weights(run), weights(resumed), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("metrics.json", "calibration.json"):
        assert (run / name).read_text() == (resumed / name).read_text()


def test_lowest_validation_loss_chooses_where_it_may(tmp_path):
    backup = Backup(tmp_path, {}, monitor="val_loss")
    backup.history = [{"val_loss": loss} for loss in (0.4, 0.2, 0.3, 0.2)]
    assert backup.best_epoch == 1


def test_images_of_any_size_are_predicted(finished, tmp_path):
    run, recipe = finished
    image = np.random.default_rng(0).integers(0, 256, (64, 40, 1), np.uint8)
    tf.io.write_file(str(tmp_path / "part.png"), tf.io.encode_png(image))
    predictor = load_predictor(str(run))
    predictor = predictor._replace(predict=at_size(predictor.predict, recipe.image_size))
    (row,) = predict_files(predictor, [str(tmp_path / "part.png")], tmp_path / "found")
    assert 0 <= row["score"] <= 1


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"textures": ("folder:nowhere",)}, "one source of textures.*nowhere is missing"),
        ({"textures": None}, "`textures` must be tuple"),
        ({"foreground_dir": "nowhere"}, "`mask_dir` must be a folder.*nowhere"),
        ({"loss": "bce"}, "`loss` must be None where transfusion learns.*Received: bce"),
        ({"zoom": 4.0}, "`zoom` must be from 0 to 3"),
        ({"image_size": (34, 32)}, "`image_size` must be multiples of 4.*Received: .* 34x32"),
    ],
)
def test_bad_recipe(changes, message, data_dir, tmp_path):
    with pytest.raises(ValueError, match=message):
        recipe = get_recipe(MODULE, **{**SMALL, **changes})
        train(recipe, runs_dir=tmp_path, data_dir=data_dir)


def test_no_good_image_to_learn_from(data_dir, monkeypatch):
    recipe = get_recipe(MODULE, **SMALL)
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    whole = datasets.read_examples
    monkeypatch.setattr(
        datasets,
        "read_examples",
        lambda *args, **options: whole(*args, **options).filter(lambda e: e["label"] > 0),
    )
    with pytest.raises(ValueError, match=r"good images in the folds \(2, 3, .* from good"):
        anomaly_pipeline.read_good_images(builder, recipe, recipe.training_folds)


@pytest.mark.parametrize("num_good, share", [(6, "14 %"), (19, "5 %"), (20, None)])
def test_few_good_validation_images_are_named(num_good, share, caplog):
    with caplog.at_level(logging.WARNING):
        recipe_checks.check_one_class(get_recipe(MODULE, **SMALL), num_good)
    assert ("probability of" in caplog.text) == (share is not None)
    assert share is None or f"probability of {share}" in caplog.text


def test_the_published_recipe():
    recipe = get_recipe("transfusion/mvtec_ad/screw", "paper")
    steps = recipe.steps_per_epoch * recipe.epochs
    assert (steps, recipe.decay_steps) == (1500 * 40, 800 * 40)
    assert (recipe.learning_rate, recipe.decay_rate, recipe.batch_size) == (1e-5, 0.1, 8)
    assert recipe.builder_args == {"image_shape": [None, None, 1]}


def test_sources_of_textures_are_read_from_text():
    field = next(f for f in dataclasses.fields(get_recipe(MODULE)) if f.name == "textures")
    assert parse_field(field, "dtd:a/dtd,procedural") == ("dtd:a/dtd", "procedural")
