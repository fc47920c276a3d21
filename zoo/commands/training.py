"""Commands that train, extend, import and time models.

Libraries that take seconds to import are imported where they are used, below what checks the flags,
so that `list`, errors and help come at once.
"""

import fnmatch
import json
import pathlib
from collections.abc import Iterator

from absl import logging

from zoo.commands.command_line import Commands
from zoo.commands.options import DATA, RECIPE, data_dir_of, dataset_of, recipe_changes, required
from zoo.recipes import RECIPES, get_recipe

COMMANDS = Commands()


@COMMANDS.add(
    "train",
    "module",
    "recipe",
    "fast",
    "runs_dir",
    "modules_dir",
    "run_name",
    "resume",
    "tensorboard",
    "every",
    *DATA,
    *RECIPE,
    word="manual_dir",
    after_interrupt="whole epochs are kept; the same command with --resume goes on",
)
def train(options) -> Iterator[str]:
    builders = {handle.partition("/")[0] for handle in RECIPES}
    if options.manual_dir and (options.module is None or options.module in builders):
        yield from _train_folder(options)
        return
    pattern = required(options, "module")
    handles = fnmatch.filter(RECIPES, pattern)
    if not handles:
        get_recipe(pattern)  # raises, and lists the valid ones
    recipes = [
        get_recipe(handle, options.recipe, **_changes_with_start(options, handle))
        for handle in handles
    ]
    from zoo.report import verdict
    from zoo.training.train import train as train_recipe

    failures = []
    for recipe in recipes:
        try:
            run = train_recipe(
                recipe,
                runs_dir=options.runs_dir,
                data_dir=data_dir_of(options, recipe.dataset),
                manual_dir=options.manual_dir,
                run_name=options.run_name,
                resume=options.resume,
                skip_broken_images=options.skip_broken_images,
                tensorboard=options.tensorboard,
                measure_every=options.every,
            )
        except (ValueError, FloatingPointError, OSError) as error:
            if len(recipes) == 1:
                raise
            logging.error("%s: %s", recipe.module, error)
            failures.append(recipe.module)
            continue
        yield f"run     {run}"
        yield verdict.table(*_results(run))
        yield f"report  {run / 'report.html'}"
    if failures:
        raise ValueError(f"These modules failed, see above: {', '.join(failures)}")


def _train_folder(options) -> Iterator[str]:
    """Chooses a model for a user's own folder, trains it, and exports it."""
    from export.publish import publish
    from export.versions import version_paths
    from zoo.auto.plan import make_plan

    plan = make_plan(
        options.manual_dir,
        data_dir=options.data_dir,
        module=options.module,
        recipe=options.recipe if "recipe" in options.given else None,
        fast=options.fast,
        skip_broken_images=options.skip_broken_images,
        modules_dir=options.modules_dir,
        runs_dir=options.runs_dir,
        **recipe_changes(options),
    )
    yield from plan.describe()
    from zoo.report import verdict
    from zoo.training.train import train as train_recipe

    run = train_recipe(
        plan.recipe,
        runs_dir=options.runs_dir,
        data_dir=plan.data_dir,
        manual_dir=options.manual_dir,
        run_name=options.run_name or plan.run_name,
        resume=True,
        skip_broken_images=options.skip_broken_images,
        tensorboard=options.tensorboard,
        measure_every=options.every,
        number_runs=options.run_name is None,
    )
    yield verdict.table(*_results(run))
    manifest, _ = publish(run, options.modules_dir)
    paths = version_paths(options.modules_dir, manifest["handle"], manifest["version"])
    yield f"run     {run}"
    yield f"report  {run / 'report.html'}"
    yield f"module  {paths['module']}"
    yield f"next    defect-zoo predict --source={run} --images='new/*.png' --output_dir=found"


def _changes_with_start(options, handle) -> dict:
    """Returns the fields that flags change, and with --start_from the network of the start."""
    changes = recipe_changes(options)
    if changes.get("start_from") is None:
        return changes
    from zoo.training.starting_weights import adopt_start

    return adopt_start(handle, changes, modules_dir=options.modules_dir, runs_dir=options.runs_dir)


def _results(run) -> tuple[dict, dict]:
    """Returns the figures of a run, and the thresholds that it chose."""
    from builders.runs import run_files

    metrics, calibration = run_files.METRICS_FILE, run_files.CALIBRATION_FILE
    return run_files.read_document(run, metrics), run_files.read_document(run, calibration)


@COMMANDS.add("update", "source", "images", "run_name", "dataset", *DATA)
def update(options) -> Iterator[str]:
    source, images = required(options, "source"), required(options, "images")
    from zoo.prediction import predictor
    from zoo.training import update as updating

    builder = dataset_of(options, predictor.load_predictor(source), source)
    run = updating.update(
        source,
        images,
        builder,
        run_name=options.run_name,
        skip_broken_images=options.skip_broken_images,
    )
    yield f"run     {run}"
    yield updating.table(json.loads((run / updating.FILE).read_text()))
    yield f"report  {run / 'report.html'}"


@COMMANDS.add("import_nvidia", "checkpoint", "module", "runs_dir")
def import_nvidia(options) -> Iterator[str]:
    checkpoint, module = required(options, "checkpoint"), required(options, "module")
    from zoo.modules.import_nvidia import import_checkpoint

    run = import_checkpoint(checkpoint, module=module, runs_dir=options.runs_dir)
    yield f"run     {run}"
    yield f"next    python -m export convert --run={run}"


@COMMANDS.add("import_module", "source", "modules_dir", "runs_dir")
def import_module(options) -> Iterator[str]:
    source = required(options, "source")
    from zoo.modules.import_module import import_module as to_run

    run = to_run(source, modules_dir=options.modules_dir, runs_dir=options.runs_dir)
    yield f"run     {run}"
    builder = run.parts[len(pathlib.Path(options.runs_dir).parts)]
    yield f"next    defect-zoo train my_parts --module={builder} --start_from={run}"
    yield f"        python -m export convert --run={run} --format=onnx"


@COMMANDS.add("benchmark", "module", "recipe", "data_dir", "peer", *RECIPE)
def benchmark(options) -> Iterator[str]:
    from zoo.benchmark.networks import benchmark_networks

    module = options.module or "tiny_unet/dagm_synthetic/class_1"
    for row in benchmark_networks(
        get_recipe(module, options.recipe, **recipe_changes(options)),
        options.image_size or (512, 512),
        data_dir=options.data_dir,
        precision=options.mixed_precision,
        batch_size=options.batch_size,
        peer=options.peer,
    ):
        yield json.dumps(row)


@COMMANDS.add("benchmark_metrics")
def benchmark_metrics(options) -> Iterator[str]:
    from zoo.benchmark.metrics import benchmark_metrics as measured

    for row in measured():
        yield json.dumps(row)
