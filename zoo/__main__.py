"""The command line of the zoo; every flag of it is defined here."""

import dataclasses
import fnmatch
import json
import os
import pathlib
import sys
from logging import ERROR, Formatter

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow reads it when it is imported

from absl import app, flags, logging

from zoo.recipes import RECIPES, Recipe, get_recipe, parse_field, type_name

USAGE = """Usage: python -m zoo COMMAND [flags]

  list       prints every module that can be trained
             python -m zoo list
  train      trains, calibrates, measures and reports, one run directory a module
             python -m zoo train --module=tiny_unet/dagm_synthetic/class_1_small
             python -m zoo train --module='tiny_unet/dagm2007/*' --manual_dir=DAGM2007
  evaluate   measures a run directory, a module's folder or its URL
             python -m zoo evaluate --source=modules/tiny_unet/dagm2007/class_1/1
  predict    masks, overlays and one JSON line for each image of yours
             python -m zoo predict --source=RUN --images='parts/*.png' --output_dir=found
  import_nvidia   turns NVIDIA's TensorFlow 1 checkpoint into a run directory
             python -m zoo import_nvidia --checkpoint=model.ckpt-2500 \\
                 --module=tiny_unet/dagm2007/class_1
  summarize  mean and spread over the runs of several seeds
             python -m zoo summarize --source=RUN1,RUN2,RUN3 --output_dir=zoo/results
  benchmark  images a second: model, input pipeline and data set
             python -m zoo benchmark --image_size=512,512

Every field of a recipe is a flag, such as --epochs, --learning_rate or --seed; without a flag the
recipe decides. All flags with their meaning: python -m zoo --help"""

MODULE = flags.DEFINE_string(
    "module", None, "Handle <builder>/<dataset>/<class>; * and ? stand for several."
)
RECIPE = flags.DEFINE_string("recipe", "default", "Name of the recipe: default or nvidia.")
RUNS_DIR = flags.DEFINE_string("runs_dir", "runs", "Folder of all runs.")
DATA_DIR = flags.DEFINE_string(
    "data_dir", "data", "Folder of built data sets; take one of its own for each archive."
)
MANUAL_DIR = flags.DEFINE_string("manual_dir", None, "Folder of your own archive or zip files.")
RUN_NAME = flags.DEFINE_string("run_name", None, "Name of the run; default <recipe>_seed<seed>.")
RESUME = flags.DEFINE_bool("resume", False, "Go on with a run that was interrupted.")
SKIP_BROKEN_IMAGES = flags.DEFINE_bool(
    "skip_broken_images", False, "Leave out unreadable images, naming each, instead of stopping."
)
TENSORBOARD = flags.DEFINE_bool("tensorboard", False, "Also write TensorBoard logs.")
SOURCE = flags.DEFINE_string(
    "source", None, "A run directory, a module's folder, or its URL; summarize takes several runs."
)
DATASET = flags.DEFINE_string(
    "dataset", None, "name/config to measure on; default is the one the model was trained on."
)
SPLIT = flags.DEFINE_string("split", None, "Split to measure on; default is the recipe's test.")
IMAGES = flags.DEFINE_list("images", [], "Image files, folders or globs, with commas between.")
OUTPUT_DIR = flags.DEFINE_string("output_dir", None, "Folder that receives the results.")
CHECKPOINT = flags.DEFINE_string("checkpoint", None, "Path of a TensorFlow 1 checkpoint.")
PEER = flags.DEFINE_enum("peer", None, ["torch"], "Also time the same network in PyTorch.")

_FIXED_FIELDS = ("module", "name", "builder", "dataset", "class_names")


class _FieldParser(flags.ArgumentParser):
    """Reads one field of a recipe; `none` stays a word, since None means that no flag was given."""

    def __init__(self, field: dataclasses.Field):
        self.field = field
        self.syntactic_help = type_name(field)

    def parse(self, argument):
        if not isinstance(argument, str) or argument.lower() == "none":
            return argument
        return parse_field(self.field, argument)


_RECIPE_FLAGS = {
    field.name: flags.DEFINE(
        _FieldParser(field), field.name, None, f"Recipe: {field.metadata['help']}."
    )
    for field in dataclasses.fields(Recipe)
    if field.name not in _FIXED_FIELDS
}


def _recipe_changes() -> dict:
    return {
        name: None if str(flag.value).lower() == "none" else flag.value
        for name, flag in _RECIPE_FLAGS.items()
        if flag.present
    }


def _required(flag):
    if not flag.value:
        raise ValueError(f"Flag --{flag.name} is needed for this command.")
    return flag.value


def list_modules() -> None:
    for handle, recipes in RECIPES.items():
        print(f"{handle:42} {', '.join(recipes)}")


def train() -> None:
    pattern = _required(MODULE)
    handles = fnmatch.filter(RECIPES, pattern)
    if not handles:
        get_recipe(pattern)  # raises, and lists the valid ones
    recipes = [get_recipe(handle, RECIPE.value, **_recipe_changes()) for handle in handles]
    from zoo.train import train as train_recipe

    failures = []
    for recipe in recipes:
        try:
            run = train_recipe(
                recipe,
                runs_dir=RUNS_DIR.value,
                data_dir=DATA_DIR.value,
                manual_dir=MANUAL_DIR.value,
                run_name=RUN_NAME.value,
                resume=RESUME.value,
                skip_broken_images=SKIP_BROKEN_IMAGES.value,
                tensorboard=TENSORBOARD.value,
            )
        except (ValueError, FloatingPointError, OSError) as error:
            if len(recipes) == 1:
                raise
            logging.error("%s: %s", recipe.module, error)
            failures.append(recipe.module)
            continue
        metrics = json.loads((run / "metrics.json").read_text())
        print(f"run     {run}")
        _print_metrics(metrics)
        print(f"report  {run / 'report.html'}")
    if failures:
        raise ValueError(f"These modules failed, see above: {', '.join(failures)}")


