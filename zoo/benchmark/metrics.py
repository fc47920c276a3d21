"""Time, memory and values of the anomaly metrics beside a plain argsort, scikit-learn and anomalib.

Each contender runs in a process of its own on the same arrays, so that its peak memory is its own.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator

import numpy as np

from zoo.metrics.anomaly import AnomalyEvaluator

SEED = 0
DEFECT_SIDE = 65  # of a square region in a map of 1024x1024: 0.4 % of its pixels
SCORES_FILE = "scores.npy"
TRUTH_FILE = "truth.npy"
FIGURES = ("pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05")


def benchmark_metrics(images: int = 100, side: int = 1024) -> Iterator[dict]:
    """Measures every contender on maps of heavy-tailed noise, 0.4 % of it defective.

    Args:
      images: how many maps.
      side: height and width of each, in pixels.

    Yields:
      Dicts of `contender`, `seconds`, `peak_mib` of its whole process, `start_mib` of the same
      before it got the arrays, and the `values` that it measured; or `error`.
    """
    with tempfile.TemporaryDirectory() as folder:
        _write_arrays(pathlib.Path(folder), images, side)
        for contender in CONTENDERS:
            command = [sys.executable, "-m", "zoo.benchmark.metrics", contender, folder]
            done = subprocess.run(command, capture_output=True, text=True)
            if done.returncode:
                reason = (done.stderr.strip().splitlines() or ["ended without a message"])[-1]
                yield {"contender": contender, "error": f"exit {done.returncode}: {reason}"}
            else:
                yield {"contender": contender, **json.loads(done.stdout.splitlines()[-1])}


def _write_arrays(folder: pathlib.Path, images: int, side: int) -> None:
    rng = np.random.default_rng(SEED)
    size = round(DEFECT_SIDE * side / 1024)
    shape = (images, side, side)
    scores = np.lib.format.open_memmap(folder / SCORES_FILE, "w+", np.float32, shape)
    truth = np.lib.format.open_memmap(folder / TRUTH_FILE, "w+", bool, shape)
    for anomaly_map, mask in zip(scores, truth):
        top, left = rng.integers(0, side - size, 2)
        mask[top : top + size, left : left + size] = True
        anomaly_map[:] = np.exp(rng.standard_normal((side, side), np.float32) + 2.5 * mask)


def _read(folder: pathlib.Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(folder / SCORES_FILE), np.load(folder / TRUTH_FILE)


def _read_one_by_one(folder: pathlib.Path) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    with open(folder / SCORES_FILE, "rb") as scores, open(folder / TRUTH_FILE, "rb") as truth:
        headers = [np.lib.format.read_array_header_1_0(_after_magic(f)) for f in (scores, truth)]
        (count, *shape), pixels = headers[0][0], int(np.prod(headers[0][0][1:]))
        for _ in range(count):
            yield tuple(
                np.fromfile(stream, dtype, pixels).reshape(shape)
                for stream, (_, _, dtype) in zip((scores, truth), headers)
            )


def _after_magic(stream):
    np.lib.format.read_magic(stream)
    return stream


def _ours(mode):
    def measure(folder):
        evaluator = AnomalyEvaluator(mode=mode)
        for anomaly_map, mask in _read_one_by_one(folder):
            evaluator.update(anomaly_map, mask)
        result = evaluator.compute()
        return {key: result[key] for key in FIGURES} | {"bounds": result["bounds"]}

    return measure


def _argsort(folder):
    scores, _ = _read(folder)
    return {"first": int(np.argsort(scores.ravel())[0])}


def _scikit_learn(folder):
    from sklearn import metrics

    scores, truth = (array.ravel() for array in _read(folder))
    return {
        "pixel_auroc": float(metrics.roc_auc_score(truth, scores)),
        "pixel_ap": float(metrics.average_precision_score(truth, scores)),
    }


def _anomalib(folder):
    from types import SimpleNamespace

    import torch
    from anomalib.metrics import AUPRO

    scores, truth = map(torch.from_numpy, _read(folder))
    values = {}
    for limit in (0.3, 0.05):
        metric = AUPRO(fields=["anomaly_map", "gt_mask"], fpr_limit=limit)
        metric.update(SimpleNamespace(anomaly_map=scores, gt_mask=truth.int()))
        values[f"au_pro@{limit}"] = float(metric.compute())
    return values


CONTENDERS = {
    "numpy.argsort": _argsort,
    "defect zoo, exact": _ours("exact"),
    "defect zoo, stream": _ours("stream"),
    "scikit-learn, AUROC and AP": _scikit_learn,
    "anomalib, AUPRO at two limits": _anomalib,
}


def _peak_mib() -> int:
    """Returns the highest resident memory of this process so far."""
    try:
        status = pathlib.Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) // 1024
    except OSError:  # not Linux
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS
        return peak // (2**20 if sys.platform == "darwin" else 2**10)


def _run_contender(contender: str, folder: pathlib.Path) -> dict:
    start_mib, start = _peak_mib(), time.perf_counter()
    values = CONTENDERS[contender](folder)
    seconds = time.perf_counter() - start
    return {
        "seconds": round(seconds, 2),
        "peak_mib": _peak_mib(),
        "start_mib": start_mib,
        "values": values,
    }


if __name__ == "__main__":
    print(json.dumps(_run_contender(sys.argv[1], pathlib.Path(sys.argv[2]))))
