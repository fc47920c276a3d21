"""A finished training: its figures, its report, and what it predicts."""

import html
import pathlib

import numpy as np
from absl import logging
from PIL import Image

from builders.runs import run_files
from tfds_datasets.images import read_image
from zoo.api.predictions import Prediction, Predictions
from zoo.auto.plan import make_plan
from zoo.data import datasets
from zoo.evaluation import evaluate_run
from zoo.prediction import files, image_files
from zoo.prediction.predictor import at_size, load_predictor
from zoo.recipes import get_recipe
from zoo.report import verdict
from zoo.training.starting_weights import adopt_start
from zoo.training.train import train as train_recipe
from zoo.visualization import terminal

REPORT_FILE = "report.html"


class Report:
    """The report of a run: a file without references, shown as it is in a notebook.

    Attributes:
      path: the HTML file.
    """

    def __init__(self, path: pathlib.Path):
        self.path = path

    def __repr__(self) -> str:
        return f"Report({str(self.path)!r})"

    def _repr_html_(self) -> str:
        page = html.escape(self.path.read_text(encoding="utf-8"), quote=True)
        return f'<iframe srcdoc="{page}" width="100%" height="700" style="border:0"></iframe>'


class Run:
    """A run directory.

    Attributes:
      path: the directory.
      recipe: what was trained, as a dict.
      metrics: the figures of the test images, see `builders.runs.figures`.
      report: the report, which a notebook shows.
    """

    def __init__(self, path):
        """Opens a run directory.

        Raises:
          ValueError: `path` holds no finished run.
        """
        self.path = pathlib.Path(path)
        if not (self.path / run_files.WEIGHTS_FILE).is_file():
            raise ValueError(
                f"Argument `path` must be the directory of a finished run, which holds "
                f"{run_files.WEIGHTS_FILE}. Received: {path}"
            )
        self.recipe = run_files.read_document(self.path, run_files.RECIPE_FILE)
        self.metrics = run_files.read_document(self.path, run_files.METRICS_FILE)
        self.report = Report(self.path / REPORT_FILE)
        self._predictor = None

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})\n{verdict.table(self.metrics)}"

    @property
    def predictor(self):
        """What predicts, at the size of the training images; loaded once."""
        if self._predictor is None:
            predictor = load_predictor(str(self.path))
            if size := self.recipe.get("image_size"):
                predictor = predictor._replace(predict=at_size(predictor.predict, tuple(size)))
            self._predictor = predictor
        return self._predictor

    def predict(self, images, *, output_dir=None) -> Predictions:
        """Predicts images, which a notebook then shows.

        Args:
          images: a file, a folder, a glob, or several of them; or an array uint8 [H, W, C] or
            [B, H, W, C], or a list of such arrays.
          output_dir: also writes masks, overlays and `predictions.jsonl` there, as the command
            `predict` does; files alone.

        Raises:
          ValueError: no image is there, a file is broken, or an array has another type.
        """
        arrays = _arrays(images)
        if arrays is not None:
            if output_dir is not None:
                raise ValueError("Argument `output_dir` must be None where `images` are arrays.")
            return Predictions(self._predict(image, None) for image in arrays)
        patterns = [images] if isinstance(images, str | pathlib.Path) else list(images)
        if output_dir is not None:
            rows = files.predict_files(self.predictor, patterns, output_dir)
            return Predictions(self._written(row, pathlib.Path(output_dir)) for row in rows)
        return Predictions(
            self._predict(self._read(file), str(file)) for file in image_files.find_images(patterns)
        )

    def _read(self, file) -> np.ndarray:
        return read_image(file, channels=self.predictor.channels)

    def _written(self, row: dict, output_dir: pathlib.Path) -> Prediction:
        """Returns what `predict_files` has written of an image."""
        with Image.open(output_dir / row["mask"]) as mask:
            names = tuple(self.predictor.class_names)
            return Prediction(row["file"], self._read(row["file"]), np.asarray(mask), row, names)

    def _predict(self, image: np.ndarray, file: str | None) -> Prediction:
        if image.shape[-1] != self.predictor.channels:
            raise ValueError(
                f"Argument `images` must have {self.predictor.channels} channels. Received the "
                f"shape {image.shape}"
            )
        outputs = self.predictor.predict(image[None])
        mask, row = files.classify(self.predictor, outputs, 0)
        return Prediction(file, image, mask, row, tuple(self.predictor.class_names))

    def evaluate(self, dataset: str | None = None, *, split: str | None = None) -> dict:
        """Measures the run again, by default on the test images of its own data.

        Args:
          dataset: name/config of another built data set beside the run's own.
          split: by default that of the recipe.

        Returns:
          The figures, see `builders.runs.figures`.

        Raises:
          ValueError: the data are not there any more, or have taught the run.
        """
        remembered = datasets.remembered_data(self.path, dataset or self.recipe["dataset"])
        if remembered is None:
            raise ValueError(
                f"{self.path} does not remember its data: evaluate it by `python -m zoo evaluate "
                "--source=... --data_dir=...`."
            )
        builder = datasets.prepare_dataset(dataset or self.recipe["dataset"], **remembered)
        return evaluate_run.evaluate_on_dataset(self.predictor, builder, split).metrics

    def export(
        self,
        format: str = "saved_model",
        *,
        precision: str = "float32",
        image_size: tuple[int, int] | None = None,
        images=(),
        modules_dir="modules",
    ) -> pathlib.Path:
        """Exports the run as a module, or as a file for another runtime beside it.

        Args:
          format: one of `export.FORMATS`.
          precision: one of `export.PRECISIONS`, of other formats.
          image_size: height and width of the only images that another format shall take.
          images: files or globs, to fit int8 to and to compare formats on.
          modules_dir: folder of all modules.

        Returns:
          The folder of the module, or the file.
        """
        from export import portable
        from export.publish import publish
        from export.versions import version_paths

        manifest, _ = publish(self.path, modules_dir)
        module = version_paths(modules_dir, manifest["handle"], manifest["version"])["module"]
        if format == "saved_model":
            return module
        made = portable.convert_run(
            self.path,
            module,
            format=format,
            precision=precision,
            image_size=image_size,
            images=[images] if isinstance(images, str) else list(images),
        )
        return module.with_name(made["file"])


