"""Summaries over seeds, and that the pages show what the result files say."""

import json
import pathlib

import pytest

from export import FORMATS
from zoo.modules import pretrained
from zoo.recipes import get_recipe
from zoo.results import summary, tables

ROOT = pathlib.Path(__file__).parents[2]
METRICS = {
    "dataset": "dagm2007/class_4",
    "split": "test",
    "images": 4,
    "defective": 2,
    "image_shape": [96, 96, 1],
    "threshold_source": "best F1 on folds 0, 1 of the train split",
    "at_thresholds": [{"nvidia_dice_mean": 0.0}, {"nvidia_dice_mean": 0.9}],
    "pixel_confusion": {"classes": ["background", "dent", "scratch"], "iou": [0.9, 0.5, None]},
    "tp": 2,
    "fn": 0,
    "fp": 1,
    "tn": 1,
}


def make_run(folder: pathlib.Path, seed: int, value: float, **changes) -> pathlib.Path:
    folder.mkdir()
    recipe = get_recipe("tiny_unet/dagm2007/class_4").to_dict()
    documents = {
        "recipe": {**recipe, "seed": seed, **changes},
        "metrics": {**METRICS, **dict.fromkeys(summary.FIGURES, value)},
        "environment": {
            "training_seconds": 120.0,
            "training_steps": 40,
            "textures": "dtd:/data/dtd",
        },
    }
    for name, content in documents.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    watched = "val_balanced_accuracy" if "loss" in changes else "val_iou"
    (folder / "history.csv").write_text(f"epoch,{watched},seconds\n1,0.5,60.0\n2,0.75,120.0\n")
    return folder


def test_mean_and_spread(tmp_path):
    runs = [make_run(tmp_path / str(seed), seed, 0.7 + 0.1 * seed) for seed in range(3)]
    result = summary.summarize(runs)
    assert result["seeds"] == [0, 1, 2] and result["environment"] == {"textures": "dtd:dtd"}
    assert result["figures"]["defect_iou"]["mean"] == pytest.approx(0.8)
    assert result["figures"]["defect_iou"]["sd"] == pytest.approx(0.1)
    assert result["history"][2] == [
        {"seconds": 60.0, "val_iou": 0.5},
        {"seconds": 120.0, "val_iou": 0.75},
    ]
    assert tables.kind({**result, "type_iou": {"defect": 1}}) == "defects"
    row = tables.table("defects", [result]).splitlines()[-1]
    assert "| 0.800 ± 0.100 |" in row
    assert "| 2.0 / 2 | 1.0 / 2 | 0.900 ± 0.000 / 0.967 | 2 |" in row


def test_a_summary_of_another_recipe_stays(tmp_path):
    result = summary.summarize([make_run(tmp_path / "run", 0, 0.7)])
    path = summary.write_summary(tmp_path / "out", result)
    assert summary.write_summary(tmp_path / "out", result) == path
    other = {**result, "recipe": {**result["recipe"], "learning_rate": 0.5}}
    with pytest.raises(ValueError, match="of a recipe with another learning_rate"):
        summary.write_summary(tmp_path / "out", other)
    masked = {**result, "environment": {**result["environment"], "masks": ["pseudo"]}}
    with pytest.raises(ValueError, match="with another kind of masks"):
        summary.write_summary(tmp_path / "out", masked)
    with pytest.raises(ValueError, match="of the seeds 0 as well, which would be lost"):
        summary.write_summary(tmp_path / "out", {**result, "seeds": [1]})
    assert json.loads(path.read_text()) == result


def test_a_seed_joins_an_earlier_summary(tmp_path):
    runs = [make_run(tmp_path / str(seed), seed, 0.7 + 0.1 * seed) for seed in range(3)]
    earlier = tmp_path / "earlier.json"
    earlier.write_text(json.dumps(summary.summarize(runs[:2])))
    assert summary.summarize([earlier, runs[2]]) == summary.summarize(runs)
    with pytest.raises(ValueError, match=r"a seed each\. Received: \[0, 1, 1\]"):
        summary.summarize([earlier, runs[1]])
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"other\.json must be a summary of runs; figures"):
        summary.summarize([tmp_path / "other.json"])


def test_types_have_a_table_of_their_own(tmp_path):
    result = summary.summarize([make_run(tmp_path / str(seed), seed, 0.7) for seed in range(2)])
    assert tables.kind(result) == "types"
    row = tables.table("types", [result]).splitlines()[-1]
    assert "| 2 | 0.700 ± 0.000 | 0.700 ± 0.000 | dent 0.500 ± 0.000, scratch undefined |" in row


