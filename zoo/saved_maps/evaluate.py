"""Calibrates and measures anomaly maps that another library saved."""

import hashlib
import pathlib

import numpy as np

from zoo.evaluation import calibration, evaluate
from zoo.metrics.score_histogram import ScoreHistogram
from zoo.metrics.segmentation import is_defect
from zoo.saved_maps import layouts
from zoo.saved_maps.samples import saved_samples

CURVE_STEPS = 120  # thresholds of saved maps: so many over the good pixels, and over the defects
RAREST_FALSE_ALARM = 1e-6  # share of good pixels above the highest threshold of a curve


def calibrate_maps(
    maps_dir, ground_truth_dir, layout: str, *, pixel_rule: str, image_rule: str, **options
) -> dict:
    """Chooses the thresholds of saved maps; see `calibration.calibrate`.

    Args:
      maps_dir: folder of maps of validation images, as `map_layouts.find_maps` wants it.
      ground_truth_dir: folder of their ground truth.
      layout: one of `map_layouts.LAYOUTS`.
      pixel_rule: as `image_rule`, one of `threshold_rules.RULES`.
      options: of `saved_samples`.

    Raises:
      ValueError: the maps lie in a folder named test, or are too few for a rule.
    """
    items = _find_maps(maps_dir, ground_truth_dir, layout, options)
    folders = {part for item in items for part in item.map_path.resolve().parts[-4:-1]}
    split = "test" if "test" in folders else pathlib.Path(maps_dir).resolve().name
    found = calibration.calibrate(
        saved_samples(items, **options),
        split=split,
        test_split="test",
        pixel_rule=pixel_rule,
        image_rule=image_rule,
    )
    return {**found, "known_maps": _hashes(items)}


def measure_maps(
    maps_dir, ground_truth_dir, layout: str, *, calibration: dict | None = None, **options
) -> evaluate.Evaluation:
    """Measures saved maps; see `evaluate.evaluate`. Reads each twice, since any score may occur.

    The metrics also name `module`, `dataset` and `split` as those of a model do, say whether
    thresholds were chosen on some of these maps (`seen`), and in `map_note` what became of maps of
    another size.

    Args:
      maps_dir: as `map_layouts.find_maps` wants it, with `ground_truth_dir` and `layout`.
      calibration: as `calibrate_maps` returns it; None where no threshold was chosen.
      options: of `saved_samples`.
    """
    items = _find_maps(maps_dir, ground_truth_dir, layout, options)
    good, defective = ScoreHistogram(), ScoreHistogram()
    for sample in saved_samples(items, **options):
        good.add(sample.anomaly_map[sample.mask == 0])
        defective.add(sample.anomaly_map[is_defect(sample.mask)])
    shares = np.linspace(0, 1, CURVE_STEPS)
    rare = np.geomspace(RAREST_FALSE_ALARM, 1, CURVE_STEPS)
    evaluation = evaluate.evaluate(
        saved_samples(items, **options),
        calibration=calibration,
        thresholds=[*_exceeded_by(good, rare), *_exceeded_by(defective, shares)],
        by_group=layout == "loco",
        total=len(items),
    )
    known = set((calibration or {}).get("known_maps", ()))
    header = {
        "module": f"saved maps {pathlib.Path(maps_dir).resolve().name}",
        "dataset": pathlib.Path(ground_truth_dir).resolve().name,
        "split": "test",
        "seen": bool(known) and not known.isdisjoint(_hashes(items)),
        "map_note": "maps of another size resized bilinearly to their ground truth"
        if options.get("resize_maps")
        else None,
    }
    return evaluation._replace(metrics={**header, **evaluation.metrics})


def _find_maps(maps_dir, ground_truth_dir, layout, options):
    threshold = options.get("ground_truth_threshold")
    return layouts.find_maps(maps_dir, ground_truth_dir, layout, ground_truth_threshold=threshold)


def _hashes(items) -> list[str]:
    """Hashes the content of each map, to recognise those that thresholds were chosen on."""
    return sorted({hashlib.sha256(item.map_path.read_bytes()).hexdigest()[:16] for item in items})


def _exceeded_by(histogram, shares) -> list[float]:
    """Returns for each share, a score that about as many of the counted ones exceed."""
    if not histogram.total:
        return []
    filled = np.flatnonzero(histogram.counts)
    up_to = np.cumsum(histogram.counts[filled])
    chosen = np.searchsorted(up_to, (1 - shares) * histogram.total).clip(max=len(filled) - 1)
    return [histogram.edge(index) for index in np.unique(filled[chosen]).tolist()]
