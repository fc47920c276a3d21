"""What the flags of several commands mean: the recipe's changes, the model, the data set."""

import dataclasses
import pathlib

from zoo.recipes.recipe import Recipe

# The fields of a recipe that are flags: all but those that the handle decides.
RECIPE_FLAGS = tuple(
    field
    for field in dataclasses.fields(Recipe)
    if field.name not in ("module", "name", "builder", "dataset", "class_names")
)

RECIPE = tuple(field.name for field in RECIPE_FLAGS)
DATA = ("data_dir", "manual_dir", "skip_broken_images")
MODEL = ("source", "modules_dir", "tile_size", "tile_overlap")
MAPS = ("ground_truth", "layout", "resize_maps", "ground_truth_threshold")


def required(options, name: str):
    """Returns the value of a flag that a command cannot do without.

    Raises:
      ValueError: it was not given.
    """
    if not getattr(options, name):
        raise ValueError(f"Flag --{name} is needed for this command.")
    return getattr(options, name)


def refuse(options, names, reason: str) -> None:
    """Raises ValueError where some of these flags were given, which nothing would read."""
    if given := [f"--{name}" for name in names if name in options.given]:
        raise ValueError(f"{', '.join(given)}: {reason}")


def results_folder(path) -> pathlib.Path:
    """Returns the folder of --output_dir, which need not be there.

    Raises:
      ValueError: it is a run directory, whose own results would be lost.
    """
    from builders.runs import run_files  # brings Keras, which takes seconds

    folder = pathlib.Path(path)
    if (folder / run_files.RECIPE_FILE).exists():
        raise ValueError(
            f"Flag --output_dir must not be a run directory, whose results stay as they are. "
            f"Received: {path}"
        )
    return folder


def recipe_changes(options) -> dict:
    """Returns the fields that a flag changes.

    The word none means None, since None means no flag.
    """
    given = {field.name: getattr(options, field.name) for field in RECIPE_FLAGS}
    return {
        name: None if str(value).lower() == "none" else value
        for name, value in given.items()
        if value is not None
    }


def predictor_of(options, source: str, *, calibration=None, tile_size=None):
    """Returns the model of a source, with the tiles of --tile_size.

    It sees images at the size that it learnt from. Where there is no flag, `tile_size` is that of
    models of masks that see images at their own size. `calibration` replaces its thresholds.
    """
    given = options.tile_size is not None
    tile_size = _tile_size(options.tile_size) if given else tile_size
    from zoo.prediction.predictor import at_size, load_predictor
    from zoo.prediction.tiling import by_tiles, learnt_masks

    predictor = load_predictor(source, options.modules_dir)
    image_size = predictor.recipe.get("image_size")
    if calibration is not None:
        predictor = predictor._replace(calibration=calibration)
    if not given and (image_size or not learnt_masks(predictor)):
        tile_size = None
    if tile_size is not None:
        predictor = by_tiles(predictor, tile=tile_size, overlap=options.tile_overlap)
    if image_size:
        predictor = predictor._replace(predict=at_size(predictor.predict, image_size))
    return predictor


def _tile_size(words: list[str]) -> tuple[int, int] | None:
    if [word.lower() for word in words] == ["none"]:
        return None
    if len(words) != 2 or not all(word.isdecimal() and int(word) for word in words):
        raise ValueError(
            f"Flag --tile_size must be height,width or none. Received: {','.join(words)}"
        )
    height, width = map(int, words)
    return height, width


def calibration_of(options) -> dict | None:
    """Returns the thresholds of --calibration; None without it."""
    if options.calibration is None:
        return None
    from zoo.evaluation.calibration import read_calibration

    return read_calibration(options.calibration)


def dataset_of(options, predictor, source: str):
    """The data set of --dataset, else that of the model of `source`, which a run remembers."""
    from zoo.data import datasets

    dataset = options.dataset or predictor.recipe["dataset"]
    told = options.manual_dir or "data_dir" in options.given
    own = dataset == predictor.recipe["dataset"]
    place = datasets.remembered_data(source, dataset) if own and not told else None
    if place is None:
        place = {
            "data_dir": data_dir_of(options, dataset),
            "manual_dir": options.manual_dir,
        }
    return datasets.prepare_dataset(dataset, skip_broken_images=options.skip_broken_images, **place)


def data_dir_of(options, dataset: str):
    """The folder of --data_dir, and without it one for each folder of a user's own images."""
    own = dataset.startswith("image_mask_folder/") and options.manual_dir
    if not own or "data_dir" in options.given:
        return options.data_dir
    from zoo.data import datasets

    return datasets.folder_of_built_data(options.data_dir, options.manual_dir)
