"""Says in plain words how many parts are judged wrongly, and how sure that is."""

import collections

from builders.runs.figures import FIGURES
from zoo.metrics.decisions import CONFIDENCE, wilson_interval
from zoo.report.doubts import doubts

# The figures of a terminal's table; others follow for a model that predicts labels or boxes.
_SHOWN = (
    "regions",
    "image_auroc",
    "image_ap",
    "pixel_auroc",
    "pixel_ap",
    "au_pro@0.3",
    "au_pro@0.05",
    "au_spro@0.05",
    "pg@0.05",
    "pb@0.05",
    "pb@0.01",
    "defect_iou",
    "set_iou",
    "boundary_f1",
    "balanced_accuracy",
    "hit_rate",
)
_OF_BOXES = ("box_recall@0.3", "box_mean_iou")


def sentence(metrics: dict) -> str:
    """Returns the answer in one sentence, in parts of a hundred."""
    answers = []
    if metrics["defective"]:
        passed = _per_hundred(metrics["fn"], metrics["defective"])
        answers.append(f"of 100 defective parts {passed} {_verb(passed, 'passes', 'pass')}")
    if good := metrics["images"] - metrics["defective"]:
        rejected = _per_hundred(metrics["fp"], good)
        answers.append(f"of 100 good parts {rejected} {_verb(rejected, 'is', 'are')} rejected")
    answer = ", ".join(answers)
    return answer[0].upper() + answer[1:] + "."


def counts(metrics: dict) -> list[str]:
    """Returns what the sentence rests on.

    Counts, and between which shares the truth behind them lies.
    """
    sentences = []
    good = metrics["images"] - metrics["defective"]
    if metrics["defective"] and not metrics.get("masked", True):
        sentences.append("No defective image has a mask, so where a defect is was not measured.")
    for name, wrong, total, one, many in (
        ("defective", metrics["fn"], metrics["defective"], "passes", "pass"),
        ("good", metrics["fp"], good, "is rejected", "are rejected"),
    ):
        if not total:
            sentences.append(f"No {name} image was measured, so nothing is known about them.")
            continue
        low, high = (100 * bound for bound in wilson_interval(wrong, total))
        sentences.append(
            f"{wrong} of {total} {name} images {_verb(str(wrong), one, many)}; with so many "
            f"measured, the true share lies between {low:.3g}% and {high:.3g}% "
            f"({CONFIDENCE:.0%} confidence)."
        )
    return sentences


def table(metrics: dict, calibration: dict | None = None) -> str:
    """The figures as aligned lines for a terminal, with a reason beside each undefined one."""
    bounds, reasons = metrics["bounds"], metrics["reasons"]
    rows = [("data", f"{metrics['dataset']} {metrics['split']}, {metrics['images']} images")]
    if metrics.get("seen"):
        rows.append(("seen", "images of it taught the model or chose thresholds: figures flatter"))
    undefined = collections.defaultdict(list)  # names by reason
    for key in _shown(metrics):
        name, value = FIGURES[key].name, metrics[key]
        if value is None:
            undefined[reasons.get(key) or _why_undefined(metrics)].append(name)
        elif isinstance(value, int):
            rows.append((name, str(value)))
        else:
            bound = f" ± {bounds[key]:.1g}" if key in bounds else ""
            rows.append((name, f"{value:.4f}{bound}"))
    rows += [("undefined", f"{', '.join(names)}: {why}") for why, names in undefined.items()]
    for label, group in metrics.get("groups", {}).items():
        shown = (f"{name} {value:.4f}" for name, value in group.items() if value is not None)
        rows.append((label, ", ".join(shown)))
    if len(metrics["per_type"]) > 1:
        for row in metrics["per_type"]:
            found = "" if row["found"] is None else f", {row['found']} found"
            iou = "" if row["mean_iou"] is None else f", mean IoU {row['mean_iou']:.3f}"
            rows.append((row["label"], f"{row['images']} images{found}{iou}"))
    if metrics["score_threshold"] is None:
        best = metrics["oracle"]
        rows.append(
            (
                "oracle",
                f"best F1 on these very images: {best['set_f1']:.4f} of pixels > "
                f"{best['threshold']:.4g}. No result: choose thresholds by `calibrate`"
                if best["set_f1"] is not None
                else "no defective image has a mask. Choose thresholds by `calibrate`",
            )
        )
    else:
        rows.append(
            (
                "decisions",
                f"{metrics['fn']} of {metrics['defective']} defective images pass, "
                f"{metrics['fp']} of {metrics['images'] - metrics['defective']} good ones are "
                f"rejected, at score threshold {metrics['score_threshold']:.4g} "
                f"({metrics['threshold_source']})",
            )
        )
    if outliers := metrics.get("outliers"):
        names = ", ".join(row["file_name"] for row in outliers)
        rows.append(("outliers", f"given as good, least like the others, to be looked at: {names}"))
    rows += [("warning", sentence) for sentence in doubts(metrics, calibration)]
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:{width}}  {text}" for name, text in rows)


def _why_undefined(metrics: dict) -> str:
    """Says why a figure that a threshold decides is undefined."""
    if metrics["score_threshold"] is None:
        return "no threshold was chosen"
    return f"nothing {'good' if metrics['defective'] else 'defective'} was measured"


def _shown(metrics: dict) -> list[str]:
    """Returns the keys of the figures that a terminal's table shows."""
    labels = ("label_f1",) if metrics.get("labels") else ()
    boxes = _OF_BOXES if metrics.get("boxes") else ()
    return [*(key for key in _SHOWN if key in metrics), *labels, *boxes]


def _per_hundred(part: int, total: int) -> str:
    rounded = round(100 * part / total)
    if part and not rounded:
        return "fewer than 1"
    if part < total and rounded == 100:
        return "more than 99"
    return str(rounded)


def _verb(amount: str, one: str, many: str) -> str:
    return one if amount in ("1", "fewer than 1") else many
