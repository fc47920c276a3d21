"""Keras callbacks of the zoo: a backup to resume from, a stop at NaN, pictures of every epoch."""

import json
import math
import pathlib
import shutil
import time
from collections.abc import Callable, Iterable

import keras
import numpy as np
from absl import logging

from builders.atomic import replacing
from builders.predictions import defect_probability, predictions
from zoo.evaluation.samples import judged_mask
from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.metrics.segmentation import IGNORE, is_defect
from zoo.visualization import pictures

PICTURE_SIDE = 512  # px, the longest of the pictures of an epoch
_STATE_FILE = "state.json"
_MODEL_FILE = "model.weights.h5"
_BEST_FILE = "best.weights.h5"


class Backup(keras.callbacks.Callback):
    """Saves everything a resumed run needs after each epoch, and the best weights with it.

    A backup is one folder that appears whole: weights, optimizer slots, best weights, history, and
    what the other callbacks have counted. It must be the last callback, so that the others have
    finished their epoch.

    Args:
      directory: where the backups are kept.
      callbacks: other callbacks whose counters belong to the backup, by a name of ours.
      monitor: key of the epoch's figures that is highest for the best weights; of equals the one
        with the lowest validation loss is the best, since few images have few figures. `val_loss`
        is lowest for them.
    """

    _COUNTERS = ("best", "best_epoch", "wait", "cooldown_counter", "stopped_epoch")

    def __init__(self, directory, callbacks: dict[str, keras.callbacks.Callback], monitor: str):
        super().__init__()
        self.directory = pathlib.Path(directory)
        self.callbacks = callbacks
        self.monitor = monitor
        self.history: list[dict] = []
        self.stopped = False
        self._counters: dict[str, dict] = {}
        self._started = 0.0

    @property
    def best_epoch(self) -> int | None:
        """Index in `history` of the best epoch so far; the first of those equal in all."""
        sign = -1 if self.monitor == "val_loss" else 1
        values = [(sign * row[self.monitor], -row.get("val_loss", 0.0)) for row in self.history]
        return values.index(max(values)) if values else None

    def restore(self, model: keras.Model) -> int:
        """Loads the newest backup, if there is one, into a built and compiled model.

        Returns:
          The epoch to go on with.
        """
        newest = self._newest()
        if newest is None:
            return 0
        logging.info("Resuming from %s.", newest)
        state = json.loads((newest / _STATE_FILE).read_text())
        model.load_weights(newest / _MODEL_FILE)
        self.history, self.stopped = state["history"], state["stopped"]
        self._counters = state["counters"]
        for variable, value in zip(_seed_states(model), state.get("seed_states", [])):
            variable.assign(value)
        return len(self.history)

    def load_best(self, model: keras.Model) -> None:
        """Loads the weights of the best epoch."""
        model.load_weights(self._newest() / _BEST_FILE)

    def on_train_begin(self, logs=None):
        # The other callbacks reset themselves when training begins, just before this one.
        for name, counters in self._counters.items():
            for key, value in counters.items():
                setattr(self.callbacks[name], key, value)
        self._started = time.perf_counter() - (self.history[-1]["seconds"] if self.history else 0)

    def on_epoch_end(self, epoch, logs=None):
        row = {"epoch": epoch + 1, **{key: float(value) for key, value in (logs or {}).items()}}
        row["learning_rate"] = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        row["seconds"] = time.perf_counter() - self._started
        self.history.append(row)
        before = self._newest()
        self.directory.mkdir(parents=True, exist_ok=True)
        with replacing(self.directory / f"epoch_{epoch + 1:05d}") as folder:
            folder.mkdir()
            self.model.save_weights(folder / _MODEL_FILE)
            if self.best_epoch == len(self.history) - 1:
                shutil.copy(folder / _MODEL_FILE, folder / _BEST_FILE)
            else:
                shutil.copy(before / _BEST_FILE, folder / _BEST_FILE)
            counters = {
                name: {
                    key: _plain(getattr(callback, key))
                    for key in self._COUNTERS
                    if getattr(callback, key, None) is not None
                }
                for name, callback in self.callbacks.items()
            }
            state = {
                "history": self.history,
                "stopped": bool(self.model.stop_training),
                "counters": counters,
                "seed_states": [
                    keras.ops.convert_to_numpy(variable).tolist()
                    for variable in _seed_states(self.model)
                ],
            }
            (folder / _STATE_FILE).write_text(json.dumps(state))
        for old in self.directory.glob("epoch_*"):
            if old != self._newest():
                shutil.rmtree(old)

    def _newest(self) -> pathlib.Path | None:
        return max(self.directory.glob("epoch_*"), default=None)


class ShortNames(keras.callbacks.Callback):
    """Takes the name of the output from each figure: `val_iou`, however many heads a model has.

    It must be the first callback, so that all others see the short names.
    """

    OUTPUTS = ("mask_logits_", "label_logits_")
    LONG = "loss"  # the losses of the heads would otherwise be one name

    def on_epoch_end(self, epoch, logs=None):
        for name in list(logs or {}):
            for output in self.OUTPUTS:
                if output in name and not name.endswith(self.LONG):
                    logs[name.replace(output, "")] = logs.pop(name)


