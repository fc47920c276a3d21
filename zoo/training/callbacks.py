"""Keras callbacks of the zoo: names, stops, anomaly metrics, pictures of every epoch."""

import math
import pathlib
from collections.abc import Callable, Iterable

import keras
import numpy as np
from absl import logging

from builders.predictions import defect_probability, predictions
from builders.runs.atomic import replacing
from zoo.evaluation.samples import judged_mask
from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.metrics.segmentation import IGNORE, is_defect
from zoo.visualization import pictures

PICTURE_SIDE = 512  # px, the longest of the pictures of an epoch


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
