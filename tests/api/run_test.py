"""From a folder to predictions in Python, and by the console script."""

import json
import subprocess
import sys

import numpy as np
import pytest
from made_parts import make_parts

import zoo


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    root = tmp_path_factory.mktemp("workplace")
    make_parts(root / "my_parts", "labels_and_masks", count=30, defective=8)
    return root


@pytest.fixture(scope="module")
def run(workplace):
    return zoo.train(
        workplace / "my_parts",
        module="patch_core",
        runs_dir=workplace / "runs",
        data_dir=workplace / "data",
        image_size=(96, 128),
    )


def test_a_run_remembers_its_data(run, workplace):
    assert run.path == workplace / "runs/patch_core/image_mask_folder/rgb/my_parts"
    again = zoo.load_run(run.path)
    figures = again.evaluate()
    assert figures["image_auroc"] == again.metrics["image_auroc"] == run.metrics["image_auroc"]
    assert "image AUROC" in repr(again)


def test_what_was_built_stays_in_use_when_the_folder_is_gone(run, workplace):
    (workplace / "my_parts").rename(workplace / "moved")
    try:
        assert zoo.load_run(run.path).evaluate()["images"] == run.metrics["images"]
    finally:
        (workplace / "moved").rename(workplace / "my_parts")


def test_a_start_needs_its_builder(workplace):
    with pytest.raises(ValueError, match="needs a `module`, the name of its builder"):
        zoo.train(workplace / "my_parts", start_from="fast_unet/dagm2007/class_4")


def test_the_same_folder_is_not_trained_again_and_a_changed_one_gets_a_number(run, workplace):
    options = {
        "module": "patch_core",
        "runs_dir": workplace / "runs",
        "data_dir": workplace / "data",
        "image_size": (96, 128),
    }
    before = (run.path / "weights.weights.h5").stat().st_mtime_ns
    assert zoo.train(workplace / "my_parts", **options).path == run.path
    assert (run.path / "weights.weights.h5").stat().st_mtime_ns == before
    other = zoo.train(workplace / "my_parts", **{**options, "image_size": (64, 96)})
    assert other.path.name == "my_parts_2"


def test_predictions_of_files_and_of_arrays(run, workplace, tmp_path):
    files = run.predict(workplace / "my_parts/defect", output_dir=tmp_path / "found")
    assert len(files) == 8 and all(each.file.endswith(".jpg") for each in files)
    rows = [json.loads(row) for row in (tmp_path / "found/predictions.jsonl").open()]
    assert [row["score"] for row in rows] == [each.score for each in files]
    stacked = run.predict(np.stack([each.image for each in files[:3]]))
    np.testing.assert_allclose(
        [each.score for each in stacked], [each.score for each in files[:3]], atol=1e-5
    )
    assert stacked[0].mask.shape == (480, 640) and stacked[0].file is None
    page = files._repr_html_()
    assert page.count("<figure") == 8 and "REJECT" in page
    assert "<iframe srcdoc=" in run.report._repr_html_()


def test_wrong_arrays(run):
    with pytest.raises(ValueError, match=r"must be uint8 .*Received: float64 \[4, 4, 3\]"):
        run.predict(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r"must have 3 channels"):
        run.predict(np.zeros((4, 4, 1), np.uint8))
    with pytest.raises(ValueError, match="`output_dir` must be None"):
        run.predict(np.zeros((4, 4, 3), np.uint8), output_dir="found")


def test_no_run(tmp_path):
    with pytest.raises(ValueError, match="must be the directory of a finished run"):
        zoo.load_run(tmp_path)
    with pytest.raises(ValueError, match="Give a folder of images, or a `module`"):
        zoo.train()


def test_one_command_from_a_folder_to_a_module(workplace):
    script = [sys.executable, "-c", "from zoo.commands.entry import main; main()"]

    def command(*words):
        return subprocess.run(
            [*script, *words], cwd=workplace, capture_output=True, text=True, check=False
        )

    done = command("train", "my_parts", "--module=patch_core", "--image_size=96,128")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[:5]] == ["found", "files", "labels", "model", "split"]
    assert not any("cpu_feature" in line or "oneDNN" in line for line in done.stderr.splitlines())
    assert lines[-2] == "module  modules/patch_core/image_mask_folder/rgb/1"
    source = "runs/patch_core/image_mask_folder/rgb/my_parts"
    assert lines[-1].startswith(f"next    defect-zoo predict --source={source}")
    measured = command("evaluate", f"--source={source}")
    assert measured.returncode == 0, measured.stderr
    assert command("--version").stdout.startswith("defect-zoo 0.2.0, tensorflow ")
    refused = command("train", "nowhere")
    assert refused.returncode == 2
    assert (
        refused.stderr.splitlines()[-1]
        == "error: nowhere must be a folder of images. It is missing."
    )
