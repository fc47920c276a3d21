"""AUROC, AP, AU-PRO and AU-sPRO of anomaly maps, exactly or from counts with a certified bound.

No curve is drawn and no pixel ranked. The area under a curve up to a false positive rate is a sum
over defect pixels, each of which adds the range of rates at which it is found. So only the scores
outside of the defects are sorted, and those of the few pixels on them are looked up.
"""

import math
import warnings
from collections.abc import Sequence

import numpy as np

from zoo.metrics.ranking import Ranking, plant_rates
from zoo.metrics.region_overlap import ImageDefects, RegionOverlap
from zoo.metrics.regions import IGNORE, Region, find_regions
from zoo.metrics.score_histogram import ScoreHistogram, SortedScores

GOOD = "good"
PLANT_RATE = 0.05  # miss rate of PG and false alarm rate of PB
STRICT_RATE = 0.01  # false alarm rate of a second PB: TPR at 1 % FPR
MODES = ("exact", "stream", "auto")
EXACT_SCORES = 2**28  # outside of the defects that "auto" keeps, in 1 GiB


class AnomalyEvaluator:
    """Measures anomaly maps, image by image; images may differ in size.

    Higher scores mean more anomalous. Of `compute`, every figure is one of a whole data set:
    categories are measured apart, and averaged by whoever reports them.

    Source: Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021 (PRO); Bergmann et
    al., "Beyond Dents and Scratches", IJCV 2022 (sPRO). Curves have a vertex for each distinct
    score, and are cut by interpolation at the limit, as in the official evaluation.

    Args:
      pro_limits: false positive rates in (0, 1] up to which AU-PRO is taken.
      mode: "exact" keeps every score, 4 bytes a pixel; "stream" counts those outside of the defects
        in 2**bits bins and keeps those on the defects, and says how far off a figure may be; "auto"
        is exact up to `EXACT_SCORES`, and counts them when there are more.
      bits: of the bins, see `ScoreHistogram`; more of them tighten the bounds.
      ignore: the value of ground truth pixels that do not count. None says that there are none and
        that 255 marks the defect, as in the PNG files of MVTec AD. "auto" decides image by image:
        255 is ignored beside pixels of 1 and in an image labelled good, else it is the defect.
      ground_truth_threshold: grey levels above it are defects; None refuses grey levels.

    Raises:
      ValueError: an argument is none of these.
    """

    def __init__(
        self,
        pro_limits: Sequence[float] = (0.3, 0.05),
        mode: str = "exact",
        *,
        bits: int = 22,
        ignore: int | str | None = "auto",
        ground_truth_threshold: float | None = None,
    ):
        if not all(0 < limit <= 1 for limit in pro_limits):
            raise ValueError(f"Argument `pro_limits` must lie in (0, 1]. Received: {pro_limits}")
        if mode not in MODES:
            raise ValueError(
                f"Argument `mode` must be one of {', '.join(MODES)}. Received: {mode!r}"
            )
        self.mode, self.bits = mode, bits
        self.pro_limits = tuple(pro_limits)
        self.ignore = ignore
        self.ground_truth_threshold = ground_truth_threshold
        self._good = ScoreHistogram(bits) if mode == "stream" else SortedScores()
        self._rows: list[dict] = []
        self._defects: list[ImageDefects] = []

    def update(
        self,
        anomaly_map: np.ndarray,
        ground_truth: np.ndarray | Sequence[Region] | None = None,
        label: str | int | None = None,
        file_name: str | None = None,
        image_score: float | None = None,
    ) -> None:
        """Adds an image.

        Args:
          anomaly_map: float or integer [H, W], finite. Eight bits hold so few values that most
            scores are equal: they are accepted with a warning.
          ground_truth: the mask [H, W], bool or 0, 1 and 255, or the `Region`s of an image of MVTec
            LOCO. None: nothing is defective, unless the label says so; of a defective image
            without a mask, the pixels are left out.
          label: "good" or 0, or else a defect type; None takes it from the ground truth.
          file_name: names the image in messages and tables.
          image_score: of the whole image; None is the highest score of its map.

        Raises:
          ValueError: a score is NaN or infinite, the shapes differ, the ground truth has other
            values, or the label is good and the mask is not.
        """
        name = file_name or f"image {len(self._rows)}"
        scores = _checked_scores(anomaly_map, name)
        if image_score is None:
            image_score = scores.max()
        elif not math.isfinite(image_score):
            raise ValueError(f"{name}: the image score must be finite. Received: {image_score}")
        defective = None if label is None else label not in (GOOD, 0)
        if ground_truth is None:
            inside, regions = scores[:0, 0], None
            if not defective:
                self._good.add(scores)
        else:
            defect, valid, regions = self._find_regions(ground_truth, defective, scores.shape, name)
            inside = scores[defect]
            if defective is False and inside.size:
                raise ValueError(
                    f"{name}: the label says good, but {inside.size} pixels of the ground truth "
                    "are defective. Correct one of the two."
                )
            self._good.add(scores[~defect if valid is None else valid & ~defect])
        if defective is None:
            defective = bool(inside.size)
        self._rows.append(
            {
                "file_name": name,
                "label": label if label is not None else ("defect" if defective else GOOD),
                "defective": defective,
                "score": float(image_score),
                "pixels": scores.size,
                "defect_pixels": inside.size,
            }
        )
        self._defects.append(ImageDefects(inside, regions))
        self._count_if_many()

    def _count_if_many(self):
        if self.mode == "auto" and self._good.exact and self._good.total > EXACT_SCORES:
            self._good = self._good.counted(self.bits)

    def merge(self, other: "AnomalyEvaluator") -> None:
        """Adds all images of another evaluator of the same mode, as of another shard."""
        if self.mode != other.mode:
            raise ValueError("Argument `other` must have the same mode as this evaluator.")
        scores = other._good
        if self._good.exact and not scores.exact:
            self._good = self._good.counted(self.bits)
        elif scores.exact and not self._good.exact:
            scores = scores.counted(self.bits)
        self._good.merge(scores)
        self._count_if_many()
        self._rows.extend(other._rows)
        self._defects.extend(other._defects)

    def compute(self) -> dict:
        """Measures all images added so far.

        Returns:
          `images`, `defective`, `regions`: how many; `image_auroc`, `image_ap`, `pixel_auroc`,
          `pixel_ap`, `au_pro@L` for each limit; `au_spro@L` where saturation areas were given;
          `pg@0.05`, the highest share of good images passed while at most 5 % of the defective ones
          are missed, and `pb@0.05`, the highest share of defective images found while at most 5 %
          of the good ones are rejected, `pb@0.01` the same at 1 %; all in [0, 1], NaN where
          undefined. `reasons`: why a figure is NaN, by its name. `bounds`: how far off it may be
          at most; empty in exact mode. `per_image`: `file_name`, `label`, `defective`, `score`,
          `pixels`, `defect_pixels`, `regions`, and the share that it adds to `pixel_auroc` and
          `pro@L`, means over its pixels and regions. `per_region`: `file_name`, `region`, `area` in
          pixels, `box` [ymin, xmin, ymax, xmax] in [0, 1], `pro@L`.

        Raises:
          ValueError: there is no image.
        """
        image_scores, defective, images, pixels, overlap = self._rankings()
        pro = {f"pro@{limit:g}": overlap.pro(limit) for limit in self.pro_limits}
        passed, found = plant_rates(image_scores, defective, PLANT_RATE)
        _, found_strictly = plant_rates(image_scores, defective, STRICT_RATE)
        figures = {
            "image_auroc": images.auroc(),
            "image_ap": images.average_precision(),
            f"pg@{PLANT_RATE:g}": (passed, 0.0),
            f"pb@{PLANT_RATE:g}": (found, 0.0),
            f"pb@{STRICT_RATE:g}": (found_strictly, 0.0),
            "pixel_auroc": pixels.auroc(),
            "pixel_ap": pixels.average_precision(),
            **{f"au_{name}": _mean(*values) for name, values in pro.items()},
        }
        if overlap.saturated:
            for limit in self.pro_limits:
                figures[f"au_spro@{limit:g}"] = _mean(*overlap.spro(limit))
        values = {name: value for name, (value, _) in figures.items()}
        region_values = {name: value for name, (value, _) in pro.items()}
        return {
            "images": len(self._rows),
            "defective": int(defective.sum()),
            "regions": overlap.num_regions,
            **values,
            "reasons": {
                name: _reason(images if name.startswith(("image", "pg", "pb")) else pixels)
                for name, value in values.items()
                if math.isnan(value)
            },
            "bounds": {name: bound for name, (_, bound) in figures.items() if bound},
            "per_image": [
                {**row, **added} for row, added in zip(self._rows, overlap.per_image(region_values))
            ],
            "per_region": overlap.per_region(
                region_values, [row["file_name"] for row in self._rows]
            ),
        }

    def curves(self) -> dict[str, dict[str, list[float]]]:
        """Curves to draw, thinned to a few hundred vertices: `x` and `y` of each.

        Returns:
          `image_roc` and `pixel_roc` (true over false positive rate), `image_pr` and `pixel_pr`
          (precision over recall) and `pro` (PRO over false positive rate); those that are defined.
        """
        _, _, images, pixels, overlap = self._rankings()
        drawn = {}
        for name, ranking in (("image", images), ("pixel", pixels)):
            if ranking.num_positives and ranking.num_negatives:
                drawn[f"{name}_roc"] = ranking.roc()
                drawn[f"{name}_pr"] = ranking.precision_recall()
        if "pixel_roc" in drawn:
            drawn["pro"] = pixels.roc(overlap.pixel_weights())
        return drawn

    def _rankings(self):
        """Image scores, which images are defective, and the rankings of images and of pixels."""
        if not self._rows:
            raise ValueError("There is no image to measure: call `update` first.")
        scores = np.array([row["score"] for row in self._rows])
        defective = np.array([row["defective"] for row in self._rows])
        good = SortedScores()
        good.add(scores[~defective])
        pixels = Ranking(np.concatenate([each.scores for each in self._defects]), self._good)
        overlap = RegionOverlap(self._defects, pixels)
        return scores, defective, Ranking(scores[defective], good), pixels, overlap

    def _find_regions(self, ground_truth, defective, shape, name):
        of_loco = isinstance(ground_truth, Sequence) and isinstance(ground_truth[0], Region)
        if not of_loco:
            ground_truth = np.asarray(ground_truth)
        shapes = {np.shape(each.mask) for each in ground_truth} if of_loco else {ground_truth.shape}
        if shapes != {shape}:
            raise ValueError(
                f"{name}: the anomaly map has the shape {shape} and the ground truth "
                f"{', '.join(map(str, shapes))}. Resize the map, not the ground truth, bilinearly."
            )
        ignore = self.ignore
        if ignore == "auto":
            beside = of_loco or defective is False or (ground_truth == 1).any()
            ignore = IGNORE if beside else None
        threshold = self.ground_truth_threshold
        return find_regions(
            ground_truth, name=name, ignore=ignore, ground_truth_threshold=threshold
        )


