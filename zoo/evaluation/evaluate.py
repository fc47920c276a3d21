"""Measures predictions on images that chose nothing, for `metrics.json` and the report."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from tfds_datasets.features import GOOD
from zoo.evaluation import tables
from zoo.evaluation.one_standard_error import LOGIT_THRESHOLDS
from zoo.evaluation.samples import ANY_DEFECT, ScoredImage, has_mask, is_defective
from zoo.metrics import segmentation
from zoo.metrics.anomaly import AnomalyEvaluator
from zoo.metrics.boundary import boundary_f1
from zoo.metrics.boxes import BoxCounts
from zoo.metrics.labels import label_scores
from zoo.metrics.segmentation import IGNORE
from zoo.metrics.threshold_overlap import ThresholdOverlap
from zoo.visualization import progress
from zoo.visualization.gallery import Gallery

NO_MASKS = "no defective image has a mask"


class Evaluation(NamedTuple):
    """What was measured.

    Attributes:
      metrics: what `metrics.json` holds; see `evaluate`.
      gallery: the entries of `zoo.visualization.gallery.Gallery`.
      curves: of `AnomalyEvaluator.curves`, and `overlap`, lists over the pixel `threshold`, where
        defects have masks.
      outliers: of `zoo.evaluation.outliers`, among the good images that a model learnt from.
    """

    metrics: dict
    gallery: list[dict]
    curves: dict
    outliers: Sequence[dict] = ()


def evaluate(
    samples: Iterable[ScoredImage],
    *,
    calibration: dict | None = None,
    thresholds: Sequence[float] | None = None,
    class_names: Sequence[str] = (GOOD, "defect"),
    by_group: bool = False,
    total: int | None = None,
) -> Evaluation:
    """Measures samples at the calibrated thresholds, and over all thresholds.

    Args:
      samples: what is measured.
      calibration: has `threshold` of pixels and `score_threshold` of images. None leaves every
        figure that needs one undefined, but for `oracle`.
      thresholds: pixel thresholds of the curves and the report's slider, at most 246 of them. None
        says that scores are probabilities.
      class_names: good and the defect types, in the order of the ids of the masks.
      by_group: also measure each defect type against the good images alone, and average, as MVTec
        LOCO wants it.
      total: number of samples, for the progress bar.

    Returns:
      `metrics`: `images`, `defective`, the largest `image_shape`; `threshold`, `score_threshold`
      and their `threshold_source`; overlap averaged over the `masked` defective images, those with
      a mask (`defect_iou`, `defect_dice`, `boundary_f1`), and of the summed pixels of all images
      (`set_iou`, `set_dice`); `hits`, the masked images whose likeliest pixel is on the defect,
      with `hit_rate` and `hit_interval`; the figures of `AnomalyEvaluator`; the confusion table of
      images with its rates; `pixel_confusion` and `mean_iou` without background and with; `labels`,
      of `label_scores`, and `label_f1` where types or labels are told apart; `boxes`, of
      `BoxCounts`, where they are drawn; `per_type`; `at_thresholds`, those of UNet_Industrial;
      `oracle`, the best thresholds of these very images; `per_image` and `per_region`. None stands
      where a figure is undefined, as those of masks do where no defective image has one, and
      `reasons` says why.

    Raises:
      ValueError: there is no sample.
    """
    samples = iter(samples)
    first = next(samples, None)
    if first is None:
        raise ValueError("There is no image to measure. Choose another split or data set.")
    measurement = _Measurement(
        calibration or {},
        thresholds,
        class_names,
        gallery=Gallery(total),
        by_group=by_group,
    )
    bar = progress.image_bar(total)
    for count, sample in enumerate(itertools.chain([first], samples), start=1):
        measurement.add(sample)
        bar.update(count, finalize=False)
    bar.update(count, finalize=True)
    return measurement.result()


class _Measurement:
    """Adds up what is known of each sample, so that only the tables grow with their number."""

    def __init__(self, calibration, thresholds, class_names, *, gallery, by_group):
        self.threshold = calibration.get("threshold")
        self.score_threshold = calibration.get("score_threshold")
        self.source = calibration.get("source", "not calibrated")
        self.probabilities = thresholds is None
        if self.probabilities:
            thresholds = [*LOGIT_THRESHOLDS, *segmentation.THRESHOLDS]
        if self.threshold is not None:
            thresholds = [*thresholds, self.threshold]
        self.overlap = ThresholdOverlap(thresholds)
        self.index = None if self.threshold is None else self.overlap.index(self.threshold)
        self.class_names = list(class_names)
        self.types = np.zeros((len(class_names),) * 2, np.int64)
        self.labels = np.zeros((len(class_names),) * 2, np.int64)
        self.label_names = list(class_names)
        self.masked = 0
        self.boxes = BoxCounts()
        self.by_group = by_group
        self.evaluators: dict[str, AnomalyEvaluator] = {}
        self.gallery = gallery
        self.rows: list[dict] = []
        self.image_shape = (0, 0, 0)

    def add(self, sample: ScoredImage) -> None:
        defective, mask = is_defective(sample), sample.mask
        masked = defective and has_mask(sample)
        self.masked += masked
        group = sample.label if self.by_group else ""
        if group not in self.evaluators:
            self.evaluators[group] = AnomalyEvaluator(mode="auto", ignore=IGNORE)
        binary = np.where(mask == IGNORE, mask, mask > 0)
        self.evaluators[group].update(
            sample.anomaly_map,
            sample.regions or binary,
            sample.label,
            sample.file_name,
            sample.score,
        )
        levels = segmentation.threshold_levels(sample.anomaly_map, self.overlap.thresholds)
        counts, iou, dice = self.overlap.update(levels, mask, masked)
        rejected = None if self.score_threshold is None else sample.score > self.score_threshold
        if sample.types is not None:
            self.types += segmentation.confusion_matrix(sample.types, mask, len(self.types))
        if sample.defect_type is not None and rejected is not None:
            self._add_label(sample, rejected)
        if sample.boxes is not None and masked >= defective:
            self.boxes.add(sample.boxes if rejected else sample.boxes[:0], binary)
        row = {
            "file_name": sample.file_name,
            "label": sample.label,
            "score": sample.score,
            "iou": None,
            "dice": None,
            "boundary_f1": None,
            "hit": None,
        }
        if masked:
            peak = sample.peak or np.unravel_index(sample.anomaly_map.argmax(), mask.shape)
            row["hit"] = bool(0 < mask[peak] < IGNORE)
            if self.index is not None:
                row["iou"], row["dice"] = float(iou[self.index]), float(dice[self.index])
                row["boundary_f1"] = boundary_f1(levels > self.index, mask)
        self.rows.append(row)
        channels = 1 if sample.image is None else sample.image.shape[-1]
        self.image_shape = max(self.image_shape, (*mask.shape, channels), key=math.prod)
        self.gallery.offer(
            {
                **row,
                "rejected": rejected,
                "boxes": [] if sample.boxes is None else sample.boxes.tolist(),
            },
            image=sample.image,
            mask=mask[..., None],
            levels=levels,
            counts=counts,
        )

    def _add_label(self, sample: ScoredImage, rejected: bool) -> None:
        """Counts a decision, of good and defect where the model does not tell types apart."""
        any_defect = sample.defect_type == ANY_DEFECT
        if any_defect:
            self.label_names = [GOOD, "defect"]
        last, found = len(self.label_names) - 1, 0
        if rejected:
            found = last if any_defect else self.class_names.index(sample.defect_type)
        self.labels[min(self.class_names.index(sample.label), last), found] += 1

    def result(self) -> Evaluation:
        if self.by_group:  # the order of the merged evaluators
            order = list(self.evaluators)
            self.rows.sort(key=lambda row: order.index(row["label"]))
        scores = np.array([row["score"] for row in self.rows])
        defective = np.array([row["label"] != GOOD for row in self.rows])
        evaluator = self._merged(self.evaluators.values())
        anomaly = evaluator.compute()
        rows = [
            {**row, "regions": more["regions"], **tables.numbers(_pro(more))}
            for row, more in zip(self.rows, anomaly.pop("per_image"), strict=True)
        ]
        known = self.masked or not defective.any()
        curves = self.overlap.curves()
        anomaly["reasons"] |= {} if known else dict.fromkeys(tables.OF_MASKS, NO_MASKS)
        metrics = {
            "images": len(rows),
            "defective": int(defective.sum()),
            "masked": self.masked,
            "image_shape": list(self.image_shape),
            "threshold": self.threshold,
            "score_threshold": self.score_threshold,
            "threshold_source": self.source,
            **{
                key: curves[key][self.index] if self.masked and self.index is not None else None
                for key in tables.OVERLAPS
            },
            "boundary_f1": tables.mean(row["boundary_f1"] for row in rows),
            **tables.hit_figures(rows),
            **tables.numbers(anomaly),
            **(self._groups() if self.by_group else {}),
            **tables.decisions(scores, defective, self.score_threshold),
            **(self._confusion() if known else tables.pixel_confusion(None, [])),
            **self._labels(),
            **tables.box_figures(self.boxes.result() if known else None),
            "per_type": tables.per_type(rows, self.score_threshold),
            "at_thresholds": tables.at_thresholds(
                self.overlap if known and self.probabilities else None, scores, defective
            ),
            "oracle": tables.oracle(self.overlap if self.masked else None, scores, defective),
            "per_image": rows,
        }
        drawn = {**evaluator.curves(), **({"overlap": curves} if known else {})}
        return Evaluation(metrics, self.gallery.entries(), drawn)

    def _merged(self, evaluators) -> AnomalyEvaluator:
        merged, *others = evaluators
        if others:
            others.insert(0, merged)
            merged = AnomalyEvaluator(mode="auto")
            for other in others:
                merged.merge(other)
        return merged

    def _groups(self) -> dict:
        """Each defect type against the good images alone, and the mean over the types."""
        good = [self.evaluators[GOOD]] if GOOD in self.evaluators else []
        groups = {
            label: tables.rates(self._merged([*good, evaluator]).compute())
            for label, evaluator in self.evaluators.items()
            if label != GOOD
        }
        keys = next(iter(groups.values()), {})
        means = {key: tables.mean(group[key] for group in groups.values()) for key in keys}
        return {"groups": groups, "mean_of_groups": means}

    def _labels(self) -> dict:
        count = len(self.label_names)
        labels = None
        if self.labels.any():
            labels = label_scores(self.labels[:count, :count], self.label_names)
        return {"labels": labels, "label_f1": labels and labels["label_f1"]}

    def _confusion(self) -> dict:
        """Counts pixels of types where the model predicts some, else of defect and background."""
        if self.types.any():
            return tables.pixel_confusion(self.types, ["background", *self.class_names[1:]])
        if self.index is None:
            return tables.pixel_confusion(None, [])
        return tables.pixel_confusion(self.overlap.confusion(self.index), ["background", "defect"])


def _pro(row: dict) -> dict:
    return {key: value for key, value in row.items() if key.startswith("pro@")}
