"""Random fields on a square pixel grid: what the textures and the defects are made of.

All arithmetic is float64: the last bits of a float32 sine differ between instruction sets and
would flip rounded pixels. Transforms run on one thread each; images are what runs in parallel.
"""

import functools

import numpy as np
from scipy import fft

FULL_SIZE = 512  # px: sizes in this package hold at this edge length


@functools.cache
def frequencies(size: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertical [size, 1] and horizontal [1, size // 2 + 1] frequency of `rfft2`, cycles/px."""
    return np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None, :]


@functools.cache
def radial_frequency(size: int) -> np.ndarray:
    """Length of the frequency vector [size, size // 2 + 1], cycles/px."""
    return np.hypot(*frequencies(size))


def shrink(size: int) -> float:
    """Returns how much smaller a feature is drawn in a small scene.

    1 at 512 px, a half at 128 px.
    """
    return (size / FULL_SIZE) ** 0.5


def spectral_noise(rng: np.random.Generator, amplitude: np.ndarray) -> np.ndarray:
    """Periodic Gaussian noise with zero mean and unit variance.

    Args:
      rng: the source of the phases.
      amplitude: square root of the power spectrum on the grid of `frequencies`, any scale.

    Returns:
      float64 [size, size].
    """
    size = amplitude.shape[0]
    spectrum = rng.standard_normal((*amplitude.shape, 2)).view(np.complex128)[..., 0]
    spectrum *= amplitude
    spectrum[0, 0] = 0
    noise = fft.irfft2(spectrum, s=(size, size), workers=1, overwrite_x=True)
    noise /= noise.std()
    return noise


def soft_noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    """White noise blurred with a Gaussian of `sigma` px, unit variance."""
    return spectral_noise(rng, gaussian_spectrum(size, sigma))


def ragged_noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    """Soft noise for the edge of one small defect: it repeats every 128 px, and so comes cheap."""
    tile = soft_noise(rng, min(size, 128), sigma)
    repeats = -(-size // len(tile))
    return np.tile(tile, (repeats, repeats))[:size, :size]


def gaussian_spectrum(size: int, sigma: float) -> np.ndarray:
    """Returns what a Gaussian blur of `sigma` px leaves of each frequency of `rfft2`, 0..1."""
    fy, fx = frequencies(size)
    exponent = -2 * (np.pi * sigma) ** 2
    return np.exp(exponent * fy**2) * np.exp(exponent * fx**2)


def splat(size: int, y: np.ndarray, x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Adds points between pixels to the four pixels around them; points outside are dropped."""
    y, x, weight = (np.ravel(value) for value in np.broadcast_arrays(y, x, weight))
    inside = (y >= 0) & (y < size - 1) & (x >= 0) & (x < size - 1)
    y, x, weight = y[inside], x[inside], weight[inside]
    row, column = y.astype(np.int64), x.astype(np.int64)
    part_y, part_x = y - row, x - column
    canvas = np.zeros(size * size)
    for down, share_y in ((0, 1 - part_y), (1, part_y)):
        for right, share_x in ((0, 1 - part_x), (1, part_x)):
            pixel = (row + down) * size + column + right
            canvas += np.bincount(pixel, weight * share_y * share_x, size * size)
    return canvas.reshape(size, size)
