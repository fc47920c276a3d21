"""What a network says of one image: asked once, judged by any thresholds."""

import pathlib
from typing import NamedTuple

import numpy as np

from builders.predictions import defect_probability
from tfds_datasets.images import decode_image
from zoo.prediction.files import classify, overlay_of
from zoo.prediction.predictor import Predictor
from zoo.visualization import pictures

SHOWN = 1024  # pixels of the longest side of a picture; more would make it slow to draw again


class Answer(NamedTuple):
    """What the network says of one image.

    Attributes:
      predictor: that was asked.
      outputs: of its `predict`, for a batch of this image.
      image: uint8 [H', W', C], shrunk to what is shown.
    """

    predictor: Predictor
    outputs: dict[str, np.ndarray]
    image: np.ndarray


def predict_file(predictor: Predictor, path) -> Answer:
    """Shows one image file to the network, once.

    Raises:
      BrokenImageError: the file is no image; the message has its name, not its path.
    """
    path = pathlib.Path(path)
    image = decode_image(path.read_bytes(), name=path.name, channels=predictor.channels)
    return Answer(predictor, predictor.predict(image[None]), pictures.thumbnail(image, SHOWN))


def draw(answer: Answer, threshold: float, score_threshold: float) -> tuple[np.ndarray, dict]:
    """Applies a threshold of pixels and one of images to the answer of a network.

    Returns:
      The overlay with its legend, uint8 [H, W, 3]; and the figures of
      `zoo.prediction.files.classify`, which are of all pixels, however small the picture.
    """
    thresholds = {"threshold": threshold, "score_threshold": score_threshold}
    predictor = answer.predictor._replace(calibration=thresholds)
    mask, row = classify(predictor, answer.outputs, 0)
    mask = pictures.block_maximum(mask, answer.image.shape[:2])
    return overlay_of(answer.image, mask, row, predictor.class_names), row


def thresholds(predictor: Predictor) -> tuple[float, float]:
    """Returns the calibrated ones of pixels and of images, within the reach of the sliders."""
    return tuple(min(1.0, value) for value in (predictor.threshold, predictor.score_threshold))


def probability_map(answer: Answer) -> np.ndarray:
    """The probability of any defect in colours, uint8 [H, W, 3], as large as the overlay."""
    probability = defect_probability(answer.outputs["mask"][0])
    return pictures.heat(pictures.block_maximum(probability, answer.image.shape[:2]))


def sentences(answer: Answer, row: dict, score_threshold: float) -> str:
    """Returns the verdict in plain words, in Markdown."""
    height, width = answer.outputs["mask"].shape[1:3]
    verdict = "Defect" if row["defect"] else "Good"
    if row["label"].lower() != verdict.lower():
        verdict += f": {row['label']}"
    verb = "exceeds" if row["defect"] else "does not exceed"
    lines = [
        f"The score {row['score']:.4g} {verb} the image threshold {score_threshold:.4g}.",
        f"Marked: {100 * row['defect_fraction']:.2f} % of the image, {row['defect_pixels']:,} of "
        f"{height * width:,} pixels.",
    ]
    if size := answer.predictor.recipe.get("image_size"):
        lines.append("The network saw the image at {}x{} pixels.".format(*size))
    if (height, width) != answer.image.shape[:2]:
        lines.append(
            f"Of {height}x{width} pixels, the pictures show {answer.image.shape[0]}x"
            f"{answer.image.shape[1]}; the figures are of all."
        )
    return f"### {verdict}\n" + "  \n".join(lines)
