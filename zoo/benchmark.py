"""Speed of the model and of everything that feeds it, in images a second."""

import itertools
import statistics
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np

import builders
from builders import run_dir
from tfds_datasets.dagm_synthetic import scene
from zoo import datasets, hardware, input_pipeline, losses
from zoo.recipes import get_recipe

MODULE = "tiny_unet/dagm_synthetic/class_1"
BATCH_SIZES = (1, 8)
LEAST_STEPS = 3
SECONDS = 10.0  # of each measurement, after one step of warm-up


def run_benchmark(
    size: tuple[int, int],
    *,
    data_dir,
    precision: str | None = None,
    batch_size: int | None = None,
    peer: str | None = None,
) -> Iterator[dict]:
    """Measures TinyUNet, its peer, and the input pipeline on this machine.

    Args:
      size: height and width of the images, in pixels.
      data_dir: folder of built data sets; the embedded one is built there if it is missing.
      precision: a dtype policy; None takes float32, and bfloat16 where the device gains from it.
      batch_size: images in a step; None takes 1 and 8.
      peer: "torch" for the same network in PyTorch, in the same run; None for ours alone.

    Yields:
      Dicts of `what`, `framework`, `precision`, `batch_size`, `images_per_second` (the median of
      the steps) and `steps` measured.

    Raises:
      ValueError: the peer is not installed.
    """
    precisions = [precision] if precision else _useful_precisions()
    batch_sizes = [batch_size] if batch_size else BATCH_SIZES
    for policy, batch in itertools.product(precisions, batch_sizes):
        image = np.random.default_rng(0).random((batch, *size, 1), np.float32)
        for framework, steps in _frameworks(peer, policy, image):
            for what, step in steps.items():
                yield {
                    "what": what,
                    "framework": framework,
                    "precision": policy,
                    "batch_size": batch,
                    **images_per_second(step, batch),
                }
    yield from _pipeline(data_dir)


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


def _frameworks(peer, policy, image):
    yield f"keras on {keras.backend.backend()}", _keras_steps(policy, image)
    if peer == "torch":
        try:
            from zoo import benchmark_torch
        except ImportError as error:
            raise ValueError(
                "Argument `peer` is torch, which is not installed: pip install torch"
            ) from error
        yield "torch", benchmark_torch.steps(policy, image)


def _keras_steps(policy, image):
    with run_dir.dtype_policy(policy):
        model = builders.build("tiny_unet")
    model.compile(
        "adam", {"mask_logits": losses.bce_dice}, jit_compile=hardware.resolve_xla("auto")
    )
    mask = {"mask_logits": (image > 0.9).astype(np.uint8)}
    return {
        "training": lambda: model.train_on_batch(image, mask),
        "inference": lambda: model.predict_on_batch(image),
    }


def _pipeline(data_dir) -> Iterator[dict]:
    """Generator, reading, and training batches of the embedded 512x512 data set."""
    index = itertools.count()
    recipe = get_recipe(MODULE, crop_size=None)
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