def train(
    folder=None,
    *,
    module: str | None = None,
    recipe: str | None = None,
    fast: bool = False,
    runs_dir="runs",
    data_dir="data",
    run_name: str | None = None,
    skip_broken_images: bool = False,
    **changes,
) -> Run:
    """Trains a model on a folder of images, or a module by its recipe.

    An interrupted training of the same recipe and images goes on where it was.

    Args:
      folder: your images, in a layout of `tfds_datasets.image_mask_folder`, or the archive that
        `module` needs.
      module: a handle of `zoo.list_modules()`; None chooses a model for `folder`, and says why.
      recipe: the name of a recipe of that module.
      fast: choose a network for a fast line, which needs masks.
      runs_dir: folder of all runs.
      data_dir: folder of built data sets.
      run_name: name of the run directory; None takes that of the folder, or of the recipe.
      skip_broken_images: leave out unreadable images instead of stopping.
      **changes: fields of the recipe, such as `epochs=5`.

    Raises:
      ValueError: the folder holds too little, or module, recipe or a field is unknown.
    """
    terminal.show_our_messages_alone()
    logging.set_verbosity(logging.INFO)
    options = {"runs_dir": runs_dir, "resume": True, "skip_broken_images": skip_broken_images}
    if folder is None or (module and "/" in module and "/image_mask_folder/" not in module):
        if module is None:
            raise ValueError("Give a folder of images, or a `module` that brings its own.")
        made = get_recipe(
            module, recipe or "default", **adopt_start(module, changes, runs_dir=runs_dir)
        )
        path = train_recipe(
            made, data_dir=data_dir, manual_dir=folder, run_name=run_name, **options
        )
        return Run(path)
    plan = make_plan(
        folder,
        data_dir=data_dir,
        module=module,
        recipe=recipe,
        fast=fast,
        skip_broken_images=skip_broken_images,
        runs_dir=runs_dir,
        **changes,
    )
    print("\n".join(plan.describe()), flush=True)
    path = train_recipe(
        plan.recipe,
        data_dir=plan.data_dir,
        manual_dir=folder,
        run_name=run_name or plan.run_name,
        number_runs=run_name is None,
        **options,
    )
    return Run(path)


def _arrays(images) -> list[np.ndarray] | None:
    """Returns the images [H, W, C] of an array or of a list of arrays; None for names of files."""
    if isinstance(images, np.ndarray):
        images = list(images) if images.ndim == 4 else [images]
    elif isinstance(images, str | pathlib.Path) or not isinstance(images[0], np.ndarray):
        return None
    for image in images:
        if image.dtype != np.uint8 or image.ndim != 3:
            raise ValueError(
                "Argument `images` must be uint8 [H, W, C] or [B, H, W, C]. Received: "
                f"{image.dtype} {list(image.shape)}"
            )
    return list(images)
