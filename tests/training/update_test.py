"""More good images for a model that remembers them: what is new, what is kept, what is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from builders.patch_core import bank_of
from builders.runs import run_dir
from zoo.data import datasets, leakage
from zoo.prediction import predictor
from zoo.recipes import get_recipe
from zoo.training.train import train
from zoo.training.update import table, update

MODULE = "patch_core/dagm_synthetic/class_1_small"


@pytest.fixture(scope="module")
def builder(data_dir):
    return datasets.prepare_dataset("dagm_synthetic/class_1_small", data_dir=data_dir)


@pytest.fixture(scope="module")
def run(data_dir, tmp_path_factory):
    recipe = get_recipe(
        MODULE,
        builder_args={"backbone": "MobileNetV3Small", "weights": None, "bank_size": 20},
        image_size=(64, 64),
        test_split="test[:16]",
    )
    return train(recipe, runs_dir=tmp_path_factory.mktemp("runs"), data_dir=data_dir)


@pytest.fixture
def bright(tmp_path):
    """Twelve images like none before."""
    folder = tmp_path / "more"
    folder.mkdir()
    for number in range(12):
        pixels = np.random.default_rng(number).integers(150, 255, (64, 64), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:02}.png")
    return folder


def test_more_images_come_closer(run, builder, bright):
    before = predictor.load_predictor(str(run))
    files = {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    updated = update(run, [str(bright)], builder)
    assert updated == run.with_name(f"{run.name}_updated")
    assert files == {file.name: file.read_bytes() for file in run.iterdir() if file.is_file()}
    after = predictor.load_predictor(str(updated))
    images = np.stack([np.asarray(Image.open(f))[..., None] for f in sorted(bright.iterdir())])
    assert (after.predict(images)["score"] <= before.predict(images)["score"] + 1e-6).all()
    document = json.loads((updated / "update.json").read_text())
    assert document["images"]["new"] == 12
    assert document["images"]["memory"] + document["images"]["thresholds"] == 12
    sizes = [document[part]["bank_vectors"] for part in ("before", "after")]
    assert sizes[0] == 20 < sizes[1] <= 40
    assert bank_of(run_dir.load_model(updated)[0]).bank.shape[0] == sizes[1]
    assert "new_images_rejected" in table(document)
    known = leakage.read_hashes(updated)
    assert {leakage.hash_image(image) for image in images} <= known
    environment = json.loads((updated / "environment.json").read_text())
    assert "image_mask_folder/grey" in environment["learnt_from"]
    with pytest.raises(ValueError, match=r"is there already.*Choose another --run_name"):
        update(run, [str(bright)], builder)
    again = update(updated, [str(bright / "00.png"), str(_other(bright))], builder)
    assert json.loads((again / "update.json").read_text())["images"]["new"] == 1


def _other(folder):
    pixels = np.random.default_rng(99).integers(0, 255, (64, 64), np.uint8)
    Image.fromarray(pixels).save(folder / "other.png")
    return folder / "other.png"


def test_a_test_image_is_refused(run, builder, tmp_path):
    example = next(iter(datasets.read_examples(builder, "test[:1]").as_numpy_iterator()))
    Image.fromarray(example["image"][..., 0]).save(tmp_path / "test.png")
    with pytest.raises(ValueError, match=r"test\.png is a test image of dagm_synthetic"):
        update(run, [str(tmp_path / "test.png")], builder, run_name="of_test")


def test_known_images_are_not_new(run, builder, tmp_path):
    example = next(iter(datasets.read_examples(builder, "train[:1]").as_numpy_iterator()))
    Image.fromarray(example["image"][..., 0]).save(tmp_path / "known.png")
    with pytest.raises(ValueError, match="must name images that the run does not know"):
        update(run, [str(tmp_path)], builder, run_name="of_known")


def test_broken_images_are_named(run, builder, bright):
    (bright / "00.png").write_bytes((bright / "01.png").read_bytes()[:100])
    with pytest.raises(ValueError, match=r"1 files could not be read.*00\.png.*skip_broken_images"):
        update(run, [str(bright)], builder, run_name="broken")
    assert not run.with_name("broken.partial").exists()


def test_runs_that_remember_nothing_are_refused(builder, tmp_path, bright):
    from tiny_run import tiny_run

    with pytest.raises(ValueError, match="must be a run directory of patch_core"):
        update(tiny_run(tmp_path / "tiny"), [str(bright)], builder)
