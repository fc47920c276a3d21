"""Measures a predictor on a data set, and chooses its thresholds on validation images."""

import heapq
import itertools
import time
from collections.abc import Iterable

import keras
import numpy as np

from zoo.metrics import decisions, ranking, segmentation
from zoo.predictor import Predictor

GALLERY_IMAGES = 6  # pictures a report shows of each kind


def calibrate(predictor: Predictor, batches: Iterable[dict], *, source: str) -> dict:
    """Chooses the pixel and the image threshold with the best F1 each.

    Args:
      predictor: its own thresholds are not used.
      batches: dicts of NumPy arrays `image`, `mask`, `label` of images that neither trained the
        weights nor will measure them.
      source: says what those images are; kept in the result.

    Returns:
      `threshold` of pixel probabilities, `score_threshold` of image scores, both exclusive lower
      bounds; `source`; how many `images`, of them `defective`.
    """
    pixels, scores, defective = ranking._OldHistogram(), [], []
    for batch in batches:
        outputs = predictor.predict(batch["image"])
        probability, mask = defect_probability(outputs["mask"]), batch["mask"][..., 0]
        valid = mask != segmentation.IGNORE
        pixels.update(probability[valid], mask[valid] > 0)
        scores.extend(outputs["score"].tolist())
        defective.extend((batch["label"] > 0).tolist())
    return {
        "threshold": pixels.best_f1_threshold(),
        "score_threshold": ranking.best_f1_threshold(scores, defective),
        "source": source,
        "images": len(scores),
        "defective": sum(defective),
    }


def evaluate(
    predictor: Predictor, batches: Iterable[dict], *, total: int | None = None
) -> tuple[dict, list[dict]]:
    """Measures a predictor at its own thresholds and at those of UNet_Industrial.

    Args:
      predictor: what is measured.
      batches: dicts of NumPy arrays `image`, `mask`, `label`, `file_name`.
      total: number of images, for the progress bar.

    Returns:
      The figures, as `metrics.json` has them: overlap averaged over the defective images
      (`defect_iou`, `defect_dice`) and of the summed pixels of all images (`set_iou`,
      `set_dice`) at the calibrated threshold; `hits`, the defective images whose likeliest pixel
      is on the defect; rankings of images and pixels; the confusion table of images;
      `at_thresholds`; `per_image`; the largest `image_shape`. None stands where a figure is
      undefined.
      And the gallery: the worst and best defective images and the good ones nearest to a false
      alarm, each with `image`, `mask` and `probability`.

    Raises:
      ValueError: there is no image.
    """
    thresholds = (*segmentation.THRESHOLDS, predictor.threshold)
    order = np.argsort(thresholds)
    pixels, counts, per_image, gallery = ranking._OldHistogram(), [], [], _Gallery()
    progress = keras.utils.Progbar(total, unit_name="image")
    seconds, image_shape = 0.0, (0, 0, 0)
    for batch in batches:
        start = time.perf_counter()
        outputs = predictor.predict(batch["image"])
        seconds += time.perf_counter() - start
        image_shape = max(image_shape, batch["image"].shape[1:])
        probability, masks = defect_probability(outputs["mask"]), batch["mask"][..., 0]
        valid = masks != segmentation.IGNORE
        pixels.update(probability[valid], masks[valid] > 0)
        for index, mask in enumerate(masks):
            image_counts = np.empty((len(thresholds), 3), np.int64)
            image_counts[order] = segmentation.pixel_counts(
                probability[index], mask, np.sort(thresholds)
            )
            counts.append(image_counts)
            label = int(batch["label"][index])
            row = {
                "file_name": _text(batch["file_name"][index]),
                "label": predictor.class_names[label],
                "score": float(outputs["score"][index]),
                "iou": float(segmentation.iou(image_counts[-1])) if label else None,
                "dice": float(segmentation.dice(image_counts[-1])) if label else None,
                "hit": bool(0 < mask.flat[probability[index].argmax()] < segmentation.IGNORE)
                if label
                else None,
            }
            per_image.append(row)
            gallery.offer(row, batch["image"][index], batch["mask"][index], probability[index])
        progress.update(len(per_image), finalize=False)
    if not per_image:
        raise ValueError("There is no image to measure. Choose another split or data set.")
    progress.update(len(per_image), finalize=True)

    good = predictor.class_names[0]
    defective = np.array([row["label"] != good for row in per_image])
    scores = np.array([row["score"] for row in per_image])
    table = _threshold_table(np.array(counts), scores, defective, thresholds)
    overlap = ("defect_iou", "defect_dice", "set_iou", "set_dice")
    metrics = {
        "images": len(per_image),
        "defective": int(defective.sum()),
        "image_shape": list(image_shape),
        "threshold": predictor.threshold,
        "score_threshold": predictor.score_threshold,
        "threshold_source": predictor.calibration.get("source", "not calibrated"),
        **{key: table[-1][key] for key in overlap},
        "hits": sum(row["hit"] is True for row in per_image),
        "image_auroc": _number(ranking.auroc(scores, defective)),
        "image_ap": _number(ranking.average_precision(scores, defective)),
        "pixel_auroc": _number(pixels.auroc()),
        "pixel_ap": _number(pixels.average_precision()),
        **decisions.image_decisions(scores, defective, predictor.score_threshold),
        "seconds": seconds,
        "images_per_second": len(per_image) / seconds,
        "at_thresholds": table[:-1],
        "per_image": per_image,
    }
    return metrics, gallery.entries()


def defect_probability(mask: np.ndarray) -> np.ndarray:
    """The probability of any defect [B, H, W], from those of all channels [B, H, W, K]."""
    return mask[..., 0] if mask.shape[-1] == 1 else 1.0 - mask[..., 0]


def _threshold_table(counts, scores, defective, thresholds) -> list[dict]:
    ious, dices = segmentation.iou(counts), segmentation.dice(counts)
    summed = counts.sum(axis=0)
    nvidia = segmentation.nvidia_dice_mean(counts)
    return [
        {
            "threshold": threshold,
            "defect_iou": float(ious[defective, i].mean()) if defective.any() else None,
            "defect_dice": float(dices[defective, i].mean()) if defective.any() else None,
            "set_iou": float(segmentation.iou(summed[i])),
            "set_dice": float(segmentation.dice(summed[i])),
            "nvidia_dice_mean": float(nvidia[i]),
            **decisions.image_decisions(scores, defective, threshold),
        }
        for i, threshold in enumerate(thresholds)
    ]


class _Gallery:
    """Keeps the few most telling images of a data set, so that memory does not grow with it."""

    def __init__(self):
        self._heaps = {"worst": [], "best": [], "alarm": []}
        self._tie_breaker = itertools.count()

    def offer(self, row: dict, image, mask, probability) -> None:
        if row["iou"] is None:
            wanted = {"alarm": row["score"]}
        else:
            wanted = {"worst": -row["iou"], "best": row["iou"]}
        arrays = {"image": image, "mask": mask, "probability": probability}
        for kind, priority in wanted.items():
            heap = self._heaps[kind]
            entry = (priority, next(self._tie_breaker), {"kind": kind, **row, **arrays})
            (heapq.heappush if len(heap) < GALLERY_IMAGES else heapq.heappushpop)(heap, entry)

    def entries(self) -> list[dict]:
        return [
            entry
            for heap in self._heaps.values()
            for _, _, entry in sorted(heap, key=lambda item: -item[0])
        ]


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