def _checked_scores(anomaly_map, name) -> np.ndarray:
    """Returns a map of float32, or of float64 where it has more digits than float32 holds."""
    scores = np.asarray(anomaly_map)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(
            f"{name}: the anomaly map must have a shape [H, W]. Received: {scores.shape}"
        )
    if scores.dtype.kind not in "fiu":
        raise ValueError(f"{name}: the anomaly map must hold numbers. Received: {scores.dtype}")
    if scores.dtype.itemsize == 1:
        warnings.warn(
            f"{name}: an anomaly map of 8 bits holds at most 256 values, so most of its scores are "
            "ties. Save maps as float32.",
            stacklevel=3,
        )
    if scores.dtype.itemsize <= 2:
        scores = scores.astype(np.float32)
    elif scores.dtype != np.float32:
        scores = scores.astype(np.float64)
    # A sum is finite only if all are, but for an overflow, which the second look tells apart.
    if not np.isfinite(scores.sum()) and not np.isfinite(scores).all():
        bad = int(np.argmax(~np.isfinite(scores)))
        where = divmod(bad, scores.shape[1])
        raise ValueError(
            f"{name}: every score must be finite. Received {scores.flat[bad]} at row {where[0]}, "
            f"column {where[1]}"
        )
    return scores


def _mean(values: np.ndarray, bounds: np.ndarray) -> tuple[float, float]:
    if not values.size:
        return float("nan"), 0.0
    return float(values.mean()), float(bounds.mean())


def _reason(ranking: Ranking) -> str:
    if not ranking.num_positives:
        return "nothing defective was measured"
    return "nothing good was measured"
