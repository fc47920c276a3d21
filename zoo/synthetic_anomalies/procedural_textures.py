"""Textures made of nothing, for anomalies where no folder of pictures is at hand.

Each kind takes a random generator and a shape (H, W, C) and returns uint8 [H, W, C].
"""

import numpy as np
from PIL import Image
from scipy import ndimage

from zoo.synthetic_anomalies import perlin

OCTAVES = 4  # of Perlin noise, each half as coarse and half as strong as the one before
TABLE_COLORS = 3
MAX_CELLS = 200  # of Voronoi
MAX_PERIODS = 40  # stripes along the shorter side
COARSEST_NOISE = 12  # px between the random values


def procedural_texture(rng: np.random.Generator, shape: tuple[int, int, int]) -> np.ndarray:
    """Draws a texture of a random kind, each equally likely."""
    kinds = list(KINDS.values())
    return kinds[rng.integers(len(kinds))](rng, shape)


def clouds(rng, shape):
    """Perlin noise of several octaves, through a table of random colours.

    The channels share a field and have one of their own each, by a random share: from shades along
    the table to colours that leave it.
    """
    *size, channels = shape
    cells = perlin.random_cells(rng, size)
    shared = _octaves(rng, size, cells)
    own_share = rng.uniform()
    colors = _colors(rng, TABLE_COLORS, channels)
    levels = []
    for _ in range(channels):
        field = shared + own_share * _octaves(rng, size, cells)
        field -= field.min()
        levels.append((field * (255 / max(field.max(), 1e-6))).astype(np.uint8))
    return _colored(levels, colors)


def stripes(rng, shape):
    """Stripes or a checkerboard of two colours, at any angle, with soft to hard edges."""
    *size, channels = shape
    frequency = 2 * np.pi * rng.uniform(2, MAX_PERIODS, 2) / min(size)
    angle = rng.uniform(0, np.pi)
    row, column = (np.arange(length, dtype=np.float32) for length in size)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    along = (row * sine)[:, None] + column * cosine
    wave = np.sin(np.float32(frequency[0]) * along)
    if rng.random() < 0.5:
        across = (row * cosine)[:, None] - column * sine
        wave *= np.sin(np.float32(frequency[1]) * across)
    hardness = np.float32(rng.uniform(1, 20))
    level = np.clip(127.5 * (1 + hardness * wave), 0, 255).astype(np.uint8)
    return _colored([level] * channels, _colors(rng, 2, channels))


def voronoi(rng, shape):
    """Cells of a random colour each: every pixel belongs to the nearest of some random points."""
    *size, channels = shape
    count = rng.integers(5, MAX_CELLS)
    seeds = np.ones(size, bool)
    rows, columns = (rng.integers(length, size=count) for length in size)
    seeds[rows, columns] = False
    # points that share a pixel take the number of the last
    number = np.zeros(size, np.intp)
    number[rows, columns] = np.arange(count)
    nearest = ndimage.distance_transform_edt(seeds, return_distances=False, return_indices=True)
    return _colors(rng, count, channels)[number[tuple(nearest)]]


def noise(rng, shape):
    """Noise from single pixels to soft spots, now and then with single pixels of one colour."""
    *size, channels = shape
    spacing = rng.uniform(1, COARSEST_NOISE)
    coarse = [max(int(length / spacing), 1) for length in size]
    values = rng.integers(0, 256, coarse, np.uint8)
    level = Image.fromarray(values).resize(size[::-1], Image.Resampling.BICUBIC)
    texture = _colored([np.asarray(level)] * channels, _colors(rng, 2, channels))
    if rng.random() < 0.5:
        specks = rng.random(size, np.float32) < rng.uniform(0.005, 0.1)
        texture[specks] = _colors(rng, 1, channels)
    return texture


def _octaves(rng, size, cells):
    field = np.zeros(size, np.float32)
    for octave in range(OCTAVES):
        finer = tuple(
            min(number * 2**octave, length // perlin.SMALLEST_CELL)
            for number, length in zip(cells, size)
        )
        field += perlin.perlin_field(rng, size, finer) / 2**octave
    return field


def _colored(levels, colors):
    """Takes the levels uint8 [H, W] of each channel to colours [n, C], the first to the last."""
    places = np.linspace(0, 255, len(colors))
    tables = [np.interp(np.arange(256), places, channel) for channel in colors.T]
    channels = [table.astype(np.uint8)[level] for table, level in zip(tables, levels)]
    return np.stack(channels, axis=-1)


def _colors(rng, count, channels):
    return rng.integers(0, 256, (count, channels), np.uint8)


KINDS = {"clouds": clouds, "stripes": stripes, "voronoi": voronoi, "noise": noise}
