"""Commands of models that remember good images."""

import json
from collections.abc import Iterator

from zoo.command_line import Commands
from zoo.options import DATA, dataset_of, required

COMMANDS = Commands()


@COMMANDS.add("update", "source", "images", "run_name", "dataset", *DATA)
def update(options) -> Iterator[str]:
    source, images = required(options, "source"), required(options, "images")
    from zoo.prediction import predictor
    from zoo.training import update as updating

    builder = dataset_of(options, predictor.load_predictor(source))
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
