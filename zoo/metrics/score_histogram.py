"""Counts of very many scores, fine enough for thresholds and for areas with a certified bound."""

import numpy as np

_SIGN = np.uint32(0x80000000)
_ALL = np.uint32(0xFFFFFFFF)


class ScoreHistogram:
    """Counts scores in bins of the leading bits of float32 numbers.

    A bin holds the numbers that share sign, exponent and, with 22 bits, the first 13 bits of the
    mantissa, so it is 1/8192 of its value wide at most. Such bins do not mind how scores are
    spread, unlike bins of equal width: any increasing function of the scores is as good.

    Args:
      bits: leading bits of a number that choose its bin, 9 (sign and exponent alone) to 28. The
        counts take 2**bits * 8 bytes, 32 MiB for 22.

    Attributes:
      counts: int64 [2**bits], in increasing order of the scores.
    """

    exact = False

    def __init__(self, bits: int = 22):
        if not 9 <= bits <= 28:
            raise ValueError(f"Argument `bits` must be from 9 to 28. Received: {bits}")
        self.bits = bits
        self.counts = np.zeros(2**bits, np.int64)

    @property
    def total(self) -> int:
        """Number of scores counted so far."""
        return int(self.counts.sum())

    def add(self, scores: np.ndarray) -> None:
        """Counts finite scores of any float type, rounded to float32."""
        bins = self._bins(scores)
        if bins.size:
            lowest = bins.min()  # one image fills few of the bins
            counts = np.bincount(bins - lowest)
            self.counts[lowest : lowest + len(counts)] += counts

    def merge(self, other: "ScoreHistogram") -> None:
        """Adds the counts of another histogram with as many bits."""
        if other.bits != self.bits:
            raise ValueError(
                f"Argument `other` must have {self.bits} bits as well. Received: {other.bits}"
            )
        self.counts += other.counts

    def exceeding(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns how many counted scores lie above each of these.

        Args:
          scores: float [N].

        Returns:
          Two arrays int64 [N]: the counted scores of all higher bins, which are certainly greater,
          and those with the score's own bin, beyond which none is greater or equal.
        """
        bins = self._bins(scores)
        at_or_above = np.cumsum(self.counts[::-1])[::-1][bins]
        return at_or_above - self.counts[bins], at_or_above

    def edge(self, index: int) -> float:
        """Returns the largest float32 number of a bin.

        The scores above it are those of higher bins.
        """
        dropped = 32 - self.bits
        key = np.uint32((index << dropped) | ((1 << dropped) - 1))
        if key == ~_SIGN:  # that of -0.0, which counts as 0.0 and thus one bin higher
            key -= np.uint32(1)
        number = key ^ (_SIGN if key & _SIGN else _ALL)
        return float(np.uint32(number).view(np.float32))

    def _bins(self, scores) -> np.ndarray:
        # + 0.0 turns -0.0 into 0.0. The bits of a positive float32 sort as the numbers do, those of
        # a negative one the other way round.
        number = (np.asarray(scores).astype(np.float32).ravel() + np.float32(0)).view(np.uint32)
        number ^= np.where(number & _SIGN, _ALL, _SIGN)
        return (number >> np.uint32(32 - self.bits)).astype(np.int64)


class SortedScores:
    """Keeps every score and sorts them when asked: what `ScoreHistogram` does, exactly."""

    exact = True

    def __init__(self):
        self._parts: list[np.ndarray] = []
        self._in_order = False
        self.total = 0

    def add(self, scores: np.ndarray) -> None:
        """Keeps a copy of float scores of any shape."""
        self._parts.append(np.array(scores).ravel())
        self._in_order = False
        self.total += self._parts[-1].size

    def merge(self, other: "SortedScores") -> None:
        """Adds the scores of another collection."""
        self._parts.extend(part.copy() for part in other._parts)  # ours are sorted in place
        self._in_order = False
        self.total += other.total

    def counted(self, bits: int) -> ScoreHistogram:
        """Returns the same scores in bins, see `ScoreHistogram`."""
        histogram = ScoreHistogram(bits)
        for part in self._parts:
            histogram.add(part)
        return histogram

    def exceeding(self, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How many of all scores are greater than each of these, and how many greater or equal."""
        everything = self._sorted()
        return (
            self.total - np.searchsorted(everything, scores, side="right"),
            self.total - np.searchsorted(everything, scores, side="left"),
        )

    def _sorted(self) -> np.ndarray:
        if not self._in_order:
            everything = np.empty(self.total, np.result_type(np.float32, *self._parts))
            end = self.total
            while self._parts:  # each part goes as it is copied: scores are never there twice
                part = self._parts.pop()
                everything[end - part.size : end] = part
                end -= part.size
            everything.sort()
            self._parts, self._in_order = [everything], True
        return self._parts[0]
