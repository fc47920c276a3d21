"""A made-up measurement for the tests of the report: all its figures fit its images."""

import numpy as np
from scipy import ndimage

from zoo.metrics import decisions, segmentation
from zoo.visualization.gallery import Gallery

THRESHOLDS = np.linspace(0.1, 0.9, 9)
THRESHOLD, SCORE_THRESHOLD = THRESHOLDS[4], 0.43
CALIBRATION = {
    "threshold": THRESHOLD,
    "score_threshold": SCORE_THRESHOLD,
    "source": "best F1 on folds 0, 1 of the train split",
    "images": 20,
    "defective": 8,
}
HISTORY = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.1 / epoch, "iou": 0.1 * epoch}
    | {"val_iou": None, "learning_rate": 1e-3, "seconds": 60.0 * epoch}
    for epoch in (1.0, 2.0, 3.0)
]


def measure(*, defective=4, good=6, missed=1, alarms=2, shape=(12, 16), calibrated=True):
    """Metrics, curves and gallery of a model that misses some defects.

    Returns:
      `metrics`, `curves`, `gallery`; and `counts` int64 [N, T, 3].
    """
    rng = np.random.default_rng(0)
    gallery, rows, counts = Gallery(defective + good), [], []
    for index in range(defective + good):
        bad = index < defective
        mask = np.zeros((*shape, 1), np.uint8)
        top, left = rng.integers(shape) // 2
        mask[top : top + shape[0] // 4, left : left + shape[1] // 3] = (1 + index % 2) * bad
        mask[-1] = segmentation.IGNORE
        defect = ndimage.gaussian_filter((mask[:-1, :, 0] > 0).astype(float), 1)
        scores = 0.6 * _surface(rng, shape)
        scores[:-1] += defect * rng.random()
        levels = segmentation.threshold_levels(scores, THRESHOLDS)
        counts.append(segmentation.level_counts(levels, mask[..., 0], len(THRESHOLDS)))
        rejected = index >= missed if bad else index - defective < alarms
        row = {
            "file_name": f"{'bad' if bad else 'good'}_{index}<&>.png",
            "label": ("dent", "scratch")[index % 2] if bad else "good",
            "score": 0.5 + 0.04 * index if rejected else 0.3 - 0.01 * index,
            "iou": float(segmentation.iou(counts[-1][4])) if bad else None,
        }
        rows.append(row)
        gallery.offer(
            {
                **row,
                "rejected": rejected if calibrated else None,
                "boxes": [] if bad else [[0.25, 0.25, 0.75, 0.5]],
            },
            image=(60 + 120 * _surface(rng, shape)[..., None]).astype(np.uint8),
            mask=mask,
            levels=levels,
            counts=counts[-1],
        )
    counts = np.array(counts)
    curves = _curves(counts, np.arange(len(rows)) < defective)
    return {
        "metrics": _metrics(rows, curves["overlap"], calibrated),
        "curves": curves,
        "gallery": gallery.entries(),
        "counts": counts,
    }


def _surface(rng, shape):
    """Smooth noise from 0 to 1."""
    noise = ndimage.gaussian_filter(rng.random(shape), 1)
    return (noise - noise.min()) / np.ptp(noise)


def _curves(counts, defective) -> dict:
    both, predicted, truth = counts.sum(axis=0).T
    ious, dices = segmentation.iou(counts)[defective], segmentation.dice(counts)[defective]
    diagonal = {"x": [0.0, 0.5, 1.0], "y": [0.0, 0.5, 1.0]}
    names = ("image_roc", "image_pr", "pixel_roc", "pixel_pr", "pro") if defective.any() else ()
    return dict.fromkeys(names, diagonal) | {
        "overlap": {
            "threshold": THRESHOLDS.tolist(),
            "defect_iou": ious.mean(axis=0).tolist() if defective.any() else [None] * 9,
            "defect_dice": dices.mean(axis=0).tolist() if defective.any() else [None] * 9,
            "set_iou": segmentation.iou(counts.sum(axis=0)).tolist(),
            "set_dice": segmentation.dice(counts.sum(axis=0)).tolist(),
            "true_positive": both.tolist(),
            "false_positive": (predicted - both).tolist(),
            "false_negative": (truth - both).tolist(),
        }
    }


def _metrics(rows, overlap, calibrated) -> dict:
    defective = [row["label"] != "good" for row in rows]
    table = decisions.image_decisions([row["score"] for row in rows], defective, SCORE_THRESHOLD)
    if not calibrated:
        table = dict.fromkeys(table)
    any_bad, any_good = any(defective), not all(defective)
    types = sorted({row["label"] for row in rows} - {"good"})
    ratios = {key: overlap[key][4] for key in ("defect_iou", "defect_dice", "set_iou", "set_dice")}
    return {
        "module": "tiny_unet/dagm_synthetic/class_1",
        "dataset": "dagm_synthetic/class_1/1.0.0",
        "split": "test",
        "seen": False,
        "images": len(rows),
        "defective": sum(defective),
        "regions": sum(defective),
        "image_shape": [12, 16],
        "threshold": THRESHOLD if calibrated else None,
        "score_threshold": SCORE_THRESHOLD if calibrated else None,
        "oracle": {
            "threshold": 0.3 if any_bad else None,
            "set_f1": 0.8 if any_bad else None,
            "score_threshold": 0.52,
            "image_f1": 0.9,
        },
        **ratios,
        "boundary_f1": 0.625 if any_bad else None,
        "image_auroc": 0.987 if any_bad and any_good else None,
        "image_ap": 0.954 if any_bad else None,
        "pixel_auroc": 0.991 if any_bad else None,
        "pixel_ap": 0.832 if any_bad else None,
        "au_pro@0.3": 0.912 if any_bad else None,
        "au_pro@0.05": 0.712 if any_bad else None,
        "bounds": {"au_pro@0.3": 2e-5} if any_bad else {},
        "reasons": {} if any_bad else {"au_pro@0.3": "there is no defect pixel"},
        **table,
        "seconds": 12.5,
        "images_per_second": 8.0,
        "at_thresholds": [{"threshold": 0.05, **ratios, "nvidia_dice_mean": 0.881, **table}],
        "per_image": rows,
        "per_type": [
            {"label": label, "images": 2, "found": 1 if calibrated else None, "mean_iou": 0.5}
            | {"mean_dice": 0.6, "regions": 2, "au_pro@0.3": 0.9}
            for label in types
        ],
        "pixel_confusion": {
            "classes": ["background", "dent", "scratch"],
            "counts": [[900, 11, 12], [13, 21, 22], [23, 24, 25]],
            **{key: [0.9, 0.41, None] for key in ("iou", "dice", "precision", "recall")},
        },
        "mean_iou": 0.41,
        "groups": {"structural": {"image_auroc": 0.75}, "logical": {"image_auroc": None}},
        "mean_of_groups": {"image_auroc": 0.75},
        "per_region": [
            {"file_name": row["file_name"], "region": 1, "area": 15, "box": [0.25, 0.25, 0.5, 0.5]}
            | {"pro@0.3": 0.9 - 0.1 * index, "pro@0.05": 0.5}
            for index, row in enumerate(rows)
            if row["label"] != "good"
        ],
    }
