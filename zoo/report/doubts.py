"""Says where the figures of a measurement should not be trusted, or the model not be used."""

import math

import numpy as np

FEW_DEFECTS = 10  # defective validation images; of fewer, the best threshold is mostly chance
Z = 1.96  # standard errors of an interval of 95 %


def doubts(metrics: dict, calibration: dict | None = None) -> list[str]:
    """Returns a sentence for each reason to doubt a model or its thresholds; most often none.

    Args:
      metrics: as `evaluation.evaluate` returns them.
      calibration: as `evaluation.calibration` makes it.
    """
    found = []
    if interval := auroc_interval(metrics):
        low, high = interval
        if low <= 0.5 <= high:
            found.append(
                f"The model has not learnt to tell images apart: its image AUROC of "
                f"{metrics['image_auroc']:.3f} may be chance (95 % interval {low:.2f} to "
                f"{high:.2f}, guessing is 0.5)."
            )
    rejected = [metrics[key] for key in ("tp", "fp")]
    if None not in rejected and sum(rejected) == metrics["images"] > 1:
        found.append("Every image is rejected: the thresholds are too low, or the model is lost.")
    if (share := predicted_share(metrics)) is not None and share > 0.5:
        found.append(f"{share:.0%} of all pixels are predicted as defects.")
    known = (calibration or {}).get("defective")
    best = "best F1" in str((calibration or {}).get("source", ""))
    if best and known is not None and known < FEW_DEFECTS:
        found.append(
            f"Only {known} defective validation images chose the thresholds; {FEW_DEFECTS} or more "
            "choose better."
        )
    return found


def auroc_interval(metrics: dict) -> tuple[float, float] | None:
    """Returns the 95 % interval of the image AUROC, or None where it is undefined.

    The standard error is that of Hanley and McNeil, "The Meaning and Use of the Area under a
    Receiver Operating Characteristic (ROC) Curve" (Radiology 143, 1982).
    """
    area, defective = metrics["image_auroc"], metrics["defective"]
    good = metrics["images"] - defective
    if area is None or not good or not defective:
        return None
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    variance = (
        area * (1 - area) + (defective - 1) * (q1 - area**2) + (good - 1) * (q2 - area**2)
    ) / (defective * good)
    half = Z * math.sqrt(max(variance, 0.0))
    return max(0.0, area - half), min(1.0, area + half)


def predicted_share(metrics: dict) -> float | None:
    """Returns the share of all pixels that are predicted as a defect; None without thresholds."""
    confusion = metrics.get("pixel_confusion")
    if not confusion:
        return None
    counts = np.asarray(confusion["counts"])
    return float(counts[:, 1:].sum() / counts.sum()) if counts.sum() else None
