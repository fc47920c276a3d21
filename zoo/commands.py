"""What each command of `python -m zoo` does: takes the values of the flags, yields lines to print.

Libraries that take seconds to import are imported where they are used, below what checks the flags,
so that `list`, errors and help come at once.
"""

import fnmatch
import json
from collections.abc import Iterator

from absl import logging

from zoo.command_line import Commands, until_interrupted
from zoo.modules import pretrained
from zoo.options import (
    DATA,
    MAPS,
    MODEL,
    RECIPE,
    calibration_of,
    dataset_of,
    predictor_of,
    recipe_changes,
    refuse,
    required,
    results_folder,
)
from zoo.recipes import RECIPES, get_recipe

COMMANDS = Commands()


@COMMANDS.add("list")
def list_modules(options) -> Iterator[str]:
    yield "Came along, for zoo.load; ms: an image of 512x512, or of the size it learnt, on the CPU"
    yield f"  {'':36} parameters    MB     ms  defect IoU  image AUROC  licence of the data"
    for each in pretrained.manifests():
        figures, megabytes = each["figures"], each["archive"]["bytes"] / 1e6
        iou, auroc = (_shown(figures[name]) for name in ("defect_iou", "image_auroc"))
        yield (
            f"  {each['handle']:36} {each['parameters']:>10,} {megabytes:5.1f} "
            f"{each['milliseconds']:6.0f} {iou:>11} {auroc:>12}  {each['data_licence']}"
        )
    yield "Can be trained, by these recipes"
    for handle, recipes in RECIPES.items():
        yield f"  {handle:40} {', '.join(recipes)}"


def _shown(figure: float | None) -> str:
    return "undefined" if figure is None else f"{figure:.3f}"


