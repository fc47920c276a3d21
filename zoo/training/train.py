"""Trains one module by its recipe and leaves a complete run directory."""

import csv
import functools
import importlib.util
import os
import pathlib

import keras
from absl import logging

import builders
from builders.runs import run_dir, run_files
from builders.runs.atomic import replacing, write_json
from zoo import hardware
from zoo.data import datasets, input_pipeline, leakage
from zoo.evaluation import evaluate_run, outliers
from zoo.feature_learning import supervision
from zoo.memory_bank.fill import fill_bank
from zoo.prediction import predictor
from zoo.recipes.builder_kinds import MEMORY_BANK_BUILDERS, ONE_CLASS_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.report.results import write_results
from zoo.training import (
    callbacks,
    optimizers,
    recipe_checks,
    run_paths,
    show_progress,
    starting_weights,
    tasks,
)
from zoo.training.backup import Backup

PICTURED_IMAGES = 4  # validation images drawn after every epoch


def train(
    recipe: Recipe,
    *,
    runs_dir,
    data_dir,
    manual_dir=None,
    run_name: str | None = None,
    resume: bool = False,
    skip_broken_images: bool = False,
    tensorboard: bool = False,
    measure_every: int | None = None,
    number_runs: bool = False,
) -> pathlib.Path:
    """Trains, calibrates on the validation folds, measures on the test split, and reports.

    Everything is written into `<run>.partial`, which becomes the run directory at the end. A
    finished run of the same recipe is returned as it is.

    Args:
      recipe: what to train.
      runs_dir: folder of all runs.
      data_dir: folder of built data sets.
      manual_dir: folder of the user's archive, for data sets that need one.
      run_name: name of the run directory; None names it by recipe and seed.
      resume: go on with a run that was interrupted.
      skip_broken_images: build the data set without its unreadable images.
      tensorboard: also write TensorBoard logs.
      measure_every: epochs between two measurements of the anomaly metrics of the validation
        images, which change nothing of the training; None measures them never.
      number_runs: where the name belongs to a run of another recipe or of other images, take the
        next free one, such as `<run_name>_2`.

    Returns:
      The run directory.

    Raises:
      ValueError: the recipe does not fit the data, or another or unfinished run is in the way.
      FloatingPointError: the loss became NaN or infinite.
    """
    recipe_checks.check_choices(recipe)
    leakage.refuse_test_split(
        recipe.train_split, recipe.test_split, recipe.training_folds, recipe.test_folds
    )
    builder = datasets.prepare_dataset(
        recipe.dataset,
        data_dir=data_dir,
        manual_dir=manual_dir,
        skip_broken_images=skip_broken_images,
    )
    recipe = supervision.complete_recipe(with_class_names(recipe, builder), builder)
    known = leakage.training_hashes(builder, recipe)
    run = run_paths.run_path(runs_dir, recipe, run_name)
    if number_runs:
        run = run_paths.free_path(run, recipe, known)
    partial = run.with_name(f"{run.name}.partial")
    if run.exists():
        run_paths.check_same(run, recipe, known)
        logging.info("%s is done already.", run)
        return run
    # What is missing shall be found now rather than after hours of training.
    recipe_checks.check_data(recipe, builder)
    leakage.refuse_leaking_start(recipe, builder)
    if list(partial.glob("backup/epoch_*")) or (partial / run_files.WEIGHTS_FILE).is_file():
        if not resume:
            raise ValueError(
                f"{partial} holds an unfinished run. Go on with it by --resume, or choose another "
                "--run_name."
            )
        run_paths.check_same(partial, recipe, known)
    partial.mkdir(parents=True, exist_ok=True)
    write_json(partial / run_files.RECIPE_FILE, recipe.to_dict())
    write_json(
        partial / run_files.DATA_FILE,
        {
            "dataset": recipe.dataset,
            "data_dir": str(pathlib.Path(data_dir).resolve()),
            "manual_dir": manual_dir and str(pathlib.Path(manual_dir).resolve()),
        },
    )
    if known is not None:
        write_json(partial / run_files.KNOWN_IMAGES_FILE, known)

    if not (partial / run_files.WEIGHTS_FILE).is_file():
        _fit(recipe, builder, partial, tensorboard=tensorboard, measure_every=measure_every)
    _measure(recipe, builder, partial)
    os.rename(partial, run)
    return run


def with_class_names(recipe: Recipe, builder) -> Recipe:
    """Completes a recipe by the label names of its data set."""
    names = list(builder.info.features["label"].names)
    return Recipe.from_dict({**recipe.to_dict(), "class_names": names})


def _fit(recipe, builder, partial, *, tensorboard, measure_every):
    keras.utils.set_random_seed(recipe.seed + 1)
    if recipe.builder in MEMORY_BANK_BUILDERS:
        model = _new_model(recipe, "float32")
        facts = fill_bank(model, recipe, builder)
        history = []
    else:
        options = {"tensorboard": tensorboard, "measure_every": measure_every}
        model, history, facts = _fit_by_gradients(recipe, builder, partial, **options)
        _write_history(partial / run_files.HISTORY_FILE, history)
    environment = {
        **hardware.describe(),
        "training_steps": len(history) * recipe.steps_per_epoch,
        "learnt_from": leakage.training_sources(recipe, builder),
        **facts,
    }
    if masks := datasets.mask_sources(builder, recipe.train_split):
        environment["masks"] = masks
    write_json(partial / run_files.ENVIRONMENT_FILE, environment)
    run_dir.save_model(model, recipe.to_dict(), partial)


