"""Predicts large images by overlapping tiles and blends them, so that no seam is seen."""

import itertools
from collections.abc import Callable
from typing import NamedTuple

import keras
import numpy as np
from absl import logging

from builders.padding import PadToMultiple
from builders.predictions import defect_probability
from builders.runs import run_dir
from zoo.prediction.predictor import Predictor

BATCH_PIXELS = 2**20  # tiles are batched up to this many pixels
TRIM = 1 / 3  # share of the overlap next to a cut that counts nothing: there the tile lacks context

Predict = Callable[[np.ndarray], dict[str, np.ndarray]]


class Span(NamedTuple):
    """One tile along one axis.

    Attributes:
      source: int [T], which rows (or columns) of the image the tile holds.
      target: the part of the image that the tile has a say in.
      inner: the same part, within the tile.
      weights: float32, the tile's share in each row of that part; those of all tiles sum to 1.
    """

    source: np.ndarray
    target: slice
    inner: slice
    weights: np.ndarray


def tiled(
    predict: Predict,
    *,
    tile: tuple[int, int] = (1024, 1024),
    overlap: int = 128,
    batch_size: int | None = None,
    multiple: int = 16,
) -> Predict:
    """Makes a predict function that needs no more memory than a batch of tiles and its answer.

    The answer equals that of the whole image, but for rounding (1e-5), where `overlap` is at least
    three times the reach of the network: 121 pixels for TinyUNet, 107 for U-Net, 231 for FlexUNet.
    With less it comes close: a small U-Net with an overlap of 128 differs by up to 0.02. A network
    that averages over the whole image, see `averages_images`, averages over the tile instead, so no
    overlap makes it equal.

    Args:
      predict: from images uint8 [B, H, W, C] to a dict of `mask`, probabilities float32
        [B, H, W, K], as `zoo.prediction.predictor.Predictor` has it.
      tile: height and width of a tile, multiples of `multiple`. An image that fits into one is
        predicted whole.
      overlap: pixels that neighbours share at least, fewer than a tile's.
      batch_size: tiles that are predicted at once; None takes about a million pixels.
      multiple: the network's `PadToMultiple`: tiles begin at multiples of it, as the poolings of
        the whole image do, and the image is mirrored up to one, as the network would do it.

    Returns:
      A function as `predict`, with the `score` float32 [B], the highest defect probability of any
      pixel of `mask`, and without labels and boxes, which belong to a whole image.

    Raises:
      ValueError: an argument is out of range.
    """
    _check(tile, overlap, batch_size, multiple)
    batch_size = batch_size or max(1, BATCH_PIXELS // (tile[0] * tile[1]))

    def predict_tiled(images: np.ndarray) -> dict[str, np.ndarray]:
        size = images.shape[1:3]
        if size[0] <= tile[0] and size[1] <= tile[1]:
            return predict(images)
        rows, columns = (spans(*axis, overlap, multiple) for axis in zip(size, tile))
        tiles = itertools.product(range(len(images)), rows, columns)
        mask = None
        while batch := list(itertools.islice(tiles, batch_size)):
            parts = [images[index][np.ix_(row.source, col.source)] for index, row, col in batch]
            found = predict(np.stack(parts))["mask"]
            if mask is None:
                mask = np.zeros((len(images), *size, found.shape[-1]), np.float32)
            for (index, row, col), part in zip(batch, found):
                share = row.weights[:, None, None] * col.weights[:, None]
                mask[index, row.target, col.target] += share * part[row.inner, col.inner]
        np.minimum(mask, 1.0, out=mask)  # shares sum to 1 but for rounding
        return {"mask": mask, "score": defect_probability(mask).max(axis=(1, 2))}

    return predict_tiled


def by_tiles(predictor: Predictor, *, tile: tuple[int, int], overlap: int) -> Predictor:
    """Makes a model of masks predict large images by tiles that suit its network, see `tiled`.

    Raises:
      ValueError: it learnt labels of whole images, or a tile does not suit the network.
    """
    module = predictor.recipe.get("module")
    if not learnt_masks(predictor):
        raise ValueError(
            f"Flag --tile_size is for models that learnt masks: the labels of this one, {module}, "
            "belong to whole images."
        )
    network = network_of(predictor.recipe)
    if averages_images(network):
        logging.warning(
            "%s averages over the whole image, and over each tile of a large one: its answer is "
            "not that of the whole image, whatever the --tile_overlap.",
            module,
        )
    multiple = padding_multiple(network)
    return predictor._replace(
        predict=tiled(predictor.predict, tile=tile, overlap=overlap, multiple=multiple)
    )


def learnt_masks(predictor: Predictor) -> bool:
    """Returns whether a model learnt where defects are, rather than labels of whole images."""
    return predictor.recipe.get("loss", "") is not None


def network_of(recipe: dict) -> keras.Model:
    """Returns the network of a recipe for images of any size, with weights of no meaning."""
    *_, channels = recipe["builder_args"]["image_shape"]
    arguments = {**recipe["builder_args"], "image_shape": [None, None, channels]}
    return run_dir.rebuild({**recipe, "builder_args": arguments})


def padding_multiple(network: keras.Model) -> int:
    """Returns the multiple up to which a network mirrors its images; 1 where it does not."""
    multiples = [layer.multiple for layer in network.layers if isinstance(layer, PadToMultiple)]
    return max(multiples, default=1)


def averages_images(network: keras.Model) -> bool:
    """Returns whether each pixel of a network's mask depends on averages over the whole image.

    As with the image pooling of DeepLabv3+, squeeze and excitation, and group normalisation.
    """
    masks = keras.Model(network.input, network.output["mask_logits"])
    averaging = (keras.layers.GlobalAveragePooling2D, keras.layers.GroupNormalization)
    return any(isinstance(layer, averaging) for layer in masks._flatten_layers())


def spans(length: int, tile: int, overlap: int, multiple: int = 1) -> list[Span]:
    """Covers one axis with tiles, evenly, each beginning at a multiple of `multiple`.

    The axis is mirrored up to a multiple first, half before and half behind. A tile's share falls
    along its overlap as a Hann window does, but for the outer thirds: there it is 0 and 1. At the
    ends of the axis nothing falls, so no pixel is left with a vanishing sum.

    Args:
      length: pixels of the axis.
      tile: pixels of a tile, a multiple of `multiple`.
      overlap: pixels that neighbours share at least.
      multiple: see `tiled`.

    Returns:
      The tiles in order; a single one, maybe shorter than `tile`, where the axis fits into it.
    """
    padded = -(-length // multiple) * multiple
    before = (padded - length) // 2
    tile = min(tile, padded)
    step = (tile - overlap) // multiple * multiple
    gaps = -(-(padded - tile) // step) if padded > tile else 0
    starts = [(padded - tile) // multiple * i // max(gaps, 1) * multiple for i in range(gaps + 1)]
    windows = np.zeros((len(starts), padded))
    rise = _rise(tile, overlap)
    for window, start in zip(windows, starts):
        window[start : start + tile] = 1.0
        if start > 0:
            window[start : start + tile] *= rise
        if start + tile < padded:
            window[start : start + tile] *= rise[::-1]
    windows /= windows.sum(axis=0)
    place = np.arange(-before, padded - before) % (2 * length)
    source = np.minimum(place, 2 * length - 1 - place)  # ... 1 0 | 0 1 ... | length-1 length-2 ...
    return [
        _span(source[start : start + tile], window[before : before + length], start - before)
        for window, start in zip(windows, starts)
    ]


def _span(source, window, start) -> Span:
    counted = np.flatnonzero(window)
    first, last = int(counted[0]), int(counted[-1]) + 1
    inner = slice(first - start, last - start)
    return Span(source, slice(first, last), inner, window[first:last].astype(np.float32))


def _rise(tile: int, overlap: int) -> np.ndarray:
    """Weight by the distance from the tile's first pixel."""
    trim = TRIM * overlap
    place = (np.arange(tile) + 0.5 - trim) / max(overlap - 2 * trim, 1.0)
    return np.sin(np.pi / 2 * np.clip(place, 0.0, 1.0)) ** 2


def _check(tile, overlap, batch_size, multiple) -> None:
    if multiple < 1:
        raise ValueError(f"Argument `multiple` must be at least 1. Received: {multiple}")
    if len(tile) != 2 or any(side < multiple or side % multiple for side in tile):
        raise ValueError(
            f"Argument `tile` must be a height and a width, multiples of {multiple}. "
            f"Received: {tile}"
        )
    if not 0 <= overlap <= min(tile) - multiple:
        raise ValueError(
            f"Argument `overlap` must lie between 0 and {min(tile) - multiple}, which is "
            f"{multiple} less than the tile {tile[0]}x{tile[1]}. Received: {overlap}"
        )
    if batch_size is not None and batch_size < 1:
        raise ValueError(f"Argument `batch_size` must be at least 1. Received: {batch_size}")
