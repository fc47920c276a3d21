"""Renders one image: a texture, perhaps a defect, its exact mask and its weak label."""

import numpy as np

from tfds_datasets.dagm_synthetic import defects, textures
from tfds_datasets.dagm_synthetic.fields import shrink

MASK_COVER = 0.3  # a pixel belongs to the defect where at least this share of it is defect
SPLITS = ("train", "test")


def render(
    class_id: int, index: int, *, split: str, size: int = 512, seed: int = 0, defective: bool
) -> dict[str, np.ndarray]:
    """Renders image `index` of a class; a pure function of its arguments.

    The texture and the defect draw from two independent streams, so a good and a defective image
    of the same index differ in the defect alone.

    Args:
      class_id: 1..10.
      index: number of the image within the split, from 0.
      split: `train` or `test`.
      size: edge length in px, from 64. A small scene keeps the grain and shrinks the features.
      seed: seed of the whole data set.
      defective: whether the image shows a defect.

    Returns:
      `image` uint8 [size, size, 1], `mask` uint8 [size, size, 1] with 1 on the defect, and
      `weak_mask` uint8 [size, size, 1] with 1 in a loose ellipse around it.

    Raises:
      ValueError: an argument is out of its range.
    """
    if class_id not in textures.TEXTURES:
        raise ValueError(f"Argument `class_id` must be in 1..10. Received: {class_id}")
    if split not in SPLITS:
        raise ValueError(f"Argument `split` must be one of {SPLITS}. Received: {split!r}")
    if size < 64:
        raise ValueError(f"Argument `size` must be at least 64 px. Received: {size}")
    key = (seed, class_id, SPLITS.index(split), index)
    texture_rng, defect_rng = (
        np.random.Generator(np.random.PCG64(child))
        for child in np.random.SeedSequence(key).spawn(2)
    )
    image = textures.TEXTURES[class_id](texture_rng, size)
    mask = weak_mask = np.zeros((size, size), bool)
    if defective:
        image, cover = defects.DEFECTS[class_id](defect_rng, image)
        mask = cover >= MASK_COVER
        weak_mask = loose_ellipse(defect_rng, mask)
    return {
        "image": np.rint(np.clip(image, 0, 255)).astype(np.uint8)[..., None],
        "mask": mask.astype(np.uint8)[..., None],
        "weak_mask": weak_mask.astype(np.uint8)[..., None],
    }


def loose_ellipse(rng: np.random.Generator, mask: np.ndarray) -> np.ndarray:
    """Draws the kind of label a person draws: an ellipse that holds the whole defect, roughly.

    Args:
      rng: decides how loose the ellipse is.
      mask: bool [H, W], not empty.

    Returns:
      bool [H, W], true wherever `mask` is.
    """
    y, x = np.nonzero(mask)
    centre_y, centre_x = y.mean(), x.mean()
    angle = 0.5 * np.arctan2(
        2 * np.mean((x - centre_x) * (y - centre_y)), x.var() - y.var()
    ) + rng.normal(0, 0.04)

    def turn(y, x):
        y, x = y - centre_y, x - centre_x
        return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)

    along, across = turn(y, x)
    slack = shrink(len(mask))  # px; people leave more room beside a line than at its ends
    half_long = np.abs(along).max() + rng.uniform(3, 18) * slack
    half_wide = np.abs(across).max() + rng.uniform(8, 26) * slack
    reach = np.sqrt((along / half_long) ** 2 + (across / half_wide) ** 2).max()
    grow = max(1.0, reach) * rng.uniform(1.01, 1.15)
    along, across = turn(*np.ogrid[: mask.shape[0], : mask.shape[1]])
    return (along / half_long) ** 2 + (across / half_wide) ** 2 <= grow**2
