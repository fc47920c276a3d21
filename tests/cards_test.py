"""The page of each model: a figure, a command that works, results that were measured, limits."""

import json
import pathlib
import re
import statistics

import pytest

import builders
from export import card
from zoo.recipes import RECIPES

RESULTS = pathlib.Path(card.__file__).parents[1] / "zoo" / "results"
WIDTH = 78  # columns of a figure


def page(builder):
    return (card.CARDS / f"{builder}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("builder", builders.BUILDERS)
def test_figure_command_and_limits(builder):
    text = page(builder)
    assert text.startswith("# ") and "**Intended use.**" in text and "**Limits.**" in text
    (figure,) = re.findall(r"```text\n(.*?)```", text, re.DOTALL)
    assert all(len(line) <= WIDTH for line in figure.splitlines()) and "_logits" in figure
    (command,) = re.findall(r"## Train\n\n```bash\n(.*?)```", text, re.DOTALL)
    handle = re.search(r"--module=(\S+)", command)[1]
    name = re.search(r"--recipe=(\S+)", command)
    assert handle.startswith(f"{builder}/") and (name[1] if name else "default") in RECIPES[handle]


@pytest.mark.parametrize("builder", builders.BUILDERS)
def test_results_are_those_of_the_files(builder):
    rows = re.findall(r"^\| (\S+/\S+), (\w+) \|(.*)\|$", page(builder), re.MULTILINE)
    assert rows
    for data, recipe, cells in rows:
        file = RESULTS / f"{builder}-{data.replace('/', '-')}-{recipe}.json"
        result = json.loads(file.read_text())
        figures, decided = result["figures"], result["images_decided"]
        count = {
            key: statistics.mean(run[key] for run in decided) for key in ("tp", "fn", "tn", "fp")
        }
        assert [cell.strip() for cell in cells.split("|")] == [
            f"{figures['image_auroc']['mean']:.4f}",
            f"{figures['pixel_ap']['mean']:.3f}",
            f"{count['tp']:.1f} of {count['tp'] + count['fn']:.0f}",
            f"{count['tn']:.1f} of {count['tn'] + count['fp']:.0f}",
            f"{result['training_seconds']['mean'] / 60:.0f}",
        ]


@pytest.mark.parametrize("builder", builders.BUILDERS)
def test_pages_of_modules_leave_out_what_is_the_models(builder):
    about = card._about(page(builder))
    assert "**Limits.**" in about and "```text" in about
    assert "## Train" not in about and "## Results" not in about and not about.startswith("#")
