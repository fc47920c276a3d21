"""The one example that every data set of the zoo yields, and the rule that assigns its folds."""

import hashlib
import io
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow_datasets as tfds
from PIL import Image

GOOD = "good"
IGNORE = 255
NUM_FOLDS = 10
TEST_FOLDS = (7, 8, 9)  # the split `test` of a data set without an official one
# Of 0 to 9. On screws of MVTec AD the default, 6, takes seven times as long for files a seventh
# smaller.
PNG_COMPRESSION = 1


def example_features(
    *, defect_types: Sequence[str], channels: int = 1, extra: Mapping | None = None
) -> tfds.features.FeaturesDict:
    """Describes one example.

    Args:
      defect_types: names of the defect types, in the order of the mask ids 1..K.
      channels: 1 for grey images, 3 for RGB.
      extra: further features that only this data set has, by name.

    Returns:
      Features `image` uint8 [H, W, channels]; `mask` uint8 [H, W, 1] with 0 background, 1..K the
      defect types, 255 ignore; `label` int64, `good` first, then the defect types; `file_name`
      text; `fold` int64 in 0..9.
    """
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, channels), encoding_format="png"),
            "mask": mask_feature(),
            "label": tfds.features.ClassLabel(names=[GOOD, *defect_types]),
            "file_name": tfds.features.Text(),
            "fold": tfds.features.Scalar(np.int64),
            **(extra or {}),
        }
    )


def mask_feature() -> tfds.features.Image:
    """Returns a uint8 mask [H, W, 1], stored without loss."""
    return tfds.features.Image(shape=(None, None, 1), encoding_format="png")


def make_example(
    name: str, *, label: int, fold: int, **images: np.ndarray
) -> tuple[str, dict[str, object]]:
    """Returns one example as `_generate_examples` yields it, its images packed as PNG.

    Args:
      name: of the image; no other of its split has it.
      label: 0 for good, 1..K the defect types.
      fold: of `assign_folds`.
      images: `image`, `mask` and what else `example_features` was given, uint8 [H, W, C] each.

    Returns:
      The name as key, and the value of each feature.

    Raises:
      ValueError: an image is not of that kind.
    """
    packed = {feature: _png(pixels) for feature, pixels in images.items()}
    return name, {**packed, "label": label, "file_name": name, "fold": fold}


def _png(pixels: np.ndarray) -> io.BytesIO:
    """Returns a PNG file of an image; the encoder of TFDS compresses at the default level alone."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] not in (1, 3):
        raise ValueError(
            "Images of an example must be uint8 [H, W, C] of 1 or 3 channels. "
            f"Received: {pixels.dtype} {list(pixels.shape)}"
        )
    stream = io.BytesIO()
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(
        stream, "PNG", compress_level=PNG_COMPRESSION
    )
    stream.seek(0)
    return stream


def assign_folds(
    labels: Mapping[str, int], *, groups: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Deals images to folds 0..9, stratified by label, one fold for all images of a group.

    The order is that of a hash of the group's name, so neither the order of the files nor the
    machine changes a fold, and the numbers that a data set gives its images mean nothing.

    Args:
      labels: label id of each image, 0 for good, by the image's name.
      groups: name of the group (the same part, an exposure series, a near-duplicate) of each
        image, by the image's name. None means that every image stands alone.

    Returns:
      The fold of each image, by the image's name. Fold sizes differ by at most one group within
      each label. A group with several labels counts as its highest one.
    """
    groups = groups or {name: name for name in labels}
    group_label: dict[str, int] = {}
    for name, label in labels.items():
        group = groups[name]
        group_label[group] = max(label, group_label.get(group, 0))
    ordered = sorted(group_label, key=lambda group: (group_label[group], stable_hash(group)))
    fold_of_group = {group: rank % NUM_FOLDS for rank, group in enumerate(ordered)}
    return {name: fold_of_group[groups[name]] for name in labels}


def largest_type(mask: np.ndarray, num_types: int) -> int:
    """Returns the defect type with most pixels of a mask with ids 1..num_types.

    0 where there is none.
    """
    counts = np.bincount(mask.ravel(), minlength=num_types + 1)[1 : num_types + 1]
    return int(counts.argmax()) + 1 if counts.any() else 0


def stable_hash(text: str) -> int:
    """Returns a hash that is equal on every machine and in every process, unlike `hash`."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
