"""Chooses thresholds on validation images, apart from the weights."""

import json
import pathlib
from collections.abc import Iterable

import numpy as np

from zoo.data import leakage
from zoo.evaluation.one_standard_error import LOGIT_THRESHOLDS
from zoo.evaluation.samples import ScoredImage, has_mask, is_defective
from zoo.evaluation.thresholds import image_threshold, pixel_threshold, require_probabilities
from zoo.metrics import decisions, segmentation
from zoo.metrics.score_histogram import ScoreHistogram
from zoo.recipes.threshold_rules import Rule, parse_rule

EVEN = 0.5  # the probability at which a defect is as likely as none


def calibrate(
    samples: Iterable[ScoredImage],
    *,
    split: str,
    test_split: str,
    folds: tuple[int, ...] | None = None,
    test_folds: tuple[int, ...] | None = None,
    pixel_rule: str = "best_f1",
    image_rule: str = "best_f1",
    without_masks: float | None = None,
) -> dict:
    """Chooses the pixel and the image threshold by a rule each.

    Args:
      samples: images that neither trained the weights nor will measure them.
      split: where those images come from.
      test_split: what will measure the weights; it must lie apart from `split`.
      folds: which folds of the split those images are; None means all.
      test_folds: which folds of the test split measure the weights; none given means all.
      pixel_rule: one of `threshold_rules.RULES["pixel_rule"]`.
      image_rule: one of `threshold_rules.RULES["image_rule"]`.
      without_masks: the pixel threshold in place of one by F1 where no defective image has a mask;
        None refuses such images.

    Returns:
      What `calibration.json` holds: `threshold` of anomaly maps and `score_threshold` of image
      scores, both exclusive lower bounds; the rules; `source`, which says rules and images in
      words; how many `images`, of them `defective`; and `achieved` on these very images:
      `pixel_f1`, `pixel_false_alarms` (the share of the pixels of good images that exceed),
      `image_f1`, `image_false_alarms` (the share of good images that exceed), None where undefined.

    Raises:
      ValueError: the split holds test images, a rule is none, there are too few images for it, or
        a score is no finite number, or none in [0, 1] where a rule needs that.
    """
    leakage.refuse_test_split(split, test_split, folds, test_folds)
    by_pixel, by_image = parse_rule("pixel_rule", pixel_rule), parse_rule("image_rule", image_rule)
    positive, negative, good = ScoreHistogram(), ScoreHistogram(), ScoreHistogram()
    scores, defective, masked, counts = [], [], False, []
    for sample in samples:
        if not np.isfinite(sample.anomaly_map).all():
            raise ValueError(f"{sample.file_name}: the anomaly map must be finite.")
        require_probabilities(by_pixel, sample.anomaly_map)
        scores.append(sample.score)
        defective.append(is_defective(sample))
        masked |= defective[-1] and has_mask(sample)
        mask, background = sample.mask, negative if defective[-1] else good
        positive.add(sample.anomaly_map[segmentation.is_defect(mask)])
        background.add(sample.anomaly_map[mask == 0])
        if by_pixel.name == "best_f1_1se" and (mask != segmentation.IGNORE).any():
            levels = segmentation.threshold_levels(sample.anomaly_map, LOGIT_THRESHOLDS)
            counts.append(segmentation.level_counts(levels, mask, len(LOGIT_THRESHOLDS)))
    negative.merge(good)

    unknown = without_masks is not None and any(defective) and not masked
    if unknown and by_pixel.needs_defects:
        by_pixel, threshold = Rule("unmasked"), float(without_masks)
    else:
        threshold = pixel_threshold(
            by_pixel,
            positive=positive,
            negative=negative,
            good=good,
            counts=np.array(counts),
        )
    score_threshold = image_threshold(by_image, scores, defective)
    table = decisions.image_decisions(scores, defective, score_threshold)
    found, alarms, good_alarms = (
        int(histogram.exceeding([threshold])[0][0]) for histogram in (positive, negative, good)
    )
    num_good = len(scores) - sum(defective)
    return {
        "threshold": threshold,
        "score_threshold": score_threshold,
        "pixel_rule": pixel_rule,
        "image_rule": image_rule,
        "source": f"{_words(by_pixel, by_image, num_good)} on {_images(split, folds)}",
        "images": len(scores),
        "defective": sum(defective),
        "achieved": {
            "pixel_f1": None if unknown else _share(2 * found, found + alarms + positive.total),
            "pixel_false_alarms": _share(good_alarms, good.total),
            "image_f1": table["f1"],
            "image_false_alarms": _share(table["fp"], num_good),
        },
    }


def read_calibration(path) -> dict:
    """Reads a `calibration.json`.

    Raises:
      ValueError: the file holds no thresholds.
    """
    content = json.loads(pathlib.Path(path).read_text())
    if not isinstance(content, dict) or not {"threshold", "score_threshold"} <= set(content):
        raise ValueError(
            "A calibration must hold `threshold` and `score_threshold`, as `python -m zoo "
            f"calibrate` writes it. Received: {path}"
        )
    return content


def _words(by_pixel: Rule, by_image: Rule, num_good: int) -> str:
    if by_pixel == by_image:
        return _rule_words(by_pixel, num_good)
    return (
        f"pixels by {_rule_words(by_pixel, num_good)}, images by {_rule_words(by_image, num_good)},"
    )


def _rule_words(rule: Rule, num_good: int) -> str:
    if rule.name == "best_f1":
        return "best F1"
    if rule.name == "best_f1_1se":
        return "best F1 within one standard error, as near to an even chance as that allows"
    if rule.name == "unmasked":
        return "an even chance, since no defective image has a mask"
    if rule.name == "false_alarms":
        return f"false alarms of at most {float(100 * rule.share):g}%"
    name = {"conformal": "conformal prediction", "normal": "the normal prediction limit"}[rule.name]
    return f"{name} with alpha = {float(rule.share):g}, n = {num_good} good images"


def _images(split, folds) -> str:
    if folds is None:
        return f"the {split} split"
    word = "fold" if len(folds) == 1 else "folds"
    return f"{word} {', '.join(map(str, folds))} of the {split} split"


def _share(part, total) -> float | None:
    return part / total if total else None