def test_labels_have_a_table_of_their_own(tmp_path):
    of_labels = {"loss": None, "builder_args": {"num_labels": 2}}
    result = summary.summarize([make_run(tmp_path / "a", 0, 1.5, **of_labels)])
    assert tables.kind(result) == "labels"
    assert result["history"][0][1] == {"seconds": 120.0, "val_balanced_accuracy": 0.75}
    row = tables.table("labels", [result]).splitlines()[-1]
    assert "| 1.500 | 2.0 / 2 | 1.0 / 2 | 1.5000 | 1.5 / 1 | 1.500 | 1.500 | 2 |" in row
    of_good_images = {"recipe": {"loss": None, "builder_args": {}}, "type_iou": {"defect": 1}}
    assert tables.kind(of_good_images) == "defects"


def test_places_are_undefined_without_masks(tmp_path):
    of_labels = {"loss": None, "builder_args": {"num_labels": 2}}
    result = summary.summarize([make_run(tmp_path / "a", 0, 1.5, **of_labels)])
    result["figures"]["hits"]["mean"] = None
    assert "| undefined |" in tables.table("labels", [result])


def test_one_run_has_no_spread(tmp_path):
    result = summary.summarize([make_run(tmp_path / "a", 0, 0.5)])
    assert result["figures"]["defect_iou"] == {"mean": 0.5, "sd": None, "values": [0.5]}


def test_runs_of_other_recipes_are_refused(tmp_path):
    runs = [make_run(tmp_path / "a", 0, 0.5), make_run(tmp_path / "b", 1, 0.5, name="nvidia")]
    with pytest.raises(ValueError, match="differ in the seed alone"):
        summary.summarize(runs)
    with pytest.raises(ValueError, match=r"metrics\.json is missing"):
        (runs[0] / "metrics.json").unlink()
        summary.summarize(runs[:1])


def test_a_recipe_of_an_earlier_version_is_completed(tmp_path):
    runs = [make_run(tmp_path / str(seed), seed, 0.5) for seed in range(2)]
    recipe = json.loads((runs[0] / "recipe.json").read_text())
    assert recipe.pop("elastic") == 0.0
    (runs[0] / "recipe.json").write_text(json.dumps(recipe))
    assert summary.summarize(runs)["recipe"]["elastic"] == 0.0
    make_run(tmp_path / "other", 2, 0.5, elastic=0.02)
    with pytest.raises(ValueError, match="differ in the seed alone"):
        summary.summarize([runs[0], tmp_path / "other"])


def test_runs_that_lack_a_figure_say_how_to_get_it(tmp_path):
    run = make_run(tmp_path / "a", 0, 0.5)
    metrics = json.loads((run / "metrics.json").read_text())
    del metrics["hit_rate"]
    (run / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(ValueError, match=r"before there was hit_rate: measure again.*--source="):
        summary.summarize([run])


def test_a_figure_that_is_undefined_says_so():
    figures = {"images": 9, "defective": 9, "defect_iou": 0.5, "image_auroc": None, "pb@0.01": None}
    manifest = {
        "handle": "a/b/c",
        "parameters": 1234567,
        "archive": {"bytes": 1_250_000},
        "figures": figures,
        "milliseconds": 9.6,
        "data_licence": "CC0",
    }
    row = tables.module_table([manifest]).splitlines()[-1]
    assert row == (
        "| `a/b/c` | 1,234,567 | 1.2 | 9, 9 | 0.500 | undefined | undefined | 10 | CC0 |"
    )


def test_page_shows_every_table_of_the_result_files():
    folder = ROOT / "zoo" / "results"
    page = (folder / "README.md").read_text()
    shown = tables.page_tables(folder, pretrained.manifests())
    assert {"defects", "types", "labels", "modules", "formats", "teacher_time"} <= set(shown)
    assert [name for name, table in shown.items() if table not in page] == []


def test_result_files_are_of_what_there_is():
    folder = ROOT / "zoo" / "results"
    rows = json.loads((folder / "formats.json").read_text())
    assert {row["format"] for row in rows} == set(FORMATS)
    measured = json.loads((folder / "sim_to_real.json").read_text())
    assert {row["module"] for row in measured["rows"]} <= {
        manifest["handle"] for manifest in pretrained.manifests()
    }
    results = json.loads((folder / "teacher_time.json").read_text())
    results += [json.loads(path.read_text()) for path in folder.glob("transfusion-*.json")]
    assert {result["training_steps"][0] for result in results} == {1000, 4000}


def test_what_is_no_other_seed_is_refused(tmp_path):
    run = make_run(tmp_path / "a", 0, 0.5)
    with pytest.raises(ValueError, match=r"a seed each\. Received: \[0, 0\]"):
        summary.summarize([run, run])
    other = make_run(tmp_path / "b", 1, 0.5)
    metrics = json.loads((other / "metrics.json").read_text())
    (other / "metrics.json").write_text(json.dumps({**metrics, "images": 5}))
    with pytest.raises(ValueError, match="measured on the same images"):
        summary.summarize([run, other])
