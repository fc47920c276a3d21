"""Commands that list models and use them on images.

Libraries that take seconds to import are imported where they are used, below what checks the flags,
so that `list`, errors and help come at once.
"""

import json
from collections.abc import Iterator

from absl import logging

from zoo.commands.command_line import Commands, until_interrupted
from zoo.commands.options import (
    MODEL,
    RECIPE,
    calibration_of,
    predictor_of,
    recipe_changes,
    required,
)
from zoo.modules import pretrained
from zoo.recipes import RECIPES, get_recipe

COMMANDS = Commands()
SUSPICIOUS = 5  # images, all of which are rejected


@COMMANDS.add("list", "module", "dataset", word="module")
def list_modules(options) -> Iterator[str]:
    def wanted(handle):
        dataset = handle.partition("/")[2]
        return (options.module or "") in handle and dataset.startswith(options.dataset or "")

    yield "Pretrained, for zoo.load; ms: one image of 512x512, or of the training size, on the CPU"
    yield f"  {'':36} parameters    MB     ms  defect IoU  image AUROC  licence of the data"
    for each in pretrained.manifests():
        if not wanted(each["handle"]):
            continue
        figures, megabytes = each["figures"], each["archive"]["bytes"] / 1e6
        iou, auroc = (_shown(figures[name]) for name in ("defect_iou", "image_auroc"))
        yield (
            f"  {each['handle']:36} {each['parameters']:>10,} {megabytes:5.1f} "
            f"{each['milliseconds']:6.0f} {iou:>11} {auroc:>12}  {each['data_licence']}"
        )
    yield "Can be trained, by these recipes"
    for handle in filter(wanted, RECIPES):
        recipes = RECIPES[handle]
        yield f"  {handle:40} {', '.join(recipes)}"


def _shown(figure: float | None) -> str:
    return "undefined" if figure is None else f"{figure:.3f}"


@COMMANDS.add("show", "module", "recipe", "json", *RECIPE, word="module")
def show(options) -> Iterator[str]:
    changes = recipe_changes(options)
    recipe = get_recipe(required(options, "module"), options.recipe, **changes)
    from zoo.recipes import describe

    arguments = (f"builder_args.{name}" for name in changes.pop("builder_args", ()))
    settings = describe.describe_recipe(recipe, {*changes, *arguments})
    if options.json:
        yield json.dumps([row._asdict() for row in settings], indent=2)
        return
    yield describe.table(settings)
    yield f"recipes of this module: {', '.join(RECIPES[recipe.module])}"
    yield f"next    python -m zoo train --module={recipe.module} --recipe={recipe.name}"


@COMMANDS.add("predict", *MODEL, "calibration", "images", "skip_broken_images", "output_dir")
def predict(options) -> Iterator[str]:
    source, images, output_dir = (
        required(options, name) for name in ("source", "images", "output_dir")
    )
    predictor = predictor_of(options, source, calibration=calibration_of(options))
    from zoo.prediction.files import predict_files

    trained_on = ", ".join(predictor.learnt_from) or predictor.recipe["dataset"]
    logging.info("%s was trained on %s.", source, trained_on)
    verdicts = []
    for row in predict_files(
        predictor, images, output_dir, skip_broken_images=options.skip_broken_images
    ):
        verdicts.append(row.get("defect"))
        yield json.dumps(row)
    if len(verdicts) >= SUSPICIOUS and all(verdicts):
        logging.warning(
            "All %d images are rejected. On another surface, scale or light than those of %s the "
            "model predicts nothing useful.",
            len(verdicts),
            trained_on,
        )


@COMMANDS.add("demo", *MODEL, "calibration", "port")
def demo(options) -> Iterator[str]:
    from zoo.prediction.demo import LARGE, module_names, serving

    names = module_names(options.modules_dir, options.source)

    def load(name):
        calibration = calibration_of(options) if name == options.source else None
        return predictor_of(options, name, calibration=calibration, tile_size=LARGE)

    with serving(names, load, options.port) as address:
        yield from until_interrupted("demo", address)