def evaluate() -> None:
    from zoo import datasets, report
    from zoo.predictor import load_predictor
    from zoo.train import measure

    measured = load_predictor(_required(SOURCE))
    builder = datasets.prepare_dataset(
        DATASET.value or measured.recipe["dataset"],
        data_dir=DATA_DIR.value,
        manual_dir=MANUAL_DIR.value,
        skip_broken_images=SKIP_BROKEN_IMAGES.value,
    )
    metrics, gallery = measure(
        measured,
        builder,
        SPLIT.value or measured.recipe["test_split"],
        mask_feature=_RECIPE_FLAGS["mask_feature"].value,
    )
    print(f"measured {SOURCE.value}")
    _print_metrics(metrics)
    if OUTPUT_DIR.value:
        from builders.atomic import write_json

        directory = pathlib.Path(OUTPUT_DIR.value)
        directory.mkdir(parents=True, exist_ok=True)
        write_json(directory / "metrics.json", metrics)
        report.write_report(
            directory / "report.html",
            recipe=measured.recipe,
            metrics=metrics,
            calibration=measured.calibration,
            environment={},
            history=[],
            gallery=gallery,
        )
        print(f"report  {directory / 'report.html'}")


def predict() -> None:
    from zoo.predict import predict_files
    from zoo.predictor import load_predictor

    output_dir = _required(OUTPUT_DIR)
    images = _required(IMAGES)
    for row in predict_files(
        load_predictor(_required(SOURCE)),
        images,
        output_dir,
        skip_broken_images=SKIP_BROKEN_IMAGES.value,
    ):
        print(json.dumps(row))


def import_nvidia() -> None:
    from zoo.nvidia_checkpoint import import_checkpoint

    run = import_checkpoint(
        _required(CHECKPOINT), module=_required(MODULE), runs_dir=RUNS_DIR.value
    )
    print(f"run     {run}")
    print(f"next    python -m export convert --run={run}")


def summarize() -> None:
    from builders.atomic import write_json
    from zoo.summary import summarize as summarize_runs
    from zoo.summary import table

    result = summarize_runs(_required(SOURCE).split(","))
    name = f"{result['recipe']['module'].replace('/', '-')}-{result['recipe']['name']}.json"
    path = pathlib.Path(_required(OUTPUT_DIR)) / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, result)
    print(table([result]))
    print(f"result  {path}")


def benchmark() -> None:
    from zoo.benchmark import run_benchmark

    for row in run_benchmark(
        _RECIPE_FLAGS["image_size"].value or (512, 512),
        data_dir=DATA_DIR.value,
        precision=_RECIPE_FLAGS["mixed_precision"].value,
        batch_size=_RECIPE_FLAGS["batch_size"].value,
        peer=PEER.value,
    ):
        print(json.dumps(row), flush=True)


def _print_metrics(metrics: dict) -> None:
    def show(key):
        return "undefined" if metrics[key] is None else f"{metrics[key]:.4f}"

    print(f"data    {metrics['dataset']} {metrics['split']}, {metrics['images']} images")
    print(f"IoU     {show('defect_iou')} mean of defective images, {show('set_iou')} of the set")
    print(f"AUROC   {show('image_auroc')} of images, {show('pixel_auroc')} of pixels")
    print(f"hits    {metrics['hits']} of {metrics['defective']} defects hold the likeliest pixel")
    print(
        f"images  {metrics['fn']} of {metrics['tp'] + metrics['fn']} defective ones pass, "
        f"{metrics['fp']} of {metrics['fp'] + metrics['tn']} good ones are rejected, at score "
        f"threshold {metrics['score_threshold']:.3f} ({metrics['threshold_source']})"
    )


COMMANDS = {
    "list": list_modules,
    "train": train,
    "evaluate": evaluate,
    "predict": predict,
    "import_nvidia": import_nvidia,
    "summarize": summarize,
    "benchmark": benchmark,
}


def _show_our_messages_alone() -> None:
    """Prints this project's log plainly, and of the libraries below it only what is an error."""
    packages = [str(pathlib.Path(__file__).parents[1] / name) for name in ("zoo", "tfds_datasets")]
    handler = logging.get_absl_handler()
    handler.setFormatter(Formatter("%(message)s"))
    handler.addFilter(
        lambda record: record.levelno >= ERROR or record.pathname.startswith(tuple(packages))
    )


def main(argv) -> int:
    _show_our_messages_alone()
    words = argv[1:]
    if len(words) != 1 or words[0] not in COMMANDS:
        print(USAGE, file=sys.stderr)
        if words:
            print(
                f"\nThe command must be one of {', '.join(COMMANDS)}. Received: {' '.join(words)}",
                file=sys.stderr,
            )
        return 2
    try:
        COMMANDS[words[0]]()
    except (ValueError, FloatingPointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    app.run(main)
