"""Finds images that are copies of each other, so that a copy never straddles two folds or splits.

A perceptual hash of 64 bits is too coarse for surfaces: on NEU-Seg, 7,379 pairs have equal
difference hashes, down to a correlation of 0.38. So whole thumbnails are compared, turned and
mirrored in all eight ways, since data sets are enlarged by exactly that.
"""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from scipy import sparse
from scipy.sparse import csgraph

SIDE = 32  # pixels of a thumbnail
# Correlation of two thumbnails above which images are copies. On NEU-Seg 4,221 pairs lie above
# 0.995 and 473 between 0.97 and 0.995; from 0.98 down, lookalikes chain into large groups. Parts
# that were all photographed in one pose look alike in this way without being copies.
COPY_CORRELATION = 0.99
_ROWS = 1024  # thumbnails compared with all others at once


def thumbnail(image: np.ndarray) -> np.ndarray:
    """Shrinks uint8 [H, W, C] to a grey float32 [32, 32], by averages that mirror exactly."""
    grey = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


def group_copies(thumbnails: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Groups images whose thumbnails agree, as they are, turned or mirrored.

    Args:
      thumbnails: of `thumbnail`, by the image's name.

    Returns:
      The name of its group, the first name in it, by the image's name. Copies of copies are one
      group. Images without any structure are copies of each other.
    """
    names = sorted(thumbnails)
    stack = np.stack([thumbnails[name] for name in names])
    ours = _normalized(stack)
    rows, columns = [], []
    for turns in range(4):
        for mirrored in (False, True):
            turned = np.rot90(stack, turns, axes=(1, 2))
            theirs = _normalized(turned[:, :, ::-1] if mirrored else turned).T
            for start in range(0, len(names), _ROWS):
                row, column = np.nonzero(ours[start : start + _ROWS] @ theirs > COPY_CORRELATION)
                rows.append(row + start)
                columns.append(column)
    rows, columns = np.concatenate(rows), np.concatenate(columns)
    edges = sparse.coo_array((np.ones(rows.size, bool), (rows, columns)), (len(names),) * 2)
    _, group = csgraph.connected_components(edges, directed=False)
    _, first = np.unique(group, return_index=True)
    return {name: names[first[number]] for name, number in zip(names, group)}


def join_groups(first: Mapping[str, str], second: Mapping[str, str]) -> dict[str, str]:
    """Groups images that are linked by either grouping, directly or through others.

    Args:
      first: group of each image, by the image's name.
      second: the same images grouped by another rule.

    Returns:
      The name of its group, the first image's name in it, by the image's name.
    """
    names = sorted(first)
    columns = []
    for grouping in (first, second):
        _, column = np.unique([grouping[name] for name in names], return_inverse=True)
        columns.append(column + len(names) * (1 + len(columns)))  # a node for each group
    rows = np.tile(np.arange(len(names)), 2)
    edges = sparse.coo_array((np.ones(rows.size, bool), (rows, np.concatenate(columns))))
    edges.resize((3 * len(names),) * 2)
    _, group = csgraph.connected_components(edges, directed=False)
    _, first_image = np.unique(group, return_index=True)
    return {name: names[first_image[number]] for name, number in zip(names, group)}


def _normalized(stack: np.ndarray) -> np.ndarray:
    """Float32 [N, 1025] whose products are correlations; the last column marks flat images."""
    flat = stack.reshape(len(stack), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    plain = (length == 0).astype(np.float32)
    return np.concatenate([flat / np.maximum(length, 1e-12), plain], axis=1)
