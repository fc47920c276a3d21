"""Commands that calibrate, evaluate, count and summarise.

Libraries that take seconds to import are imported where they are used, below what checks the flags,
so that `list`, errors and help come at once.
"""

import json
from collections.abc import Iterator

from zoo.commands.command_line import Commands
from zoo.commands.options import (
    DATA,
    MAPS,
    MODEL,
    calibration_of,
    data_dir_of,
    dataset_of,
    predictor_of,
    refuse,
    required,
    results_folder,
)

COMMANDS = Commands()


@COMMANDS.add(
    "calibrate", *MODEL, "dataset", *DATA, "split", "pixel_rule", "image_rule", *MAPS, "output_dir"
)
def calibrate(options) -> Iterator[str]:
    source = required(options, "source")
    output_dir = results_folder(required(options, "output_dir"))
    _check_source(options)
    from builders.runs import run_files
    from builders.runs.atomic import write_json
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
            dataset_of(options, predictor, source),
            split=options.split,
            **rules,
        )
    output_dir.mkdir(parents=True, exist_ok=True)
    write_json(output_dir / run_files.CALIBRATION_FILE, calibration)
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
        evaluation = evaluate_run.evaluate_on_dataset(
            predictor,
            dataset_of(options, predictor, source),
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


@COMMANDS.add("statistics", "dataset", *DATA, "mask_feature", "output_dir")
def statistics(options) -> Iterator[str]:
    dataset = required(options, "dataset")
    from zoo.data import datasets
    from zoo.data import statistics as counts

    builder = datasets.prepare_dataset(
        dataset,
        data_dir=data_dir_of(options, dataset),
        manual_dir=options.manual_dir,
        skip_broken_images=options.skip_broken_images,
    )
    found = counts.dataset_statistics(builder, mask_feature=options.mask_feature or "mask")
    yield counts.table(found)
    if options.output_dir:
        counts.write_statistics(options.output_dir, found)


@COMMANDS.add("summarize", "source", "output_dir", "tables")
def summarize(options) -> Iterator[str]:
    if options.tables:
        folder = required(options, "source")
        from zoo.modules import pretrained
        from zoo.results import tables

        for name, shown in tables.page_tables(folder, pretrained.manifests()).items():
            yield f"{name}\n\n{shown}"
        return
    sources, output_dir = required(options, "source").split(","), required(options, "output_dir")
    from zoo.results import tables
    from zoo.results.summary import summarize as summarize_runs
    from zoo.results.summary import write_summary

    result = summarize_runs(sources)
    path = write_summary(output_dir, result)
    yield tables.table(tables.kind(result), [result])
    yield f"result  {path}"