@COMMANDS.add(
    "train",
    "module",
    "recipe",
    "runs_dir",
    "run_name",
    "resume",
    "tensorboard",
    "every",
    *DATA,
    *RECIPE,
)
def train(options) -> Iterator[str]:
    pattern = required(options, "module")
    handles = fnmatch.filter(RECIPES, pattern)
    if not handles:
        get_recipe(pattern)  # raises, and lists the valid ones
    recipes = [get_recipe(handle, options.recipe, **recipe_changes(options)) for handle in handles]
    from zoo.report import verdict
    from zoo.training.train import train as train_recipe

    failures = []
    for recipe in recipes:
        try:
            run = train_recipe(
                recipe,
                runs_dir=options.runs_dir,
                data_dir=options.data_dir,
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
        yield verdict.table(json.loads((run / "metrics.json").read_text()))
        yield f"report  {run / 'report.html'}"
    if failures:
        raise ValueError(f"These modules failed, see above: {', '.join(failures)}")


@COMMANDS.add(
    "calibrate", *MODEL, "dataset", *DATA, "split", "pixel_rule", "image_rule", *MAPS, "output_dir"
)
def calibrate(options) -> Iterator[str]:
    source = required(options, "source")
    output_dir = results_folder(required(options, "output_dir"))
    _check_source(options)
    from builders.atomic import write_json
    from zoo.evaluation import evaluate_run
    from zoo.saved_maps import evaluate as measure_maps

    rules = {"pixel_rule": options.pixel_rule, "image_rule": options.image_rule}
    if options.ground_truth:
        rules = {name: rule or "best_f1" for name, rule in rules.items()}
        calibration = measure_maps.calibrate_maps(source, **_of_maps(options), **rules)
    else:
        predictor = predictor_of(options, source)
        calibration = evaluate_run.calibrate_predictor(
            predictor,
            dataset_of(options, predictor),
            split=options.split,
            **rules,
        )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(output_dir / "calibration.json", calibration)
    yield json.dumps(calibration, indent=2)
    yield f"next  python -m zoo evaluate --calibration={output_dir / 'calibration.json'} ..."


@COMMANDS.add(
    "evaluate",
    *MODEL,
    "calibration",
    "dataset",
    *DATA,
    "split",
    "mask_feature",
    *MAPS,
    "output_dir",
)
def evaluate(options) -> Iterator[str]:
    source = required(options, "source")
    _check_source(options)
    directory = results_folder(options.output_dir) if options.output_dir else None
    from zoo.evaluation import evaluate_run
    from zoo.report import verdict
    from zoo.report.results import write_results
    from zoo.saved_maps import evaluate as measure_maps

    if options.ground_truth:
        known = {"calibration": calibration_of(options)}
        evaluation = measure_maps.measure_maps(source, **_of_maps(options), **known)
    else:
        predictor = predictor_of(options, source, calibration=calibration_of(options))
        known = {"recipe": predictor.recipe, "calibration": predictor.calibration}
        evaluation = evaluate_run.measure_predictor(
            predictor,
            dataset_of(options, predictor),
            options.split,
            mask_feature=options.mask_feature,
        )
    yield f"measured  {source}"
    yield verdict.table(evaluation.metrics)
    if directory:
        directory.mkdir(parents=True, exist_ok=True)
        write_results(directory, evaluation, run=source, **known)
        yield f"metrics  {directory / 'metrics.json'}"
        yield f"report   {directory / 'report.html'}"
    else:
        yield "Add --output_dir=FOLDER to keep metrics.json and the report."


def _check_source(options) -> None:
    """Raises ValueError for flags of a model beside saved maps, and the other way round."""
    if options.ground_truth:
        of_models = ("dataset", "split", "mask_feature", *DATA, *MODEL)
        reason = "saved maps, with --ground_truth, come from no model of ours."
        refuse(options, [name for name in of_models if name != "source"], reason)
    else:
        refuse(options, MAPS, "is of saved maps: give their --ground_truth as well.")


def _of_maps(options) -> dict:
    return {
        "ground_truth_dir": options.ground_truth,
        "layout": options.layout,
        "resize_maps": options.resize_maps,
        "ground_truth_threshold": options.ground_truth_threshold,
    }


@COMMANDS.add("predict", *MODEL, "calibration", "images", "skip_broken_images", "output_dir")
def predict(options) -> Iterator[str]:
    source, images, output_dir = (
        required(options, name) for name in ("source", "images", "output_dir")
    )
    predictor = predictor_of(options, source, calibration=calibration_of(options))
    from zoo.prediction.files import predict_files

    for row in predict_files(
        predictor, images, output_dir, skip_broken_images=options.skip_broken_images
    ):
        yield json.dumps(row)


@COMMANDS.add("demo", *MODEL, "calibration", "port")
def demo(options) -> Iterator[str]:
    from zoo.prediction.demo import LARGE, module_names, serving

    names = module_names(options.modules_dir, options.source)

    def load(name):
        calibration = calibration_of(options) if name == options.source else None
        return predictor_of(options, name, calibration=calibration, tile_size=LARGE)

    with serving(names, load, options.port) as address:
        yield from until_interrupted("demo", address)


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
    yield f"next    python -m zoo train --start_from={run} --module=..."
    yield f"        python -m export convert --run={run} --format=onnx"


@COMMANDS.add("statistics", "dataset", *DATA, "mask_feature", "output_dir")
def statistics(options) -> Iterator[str]:
    dataset = required(options, "dataset")
    from zoo.data import datasets
    from zoo.data import statistics as counts

    builder = datasets.prepare_dataset(
        dataset,
        data_dir=options.data_dir,
        manual_dir=options.manual_dir,
        skip_broken_images=options.skip_broken_images,
    )
    found = counts.dataset_statistics(builder, mask_feature=options.mask_feature or "mask")
    yield counts.table(found)
    if options.output_dir:
        counts.write_statistics(options.output_dir, found)


@COMMANDS.add("summarize", "source", "output_dir")
def summarize(options) -> Iterator[str]:
    sources, output_dir = required(options, "source").split(","), required(options, "output_dir")
    from zoo.results import tables
    from zoo.results.summary import summarize as summarize_runs
    from zoo.results.summary import write_summary

    result = summarize_runs(sources)
    path = write_summary(output_dir, result)
    yield tables.table(tables.kind(result), [result])
    yield f"result  {path}"


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
    from zoo.benchmark.metrics import benchmark_metrics

    for row in benchmark_metrics():
        yield json.dumps(row)
