"""`python -m zoo` as a user meets it."""

import itertools
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from run_command import command

from zoo import recipes
from zoo.commands import COMMANDS, USAGE, command_line
from zoo.modules import pretrained

MODULE = "tiny_unet/dagm_synthetic/class_1_small"


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("fly",), "must be one of list, show, predict, demo"),
        (("train",), "error: Flag --module is needed"),
        (("train", "--module=tiny_unet/none"), "Did you mean tiny_unet/"),
        (("train", "--module=x", "--epochs=many"), "must be int"),
        (("train", f"--module={MODULE}", "--xla=maybe"), "must be one of auto, on, off"),
        (("train", f"--module={MODULE}", "--image_rule=conformal"), "conformal:ALPHA"),
        (("evaluate", "--source=maps", "--ground_truth=none"), "`maps_dir` must be a folder"),
        (("calibrate", "--source=maps"), "Flag --output_dir is needed"),
        (("review", "--source=none"), "must have a manifest.jsonl"),
        (("train", "--dataset=x"), "train does not read the flag --dataset, which belongs to"),
        (("evaluate", "--source=m", "--ground_truth=g", "--split=x"), "--split: saved maps, with"),
        (("evaluate", "--source=m", "--layout=loco"), "--layout: is of saved maps: give their"),
        (
            ("predict", "--source=s", "--images=i", "--output_dir=o", "--tile_size=x"),
            "must be height,width or",
        ),
        (("list", "--noresume"), "does not read the flag --resume, which belongs to train."),
    ],
)
def test_command_line_errors_are_short(arguments, message, tmp_path):
    result = command(*arguments, cwd=tmp_path)
    assert result.returncode != 0
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_help_of_a_command_shows_its_own_flags(tmp_path):
    result = command("predict", "--help", cwd=tmp_path)
    assert result.returncode == 0
    assert result.stdout.startswith("  predict    writes a mask")
    assert "--images: Image files" in result.stdout and "--epochs" not in result.stdout


def test_results_of_a_run_stay(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run/recipe.json").write_text("{}")
    refused = command("evaluate", "--source=x", "--output_dir=run", cwd=tmp_path)
    assert "--output_dir must not be a run directory" in refused.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_of_a_command_is_defined(name):
    assert command(name, "--help", cwd=".").returncode == 0


def test_usage_explains_every_command():
    for each in COMMANDS:
        assert re.search(rf"^  {each} ", USAGE, re.MULTILINE), each


def test_list_names_every_module(tmp_path):
    result = command("list", cwd=tmp_path)
    ready, trainable = result.stdout.split("Can be trained, by these recipes\n")
    assert [line.split()[0] for line in trainable.splitlines()] == list(recipes.RECIPES)
    bundled = [manifest["handle"] for manifest in pretrained.manifests()]
    assert [
        line.split()[0] for line in ready.splitlines()[2:]
    ] == bundled  # below two lines of heads


def test_the_list_comes_at_once():
    """Without what takes seconds to import."""
    code = "import types; from zoo.commands import prediction; list(prediction.list_modules("
    code += "types.SimpleNamespace(module=None, dataset=None)))"
    code += "; import sys; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_ctrl_c_ends_with_one_line(capsys):
    commands = command_line.Commands()

    @commands.add("wait", after_interrupt="the same command goes on")
    def wait(options):
        yield "waiting"
        raise KeyboardInterrupt

    assert command_line.run(["zoo", "wait"], commands, "usage") == 130
    shown = capsys.readouterr()
    assert shown.out == "waiting\n" and shown.err == "\nstopped: the same command goes on\n"


def test_missing_flags_are_told_at_once():
    """Without what takes seconds to import."""
    code = """
import sys
from absl import flags
from zoo import __main__ as main

flags.FLAGS(["zoo"])
told = []
for name in set(main.COMMANDS) - {"list", "demo", "benchmark", "benchmark_metrics"}:
    try:
        next(main.COMMANDS[name].run(main.COMMANDS.options(name)))
    except ValueError as error:
        told.append("is needed" in str(error))
sys.exit(not told or not all(told) or bool({"keras", "tensorflow"} & set(sys.modules)))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_saved_maps_from_calibration_to_report(tmp_path):
    """As a user of another library would: maps of validation and of test images, no model."""
    rng = np.random.default_rng(0)
    for folder, labels in (("validation", ["good"]), ("test", ["good", "dent"])):
        for label, index in itertools.product(labels, range(20)):
            path = tmp_path / "maps" / folder / label / f"{index:03}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            anomaly_map = rng.random((16, 16), np.float32)
            if label == "dent":
                anomaly_map[4:8, 4:8] += 1
                mask = np.zeros((16, 16), np.uint8)
                mask[4:8, 4:8] = 255
                truth = tmp_path / "part" / "ground_truth" / label / f"{index:03}_mask.png"
                truth.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(mask).save(truth)
            np.save(path, anomaly_map)
    maps = ("--source=maps/validation", "--ground_truth=maps/validation", "--layout=folder")
    rules = ("--pixel_rule=false_alarms:0.01", "--image_rule=conformal:0.1")
    done = command("calibrate", *maps, *rules, "--output_dir=strict", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    maps = ("--source=maps", "--ground_truth=part", "--layout=mvtec")
    options = ("--calibration=strict/calibration.json", "--output_dir=out")
    done = command("evaluate", *maps, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert re.search(r"AU-PRO@0.3 +1.0000", done.stdout)
    assert "0 of 20 defective images pass" in done.stdout
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["au_pro@0.05"] == metrics["image_auroc"] == 1
    assert "alpha = 0.1, n = 20 good images" in metrics["threshold_source"]
    assert (tmp_path / "out" / "report.html").is_file()
    assert metrics["seen"] is False and "flatter" not in done.stdout
    known = ("--source=maps/validation", "--ground_truth=maps/validation", "--layout=folder")
    done = command("evaluate", *known, *options, cwd=tmp_path)
    assert json.loads((tmp_path / "out" / "metrics.json").read_text())["seen"] is True
    assert "taught the model or chose thresholds: figures flatter" in done.stdout
    refused = command("calibrate", *maps, "--output_dir=cheat", cwd=tmp_path)
    assert refused.returncode == 2 and "must hold no test image" in refused.stderr
    assert not (tmp_path / "cheat").exists()
