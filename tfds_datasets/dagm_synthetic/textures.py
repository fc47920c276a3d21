"""The ten clean textures: a random generator and a size in px in, grey levels [size, size] out.

Grey levels may leave 0..255; the scene clips them.
"""

import numpy as np
from scipy import fft, ndimage

from tfds_datasets.dagm_synthetic.fields import (
    FULL_SIZE,
    frequencies,
    gaussian_spectrum,
    radial_frequency,
    shrink,
    soft_noise,
    spectral_noise,
    splat,
)


def moire(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 1: waves far above the sampling rate, so that only their aliases are seen.

    Everything is even in x and in y around one centre on the diagonal, as in the originals, so one
    quadrant is drawn and then mirrored.
    """
    centre = round(size * rng.uniform(0.25, 0.8))
    mirror = np.abs(np.arange(size) - centre)
    distance = np.arange(mirror.max() + 1)
    quadrant = np.s_[: len(distance), : len(distance)]
    radius = np.hypot(distance[:, None], distance)
    lattice_y, lattice_x = (
        np.cos(2 * np.pi * distance / rng.uniform(90, 400) + rng.uniform(0, 2 * np.pi))
        for _ in range(2)
    )
    lattice = lattice_y[:, None] * lattice_x
    waves = _zone_plates(rng, distance) * (1 + rng.uniform(0, 0.6) * lattice)
    waves += rng.uniform(0, 1.2) * np.cos(2 * np.pi * rng.uniform(0.2, 0.9) * radius)
    waves -= waves.mean()

    # What is left between the rings looks like noise, but is mirrored all the same.
    fy, fx = frequencies(size)
    drawn_y, drawn_x = -rng.uniform(0, 10, 2)  # px^2
    chaos = spectral_noise(rng, np.exp(drawn_y * fy**2) * np.exp(drawn_x * fx**2))[quadrant]
    mix = rng.uniform(0.35, 0.9)  # share of the waves in the power
    pattern = np.sqrt(mix) * waves / waves.std() + np.sqrt(1 - mix) * chaos

    # Patches swell everywhere, and rings of brightness far from the centre, mostly in a corner.
    fine, coarse = rng.uniform(5, 14), rng.uniform(15, 40)
    blur = fine * gaussian_spectrum(size, fine) + coarse * gaussian_spectrum(size, coarse)
    patches = 1.4 * spectral_noise(rng, blur)[quadrant]
    reach = radius / radius.max()
    ripple = np.cos(2 * np.pi * radius / rng.uniform(14, 45) + patches)
    corner = rng.uniform(0, 2.4) * np.clip(reach - rng.uniform(0.4, 0.6), 0, 1)
    swell = rng.uniform(0.02, 0.09) * patches + rng.uniform(0, 0.14) * lattice
    swell += corner * (0.6 + rng.uniform(0, 0.4) * ripple)
    pattern *= np.exp(swell)
    pattern += rng.uniform(0.06, 0.18) * (pattern**2 - 1)
    image = 1 + rng.uniform(0.3, 0.44) * pattern + rng.uniform(0.2, 0.9) * swell
    image = rng.uniform(58, 80) * image[mirror][:, mirror]
    return image + rng.uniform(2, 5) * rng.standard_normal((size, size))


def _zone_plates(rng: np.random.Generator, distance: np.ndarray) -> np.ndarray:
    """Sum of chirps [n, n], each a function of the `distance` [n] from the centre in y and x."""
    # A chirp of p / q + e cycles/px^2 shows rings of 1 / e px around a lattice of q px.
    plates = rng.integers(6, 16)
    chirp = rng.choice([0, 1 / 2, 1 / 3, 1 / 4, 2 / 5, 1 / 7], (2, plates, 1))
    chirp = chirp + rng.normal(0, 0.004, chirp.shape)
    pitch = rng.uniform(0, 1, chirp.shape)
    diagonal = rng.integers(1, 5)  # so many plates are nearly straight, slow diagonal stripes
    chirp[:, :diagonal] = rng.normal(0, 0.001, (diagonal, 1))
    pitch[:, :diagonal] = rng.uniform(0.05, 0.5, (diagonal, 1))
    phase = np.pi * distance * (chirp * distance + pitch) + rng.uniform(0, 2 * np.pi, chirp.shape)
    share = rng.uniform(0.3, 1, (plates, 1))
    rounded = rng.choice([0, 1], (plates, 1))  # 0 leaves the four-fold pattern of a product
    factors_y = np.concatenate([share * np.cos(phase[0]), -share * np.sin(phase[0])])
    factors_x = np.concatenate([np.cos(phase[1]), rounded * np.sin(phase[1])])
    # Not a matrix product: BLAS sums in an order that depends on the number of threads.
    return np.einsum("ky,kx->yx", factors_y, factors_x)


def streaks(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 2: white noise dragged along a steep line, sampled without a low-pass filter."""
    fy, fx = frequencies(size)
    slope = rng.normal(0, 0.1)
    length = rng.uniform(4.5, 9)  # px, sigma along the streak
    width = rng.uniform(0.18, 0.32)  # px, sigma across it: so thin that slanted ones look dashed
    power = np.zeros((size, size // 2 + 1))
    for alias in range(-3, 4):
        aliased = fx + alias
        across = np.exp(-((2 * np.pi * width * aliased) ** 2))
        power += across * np.exp(-((2 * np.pi * length * (fy + aliased * slope)) ** 2))
    noise = spectral_noise(rng, np.sqrt(power))
    noise += rng.uniform(0, 0.2) * soft_noise(rng, size, rng.uniform(8, 25))
    # A logistic curve bends the Gaussian towards the two ends of the grey scale.
    return 255 / (1 + np.exp(-(rng.uniform(-1.0, -0.15) + rng.uniform(1.0, 1.35) * noise)))


def cloth_clouds(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 3: clouds whose rows and columns hang together."""
    fy, fx = frequencies(size)
    frequency = radial_frequency(size)
    clouds = spectral_noise(
        rng, frequency / (frequency + 0.02) / (frequency + rng.uniform(0.025, 0.04)) ** 2.5
    )
    narrow = rng.uniform(0.003, 0.008)
    cross = np.exp(-((fy / narrow) ** 2)) + np.exp(-((fx / narrow) ** 2))
    weave = spectral_noise(rng, cross / (frequency + 0.02))
    shade = soft_noise(rng, size, size * rng.uniform(0.12, 0.3))
    grain = rng.standard_normal((size, size))
    contrast = rng.uniform(27, 38)
    mixed = 0.75 * clouds + rng.uniform(0.25, 0.45) * weave + rng.uniform(0.25, 0.5) * shade
    return rng.uniform(115, 150) + contrast * (mixed + rng.uniform(0.08, 0.15) * grain)


def wrinkles(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 4: wrinkles around a hub, lit from one side, with the dark frame of the originals."""
    scale = size / FULL_SIZE
    centre = size * 0.515 + rng.normal(0, 3 * scale, 2)
    count = int(rng.integers(150, 240) * shrink(size))
    start = rng.uniform(5, 12, (count, 1)) * shrink(size)
    end = rng.uniform(110, 460, (count, 1)) * scale
    heading = 2 * np.pi / count * (np.arange(count)[:, None] + rng.uniform(-1, 1, (count, 1)))
    step = np.arange(0, 400 * scale, 0.5)
    radius = start + step
    bend = rng.normal(0, 0.00045, (count, 1)) / scale
    angle = heading + bend * step + rng.normal(0, 0.02, (count, 1)) * np.sin(step / (60 * scale))
    fade = np.clip((end - radius) / (0.4 * end), 0, 1) * (1 + 8 * scale / (radius + 8))
    height = rng.uniform(0.3, 1, (count, 1)) * fade
    y = centre[0] + radius * np.sin(angle)
    x = centre[1] + radius * np.cos(angle)
    wide = rng.random(count) < 0.5
    fy, fx = frequencies(size)
    light = np.deg2rad(rng.normal(45, 6))
    slope = -2j * np.pi * (fy * np.sin(light) + fx * np.cos(light))
    spectrum = 0
    for group, sigma in ((wide, rng.uniform(1.9, 2.8)), (~wide, rng.uniform(1.2, 1.8))):
        sigma = sigma * shrink(size) ** 0.5
        ridges = splat(size, y[group], x[group], height[group])
        profile = sigma**2 * gaussian_spectrum(size, sigma)
        spectrum = spectrum + profile * fft.rfft2(ridges, workers=1)
    relief = fft.irfft2(spectrum * slope, s=(size, size), workers=1)
    grain = spectral_noise(rng, np.abs(slope) * gaussian_spectrum(size, rng.uniform(1.4, 2)))
    level = rng.uniform(158, 202)
    image = level * (1 + rng.uniform(0.23, 0.37) * relief) + rng.uniform(5, 7) * grain
    y, x = np.ogrid[-0.5 : 0.5 : size * 1j, -0.5 : 0.5 : size * 1j]
    image += level * (rng.normal(0.035, 0.03) * y + rng.normal(0.055, 0.03) * x)
    y, x = np.arange(size)[:, None] - centre[0], np.arange(size) - centre[1]
    image -= level * rng.uniform(0.17, 0.33) / (1 + np.hypot(y, x) / (18 * shrink(size)))
    near_y, near_x = (np.abs(axis.ravel()) < 20 * shrink(size) for axis in (y, x))
    window = np.ix_(near_y, near_x)
    hub = _hub(rng, y[near_y], x[near_x], rng.uniform(7.5, 11) * shrink(size))
    image[window] += hub * (level * rng.uniform(0.45, 0.65) - image[window])
    image += rng.uniform(4, 6.5) * rng.standard_normal((size, size))
    edge = rng.uniform(0.36, 0.46)  # a 3x3 filter of the originals met zeros outside the image
    for border in (np.s_[0, :], np.s_[-1, :], np.s_[:, 0], np.s_[:, -1]):
        image[border] *= edge
    return image


def _hub(rng: np.random.Generator, y: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """Cover in 0..1 of the ragged dark spot around (0, 0) in which the wrinkles meet."""
    angle = np.arctan2(y, x)
    ragged = radius
    for lobes in range(2, 8):
        wave = np.cos(lobes * angle + rng.uniform(0, 2 * np.pi))
        ragged = ragged + 0.06 * radius * rng.standard_normal() * wave
    return np.clip(ragged - np.hypot(y, x) + 0.5, 0, 1)


def clouded_grain(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 5: fine grain under clouds."""
    grain = soft_noise(rng, size, rng.uniform(1.0, 1.4))
    clouds = spectral_noise(rng, 1 / (radial_frequency(size) + 0.008) ** 1.3)
    white = rng.standard_normal((size, size))
    mixed = rng.uniform(0.6, 0.75) * grain + rng.uniform(0.7, 0.95) * clouds + 0.14 * white
    return rng.uniform(118, 142) + rng.uniform(23, 30) * mixed


def speckle(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 6: grain driven into black and white, in a coarse weave under faint clouds."""
    fy, fx = frequencies(size)
    fine = soft_noise(rng, size, rng.uniform(1.3, 2.0))
    coarse = spectral_noise(rng, 1 / (radial_frequency(size) + rng.uniform(0.015, 0.05)) ** 1.5)
    length, width = rng.uniform(8, 24), rng.uniform(1.2, 2.2)  # px, sigma along a thread and across
    upright, flat = (
        np.exp(-2 * np.pi**2 * ((sigma_y * fy) ** 2 + (sigma_x * fx) ** 2))
        for sigma_y, sigma_x in ((length, width), (width, length))
    )
    threads = spectral_noise(rng, upright) + spectral_noise(rng, flat)
    mixed = 0.5 * fine + rng.uniform(0.75, 0.95) * coarse + rng.uniform(0.05, 0.4) * threads
    image = 255 / (1 + np.exp(rng.uniform(0.6, 1.1) - rng.uniform(1.4, 2.0) * mixed))
    return image + 2 * rng.standard_normal((size, size))


def fabric(rng: np.random.Generator, size: int) -> np.ndarray:
    """Class 7: plain weave; at each crossing either the upright or the flat thread is on top."""
    pitch = rng.uniform(7, 11) * shrink(size) ** 0.5
    tilt = np.deg2rad(rng.normal(0, 4))
    y, x = np.mgrid[:size, :size].astype(np.float64)
    wobble = rng.uniform(0.2, 0.5) * soft_noise(rng, size, rng.uniform(6, 15))
    across = (x * np.cos(tilt) + y * np.sin(tilt) + wobble) * (np.pi / pitch) + rng.uniform(0, 6)
    along = (y * np.cos(tilt) - x * np.sin(tilt) + wobble) * (np.pi / pitch) + rng.uniform(0, 6)
    upright, flat = np.sin(across), np.sin(along)
    top = 1 / (1 + np.exp(-6 * upright * flat))
    thread = top * np.sqrt(np.abs(upright)) + (1 - top) * np.sqrt(np.abs(flat))
    fuzz = soft_noise(rng, size, 0.7)
    level = rng.uniform(95, 140)
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
    dots *= 1 + rng.uniform(0.1, 0.3) * wobble_y
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
