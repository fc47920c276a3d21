"""Finds images that are copies of each other, so that a copy never straddles two folds or splits.

A perceptual hash of 64 bits is too coarse for surfaces: on NEU-Seg, 7,379 pairs have equal
difference hashes, down to a correlation of 0.38. So whole thumbnails are compared, turned and
mirrored in all eight ways, since data sets are enlarged by exactly that.
"""

import collections
from collections.abc import Iterator, Mapping

import numpy as np
from absl import logging
from PIL import Image
from scipy import sparse
from scipy.sparse import csgraph

from tfds_datasets.features import NUM_FOLDS

SIDE = 32  # pixels of a thumbnail for lookalikes
# Correlation of two thumbnails above which images look alike. On NEU-Seg 4,221 pairs lie above
# 0.995 and 473 between 0.97 and 0.995; from 0.98 down, lookalikes chain into large groups.
LOOKALIKE_CORRELATION = 0.99
COPY_SIDE = 64  # pixels of a thumbnail for copies
# Copies that were saved as JPEG of quality 40 or scaled by a half correlate by 0.9999 on MVTec's
# screws, by 0.998 on its transistors. Different screws reach 0.9933, transistors 0.967.
COPY_CORRELATION = 0.994
MOST_COPIES = 8  # an image turned and mirrored in all ways; so few are never taken for a pose
# The same of parts in one pose, without what they share. Different transistors reach 0.83, copies
# of them, saved and scaled as above, fall to 0.98. Parts that differ by how far they are shifted
# chain into large groups at the first, so such groups are asked the next one.
RESIDUAL_CORRELATIONS = (0.85, 0.95, 0.98)
_FLAT = 1e-4  # length of a vector that is nothing but rounding
_ROWS = 1024  # thumbnails compared with all others at once


def thumbnail(image: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Shrinks uint8 [H, W, C] to a grey float32 [side, side], by averages that mirror exactly."""
    grey = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L")
    return np.asarray(grey.resize((side, side), Image.Resampling.BILINEAR), np.float32)


def warn_of_torn(groups: Mapping[str, str], split_of: Mapping[str, str]) -> None:
    """Names the images of groups that official splits have torn apart.

    Args:
      groups: the name of its group, by the image's name.
      split_of: the split of each image.
    """
    splits = collections.defaultdict(set)
    for name, group in groups.items():
        splits[group].add(split_of[name])
    if torn := [name for name, group in groups.items() if len(splits[group]) > 1]:
        logging.warning(
            "These images of train and test are copies of each other, which makes every result on "
            "test look better than it is: %s",
            ", ".join(sorted(torn)),
        )


def group_lookalikes(thumbnails: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Groups images of surfaces whose thumbnails agree, as they are, turned or mirrored.

    It also finds a surface that was photographed again in other light. Parts that lie in one pose
    look alike without being copies: for them there is `group_copies`.

    Args:
      thumbnails: of `thumbnail`, by the image's name.

    Returns:
      The name of its group, the first name in it, by the image's name. Lookalikes of lookalikes
      are one group, and so are images without any structure.
    """
    names = sorted(thumbnails)
    stack = _stack(thumbnails)
    return _name_groups(names, _link(stack, LOOKALIKE_CORRELATION))


def group_copies(thumbnails: Mapping[str, np.ndarray]) -> dict[str, str]:
    """Groups images that were saved, scaled, turned or mirrored from one original.

    A group that is larger than a fold is rather many parts in one pose. What its images share is
    taken away, and only those that still agree are copies. If too many agree then, only equal
    thumbnails are copies, and images without any structure are none.

    Args:
      thumbnails: of `thumbnail` with `side=COPY_SIDE`, by the image's name.

    Returns:
      As `group_lookalikes`.
    """
    names = sorted(thumbnails)
    stack = _stack(thumbnails)
    groups = _link(stack, COPY_CORRELATION)
    most = max(MOST_COPIES, len(names) / NUM_FOLDS)
    for correlation in (*RESIDUAL_CORRELATIONS, None):
        for number in np.flatnonzero(np.bincount(groups) > most):
            parts = np.flatnonzero(groups == number)
            if correlation is None:
                finer = _equal(stack[parts])
            else:
                finer = _link(_without_pose(stack[parts]), correlation)
            groups[parts] = groups.max() + 1 + finer
    return _name_groups(names, groups)


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
    groups = _components(rows, np.concatenate(columns), 3 * len(names))
    return _name_groups(names, groups[: len(names)])


def _stack(thumbnails: Mapping[str, np.ndarray]) -> np.ndarray:
    if not thumbnails:
        raise ValueError("There must be one readable image at least. Received: none")
    return np.stack([thumbnails[name] for name in sorted(thumbnails)])


def _link(stack: np.ndarray, correlation: float) -> np.ndarray:
    """Numbers the groups of float32 [N, S, S] whose members correlate by more, turned or not."""
    ours, everything = _normalized(stack), np.arange(len(stack))
    groups = everything
    for turned in _turns(stack):
        theirs = _normalized(turned).T
        for start in range(0, len(stack), _ROWS):
            rows, columns = np.nonzero(ours[start : start + _ROWS] @ theirs > correlation)
            # What is linked so far needs one edge an image, so that memory stays small.
            rows, columns = np.append(rows + start, everything), np.append(columns, groups)
            groups = _first_of_each(_components(rows, columns, len(stack)))
    return np.unique(groups, return_inverse=True)[1]


def _equal(stack: np.ndarray) -> np.ndarray:
    """Numbers the groups of float32 [N, S, S] that are equal, the flat ones one by one."""
    flat = stack.reshape(len(stack), -1)
    groups = np.unique(flat, axis=0, return_inverse=True)[1].ravel()
    plain = np.ptp(flat, axis=1) < _FLAT
    return np.where(plain, groups.max() + 1 + np.arange(len(stack)), groups)


def _without_pose(stack: np.ndarray) -> np.ndarray:
    """Turns all [N, S, S] as the first one lies, and takes away their mean."""
    turned = np.stack([_normalized(each)[:, :-1] for each in _turns(stack)])
    alignment = (turned @ turned[0, 0]).argmax(axis=0)
    aligned = turned[alignment, np.arange(len(stack))]
    return (aligned - aligned.mean(axis=0)).reshape(stack.shape)


def _turns(stack: np.ndarray) -> Iterator[np.ndarray]:
    for turns in range(4):
        turned = np.rot90(stack, turns, axes=(1, 2))
        yield turned
        yield turned[:, :, ::-1]


def _components(rows: np.ndarray, columns: np.ndarray, size: int) -> np.ndarray:
    """Numbers the connected components of a graph, by node."""
    edges = sparse.coo_array((np.ones(rows.size, bool), (rows, columns)), (size, size))
    return csgraph.connected_components(edges, directed=False)[1]


def _first_of_each(groups: np.ndarray) -> np.ndarray:
    """Returns the index of the first member of its group, by member."""
    _, first, number = np.unique(groups, return_index=True, return_inverse=True)
    return first[number]


def _name_groups(names: list[str], groups: np.ndarray) -> dict[str, str]:
    return {name: names[first] for name, first in zip(names, _first_of_each(groups))}


def _normalized(stack: np.ndarray) -> np.ndarray:
    """Returns float32 [N, S*S+1] whose products are correlations.

    The last column marks flat images.
    """
    flat = stack.reshape(len(stack), -1)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    plain = length < _FLAT
    return np.concatenate(
        [flat / np.where(plain, 1, length) * ~plain, plain], axis=1, dtype=np.float32
    )
