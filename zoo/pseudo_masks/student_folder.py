"""A folder of `image_mask_folder` in the making: images, masks, the manifest and the palette."""

import hashlib
import os
import pathlib
import shutil
from collections.abc import Sequence

import numpy as np

from builders.runs.atomic import write_json
from tfds_datasets.features import IGNORE, TEST_FOLDS
from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_masks import roles
from zoo.visualization import pictures

MAPS = "maps"  # the folder of a teacher's answers, beside train and test
PALETTE = {"defect": 1, "ignore": IGNORE}
# The fold of each role: recipes of students validate on fold 0.
FOLDS = {
    roles.TEACHER: 1,
    roles.STUDENT: 1,
    roles.CALIBRATION: 0,
    roles.VALIDATION: 0,
    roles.TEST: TEST_FOLDS[0],
}


class StudentFolder:
    """Takes one image after the other, and writes the manifest at the end.

    Args:
      root: is made.
      datasets: the data sets, name/config each, that its images come from.
      learnt_from: what else its masks and painted defects come from, as `run_dir.learnt_from` names
        it.
    """

    def __init__(self, root, datasets: list[str], learnt_from: Sequence[str] = ()):
        self.root = pathlib.Path(root)
        self.datasets, self.learnt_from = datasets, list(learnt_from)
        self.entries: list[dict] = []
        for split in ("train", "test"):
            for kind in ("images", "masks"):
                (self.root / split / kind).mkdir(parents=True)
        write_json(self.root / "palette.json", PALETTE)

    def add(
        self,
        stem: str,
        role: roles.Role,
        image: "np.ndarray | pathlib.Path",
        mask: np.ndarray,
        mask_source: str,
        *,
        anomaly_map: np.ndarray | None = None,
        use: bool = True,
        **facts,
    ) -> pathlib.Path:
        """Adds an image with its mask.

        Args:
          stem: of its files.
          role: decides split and fold.
          image: uint8 [H, W, C], or the file of another folder that has it already.
          mask: uint8 [H, W], 0, 1 or 255.
          mask_source: one of `manifest.MASK_SOURCES`.
          anomaly_map: float16 [H, W], to draw the mask anew.
          use: whether the data set shall have it.
          **facts: further entries of the manifest.

        Returns:
          The image's file.
        """
        split = "test" if role.role == roles.TEST else "train"
        file = self.root / split / "images" / f"{stem}.png"
        if isinstance(image, pathlib.Path):
            _link(image, file)
        else:
            file.write_bytes(pictures.png_bytes(image, pictures.FASTEST))
        (self.root / split / "masks" / f"{stem}.png").write_bytes(pictures.png_bytes(mask))
        if anomaly_map is not None:
            (self.root / MAPS).mkdir(exist_ok=True)
            np.savez_compressed(self.root / MAPS / f"{stem}.npz", anomaly_map=anomaly_map)
        self.entries.append(
            {
                "file": file.relative_to(self.root).as_posix(),
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
                "role": role.role,
                "taught": role.taught,
                "fold": FOLDS[role.role],
                "use": use,
                "mask_source": mask_source,
                "datasets": self.datasets,
                "learnt_from": self.learnt_from,
                **facts,
            }
        )
        return file

    def close(self) -> None:
        """Writes the manifest."""
        manifest.write_manifest(self.root, self.entries)


def _link(source: pathlib.Path, target: pathlib.Path) -> None:
    """One file under two names, where the disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
