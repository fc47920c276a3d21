"""Models that answer by the grey levels of an image, and a demo page with them, for tests."""

import contextlib
import socket
import tempfile
from unittest import mock

import numpy as np
from PIL import Image

from zoo.prediction import demo
from zoo.prediction.predictor import Predictor

CALIBRATION = {"threshold": 0.375, "score_threshold": 0.6251}


def bright(images):
    """Probability of a defect: how bright a pixel is."""
    probability = images[..., :1].astype(np.float32) / 255
    return {"mask": probability, "score": probability.max(axis=(1, 2, 3))}


def two_types(images):
    """Dents on the left, scratches on the right."""
    defect = bright(images)["mask"]
    left = np.arange(images.shape[2])[:, None] < images.shape[2] // 2
    mask = np.concatenate([1 - defect, defect * left, defect * ~left], axis=-1)
    return {"mask": mask, "score": bright(images)["score"]}


def boxed(images):
    """One box, and the empty one that fills up the batch."""
    boxes = np.zeros((len(images), 2, 4), np.float32)
    boxes[:, 0] = 0.25, 0.25, 0.75, 0.75
    scores = np.tile(np.array([[0.9, 0.0]], np.float32), (len(images), 1))
    return {**bright(images), "box": boxes, "box_score": scores}


def made(model=bright, names=("good", "defect"), calibration=CALIBRATION, **recipe):
    """A predictor and the list of the shapes that its network has seen."""
    seen = []

    def predict(images):
        seen.append(images.shape)
        return model(images)

    recipe = {"builder_args": {"image_shape": [None, None, 1]}, "class_names": list(names)} | recipe
    return Predictor(predict, recipe, calibration), seen


def spot(height=48, width=64):
    """Grey levels that rise to the middle."""
    y, x = np.mgrid[:height, :width]
    distance = np.hypot(y - height / 2, x - width / 2)
    return np.clip(250 - 8 * distance, 20, 255).astype(np.uint8)


def save(path, pixels):
    Image.fromarray(pixels).save(path)
    return path


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def served_demo(folder):
    """A page with two modules and a broken one: its address, and what each network has seen.

    In a process that has served one before, Gradio makes the folder of that one again, so all are
    made in `folder`.
    """
    modules = {"spots": made(), "types": made(two_types, ("good", "dent", "scratch"))}

    def load(name):
        if name not in modules:
            raise ValueError(f"There is no module {name}.")
        return modules[name][0]

    with (
        mock.patch.object(tempfile, "tempdir", str(folder)),
        demo.serving([*modules, "broken"], load, free_port()) as address,
    ):
        yield address, {name: shapes for name, (_, shapes) in modules.items()}
