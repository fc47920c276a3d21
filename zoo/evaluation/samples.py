"""What a metric needs of one image, whether a model answered just now or its maps were saved."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from builders.predictions import defect_probability
from tfds_datasets.features import GOOD
from zoo.metrics.regions import Region
from zoo.metrics.segmentation import IGNORE, is_defect
from zoo.prediction.predictor import Predictor, defect_type, index_mask

ANY_DEFECT = "*"  # no type has this name, while one may well be called "defect"


class ScoredImage(NamedTuple):
    """An image with its truth and what was predicted.

    Attributes:
      file_name: names it in tables.
      label: "good" or a defect type.
      image: uint8 [H, W, C]; None where only the map is at hand.
      mask: the truth, uint8 [H, W], 0 background, 1.. the defect types, 255 ignore; of a defect
        that it forgot all is to be ignored, see `judged_mask`.
      anomaly_map: float [H, W], higher where a defect is likelier.
      score: of the image, higher where it is more likely defective.
      types: the predicted mask, uint8 [H, W] as `mask`; None where no types are predicted.
      defect_type: the type it would have if it were judged defective, `ANY_DEFECT` where labels
        tell no types apart; None where neither types nor labels are predicted.
      boxes: the predicted ones, float [N, 4], [ymin, xmin, ymax, xmax] in [0, 1], the surest first;
        None where the model draws none. They count if the image is judged defective.
      peak: row and column of the pixel that is likeliest defective, since all that a model is sure
        of may be 1 in the map; None takes the first of the highest there.
      regions: the annotated regions of an image of MVTec LOCO; None takes them from the mask.
    """

    file_name: str
    label: str
    image: np.ndarray | None
    mask: np.ndarray
    anomaly_map: np.ndarray
    score: float
    types: np.ndarray | None = None
    defect_type: str | None = None
    boxes: np.ndarray | None = None
    peak: tuple[int, int] | None = None
    regions: list[Region] | None = None


def predicted_samples(predictor: Predictor, batches: Iterable[dict]) -> Iterator[ScoredImage]:
    """Asks a model.

    Args:
      predictor: its answers become the anomaly maps and image scores; where it tells types apart,
        its pixel threshold decides what is a defect at all.
      batches: dicts of NumPy arrays `image` uint8 [B, H, W, C], `mask` uint8 [B, H, W, 1], `label`
        and, but for calibration, `file_name`.
    """
    for batch in batches:
        outputs = predictor.predict(batch["image"])
        probability = defect_probability(outputs["mask"])
        names = batch.get("file_name", [""] * len(probability))
        for index, name in enumerate(names):
            marked = index_mask(outputs["mask"][index], predictor.threshold)
            label = predictor.class_names[int(batch["label"][index])]
            types = marked if outputs["mask"].shape[-1] > 1 else None
            yield ScoredImage(
                file_name=name.decode() if isinstance(name, bytes) else str(name),
                label=label,
                image=batch["image"][index],
                mask=judged_mask(batch["mask"][index, ..., 0], label != GOOD),
                anomaly_map=probability[index],
                score=float(outputs["score"][index]),
                types=types,
                defect_type=_defect_type(predictor.class_names, outputs, index, marked),
                boxes=_boxes(outputs, index),
                peak=_peak(outputs, index),
            )


def is_defective(sample: ScoredImage) -> bool:
    """Returns whether the image is labelled with a defect."""
    return sample.label != GOOD


def has_mask(sample: ScoredImage) -> bool:
    """Returns whether the mask shows a defect.

    Of one that only a folder names, all is to be ignored.
    """
    return bool(is_defect(sample.mask).any())


def judged_mask(mask: np.ndarray, defective: bool) -> np.ndarray:
    """Returns the mask [H, W] as it is judged.

    All is to be ignored where it shows nothing of a defect.

    A black mask of a defective image does not say that its pixels are good: nothing says where the
    defect is.
    """
    forgotten = defective and not is_defect(mask).any()
    return np.full_like(mask, IGNORE) if forgotten else mask


def _defect_type(class_names, outputs, index, marked) -> str | None:
    if outputs["mask"].shape[-1] == 1:
        if "label" not in outputs:
            return None
        if outputs["label"].shape[-1] != len(class_names):
            return ANY_DEFECT
    return defect_type(class_names, outputs, index, marked)


def _boxes(outputs, index) -> np.ndarray | None:
    """Returns the boxes of one image without the empty ones that fill up its row."""
    if "box" not in outputs:
        return None
    return outputs["box"][index][outputs["box_score"][index] > 0]


def _peak(outputs, index) -> tuple[int, int] | None:
    if "peak" not in outputs:
        return None
    row, column = outputs["peak"][index] * outputs["mask"].shape[1:3]
    return int(row), int(column)
