"""What a model predicts for images, shown as pictures in a notebook."""

import base64
from typing import NamedTuple

import numpy as np

from zoo.prediction.files import overlay_of
from zoo.visualization import pictures

MOST_SHOWN = 24  # pictures in a notebook
WIDTH = 260  # px of each


class Prediction(NamedTuple):
    """What a model predicts for one image.

    Attributes:
      file: the image's file; None for an array.
      image: uint8 [H, W, C].
      mask: uint8 [H, W], 0 background, 1.. the defect type.
      row: `score`, `defect`, `label` and others, as `zoo.prediction.files.classify` has them.
      class_names: good first.
    """

    file: str | None
    image: np.ndarray
    mask: np.ndarray
    row: dict
    class_names: tuple[str, ...]

    @property
    def score(self) -> float:
        """How likely the image is defective, in [0, 1]."""
        return self.row["score"]

    @property
    def defect(self) -> bool:
        """Whether the score exceeds the image threshold."""
        return self.row["defect"]

    @property
    def label(self) -> str:
        """The defect type, or good."""
        return self.row["label"]

    @property
    def overlay(self) -> np.ndarray:
        """The image with the mask drawn into it, uint8 [H', W', 3]."""
        return overlay_of(self.image, self.mask, self.row, list(self.class_names))

    def __repr__(self) -> str:
        return f"Prediction({self.file}, score={self.score:.3f}, {self.label})"

    def _repr_html_(self) -> str:
        png = base64.b64encode(pictures.png_bytes(self.overlay, pictures.FASTEST)).decode()
        verdict = "REJECT" if self.defect else "OK"
        return (
            f'<figure style="display:inline-block;margin:4px;width:{WIDTH}px">'
            f'<img src="data:image/png;base64,{png}" style="width:100%">'
            f"<figcaption><b>{verdict}</b> {self.score:.3f} {self.label}</figcaption></figure>"
        )


class Predictions(list[Prediction]):
    """A list of predictions, shown as pictures in a notebook, the highest scores first."""

    def _repr_html_(self) -> str:
        shown = sorted(self, key=lambda each: -each.score)[:MOST_SHOWN]
        rest = len(self) - len(shown)
        more = f"<p>and {rest} with lower scores</p>" if rest else ""
        return "".join(each._repr_html_() for each in shown) + more
