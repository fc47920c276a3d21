"""A module turned back into a run directory is that very module, to learn on or to convert."""

import json
import shutil

import numpy as np
import pytest
from tiny_run import CALIBRATION, METRICS, RECIPE, tiny_run

from builders.runs.run_dir import load_model
from export.publish import publish
from zoo.modules import pretrained
from zoo.modules.import_module import import_module

HANDLE = RECIPE["module"]


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    run = tiny_run(folder / "run")
    (run / "environment.json").write_text(json.dumps({"learnt_from": [RECIPE["dataset"], "dtd"]}))
    (run / "known_images.json").write_text('["0123"]')
    publish(run, folder / "modules", weights="bfloat16")
    return folder / "modules"


def read(file):
    return json.loads(file.read_text())


def test_it_is_published_already(modules, tmp_path):
    """What decides that is a hash of weights, recipe, thresholds and figures."""
    run = import_module(HANDLE, modules_dir=modules, runs_dir=tmp_path)
    assert run == tmp_path / HANDLE / "module_import"
    assert load_model(run)[1] == read(run / "recipe.json") == RECIPE
    assert read(run / "calibration.json") == CALIBRATION
    assert read(run / "metrics.json") == METRICS
    assert read(run / "known_images.json") == ["0123"]
    manifest, written = publish(run, modules)
    assert manifest["version"] == 1 and not written
    with pytest.raises(ValueError, match="Move it away to import again"):
        import_module(HANDLE, modules_dir=modules, runs_dir=tmp_path)


def test_weights_know_what_the_manifest_says_else_something_unknown(modules, tmp_path):
    run = import_module(HANDLE, modules_dir=modules, runs_dir=tmp_path / "a")
    assert read(run / "environment.json")["learnt_from"] == ["dagm2007/class_4", "dtd"]
    shutil.copytree(modules / HANDLE / "1", tmp_path / "alone")
    run = import_module(str(tmp_path / "alone"), runs_dir=tmp_path / "b")
    assert read(run / "environment.json")["learnt_from"] == ["dagm2007/class_4", "unknown"]


@pytest.mark.parametrize("handle", ["fast_unet/dagm_synthetic/class_1", "vgg16_cam/"])
def test_modules_that_come_along(handle, tmp_path):
    manifest = next(m for m in pretrained.manifests() if m["handle"].startswith(handle))
    run = import_module(manifest["handle"], modules_dir=tmp_path, runs_dir=tmp_path)
    assert read(run / "environment.json")["learnt_from"] == manifest["learnt_from"]
    model, _ = load_model(run)
    assert model.count_params() == manifest["parameters"]
    assert all(np.isfinite(weight).all() for weight in model.get_weights())


def test_what_is_no_module_of_this_network_is_refused(modules, tmp_path):
    folder = tmp_path / "other"
    shutil.copytree(modules / HANDLE / "1", folder)
    recipe = {**RECIPE, "builder": "fast_unet", "builder_args": {}}
    (folder / "assets" / "recipe.json").write_text(json.dumps(recipe))
    with pytest.raises(ValueError, match=r"must hold the \d+ variables of its recipe's network"):
        import_module(str(folder), runs_dir=tmp_path)
    (folder / "assets" / "recipe.json").unlink()
    with pytest.raises(ValueError, match="it has no recipe"):
        import_module(str(folder), runs_dir=tmp_path)
    for module in ("/elsewhere/a", "../../a/b"):
        (folder / "assets" / "recipe.json").write_text(json.dumps({**RECIPE, "module": module}))
        with pytest.raises(ValueError, match="`handle` must be two or more words"):
            import_module(str(folder), runs_dir=tmp_path)
    with pytest.raises(ValueError, match="or its handle in"):
        import_module("tiny_unet/nowhere", runs_dir=tmp_path)
    assert not (tmp_path / HANDLE).exists()
