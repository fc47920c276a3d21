"""The ten clean textures: a random generator and a size in, grey levels [size, size] out.

All arithmetic is float64: the last bits of a float32 sine differ between instruction sets and
would flip rounded pixels. Grey levels may leave 0..255; the scene clips them.
"""

import functools

import numpy as np
from scipy import fft, ndimage

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
    """How much smaller a feature is drawn in a small scene: 1 at 512 px, a half at 128 px."""
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
    spectrum = rng.standard_normal((2, *amplitude.shape)) * amplitude
    spectrum[:, 0, 0] = 0
    noise = fft.irfft2(spectrum[0] + 1j * spectrum[1], s=(size, size), workers=1)
    return noise / noise.std()


def soft_noise(rng: np.random.Generator, size: int, sigma: float) -> np.ndarray:
    """White noise blurred with a Gaussian of `sigma` px, unit variance."""
    return spectral_noise(rng, np.exp(-2 * (np.pi * sigma * radial_frequency(size)) ** 2))


def moire(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 1: zone plates far above the sampling rate, so that only their aliases are seen.

    Every term is even in x and in y around one centre on the diagonal, as in the originals.
    """
    centre = round(size * rng.uniform(0.2, 0.8))
    distance = np.abs(np.arange(size) - centre).astype(np.float64)
    pattern = np.zeros((size, size))
    for _ in range(rng.integers(5, 11)):
        # One period of the aliases is 1 / chirp px; the integer part is lost to sampling.
        chirp_y, chirp_x = rng.uniform(0.0008, 0.006, 2) + rng.choice([0, 0.25, 0.5], 2)
        pitch_y, pitch_x = rng.uniform(0.15, 0.5, 2)
        phase_y, phase_x = rng.uniform(0, 2 * np.pi, 2)
        wave_y = np.cos(np.pi * (chirp_y * distance**2 + 2 * pitch_y * distance) + phase_y)
        wave_x = np.cos(np.pi * (chirp_x * distance**2 + 2 * pitch_x * distance) + phase_x)
        pattern += rng.uniform(0.4, 1) * wave_y[:, None] * wave_x
    radius = np.hypot(distance[:, None], distance)
    rings = rng.uniform(0.25, 0.7) * radius + rng.uniform(0, 0.002) * radius**2
    pattern += rng.uniform(0, 1) * np.cos(2 * np.pi * rings)
    spectrum = fft.rfft2(pattern, workers=1)
    knee = rng.uniform(0.1, 0.3)  # cycles/px: the originals have little power below
    floor = rng.uniform(0.1, 0.5)
    frequency = radial_frequency(size)
    spectrum *= floor + (1 - floor) * frequency**2 / (frequency**2 + knee**2)
    spectrum[0, 0] = 0
    pattern = fft.irfft2(spectrum, s=(size, size), workers=1)
    pattern /= pattern.std()
    swell = soft_noise(rng, size, size * rng.uniform(0.05, 0.15))
    pattern *= np.exp(rng.uniform(0.05, 0.25) * swell)
    skew = rng.uniform(0.08, 0.18)
    level = rng.uniform(58, 80)
    contrast = rng.uniform(0.3, 0.45)
    image = level * (1 + contrast * (pattern + skew * (pattern**2 - 1)))
    image += level * rng.uniform(0, 0.12) * swell
    return image + rng.uniform(2, 5) * rng.standard_normal((size, size))


def streaks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 2: white noise dragged along a steep line, sampled without a low-pass filter."""
    fy, fx = frequencies(size)
    slope = rng.normal(0, 0.08)
    length = rng.uniform(4.5, 9)  # px, sigma along the streak
    across = rng.uniform(0.8, 1.3)  # px, width of one streak
    power = np.zeros((size, size // 2 + 1))
    for alias in range(-3, 4):
        aliased = fx + alias
        band = np.exp(-((2 * np.pi * length * (fy + aliased * slope)) ** 2))
        power += np.sinc(across * aliased) ** 2 * band
    noise = spectral_noise(rng, np.sqrt(power))
    noise += rng.uniform(0, 0.3) * soft_noise(rng, size, rng.uniform(8, 25))
    # A logistic curve bends the Gaussian towards the two ends of the grey scale.
    return 255 / (1 + np.exp(-(rng.uniform(-1.0, -0.15) + rng.uniform(1.0, 1.35) * noise)))


def cloth_clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 3: clouds whose rows and columns hang together."""
    fy, fx = frequencies(size)
    frequency = radial_frequency(size)
    clouds = spectral_noise(rng, 1 / (frequency + rng.uniform(0.015, 0.03)) ** 1.5)
    narrow = rng.uniform(0.003, 0.008)
    cross = np.exp(-((fy / narrow) ** 2)) + np.exp(-((fx / narrow) ** 2))
    weave = spectral_noise(rng, cross / (frequency + 0.02))
    shade = soft_noise(rng, size, size * rng.uniform(0.12, 0.3))
    grain = rng.standard_normal((size, size))
    contrast = rng.uniform(24, 34)
    mixed = 0.72 * clouds + rng.uniform(0.3, 0.5) * weave + rng.uniform(0.3, 0.6) * shade
    return rng.uniform(115, 150) + contrast * (mixed + rng.uniform(0.08, 0.15) * grain)


def wrinkles(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 4: wrinkles around a hub, lit from one side, with the dark frame of the originals."""
    scale = size / FULL_SIZE
    centre = size * 0.515 + rng.normal(0, 3 * scale, 2)
    count = int(rng.integers(70, 130) * shrink(size))
    start = rng.uniform(8, 14, (count, 1)) * shrink(size)
    end = rng.uniform(90, 430, (count, 1)) * scale
    heading = rng.uniform(0, 2 * np.pi, (count, 1))
    step = np.arange(0, 400 * scale, 0.5)
    radius = start + step
    bend = rng.normal(0, 0.00045, (count, 1)) / scale
    angle = heading + bend * step + rng.normal(0, 0.02, (count, 1)) * np.sin(step / (60 * scale))
    fade = np.clip((end - radius) / (0.35 * end), 0, 1) * (1 + 45 * scale / (radius + 6))
    height = rng.uniform(0.25, 1, (count, 1)) ** 1.5 * fade
    y = centre[0] + radius * np.sin(angle)
    x = centre[1] + radius * np.cos(angle)
    wide = rng.random(count) < 0.5
    fy, fx = frequencies(size)
    frequency = radial_frequency(size)
    light = np.deg2rad(rng.normal(45, 6))
    slope = 2j * np.pi * (fy * np.sin(light) + fx * np.cos(light))
    spectrum = 0
    for group, sigma in ((wide, rng.uniform(2.2, 3.2)), (~wide, rng.uniform(1.3, 1.9))):
        sigma = sigma * shrink(size) ** 0.5
        ridges = splat(size, y[group], x[group], height[group])
        profile = sigma**2 * np.exp(-2 * (np.pi * sigma * frequency) ** 2)
        spectrum = spectrum + profile * fft.rfft2(ridges, workers=1)
    relief = fft.irfft2(spectrum * slope, s=(size, size), workers=1)
    grain = spectral_noise(
        rng, np.abs(slope) * np.exp(-2 * (np.pi * rng.uniform(1.4, 2) * frequency) ** 2)
    )
    level = rng.uniform(150, 195)
    image = level + level * rng.uniform(0.09, 0.13) * relief + rng.uniform(4, 6.5) * grain
    hub = _hub(rng, size, centre)
    image += hub * (level * rng.uniform(0.45, 0.65) - image)
    image += rng.uniform(2.5, 4.5) * rng.standard_normal((size, size))
    edge = rng.uniform(0.36, 0.46)  # a 3x3 filter of the originals met zeros outside the image
    for border in (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1]):
        image[border] *= edge
    return image


def _hub(rng: np.random.Generator, size: int, centre: np.ndarray) -> np.ndarray:
    """Cover in 0..1 of the ragged dark spot in which the wrinkles meet."""
    y = np.arange(size)[:, None] - centre[0]
    x = np.arange(size)[None, :] - centre[1]
    angle = np.arctan2(y, x)
    radius = rng.uniform(8, 12) * shrink(size)
    for lobes in range(2, 8):
        wave = np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
        radius = radius + rng.normal(0, 0.8) * shrink(size) * wave
    return np.clip(radius - np.hypot(y, x) + 0.5, 0, 1)


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


def clouded_grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 5: fine grain under clouds."""
    grain = soft_noise(rng, size, rng.uniform(1.0, 1.4))
    clouds = spectral_noise(rng, 1 / (radial_frequency(size) + 0.008) ** 1.3)
    white = rng.standard_normal((size, size))
    mixed = rng.uniform(0.6, 0.75) * grain + rng.uniform(0.6, 0.8) * clouds + 0.14 * white
    return rng.uniform(115, 145) + rng.uniform(24, 32) * mixed


def speckle(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 6: grain driven into black and white."""
    fine = soft_noise(rng, size, rng.uniform(0.9, 1.3))
    coarse = spectral_noise(rng, 1 / (radial_frequency(size) + rng.uniform(0.03, 0.06)) ** 1.5)
    mixed = 0.55 * fine + rng.uniform(0.7, 0.9) * coarse
    image = 255 / (1 + np.exp(rng.uniform(0.7, 1.3) - rng.uniform(1.7, 2.2) * mixed))
    return image + 2 * rng.standard_normal((size, size))


def fabric(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 7: plain weave; at each crossing either the upright or the flat thread is on top."""
    pitch = rng.uniform(7, 11) * shrink(size) ** 0.5
    tilt = np.deg2rad(rng.normal(0, 4))
    y, x = np.mgrid[:size, :size].astype(np.float64)
    wobble = rng.uniform(0.2, 0.5) * soft_noise(rng, size, rng.uniform(6, 15))
    across = (x * np.cos(tilt) + y * np.sin(tilt) + wobble) * (np.pi / pitch) + rng.uniform(0, 6)
    along = (y * np.cos(tilt) - x * np.sin(tilt) + wobble) * (np.pi / pitch) + rng.uniform(0, 6)
    over = np.sin(across) * np.sin(along)
    top = 1 / (1 + np.exp(-6 * over))
    thread = top * np.abs(np.sin(across)) ** 0.7 + (1 - top) * np.abs(np.sin(along)) ** 0.7
    fuzz = soft_noise(rng, size, 0.7)
    level = rng.uniform(80, 130)
    return level * (0.55 + rng.uniform(0.5, 0.75) * thread) + rng.uniform(6, 11) * fuzz


def brushed_rings(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 8: turned metal; grooves around a centre and the two-winged shine of a lathe."""
    centre = size * rng.uniform(0.2, 0.8, 2)
    y = np.arange(size)[:, None] - centre[0]
    x = np.arange(size)[None, :] - centre[1]
    radius = np.hypot(y, x)
    grooves = ndimage.gaussian_filter1d(rng.standard_normal(4 * size), rng.uniform(0.9, 1.8))
    grooves /= grooves.std()
    turned = np.interp(radius, np.arange(2 * size) * 0.75, grooves[: 2 * size])
    shine = np.cos(2 * (np.arctan2(y, x) - rng.uniform(0, np.pi)))
    grain = soft_noise(rng, size, 0.8)
    level = rng.uniform(110, 165)
    shaded = level * (1 + rng.uniform(0.05, 0.2) * shine)
    return shaded + rng.uniform(14, 24) * turned * (1 + 0.3 * shine) + rng.uniform(6, 10) * grain


def leather(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 9: creases where a band-limited field crosses zero, pebbles between them."""
    frequency = radial_frequency(size)
    period = rng.uniform(16, 26) * shrink(size) ** 0.5  # px, two pebbles
    band = np.exp(-(((frequency - 1 / period) * period / 0.35) ** 2))
    field = spectral_noise(rng, band)
    pebbles = np.sqrt(field**2 + 0.01)
    lit = ndimage.sobel(pebbles, axis=0) + ndimage.sobel(pebbles, axis=1)
    level = rng.uniform(85, 135)
    image = level * (0.75 + rng.uniform(0.3, 0.45) * np.minimum(pebbles, 1.2))
    return image + rng.uniform(10, 18) * lit + rng.uniform(4, 7) * soft_noise(rng, size, 0.8)


def dot_raster(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 10: a fine slanted raster of bright dots on a dark ground."""
    pitch = rng.uniform(5.5, 8)
    tilt = rng.uniform(0, np.pi / 2)
    y, x = np.mgrid[:size, :size].astype(np.float64)
    wobble_y, wobble_x = rng.uniform(0.2, 0.5) * np.stack(
        [soft_noise(rng, size, 9), soft_noise(rng, size, 9)]
    )
    y, x = y + wobble_y, x + wobble_x
    turn = 2 * np.pi / pitch
    lattice = np.cos(turn * (x * np.cos(tilt) + y * np.sin(tilt)) + rng.uniform(0, 6))
    lattice = lattice + np.cos(turn * (y * np.cos(tilt) - x * np.sin(tilt)) + rng.uniform(0, 6))
    dots = 1 / (1 + np.exp(-rng.uniform(2.5, 4) * (lattice - rng.uniform(0.3, 0.7))))
    dots *= 1 + 0.12 * soft_noise(rng, size, 3)
    level = rng.uniform(45, 75)
    shade = rng.uniform(3, 8) * soft_noise(rng, size, size / 6)
    return level + rng.uniform(90, 130) * dots + shade + 5 * rng.standard_normal((size, size))


TEXTURES = {
    1: moire,
    2: streaks,
    3: cloth_clouds,
    4: wrinkles,
    5: clouded_grain,
    6: speckle,
    7: fabric,
    8: brushed_rings,
    9: leather,
    10: dot_raster,
}