class StopAtAccuracy(keras.callbacks.Callback):
    """Stops training after an epoch whose training batches were labelled this well.

    As Visual-Inspection stops. It says how well a network remembers, and not how well it judges.
    """

    def __init__(self, accuracy: float):
        super().__init__()
        self.accuracy = accuracy

    def on_epoch_end(self, epoch, logs=None):
        if logs["accuracy"] > self.accuracy:
            self.model.stop_training = True
            logging.info("Stopped after epoch %d at accuracy %.4f.", epoch + 1, logs["accuracy"])


class StopAtNaN(keras.callbacks.Callback):
    """Stops training when the loss is no number, and says where the last good weights are."""

    def __init__(self, backup_directory):
        super().__init__()
        self.backup_directory = backup_directory

    def on_train_batch_end(self, batch, logs=None):
        loss = float((logs or {}).get("loss", 0.0))
        if not math.isfinite(loss):
            step = int(keras.ops.convert_to_numpy(self.model.optimizer.iterations))
            raise FloatingPointError(
                f"The loss is {loss} at step {step}. The weights of the last whole epoch are kept "
                f"in {self.backup_directory}. Try a lower --learning_rate or "
                "--mixed_precision=float32, with another --run_name."
            )


class MeasureAnomaly(keras.callbacks.Callback):
    """Adds the anomaly metrics of the validation images to the figures of every few epochs.

    They stand as `val_image_auroc` and so on in the log, in `history.csv` and in TensorBoard.

    Args:
      model: the whole network, of which the fitted one may be a part.
      batches: called at each measurement, gives dicts of `image` uint8 [B, H, W, C], `mask` uint8
        [B, H, W, 1] and `label` int [B].
      every: epochs from one measurement to the next.
    """

    FIGURES = ("image_auroc", "image_ap", "pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05")

    def __init__(self, model: keras.Model, batches: Callable[[], Iterable[dict]], every: int):
        super().__init__()
        if every < 1:
            raise ValueError(f"Argument `every` must be at least 1 epoch. Received: {every}")
        self.network, self.batches, self.every = model, batches, every

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1) % self.every:
            return
        evaluator = AnomalyEvaluator(mode="auto", ignore=IGNORE)
        for batch in self.batches():
            images = batch["image"].astype(np.float32) / 255.0
            outputs = predictions(self.network.predict_on_batch(images))
            outputs = {key: keras.ops.convert_to_numpy(outputs[key]) for key in ("mask", "score")}
            masks = batch["mask"][..., 0]
            for anomaly_map, score, mask, label in zip(
                defect_probability(outputs["mask"]), outputs["score"], masks, batch["label"]
            ):
                judged = judged_mask(mask, label > 0)
                evaluator.update(
                    anomaly_map,
                    np.where(judged == IGNORE, judged, judged > 0),
                    label=int(label > 0),
                    image_score=float(score),
                )
        figures = evaluator.compute()
        logs.update({f"val_{name}": figures[name] for name in self.FIGURES})
        logging.info(
            "Epoch %d: %s",
            epoch + 1,
            ", ".join(f"{name} {figures[name]:.4f}" for name in self.FIGURES),
        )


class EpochPictures(keras.callbacks.Callback):
    """Draws image, truth and prediction of a few fixed images after every epoch, large ones small.

    Args:
      directory: receives `epoch_00001.png` and so on.
      model: the whole network, of which the fitted one may be a part.
      images: uint8 [B, H, W, C].
      masks: uint8 [B, H, W, 1].
    """

    def __init__(self, directory, model: keras.Model, images: np.ndarray, masks: np.ndarray):
        super().__init__()
        self.directory, self.network = pathlib.Path(directory), model
        self.images = images
        self.size = pictures.thumbnail_size(images.shape[1:3], PICTURE_SIDE)
        defects = is_defect(masks[..., 0]).astype(np.float32)
        self.known = [
            [
                pictures.to_rgb(pictures.thumbnail(image, PICTURE_SIDE)),
                pictures.heat(pictures.block_maximum(defect, self.size)),
            ]
            for image, defect in zip(images, defects)
        ]

    def on_epoch_end(self, epoch, logs=None):
        outputs = self.network.predict_on_batch(self.images.astype(np.float32) / 255.0)
        mask = keras.ops.convert_to_numpy(predictions(outputs)["mask"])
        rows = [
            pictures.row([*known, pictures.heat(pictures.block_maximum(found, self.size))])
            for known, found in zip(self.known, defect_probability(mask))
        ]
        self.directory.mkdir(parents=True, exist_ok=True)
        with replacing(self.directory / f"epoch_{epoch + 1:05d}.png") as path:
            path.write_bytes(pictures.png_bytes(np.concatenate(rows)))


def _seed_states(model: keras.Model) -> list[keras.Variable]:
    """The states of what draws random numbers, as dropout does: files of weights leave them out."""
    weights = {id(variable) for variable in [*model.weights, *model.optimizer.variables]}
    return [variable for variable in model.variables if id(variable) not in weights]


def _plain(value):
    """A counter as JSON holds it."""
    return value if isinstance(value, bool | int) else float(value)
