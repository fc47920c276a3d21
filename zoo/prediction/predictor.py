"""Runs a trained model, be it a run directory, a module's folder or its URL, in one way."""

import json
import pathlib
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np

from builders.predictions import defect_probability, predictions
from builders.runs import run_dir, run_files, runtimes
from builders.runs.inference import for_inference
from zoo.data import leakage
from zoo.modules.find import find_module, manifest_of

_ANSWERS = ("mask", "score", "label", "box", "box_score")


class Predictor(NamedTuple):
    """A model with what is needed to read its answers.

    Attributes:
      predict: from images uint8 [B, H, W, C] to a dict of `mask`, probabilities float32
        [B, H, W, K], `score` float32 [B] and, unless it is made of tiles, `peak` float [B, 2], see
        there; a model of labels adds their probabilities, `label` float32 [B, L], and one of boxes
        `box` float32 [B, N, 4] and `box_score` float32 [B, N], as `builders.predictions` has them.
      recipe: the recipe as a dict.
      calibration: thresholds as a dict; empty for a model without any.
      known_images: see there; None where the recipe's folds say which images it knows.
      learnt_from: the data sets whose images its weights know, name/config each.
    """

    predict: Callable[[np.ndarray], dict[str, np.ndarray]]
    recipe: dict
    calibration: dict
    known_images: frozenset[str] | None = None
    learnt_from: tuple[str, ...] = ()

    @property
    def channels(self) -> int:
        return self.recipe["builder_args"]["image_shape"][2]

    @property
    def class_names(self) -> list[str]:
        return self.recipe["class_names"]

    @property
    def threshold(self) -> float:
        return self.calibration.get("threshold", 0.5)

    @property
    def score_threshold(self) -> float:
        return self.calibration.get("score_threshold", 0.5)


def from_model(model: keras.Model, recipe: dict, calibration: dict | None = None) -> Predictor:
    """Wraps a Keras model of the zoo."""
    view = for_inference(model)
    full = keras.Model(view.input, predictions(view.output))

    def predict(images):
        return _answers(full.predict_on_batch(images.astype(np.float32) / 255.0))

    return Predictor(predict, recipe, calibration or {})


def peak(mask_logits: np.ndarray) -> np.ndarray:
    """Returns the middle [y, x] in [0, 1] of the pixel that is likeliest defective, float [B, 2].

    Of logits, since the probabilities of many sure pixels are all rounded to 1.

    Args:
      mask_logits: float32 [B, H, W, K].
    """
    defect = mask_logits[..., 0]
    if mask_logits.shape[-1] > 1:
        defect = np.logaddexp.reduce(mask_logits[..., 1:], axis=-1) - defect
    places = np.unravel_index(defect.reshape(len(defect), -1).argmax(axis=1), defect.shape[1:])
    return (np.stack(places, axis=-1) + 0.5) / defect.shape[1:]


def _answers(outputs) -> dict[str, np.ndarray]:
    answers = {key: np.asarray(outputs[key]) for key in _ANSWERS if key in outputs}
    return {**answers, "peak": peak(np.asarray(outputs["mask_logits"]))}


def at_size(predict: Callable, size: tuple[int, int]) -> Callable:
    """Makes a predict function show its network every image at one size.

    Args:
      predict: as `Predictor.predict`.
      size: (H, W) that the network learnt from.

    Returns:
      A function as `predict`, for images of any size; the mask has the size of the image.
    """
    import tensorflow as tf

    from zoo.data.datasets import resize_images  # of the data that the network learnt from

    def resized(images):
        own_size = images.shape[1:3]
        if own_size == tuple(size):
            return predict(images)
        outputs = predict(resize_images(images, size).numpy())
        # `numpy()` would copy what is large for a large image
        return {**outputs, "mask": np.asarray(tf.image.resize(outputs["mask"], own_size))}

    return resized


