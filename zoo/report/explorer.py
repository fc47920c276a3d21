"""What a report's script knows: every score and pixel count, at every position of its sliders."""

import base64

import numpy as np

from tfds_datasets.features import GOOD
from zoo.metrics import decisions
from zoo.report import verdict
from zoo.visualization import pictures

MOST_POSITIONS = 512  # of a slider
PIXEL_COUNTS = ("true_positive", "false_positive", "false_negative")


def page_data(metrics: dict, curves: dict) -> dict:
    """Collects what the browser counts with.

    Args:
      metrics: as `zoo.evaluation.evaluate.evaluate` returns them.
      curves: with `overlap`, if there are pixel counts.

    Returns:
      `scores` of the `defective` and the `good` images; `score`: the `thresholds` of the slider,
      a `sentence` for each, the position `start` and whether it was `calibrated`; `pixel`: the
      same without sentences, with the pixel counts at each threshold, or None; `colors`, base64 of
      256 RGB triples, of the anomaly maps.
    """
    rows = metrics["per_image"]
    scores = np.array([row["score"] for row in rows], np.float64)
    defective = np.array([row["label"] != GOOD for row in rows])
    chosen, calibrated = _start(metrics, "score_threshold")
    thresholds = score_thresholds(scores, chosen)
    colors = pictures.heat(np.linspace(0.0, 1.0, 256)[None])
    return {
        "scores": {"defective": scores[defective].tolist(), "good": scores[~defective].tolist()},
        "score": {
            "thresholds": thresholds.tolist(),
            "sentences": _sentences(scores, defective, thresholds),
            "start": int(np.searchsorted(thresholds, chosen)),
            "calibrated": calibrated,
        },
        "pixel": _pixel_data(metrics, curves.get("overlap")),
        "colors": base64.b64encode(colors.tobytes()).decode(),
    }


def figures_at_start(data: dict) -> dict:
    """The figures at the positions where the sliders begin, under the names the script uses."""
    scores = data["scores"]
    figures = decisions.image_decisions(
        scores["defective"] + scores["good"],
        [True] * len(scores["defective"]) + [False] * len(scores["good"]),
        data["score"]["thresholds"][data["score"]["start"]],
    )
    figures["sentence"] = data["score"]["sentences"][data["score"]["start"]]
    if pixel := data["pixel"]:
        both, excess, missed = (pixel[name][pixel["start"]] for name in PIXEL_COUNTS)
        figures |= {
            "set_iou": _ratio(both, both + excess + missed),
            "set_dice": _ratio(2 * both, 2 * both + excess + missed),
            "set_precision": _ratio(both, both + excess),
            "set_recall": _ratio(both, both + missed),
            "defect_iou": pixel["defect_iou"][pixel["start"]],
        }
    return figures


def score_thresholds(scores: np.ndarray, chosen: float) -> np.ndarray:
    """Thresholds in increasing order that tell all scores apart: at most `MOST_POSITIONS`.

    The lowest rejects every image, the highest none, and `chosen` is one of them.
    """
    distinct = np.unique(scores)
    below = np.nextafter(distinct[0], -np.inf)
    positions = np.concatenate([[below], (distinct[:-1] + distinct[1:]) / 2, distinct[-1:]])
    most = min(len(positions), MOST_POSITIONS - 1)
    kept = positions[np.linspace(0, len(positions) - 1, most).round().astype(int)]
    return np.unique(np.append(kept, chosen))


def _start(metrics: dict, name: str) -> tuple[float | None, bool]:
    """Returns a threshold: the calibrated one; without it, the best on the measured images."""
    calibrated = metrics[name] is not None
    return (metrics[name] if calibrated else metrics["oracle"][name]), calibrated


def _sentences(scores, defective, thresholds) -> list[str]:
    bad, good = np.sort(scores[defective]), np.sort(scores[~defective])
    missed = np.searchsorted(bad, thresholds, side="right").tolist()
    passed = np.searchsorted(good, thresholds, side="right").tolist()
    images = {"images": len(scores), "defective": len(bad)}
    return [
        verdict.sentence({**images, "fn": fn, "fp": len(good) - tn})
        for fn, tn in zip(missed, passed)
    ]


def _pixel_data(metrics: dict, overlap: dict | None) -> dict | None:
    chosen, calibrated = _start(metrics, "threshold")
    if overlap is None or chosen is None:  # without a defect no threshold is the best one
        return None
    distance = np.abs(np.array(overlap["threshold"]) - chosen)
    return {
        "thresholds": overlap["threshold"],
        "start": int(np.argmin(distance)),
        "calibrated": calibrated,
        **{name: overlap[name] for name in PIXEL_COUNTS},
        # JSON has no NaN
        "defect_iou": [value if value == value else None for value in overlap["defect_iou"]],
    }


def _ratio(part, whole) -> float | None:
    return part / whole if whole else None
