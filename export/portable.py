"""Writes a model in the format of another runtime, runs what was written, and compares.

    <modules_dir>/<handle>/<N>.<precision>.<suffix>       sizes of images are free
    <modules_dir>/<handle>/<N>.<H>x<W>.<precision>.<suffix>

beside the module of that version, and for each a JSON file that describes it, which comes last; see
`builders.runs.runtimes`. OpenVINO has a second file, `.bin`.
"""

import glob
import os
import pathlib
import tempfile
from collections.abc import Sequence

import keras
import numpy as np

from builders.predictions import predictions
from builders.runs import run_dir, runtimes
from builders.runs.atomic import write_json
from export import PRECISIONS, check, licences, publish
from export.archive import describe_file
from export.writers import SUFFIXES, WRITERS

PACKAGES = "ai-edge-litert onnx onnxruntime openvino tf2onnx"  # `export` in setup.cfg
MOST_IMAGES = 64  # that int8 is fitted to, and all is compared on


def convert_run(run, stem, *, format, precision, image_size, images) -> dict:
    """Writes the model of a run directory in another format, beside the module at `stem`.

    Args:
      run: a run directory.
      stem: the path of the files, but for size, precision and suffix.
      format, precision, image_size: see `write`.
      images: files or globs, to fit int8 to and to compare formats on.

    Returns:
      What `write` returns.
    """
    model, recipe = run_dir.load_model(run)
    return write(
        model,
        recipe,
        stem,
        format=format,
        precision=precision,
        image_size=image_size,
        images=read_images(images, recipe, image_size),
        calibration=publish.read_calibration(run),
        known_images=publish.read_known_images(run),
        learnt_from=run_dir.read_learnt_from(run),
    )


def write(
    model: keras.Model,
    recipe: dict,
    stem,
    *,
    format: str,
    precision: str = "float32",
    image_size: tuple[int, int] | None = None,
    images: list[np.ndarray] | None = None,
    calibration: dict | None = None,
    known_images: list[str] | None = None,
    learnt_from: Sequence[str] = (),
) -> dict:
    """Writes a model in another format, whole or not at all.

    Args:
      model: a model of `builders.build`, in float32.
      recipe: what built it.
      stem: the path of the files, but for size, precision and suffix.
      format: a key of `writers.SUFFIXES`.
      precision: "float32"; "float16", of the weights, LiteRT and OpenVINO alone; "int8", of weights
        and features, fitted to `images`, LiteRT and ONNX alone.
      image_size: (H, W) of the only images that the file will take; None for any size.
      images: uint8 [H, W, C], at least as large as `image_size`, and of one size where that is
        None; what int8 is fitted to and all is compared on. None takes noise, but for int8.
      calibration: thresholds, for the description.
      known_images: hashes of images that the weights know, for the description.
      learnt_from: the data sets whose images the weights know, for the description, with their
        licences.

    Returns:
      The description: `format`, `precision`, `image_size`, `file`, `bytes` of all files, `sha256`,
      `max_difference` of the probabilities, `agreement`, the IoU of the pixels above the
      threshold here and in the model, `milliseconds` of one image, and on what it was measured.

    Raises:
      ValueError: the format has no such precision, an argument is missing, the runtime is not
        installed, or what was written answers otherwise than the model.
    """
    _check(format, precision, images)
    calibration = calibration or {}
    size = image_size or (images[0].shape[:2] if images else check.SIZE)
    batch = _batch(images, size, model.inputs[0].shape[-1])
    full = _of_size(model, recipe, image_size)
    dimensions = "{}x{}.".format(*image_size) if image_size else ""
    path = pathlib.Path(f"{stem}.{dimensions}{precision}{SUFFIXES[format]}")
    compared = [*batch] if image_size else [*batch, check.odd_part(batch[0])]
    free = image_size and model.inputs[0].shape[1] is None
    reference = _of_size(model, recipe, None) if free else full
    expected = [check.answers(reference.predict_on_batch, image) for image in compared]
    if free:
        _check_size(full, compared[0], expected[0], image_size)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as staging:
        staged = pathlib.Path(staging, path.name)
        run = _written(format, full, staged, precision, batch)
        found = (check.answers(run, image) for image in compared)
        figures = check.compare(expected, found, calibration.get("threshold", 0.5))
        if not check.agrees(figures, precision):
            raise ValueError(_other_answer(format, precision, image_size, figures))
        files = [staged, *filter(pathlib.Path.is_file, [staged.with_suffix(".bin")])]
        description = {
            "format": format,
            "precision": precision,
            "image_size": image_size and list(image_size),
            "file": path.name,
            "bytes": sum(file.stat().st_size for file in files),
            "sha256": {file.name: describe_file(file)["sha256"] for file in files},
            **figures,
            "compared_on": f"{len(batch)} {'images' if images else 'image of noise'}",
            **check.timing(run, batch[:1]),
            "recipe": run_dir.without_folders(recipe),
            "calibration": calibration,
            "known_images": known_images,
            "learnt_from": list(learnt_from),
            "data_licence": licences.of_images(learnt_from),
        }
        runtimes.description_path(path).unlink(missing_ok=True)
        for file in reversed(files):
            os.replace(file, path.with_name(file.name))
    write_json(runtimes.description_path(path), description)
    return description