def load_predictor(source: str, modules_dir="modules") -> Predictor:
    """Loads a run directory, a module's folder, its URL, its handle in `modules_dir`, or a file.

    Files are those that `export` writes for other runtimes, such as `1.float32.onnx`.

    Raises:
      ValueError: there is no run directory, module or file, or its runtime is not installed.
    """
    directory = pathlib.Path(source)
    if directory.suffix in runtimes.RUNTIMES and directory.is_file():
        return _from_file(directory)
    if (directory / run_files.WEIGHTS_FILE).is_file():
        model, recipe = run_dir.load_model(directory)
        found = from_model(
            model, recipe, run_files.read_document(directory, run_files.CALIBRATION_FILE)
        )
        return found._replace(
            known_images=leakage.read_hashes(directory),
            learnt_from=tuple(run_dir.read_learnt_from(directory)),
        )
    return _from_module(source, modules_dir)


def _from_file(path) -> Predictor:
    described = runtimes.describe(path)
    run, size = runtimes.load(path, described["precision"]), described["image_size"]

    def predict(images):
        if size and images.shape[1:3] != tuple(size):
            height, width = size
            raise ValueError(
                f"{path} takes images of {height}x{width} pixels alone. Received: "
                f"{images.shape[1]}x{images.shape[2]}. Where both sides are at least that long, "
                f"--tile_size={height},{width} cuts an image into tiles."
            )
        return _answers(run(images.astype(np.float32) / 255.0))

    known = described.get("known_images")
    return Predictor(
        predict,
        described["recipe"],
        described["calibration"],
        frozenset(known) if known else None,
        tuple(described["learnt_from"]),
    )


def index_mask(probability: np.ndarray, threshold: float) -> np.ndarray:
    """Turns probabilities float [H, W, K] into uint8 [H, W]: 0 background, 1.. the defect type.

    A pixel is defective where the probability of any defect exceeds the threshold; its type is
    then the likeliest one.
    """
    defect = defect_probability(probability) > threshold
    if probability.shape[-1] == 1:
        return defect.astype(np.uint8)
    mask = defect.astype(np.uint8)
    for row, found in zip(mask, probability):  # all at once would copy the probabilities
        row *= 1 + np.argmax(found[:, 1:], axis=-1).astype(np.uint8)
    return mask


def defect_type(class_names: list[str], outputs: dict, index: int, mask: np.ndarray) -> str:
    """Names the type of the defect in one image, given that there is one.

    The likeliest one where the model knows image labels; else that of the largest area, or, where
    nothing is marked, of the highest probability of any pixel.

    Args:
      class_names: good first.
      outputs: of `Predictor.predict`.
      index: of the image in its batch.
      mask: its index mask uint8 [H, W].
    """
    probability = outputs["mask"][index]
    label = outputs.get("label")
    if label is not None and label.shape[-1] == len(class_names) > 2:
        return class_names[1 + int(label[index, 1:].argmax())]
    if probability.shape[-1] == 1:
        return class_names[1] if len(class_names) == 2 else "defect"
    if mask.any():
        return class_names[np.bincount(mask[mask > 0]).argmax()]
    return class_names[1 + probability[..., 1:].max(axis=(0, 1)).argmax()]


def _from_module(source: str, modules_dir) -> Predictor:
    import tensorflow as tf  # a module is a SavedModel: only TensorFlow reads it

    folder = find_module(source, modules_dir)
    module = tf.saved_model.load(str(folder))
    if "serve_uint8" not in module.signatures or not hasattr(module, "recipe"):
        raise ValueError(
            f"{source} must be a module that `python -m export convert` wrote: it has no signature "
            "serve_uint8, or no recipe."
        )
    serve = module.signatures["serve_uint8"]

    def predict(images):
        return _answers(serve(image=tf.constant(images)))

    predict.module = module  # its variables live only as long as it does
    known, recipe = _asset(module, "known_images"), _asset(module, "recipe")
    manifest = manifest_of(folder) or {"learnt_from": run_dir.learnt_from(recipe, {})}
    return Predictor(
        predict,
        recipe,
        _asset(module, "calibration"),
        frozenset(known) if known else None,
        tuple(manifest["learnt_from"]),
    )


def _asset(module, name: str) -> dict:
    """Reads a JSON file that `export` stored in the module; imported weights lack some."""
    if not hasattr(module, name):
        return {}
    return json.loads(pathlib.Path(getattr(module, name).asset_path.numpy().decode()).read_text())
