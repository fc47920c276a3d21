"""The memory bank of PatchCore as a layer: how far features lie from the nearest of many."""

import keras
import numpy as np
from keras import ops

CHUNK = 1024  # vectors of the bank that are compared at a time, which bounds the memory
EMPTY = 1e6  # of the values of a bank that was never filled: as far away as can be
MOST_DIFFERENCE = 60.0  # of two distances, whose exponential is finite


@keras.saving.register_keras_serializable("defect_zoo")
class MemoryBank(keras.layers.Layer):
    """Distances of features [B, h, w, C] to the nearest vector of a bank, [B, h, w, 1].

    1 is `radius`: as far as any vector lies that the bank was chosen from.

    Args:
      size: vectors N of the bank.
      num_neighbours: as in `patch_core`; with it, scores [B] of the images are a second output.
    """

    def __init__(self, size: int, num_neighbours: int | None, **kwargs):
        super().__init__(**kwargs)
        if size < 1:
            raise ValueError(f"Argument `size` must be 1 or more. Received: {size}")
        if num_neighbours is not None and not 1 < num_neighbours <= size:
            raise ValueError(
                f"Argument `num_neighbours` must be None or 2 to {size}, the vectors of the bank. "
                f"Received: {num_neighbours}"
            )
        self.size, self.num_neighbours = size, num_neighbours

    def build(self, input_shape):
        full, fixed = keras.initializers.Constant(EMPTY), {"trainable": False}
        self.bank = self.add_weight((self.size, input_shape[-1]), full, name="bank", **fixed)
        self.radius = self.add_weight((), "ones", name="radius", **fixed)

    def set_bank(self, vectors, radius: float) -> None:
        """Fills the bank.

        Args:
          vectors: float [N, C]; of fewer than N the last is repeated, which changes no distance.
          radius: the distance that shall be 1.

        Raises:
          ValueError: there is no vector, or there are more than N.
        """
        if not 0 < len(vectors) <= self.size:
            raise ValueError(
                f"Argument `vectors` must be 1 to {self.size} vectors. Received: {len(vectors)}"
            )
        missing = self.size - len(vectors)
        vectors = np.concatenate([vectors, np.repeat(vectors[-1:], missing, axis=0)])
        self.set_weights([vectors, np.asarray(radius)])

    def call(self, features):
        batch, height, width, channels = ops.shape(features)
        x = ops.reshape(features, (batch, height * width, channels))
        squared = ops.sum(ops.square(x), axis=-1) - 2.0 * self._largest_product(x)
        distance = ops.sqrt(ops.maximum(squared, 0.0))
        found = ops.reshape(distance / self.radius, (batch, height, width, 1))
        if self.num_neighbours is None:
            return (found,)
        return found, self._score(x, distance)

    def _largest_product(self, x):
        """Returns the largest x m - |m|^2 / 2 of any vector m.

        Half of what makes it the nearest.
        """
        largest = None
        for start in range(0, self.size, CHUNK):
            part = self.bank[start : start + CHUNK]
            half = 0.5 * ops.sum(ops.square(part), axis=-1)
            found = ops.max(ops.matmul(x, ops.transpose(part)) - half, axis=-1)
            largest = found if largest is None else ops.maximum(largest, found)
        return largest

    def _score(self, x, distance):
        """Returns the largest distance, less where its vector has others close by.

        Source: equation 7 of the paper.
        """
        highest, place = ops.top_k(distance, 1)
        vector = ops.take_along_axis(x, place[..., None], axis=1)[:, 0]
        to_vector = self._distances(vector)
        nearest = ops.take(self.bank, ops.top_k(-to_vector, 1)[1][:, 0], axis=0)
        neighbours = ops.top_k(-self._distances(nearest), self.num_neighbours)[1]
        others = ops.take_along_axis(to_vector, neighbours, axis=1) - highest
        # One less the softmax of the distances, that of the nearest vector.
        weight = 1.0 - 1.0 / ops.sum(ops.exp(ops.clip(others, 0.0, MOST_DIFFERENCE)), axis=-1)
        return weight * highest[:, 0] / self.radius

    def _distances(self, vectors):
        """Distances of vectors [B, C] to all of the bank, [B, N]."""
        products = ops.matmul(vectors, ops.transpose(self.bank))
        lengths = ops.sum(ops.square(self.bank), axis=-1)
        squared = ops.sum(ops.square(vectors), axis=-1, keepdims=True) - 2.0 * products + lengths
        return ops.sqrt(ops.maximum(squared, 0.0))

    def compute_output_shape(self, input_shape):
        distances = (*input_shape[:-1], 1)
        return (distances,) if self.num_neighbours is None else (distances, input_shape[:1])

    def get_config(self):
        own = {name: getattr(self, name) for name in ("size", "num_neighbours")}
        return {**super().get_config(), **own}
