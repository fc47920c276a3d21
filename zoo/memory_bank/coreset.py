"""Chooses few vectors that lie close to all of many."""

import numpy as np

PROJECTED = 32  # dimensions in which vectors are compared while they are chosen


def greedy_coreset(
    vectors: np.ndarray,
    count: int,
    *,
    seed: int,
    known: np.ndarray | None = None,
    radius: float = 0.0,
) -> tuple[np.ndarray, float]:
    """Chooses vectors, each the farthest from those chosen before it.

    Source: Roth et al., arXiv:2106.08265, algorithm 1, with its random projection: after Johnson
    and Lindenstrauss, distances hardly change in it. Sener and Savarese, arXiv:1708.00489.

    Args:
      vectors: float32 [M, D].
      count: how many to choose; all, where there are no more.
      seed: of the projection and the first choice.
      known: float32 [K, D], vectors that are chosen already.
      radius: no more are chosen once all lie this close.

    Returns:
      Which were chosen, int [N], and the largest distance, about, of any vector to its nearest
      chosen or known one.
    """
    generator = np.random.default_rng(seed)
    dimensions = vectors.shape[1]
    projection = np.eye(dimensions, dtype=np.float32)
    if dimensions > PROJECTED:
        projection = generator.standard_normal((dimensions, PROJECTED), np.float32)
        projection /= PROJECTED**0.5
    points = vectors @ projection
    lengths = np.einsum("md,md->m", points, points)
    nearest = np.full(len(points), np.inf, np.float32)  # squared distances to the nearest chosen
    for point in () if known is None else known @ projection:
        np.minimum(nearest, _squared(points, lengths, point), out=nearest)
    chosen = []
    place = int(generator.integers(len(points))) if known is None else int(nearest.argmax())
    for _ in range(min(count, len(points))):
        if nearest[place] <= radius**2:
            break
        chosen.append(place)
        np.minimum(nearest, _squared(points, lengths, points[place]), out=nearest)
        nearest[place] = 0.0  # whatever rounding leaves
        place = int(nearest.argmax())
    return np.array(chosen, np.int64), float(max(nearest[place], 0.0)) ** 0.5


def _squared(points, lengths, point):
    """Squared distances of points [M, D] to one."""
    squared = points @ point
    squared *= -2.0
    squared += lengths
    squared += point @ point
    return squared
