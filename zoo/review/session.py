"""One folder under review: its images in order, what a student says of them, the decisions."""

import pathlib
import threading

import numpy as np
from PIL import Image

from zoo.review import decisions
from zoo.review.files import ReviewFiles
from zoo.review.views import ReviewPictures
from zoo.review.windows import ReviewWindows


class ReviewSession:
    """What stays in memory between the requests of a page; what is decided is on disk at once.

    Args:
      root: the folder `pseudo` that `python -m zoo pseudo_masks` writes.
      predictor: a student that is asked about each image; None without one.

    Raises:
      ValueError: it is no such folder, or a file of it is missing.
    """

    def __init__(self, root, predictor=None):
        self.root = pathlib.Path(root)
        self._entries = decisions.read_entries(self.root)
        for file in self._entries:
            for kind, path in decisions.paths(self.root, file).items():
                if kind != "teacher_mask" and not path.is_file():
                    raise ValueError(f"The {kind} of {file} is missing: {path}")
        decisions.finish_interrupted(self.root)
        self.students, self._disagreements = None, None
        if predictor is not None:
            from zoo.review.student import StudentMasks  # needs Keras

            self.students = StudentMasks(self.root, self._entries, predictor)
            self._disagreements = {file: self._disagreement(file) for file in self._entries}
        self.files = decisions.order(self._entries, self._disagreements)
        whole = ReviewFiles(self.root)
        self.shape = whole.shape
        self.pictures = ReviewPictures(whole, self.students)
        self.windows = ReviewWindows(whole, self.students)
        self._deciding = threading.Lock()

    def entry(self, file: str) -> dict:
        """Returns the line of the manifest about an image.

        Raises:
          ValueError: the manifest names no such image, or not one with a teacher's mask.
        """
        if file not in self._entries:
            raise ValueError(f"There is no image {str(file)[:100]!r}.")
        return self._entries[file]

    def images(self) -> list[dict]:
        """Returns what the page knows of each image, in order."""
        return [self._shown(file) for file in self.files]

    def decide(self, file: str, decision: str, threshold: float | None) -> dict:
        """Saves a decision, see `decide`. Returns what the page knows of the image then."""
        with self._deciding:
            self._entries[file] = decisions.decide(self.root, file, decision, threshold)
            if self.students is not None:
                self._disagreements[file] = self._disagreement(file)
            return self._shown(file)

    def _disagreement(self, file: str) -> float:
        from zoo.review.student import disagreement

        mask = np.asarray(Image.open(decisions.paths(self.root, file)["mask"]))
        return disagreement(mask, self.students[file])

    def _shown(self, file: str) -> dict:
        entry = self._entries[file]
        teacher = decisions.teacher_levels(entry)
        height, width = self.shape(file)
        return {
            **{key: entry[key] for key in ("file", "score", "reviewed", "use", "reason")},
            "name": pathlib.PurePosixPath(file).stem,
            "height": height,
            "width": width,
            "pixels": entry["defect_pixels"],
            "threshold": entry["levels"]["pixel"],
            "redrawn": entry.get("redrawn_at") is not None,
            "image_threshold": teacher.image,
            # Nothing exceeds it, so that the end of the slider means a good image.
            "highest": float(f"{1.001 * max(entry['score'], teacher.image):.4g}") or 1.0,
            "disagreement": self._disagreements and self._disagreements[file],
        }
