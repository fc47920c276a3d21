"""Commands of a teacher and its students: pseudo masks, their review, the comparison."""

import functools
import json
import pathlib
from collections.abc import Iterator

from zoo.commands.command_line import Commands, until_interrupted
from zoo.commands.options import DATA, MODEL, dataset_of, predictor_of, required

COMMANDS = Commands()


@COMMANDS.add("review", "student", *MODEL, "port")
def review(options) -> Iterator[str]:
    source = required(options, "source")
    from zoo.review.server import serving

    student = predictor_of(options, options.student) if options.student else None
    with serving(source, options.port, student) as address:
        yield from until_interrupted("review", address)


@COMMANDS.add("pseudo_masks", *MODEL, "dataset", *DATA, "roles", "image_labels", "output_dir")
def pseudo_masks(options) -> Iterator[str]:
    source = required(options, "source")
    output_dir = pathlib.Path(required(options, "output_dir"))
    from zoo.pseudo_masks.write import FOLDERS, write_pseudo_masks

    teacher = predictor_of(options, source)
    written = write_pseudo_masks(
        teacher,
        dataset_of(options, teacher, source),
        output_dir,
        preset=options.roles,
        image_labels=options.image_labels,
    )
    yield json.dumps(written, indent=2)
    for folder in FOLDERS:
        yield f"masks   {output_dir / folder}"
    channels = {1: "grey", 3: "rgb"}[teacher.channels]
    yield (
        f"next    python -m zoo train --module=unet/image_mask_folder/{channels} "
        f"--manual_dir={output_dir / FOLDERS[0]} --data_dir=data_{FOLDERS[0]} "
        f"--run_name={FOLDERS[0]}_seed0 --validation_folds=0"
    )


@COMMANDS.add("compare", *MODEL, "dataset", *DATA, "output_dir")
def compare(options) -> Iterator[str]:
    teacher, *students = required(options, "source").split(",")
    if not students:
        raise ValueError("Flag --source must name a teacher's run and those of students.")
    from builders.runs.atomic import write_json
    from zoo.pseudo_masks import compare as comparison
    from zoo.results import tables

    load = functools.partial(predictor_of, options)
    compared = comparison.compare(
        teacher, students, load, dataset_of(options, load(students[0]), students[0])
    )
    yield tables.comparison_table(compared)
    if compared["taught"]:
        yield (
            f"{compared['taught']} of the {compared['images']} test images have taught the "
            "teacher: these figures flatter."
        )
    if options.output_dir:
        path = pathlib.Path(options.output_dir) / "comparison.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, compared)
        yield f"result  {path}"