def _new_model(recipe, precision) -> keras.Model:
    with run_dir.dtype_policy(precision):
        model = builders.build(recipe.builder, **recipe.builder_args)
    if recipe.start_from is not None:
        starting_weights.copy_weights(model, recipe.start_from)
    return model


def _fit_by_gradients(recipe, builder, partial, *, tensorboard, measure_every):
    """Returns the trained model, its history, and what else belongs into `environment.json`."""
    precision = hardware.resolve_mixed_precision(recipe.mixed_precision)
    model = _new_model(recipe, precision)
    validation = datasets.read_folds(builder, recipe, recipe.validation_folds)
    task = tasks.make_task(model, recipe, builder, validation)
    learner = task.learner
    learner.compile(
        optimizer=optimizers.build(recipe, model.trainable_variables, precision),
        **task.objective,
        jit_compile=hardware.resolve_xla(recipe.xla),
    )
    measured = []
    if measure_every is not None:
        batches = input_pipeline.same_size_batches(validation).as_numpy_iterator
        measured.append(callbacks.MeasureAnomaly(model, batches, measure_every))
    stateful = _stateful_callbacks(recipe, task.monitor)
    backup = Backup(partial / "backup", stateful, monitor=task.monitor)
    training_callbacks = [
        callbacks.ShortNames(),  # before all others, which see the short names
        *measured,  # before those that may watch its figures
        callbacks.StopAtNaN(partial / "backup"),
        show_progress.ShowProgress(recipe.epochs, recipe.steps_per_epoch),
        *stateful.values(),
        *_optional_callbacks(recipe, partial, model, validation, tensorboard),
        backup,  # behind all others, whose state it keeps
    ]
    first_epoch = backup.restore(learner)
    if not backup.stopped and first_epoch < recipe.epochs:
        learner.fit(
            task.training_batches(first_epoch),
            validation_data=task.validation_batches,
            initial_epoch=first_epoch,
            epochs=recipe.epochs,
            steps_per_epoch=recipe.steps_per_epoch,
            shuffle=False,  # the batches come shuffled
            verbose=0,  # `ShowProgress` shows the whole training, not each epoch
            callbacks=training_callbacks,
        )
    if recipe.weights == "best":
        backup.load_best(learner)
        logging.info("Kept the weights of epoch %d.", backup.best_epoch + 1)
    facts = {
        "precision": precision,
        "xla": str(learner.jit_compile),
        "training_seconds": round(backup.history[-1]["seconds"], 1),
        **task.facts,
    }
    return model, backup.history, facts


def _stateful_callbacks(recipe, monitor) -> dict[str, keras.callbacks.Callback]:
    """Returns the callbacks that count epochs, whose state a backup keeps under these names."""
    mode = "min" if monitor == "val_loss" else "max"
    found, monitor_options = {}, {"monitor": monitor, "mode": mode, "verbose": 1}
    if recipe.early_stopping_patience is not None:
        found["early_stopping"] = keras.callbacks.EarlyStopping(
            patience=recipe.early_stopping_patience, **monitor_options
        )
    if recipe.reduce_lr_patience is not None:
        found["reduce_lr"] = keras.callbacks.ReduceLROnPlateau(
            patience=recipe.reduce_lr_patience, factor=recipe.reduce_lr_factor, **monitor_options
        )
    return found


def _optional_callbacks(
    recipe, partial, model, validation, tensorboard
) -> list[keras.callbacks.Callback]:
    found = []
    if recipe.stop_accuracy is not None:
        found.append(callbacks.StopAtAccuracy(recipe.stop_accuracy))
    defective = validation.filter(lambda example: example["label"] > 0).take(PICTURED_IMAGES)
    batch = next(input_pipeline.same_size_batches(defective).as_numpy_iterator(), None)
    if batch is not None:
        found.append(
            callbacks.EpochPictures(partial / "epochs", model, batch["image"], batch["mask"])
        )
    if tensorboard:
        if importlib.util.find_spec("tensorboard") is None:
            raise ValueError(
                "--tensorboard needs TensorBoard: pip install 'defect-zoo[tensorboard]'"
            )
        found.append(keras.callbacks.TensorBoard(partial / "tensorboard"))
    return found


def _measure(recipe, builder, partial):
    """Calibrates and measures the saved weights, so that the figures are those of the files."""
    uncalibrated = predictor.load_predictor(str(partial))
    search = outliers.OutlierSearch() if recipe.builder in ONE_CLASS_BUILDERS else None
    on_sample = search and functools.partial(search.add, role=outliers.VALIDATION)
    calibration = evaluate_run.calibrate_predictor(uncalibrated, builder, on_sample=on_sample)
    write_json(partial / run_files.CALIBRATION_FILE, calibration)
    calibrated = uncalibrated._replace(calibration=calibration)
    evaluation = evaluate_run.evaluate_on_dataset(calibrated, builder)
    if search:
        # A bank knows the images that it was filled from: none of them can stand out.
        folds = () if recipe.builder in MEMORY_BANK_BUILDERS else recipe.training_folds
        evaluation = evaluate_run.with_outliers(evaluation, search, calibrated, builder, folds)
    write_results(partial, evaluation, run=partial)


def _write_history(path, history):
    names = dict.fromkeys(name for row in history for name in row)  # some come every few epochs
    with replacing(path) as temporary, open(temporary, "w", newline="") as stream:
        writer = csv.DictWriter(stream, names)
        writer.writeheader()
        writer.writerows(history)
