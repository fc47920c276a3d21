"""Speed of the model and of everything that feeds it, in images a second."""

import dataclasses
import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np

import builders
from builders.runs import run_dir
from builders.runs.inference import for_inference
from tfds_datasets.dagm_synthetic import scene
from zoo import hardware
from zoo.data import datasets, input_pipeline
from zoo.recipes.builder_kinds import FEATURE_BUILDERS, ONE_CLASS_BUILDERS
from zoo.recipes.recipe import Recipe
from zoo.training import objectives

EMBEDDED = "dagm_synthetic/class_1"  # the data set that is read and rendered for the pipeline
BATCH_SIZES = (1, 8)
LEAST_STEPS = 3
SECONDS = 10.0  # of each measurement, after one step of warm-up


def benchmark_networks(
    recipe: Recipe,
    size: tuple[int, int],
    *,
    data_dir,
    precision: str | None = None,
    batch_size: int | None = None,
    peer: str | None = None,
) -> Iterator[dict]:
    """Measures the network of a recipe, its peer, and the embedded data set on this machine.

    Args:
      recipe: its builder, loss and precision are measured, and its training batches where they are
        of the embedded data set; of a network that paints what it learns from, inference alone.
      size: height and width of the images, in pixels.
      data_dir: folder of built data sets; the embedded one is built there if it is missing.
      precision: a dtype policy; None takes float32, and bfloat16 where the device gains from it.
      batch_size: images in a step; None takes 1 and 8.
      peer: "torch" for the same network in PyTorch, in the same run; None for ours alone.

    Yields:
      Dicts of `what`, `framework`, `precision`, `batch_size`, `images_per_second` (the median of
      the steps) and `steps` measured.

    Raises:
      ValueError: the peer is not installed, or knows no such network; before anything is timed.
    """
    precisions = [precision] if precision else _useful_precisions()
    batch_sizes = [batch_size] if batch_size else BATCH_SIZES
    for policy, batch in itertools.product(precisions, batch_sizes):
        image, mask = _example(recipe.builder_args, (batch, *size))
        for framework, steps in _frameworks(recipe, peer, policy, image, mask).items():
            for what, step in steps.items():
                yield {
                    "what": what,
                    "framework": framework,
                    "precision": policy,
                    "batch_size": batch,
                    **images_per_second(step, batch),
                }
    if recipe.dataset == EMBEDDED:
        yield from _pipeline(recipe, data_dir)


def images_per_second(step: Callable[[], object], batch: int) -> dict:
    """Times a step: one warm-up, then at least 3 steps and 10 seconds."""
    step()
    times: list[float] = []
    while len(times) < LEAST_STEPS or sum(times) < SECONDS:
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return {"images_per_second": round(batch / statistics.median(times), 3), "steps": len(times)}


def _useful_precisions() -> list[str]:
    fast = hardware.resolve_mixed_precision("auto")
    return ["float32"] if fast == "float32" else ["float32", fast]


def _example(builder_args, shape):
    """Returns an image of noise, and a mask of every class at the bright pixels."""
    image = np.random.default_rng(0).random((*shape, builder_args["image_shape"][2]), np.float32)
    classes = np.arange(max(1, builder_args.get("num_classes", 1) - 1), dtype=np.uint8) + 1
    mask = np.resize(classes, (*shape, 1)) * (image[..., :1] > 0.9)
    return image, mask


def _frameworks(recipe, peer, policy, image, mask) -> dict[str, dict]:
    """Returns the steps of each; a peer that is not there is told before any time is spent."""
    steps = {f"keras on {keras.backend.backend()}": _keras_steps(recipe, policy, image, mask)}
    if peer == "torch":
        try:
            from zoo.benchmark import torch_peer
        except ImportError as error:
            raise ValueError(
                "Argument `peer` is torch, which is not installed: pip install torch"
            ) from error
        steps["torch"] = torch_peer.steps(recipe.builder, recipe.builder_args, policy, image, mask)
    return steps


def _keras_steps(recipe, policy, image, mask):
    with run_dir.dtype_policy(policy):
        model = builders.build(recipe.builder, **recipe.builder_args)
        view = for_inference(model)
    inference = {"inference": lambda: view.predict_on_batch(image)}
    if recipe.builder in ONE_CLASS_BUILDERS + FEATURE_BUILDERS:  # not from images as they are
        return inference
    outputs = objectives.learning_outputs(model, recipe)
    learner = objectives.learner(model, outputs)
    learner.compile(
        "adam",
        objectives.compile_arguments(recipe, outputs)["loss"],
        jit_compile=hardware.resolve_xla(recipe.xla),
    )
    targets = {"mask_logits": mask, "label_logits": np.ones(len(image), np.int64)}
    targets = {name: targets[name] for name in outputs}
    return {"training": lambda: learner.train_on_batch(image, targets), **inference}


def _pipeline(recipe, data_dir) -> Iterator[dict]:
    """Generator, reading, and training batches of whole images of the embedded data set."""
    index = itertools.count()
    recipe = dataclasses.replace(recipe, crop_size=None)
    builder = datasets.prepare_dataset(recipe.dataset, data_dir=data_dir)
    reader = iter(datasets.read_examples(builder, "train").repeat().as_numpy_iterator())
    batches = iter(input_pipeline.training_batches(builder, recipe))
    for what, step, count in (
        (
            "rendering, one thread",
            lambda: scene.render(1, next(index), split="train", defective=True),
            1,
        ),
        ("reading", lambda: [next(reader) for _ in range(8)], 8),
        ("reading and augmenting", lambda: next(batches), recipe.batch_size),
    ):
        yield {"what": what, "data": recipe.dataset, **images_per_second(step, count)}
