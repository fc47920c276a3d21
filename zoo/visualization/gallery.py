"""Keeps the most telling images of a data set as small pictures for the report."""

import base64
import heapq
import itertools

import numpy as np

from tfds_datasets.features import GOOD
from zoo.visualization import pictures

# All pictures of a report together, as base64 text: with charts and text it stays below 25 MB.
TEXT_BYTES = 22_500_000
SIDES = (320, 224, 160, 112, 80)  # pixels of the longest side, from which each image takes one
# Of a mask, when several pixels become one: a defect outweighs what is not judged, and that the
# background.
_RANK = np.concatenate([[0], np.arange(2, 256), [1]]).astype(np.uint8)
_UNRANK = np.argsort(_RANK).astype(np.uint8)


class Gallery:
    """The worst images of a data set, encoded as they come: memory is bounded by `limit`.

    Args:
      total: how many images will be offered; None where it is not known.
      limit: how many are kept. First come wrong decisions; then the defective images, lowest IoU
        first; then the good ones, highest score first.
    """

    def __init__(self, total: int | None, limit: int = 600):
        self._limit = limit
        self._share = TEXT_BYTES // max(1, min(total or limit, limit))
        self._heap = []
        self._order = itertools.count(0, -1)

    def offer(
        self,
        row: dict,
        *,
        image: np.ndarray | None,
        mask: np.ndarray,
        levels: np.ndarray,
        counts: np.ndarray,
    ) -> None:
        """Encodes an image if it is among the worst so far.

        Args:
          row: `file_name`, `label`, `score`, `iou` (None where undefined), `rejected` (None
            where nothing was decided) and `boxes`, lists of [ymin, xmin, ymax, xmax] in [0, 1].
          image: uint8 [H, W, C]; None where there is only a map.
          mask: uint8 [H, W, 1], 0 background, 1.. defect types, 255 ignore.
          levels: uint8 [H, W], how many of the T thresholds each pixel exceeds.
          counts: int64 [T, 3], pixels of the intersection, of the prediction and of the truth.
        """
        priority = _badness(row)
        full = len(self._heap) >= self._limit
        if full and priority <= self._heap[0][0]:
            return
        entry = {
            **{key: row[key] for key in ("file_name", "label", "iou", "rejected", "boxes")},
            "score": float(row["score"]),
            **_encoded(image, mask[..., 0], levels, counts, self._share),
        }
        push = heapq.heappushpop if full else heapq.heappush
        push(self._heap, (priority, next(self._order), entry))

    def entries(self) -> list[dict]:
        """Returns what was kept, worst first.

        Returns:
          Dicts of `file_name`, `label`, `score`, `iou`, `rejected`, `boxes`; the pictures `image`
          (None where there was none), `truth` and `levels` as data addresses, `width` and
          `height` in pixels, `shrunk`; `counts`, base64 of little-endian uint32 [T, 2], pixels of
          the intersection and of the prediction; `truth_pixels`, and `judged_pixels` without those
          that are ignored.
        """
        return [entry for *_, entry in sorted(self._heap, key=lambda item: item[:2], reverse=True)]


def _badness(row: dict) -> tuple:
    """Sorts images: the greater, the worse."""
    defective = row["label"] != GOOD
    wrong = row["rejected"] is not None and row["rejected"] != defective
    if defective:
        return wrong, True, -(row["iou"] or 0.0), -row["score"]
    return wrong, False, row["score"], 0.0


def _encoded(image, mask, levels, counts, share) -> dict:
    table = base64.b64encode(counts[:, :2].astype("<u4").tobytes()).decode()
    for side in SIDES:
        height, width = size = pictures.thumbnail_size(mask.shape, side)
        small = {
            "image": image
            if image is None
            else pictures.jpeg_address(pictures.thumbnail(image, side)),
            "truth": pictures.png_address(pictures.color_types(_shrunk_mask(mask, size))),
            "levels": pictures.png_address(pictures.block_maximum(levels, size)),
        }
        if len(table) + sum(len(text) for text in small.values() if text) <= share:
            break
    return {
        **small,
        "width": width,
        "height": height,
        "shrunk": size != mask.shape,
        "counts": table,
        "truth_pixels": int(counts[0, 2]),
        "judged_pixels": int((mask != pictures.IGNORE).sum()),
    }


def _shrunk_mask(mask, size):
    return _UNRANK[pictures.block_maximum(_RANK[mask], size)]
