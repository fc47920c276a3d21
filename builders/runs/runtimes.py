"""Runs models in the formats of other runtimes, which need no TensorFlow.

Nor do they need this project, but for the file of Keras, whose layers are those of `builders`.

`export` writes the file of a model together with a JSON file of the same name and `.json`, which
says what the model is: `precision`, `image_size`, `recipe`, `calibration` and how it was checked.
"""

import hashlib
import json
import os
import pathlib
from collections.abc import Callable

import numpy as np

Run = Callable[[np.ndarray], dict[str, np.ndarray]]


def description_path(path) -> pathlib.Path:
    """Returns where the JSON file of a model's file lies."""
    path = pathlib.Path(path)
    return path.with_name(f"{path.name}.json")


def describe(path) -> dict:
    """Reads the JSON file of a model's file.

    Raises:
      ValueError: it is missing, or a file of the model is, or is that of another model.
    """
    description = description_path(path)
    if not description.is_file():
        raise ValueError(
            f"{path} must stand beside {description.name}, which `python -m export convert` wrote "
            "with it: copy both."
        )
    described = json.loads(description.read_text())
    for name, expected in described["sha256"].items():
        file = path.with_name(name)
        if not file.is_file():
            raise ValueError(f"{path} must stand beside {name}: copy all files of a model.")
        with open(file, "rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != expected:
            raise ValueError(
                f"{file} is not the file that {description.name} describes: copy all files of a "
                "model together."
            )
    return described


def load(path, precision: str) -> Run:
    """Loads a model's file; its suffix names the runtime, see `RUNTIMES`.

    Args:
      path: the file; the second one of OpenVINO, `.bin`, lies beside it.
      precision: "float32" computes in it; with others the runtime may take what is fastest.

    Returns:
      A function from images float32 [B, H, W, C] in [0, 1] to a dict of arrays, of those sizes
      that the file was made for.

    Raises:
      ValueError: the suffix is none of `RUNTIMES`, or the runtime is not installed.
    """
    path = pathlib.Path(path)
    if path.suffix not in RUNTIMES:
        raise ValueError(
            f"Argument `path` must end in one of {', '.join(RUNTIMES)}. Received: {path}"
        )
    package, loader = RUNTIMES[path.suffix]
    try:
        return loader(str(path), precision)
    except ImportError as error:
        raise ValueError(f"{path} needs a package: pip install {package}") from error


def _onnx(path, precision) -> Run:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return lambda images: dict(zip(names, session.run(names, {"image": images})))


def _openvino(path, precision) -> Run:
    import openvino

    # Without the hint OpenVINO computes in bfloat16 wherever the CPU can.
    hint = {"INFERENCE_PRECISION_HINT": "f32"} if precision == "float32" else {}
    model = openvino.Core().compile_model(path, "CPU", hint)

    def run(images):
        return {output.get_any_name(): value.copy() for output, value in model(images).items()}

    return run


def _litert(path, precision) -> Run:
    from ai_edge_litert.interpreter import Interpreter

    # Left alone it computes on one core, where the other runtimes take all.
    runner = Interpreter(path, num_threads=os.cpu_count()).get_signature_runner()
    return lambda images: runner(image=images)


def _keras(path, precision) -> Run:
    import keras

    model = keras.models.load_model(path)
    return lambda images: {k: np.asarray(v) for k, v in model.predict_on_batch(images).items()}


# suffix of the file -> package to install, loader(path, precision)
RUNTIMES = {
    ".onnx": ("onnxruntime", _onnx),
    ".xml": ("openvino", _openvino),
    ".tflite": ("ai-edge-litert", _litert),
    ".keras": ("keras", _keras),
}