def read_images(
    patterns: list[str], recipe: dict, size: tuple[int, int] | None = None
) -> list[np.ndarray]:
    """Reads image files as a network sees them, evenly chosen and `MOST_IMAGES` at most.

    Args:
      patterns: PNG or JPEG files, or globs.
      recipe: of the network; its channels and image size.
      size: (H, W) of the middle that is kept of larger images, where the network sees images at
        their own size; None keeps `check.SIZE`.

    Returns:
      uint8 [H, W, C] each.

    Raises:
      ValueError: a pattern matches no file, or a file is truncated or neither PNG nor JPEG.
    """
    import tensorflow as tf

    from export.saved_model import decode

    size, files = size or check.SIZE, []
    for pattern in patterns:
        literal = os.path.isfile(pattern)  # even with brackets in its name
        matches = [pattern] if literal else sorted(glob.glob(pattern, recursive=True))
        found = [file for file in matches if os.path.isfile(file)]
        if not found:
            raise ValueError(f"Argument `images` must name image files. Received: {pattern}")
        files += found
    channels, images = recipe["builder_args"]["image_shape"][2], []
    for file in files[:: max(1, -(-len(files) // MOST_IMAGES))]:
        try:
            image = decode(tf.io.read_file(file), channels=channels)
        except tf.errors.OpError as error:
            raise ValueError(f"{file} is truncated or neither PNG nor JPEG.") from error
        if recipe["image_size"]:
            image = tf.image.resize(image, recipe["image_size"], method="area")
        else:
            image = _middle(image, [min(sides) for sides in zip(image.shape, size)])
        images.append(np.round(255 * image.numpy()).astype(np.uint8))
    return images


def _check(format, precision, images):
    if format not in SUFFIXES:
        raise ValueError(
            f"Argument `format` must be one of {', '.join(SUFFIXES)}. Received: {format!r}"
        )
    valid = [name for name in PRECISIONS if (format, name) in WRITERS]
    if precision not in valid:
        raise ValueError(
            f"Argument `precision` must be one of {', '.join(valid)} for {format}. "
            f"Received: {precision!r}"
        )
    if precision == "int8" and not images:
        raise ValueError(
            "Precision int8 must be fitted to images that look like those to come, not those of "
            "the test: name some, as in --images='train/*.png'."
        )


def _batch(images, size, channels) -> np.ndarray:
    """Returns Float32 [B, H, W, C] in [0, 1]: the middles of the images, or noise."""
    if not images:
        return check.noise(size, channels)
    return np.stack([_middle(image, size) for image in images]).astype(np.float32) / 255.0


def _middle(image, size):
    top, left = ((have - want) // 2 for have, want in zip(image.shape, size))
    if top < 0 or left < 0:
        raise ValueError(
            f"Argument `images` must be {size[0]}x{size[1]} pixels or larger. "
            f"Received: {image.shape[0]}x{image.shape[1]}"
        )
    return image[top : top + size[0], left : left + size[1]]


def _of_size(model, recipe, image_size) -> keras.Model:
    """Returns the model for images of one size, or of any, with all outputs that users read."""
    if image_size:
        channels = model.inputs[0].shape[-1]
        arguments = {**recipe["builder_args"], "image_shape": [*image_size, channels]}
        model = run_dir.float32_copy(model, {**recipe, "builder_args": arguments})
    return keras.Model(model.input, predictions(model.output))


def _check_size(full, image, expected, image_size):
    """Raises where a builder makes another network of the same weights for images of one size."""
    found = check.answers(full.predict_on_batch, image)
    if not check.agrees(check.compare([expected], [found], 0.5), "float32"):
        raise ValueError(
            "The network for images of {}x{} answers otherwise than the model: an argument of its "
            "builder, such as `rates`, follows the size where it is not set. Set it in the "
            "recipe's `builder_args` and train again.".format(*image_size)
        )


def _written(format, full, path, precision, batch) -> runtimes.Run:
    """Writes a file and loads it."""
    try:
        WRITERS[format, precision](full, path, batch)
        run = runtimes.load(path, precision)
        run(batch[:1])  # some fail no sooner
        return run
    except ImportError as error:
        raise ValueError(f"Format {format} needs packages: pip install {PACKAGES}") from error
    except ValueError:
        raise
    except Exception as error:  # every runtime has its own
        raise ValueError(
            f"{format} cannot hold this network, at least for images of any size: set "
            f"--image_size. It says: {str(error).splitlines()[0]}"
        ) from error


def _other_answer(format, precision, image_size, figures) -> str:
    fix = "" if image_size else " Some networks need a fixed size there: set --image_size."
    agreement = figures["agreement"]
    marked = (
        "no pixel marked" if agreement is None else f"an IoU of {agreement:.4f} of those marked"
    )
    return (
        f"{format} in {precision} answers otherwise than the model, by up to "
        f"{figures['max_difference']:.2g} of a probability and with {marked}, so nothing was "
        f"written.{fix}"
    )
