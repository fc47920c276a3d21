"""What a student marks on the images that a teacher's masks are reviewed of."""

from collections.abc import Iterable

import numpy as np

from tfds_datasets.images import read_image
from zoo.metrics import segmentation
from zoo.prediction.predictor import Predictor, index_mask
from zoo.pseudo_masks.packed_mask import pack, unpack
from zoo.review.decisions import paths
from zoo.visualization import progress


class StudentMasks:
    """Asks a student once for each image, and keeps what it marks.

    Args:
      root: the folder that is reviewed.
      files: its images, as the manifest has them.
      predictor: the student; it takes images of any size.
    """

    def __init__(self, root, files: Iterable[str], predictor: Predictor):
        self._kept = {}
        files = list(files)
        bar = progress.image_bar(len(files))
        for file in files:
            image = read_image(paths(root, file)["image"], channels=predictor.channels)
            probability = predictor.predict(image[None])["mask"][0]
            self._kept[file] = pack(index_mask(probability, predictor.threshold) > 0)
            bar.add(1)

    def __getitem__(self, file: str) -> np.ndarray:
        """Returns where the student sees a defect, bool [H, W]."""
        return unpack(self._kept[file])


def disagreement(mask: np.ndarray, marked: np.ndarray) -> float:
    """Returns 1 - IoU of a teacher's mask and a student's; 0 where both are empty.

    Args:
      mask: uint8 [H, W], 0 good, 1 defect, 255 not known, which counts for nothing.
      marked: bool [H, W].

    Returns:
      A number in [0, 1]. It says how far the two differ, and not who is right.

    Raises:
      ValueError: the shapes differ.
    """
    counts = segmentation.level_counts(marked.astype(np.uint8), mask, 1)[0]
    return 1 - float(segmentation.iou(counts))
