"""Whole images judged defective or good: the confusion table, its rates, and how sure they are."""

import numpy as np
from scipy import stats

CONFIDENCE = 0.95


def image_decisions(scores, defective, threshold: float) -> dict:
    """Returns the confusion table of images, "defect" being positive: score > threshold.

    Args:
      scores: float [N].
      defective: bool [N], the truth.
      threshold: exclusive lower bound of the scores of images that are judged defective.

    Returns:
      Counts `tp`, `fp`, `tn`, `fn`; `tpr`, the share of defective images that are found, and
      `tnr`, the share of good images that pass, with `tpr_interval` and `tnr_interval` as
      `wilson_interval` gives them; `precision`, the share of rejected images that are defective;
      `f1`; `balanced_accuracy`, the mean of tpr and tnr; `macro_f1`, the mean of the F1 of "defect"
      and that of "good". None stands where a figure is undefined.
    """
    found = np.asarray(scores) > threshold
    defective = np.asarray(defective, bool)
    tp, fn = int((found & defective).sum()), int((~found & defective).sum())
    fp, tn = int((found & ~defective).sum()), int((~found & ~defective).sum())
    tpr, tnr = _ratio(tp, tp + fn), _ratio(tn, tn + fp)
    f1, f1_of_good = (_ratio(2 * hits, 2 * hits + fp + fn) for hits in (tp, tn))
    return {
        "tp": tp,
        "fp": fp,
        "tn": tn,
        "fn": fn,
        "tpr": tpr,
        "tnr": tnr,
        "tpr_interval": wilson_interval(tp, tp + fn),
        "tnr_interval": wilson_interval(tn, tn + fp),
        "precision": _ratio(tp, tp + fp),
        "f1": f1,
        "balanced_accuracy": _mean(tpr, tnr),
        "macro_f1": _mean(f1, f1_of_good),
    }


def wilson_interval(part: int, total: int) -> list[float] | None:
    """Where the true share lies, with 95 % confidence, when `part` of `total` trials had it.

    It stays within [0, 1], and says something about a share of which none or all was seen.

    Source: Wilson, "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 1927; without continuity correction.

    Returns:
      [low, high]; None where nothing was tried.
    """
    if not total:
        return None
    low, high = stats.binomtest(part, total).proportion_ci(CONFIDENCE, method="wilson")
    return [float(low), float(high)]


def _ratio(part, total) -> float | None:
    return part / total if total else None


def _mean(first, second) -> float | None:
    return None if first is None or second is None else (first + second) / 2
