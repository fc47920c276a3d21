"""What the builders of data sets share that a user has to bring."""

import contextlib
from pathlib import Path

import tensorflow_datasets as tfds
from absl import logging

from tfds_datasets.images import BrokenImageError


class ManualBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builds from the manual folder, and skips broken images if it is asked to.

    Its `_info` gives `metadata` a list `skipped_images`.
    """

    def __init__(self, *, skip_broken_images: bool = False, **kwargs):
        """Args: skip_broken_images: leave out unreadable files, and list them in the metadata."""
        self._skip_broken_images = skip_broken_images
        super().__init__(**kwargs)

    def fingerprint(self, manual_dir: Path) -> str | None:
        """Returns what changes with the user's files; None for archives, which do not change.

        A builder that has one keeps that of its files as `fingerprint` of the metadata.
        """
        return None

    @contextlib.contextmanager
    def skipping(self, name: str):
        """Skips the rest of the `with` where a file is broken and broken ones are to be skipped.

        Raises:
          ValueError: a file is broken; the message names it.
        """
        try:
            yield
        except BrokenImageError as error:
            if not self._skip_broken_images:
                raise ValueError(
                    f"{error} With --skip_broken_images the data set is built without it."
                ) from error
            logging.warning("Skipped: %s", error)
            self.info.metadata["skipped_images"].append(name)
