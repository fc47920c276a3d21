"""The ten defects: each changes a clean texture in one place and says where and how strongly.

Each takes a random generator and the grey levels [size, size]; it returns the changed grey levels
and its cover [size, size] in 0..1. Pixels of cover 0 keep their value exactly.
"""

import numpy as np
from scipy import ndimage

from tfds_datasets.dagm_synthetic.fields import ragged_noise, shrink, splat


def _place(rng: np.random.Generator, size: int) -> np.ndarray:
    """Returns a centre (y, x) in px, now and then so close to the border that the defect is cut."""
    return size * rng.uniform(0.05, 0.95, 2)


def _offsets(size: int, centre: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates (along, across) in px, in a frame at `centre` turned by `angle`."""
    y = np.arange(size)[:, None] - centre[0]
    x = np.arange(size)[None, :] - centre[1]
    return x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)


def _lobes(rng: np.random.Generator, size: int, radius: float, soft: float) -> np.ndarray:
    """Cover of one to three overlapping discs with ragged edges that are `soft` px wide."""
    centre = _place(rng, size)
    cover = np.zeros((size, size))
    for lobe in range(rng.choice([1, 2, 3], p=[0.45, 0.4, 0.15])):
        if lobe:
            centre = centre + radius * rng.uniform(0.7, 1.5) * _direction(rng)
        stretch = rng.uniform(0.75, 1.3)
        along, across = _offsets(size, centre, rng.uniform(0, np.pi))
        distance = np.hypot(along / stretch, across * stretch)
        cover = np.maximum(cover, np.clip((radius - distance) / soft + 0.5, 0, 1))
        radius = radius * rng.uniform(0.6, 1.05)
        centre = np.clip(centre, 0, size - 1)
    return cover


def _direction(rng: np.random.Generator) -> np.ndarray:
    angle = rng.uniform(0, 2 * np.pi)
    return np.array([np.sin(angle), np.cos(angle)])


def _stroke(
    size: int,
    centre: np.ndarray,
    *,
    length: float,
    angle: float,
    bend: float,
    sigma: float,
    weight: np.ndarray | float = 1.0,
) -> np.ndarray:
    """Cover of a pen stroke: an arc that turns by `bend` rad over `length` px, drawn softly.

    `weight` is the pressure of the pen, a number or one value for each of its points at 0.25 px.
    """
    step = 0.25
    count = int(length / step)
    heading = angle + bend * np.linspace(-0.5, 0.5, count)
    y, x = step * np.cumsum(np.sin(heading)), step * np.cumsum(np.cos(heading))
    y, x = y - y[count // 2] + centre[0], x - x[count // 2] + centre[1]
    reach = int(np.ceil(3 * sigma)) + 1
    top, left = int(np.floor(y.min())) - reach, int(np.floor(x.min())) - reach
    window = int(max(np.ptp(y), np.ptp(x))) + 2 * reach + 3
    ink = splat(window, y - top, x - left, weight)
    ink = ndimage.gaussian_filter(ink, sigma, truncate=3, mode="constant")
    ink = np.clip(ink * (step * sigma * np.sqrt(2 * np.pi)), 0, 1)
    cover = np.zeros((size, size))
    inside = np.s_[max(top, 0) : max(top + window, 0), max(left, 0) : max(left + window, 0)]
    seen = cover[inside].shape
    skip_y, skip_x = max(-top, 0), max(-left, 0)
    cover[inside] = ink[skip_y : skip_y + seen[0], skip_x : skip_x + seen[1]]
    return cover


def smoothed_patch(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 1: the fine pattern is wiped out, the grey level stays."""
    size = len(image)
    small = shrink(size)
    cover = _lobes(rng, size, rng.uniform(17, 38) * small, rng.uniform(4, 14) * small)
    ragged = ragged_noise(rng, size, rng.uniform(1, 3))
    cover = np.clip(cover + 0.25 * ragged * (cover > 0) * (cover < 1), 0, 1)
    level = np.median(image) * rng.uniform(0.9, 1.05)
    flat = level + rng.uniform(2, 7) * rng.standard_normal(image.shape)
    residue = rng.uniform(0, 0.15)  # of the pattern
    return image + cover * (1 - residue) * (flat - image), cover


def curved_scratch(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 2: a thin black arc, crossed by the brightest streaks."""
    size = len(image)
    length = rng.uniform(38, 200) * shrink(size)
    pressure = _pressure(rng, length, low=rng.uniform(0.6, 0.95))
    cover = _stroke(
        size,
        _place(rng, size),
        length=length,
        angle=rng.normal(0, 0.8),
        bend=rng.normal(0, 1.0),
        sigma=rng.uniform(0.8, 1.5),
        weight=pressure * 1.3,
    )
    return _lowered(image, rng.uniform(2.2, 4.2) * cover), cover


def _lowered(image: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """Grey levels that are logistic curves of heights, each height lowered by `depth`.

    So the highest grains and streaks stay bright within a dark defect.
    """
    share = np.clip(image / 255, 0.004, 0.996)
    odds = share / (1 - share) * np.exp(-depth)
    return np.where(depth > 0, 255 * odds / (1 + odds), image)


def _pressure(rng: np.random.Generator, length: float, *, low: float) -> np.ndarray:
    """Returns how hard the pen presses along a stroke of `length` px.

    Smooth, between `low` and 1.
    """
    count = int(length / 0.25)
    knots = rng.uniform(low, 1, max(3, int(length / 8)))
    return np.interp(np.linspace(0, len(knots) - 1, count), np.arange(len(knots)), knots)


def bright_blob(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 3: a small white blob with a ragged edge."""
    size = len(image)
    small = shrink(size)
    radius = rng.uniform(8, 16) * small
    along, across = _offsets(size, _place(rng, size), rng.uniform(0, np.pi))
    stretch = rng.uniform(1, 1.8)
    distance = np.hypot(along / stretch, across * stretch) / radius
    ragged = ragged_noise(rng, size, rng.uniform(1.2, 2.4))
    inside = np.clip(1.35 - distance, 0, 1) > 0
    cover = np.clip(2.5 * (1 - distance + 0.45 * ragged), 0, 1) * inside
    cover = np.maximum(cover, np.clip(2 * (0.6 - distance), 0, 1))
    return image + cover * (rng.uniform(225, 265) - image), cover


def dark_line(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 4: a thin dark line, nearly straight, mostly across the wrinkles."""
    size = len(image)
    small = shrink(size)
    around = rng.uniform(0, 2 * np.pi)
    distance = size * rng.uniform(0.1, 0.55)
    centre = size / 2 + distance * np.array([np.sin(around), np.cos(around)])
    length = rng.uniform(60, 185) * small
    cover = _stroke(
        size,
        np.clip(centre, 0.04 * size, 0.96 * size),
        length=length,
        angle=around + np.pi / 2 + rng.normal(0, 0.55),
        bend=rng.normal(0, 0.3),
        sigma=rng.uniform(1.3, 2.2),
        weight=_pressure(rng, length, low=0.7),
    )
    return image - cover * rng.uniform(0.16, 0.42) * np.median(image), cover


def comb(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 5: a row of short dark teeth."""
    size = len(image)
    small = shrink(size)
    centre, angle = _place(rng, size), rng.uniform(0, np.pi)
    length = rng.uniform(18, 36) * small
    bend, sigma = rng.normal(0, 0.25), rng.uniform(0.6, 0.9)
    gap = rng.uniform(3.5, 5.5) * small**0.5
    normal = np.array([np.cos(angle), -np.sin(angle)])
    cover = np.zeros(image.shape)
    teeth = int(rng.integers(5, 10))
    for tooth in range(teeth):
        shifted = centre + gap * (tooth - teeth / 2 + rng.normal(0, 0.1)) * normal
        stroke = _stroke(size, shifted, length=length, angle=angle, bend=bend, sigma=sigma)
        cover = np.maximum(cover, stroke)
    return image * (1 - rng.uniform(0.75, 1) * cover), cover


def dark_band(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 6: a soft band in which the white grains thin out."""
    size = len(image)
    small = shrink(size)
    angle = np.pi / 2 * rng.integers(0, 2) + rng.normal(0, 0.06)
    along, across = _offsets(size, _place(rng, size), angle)
    half_width = rng.uniform(12, 26) * small
    half_length = size * rng.uniform(0.15, 0.6)
    ragged = ragged_noise(rng, size, 2)
    edge = (half_width - np.abs(across)) / (10 * small) + 0.5 + 0.3 * ragged
    core = (np.abs(across) < 1.8 * half_width) & (np.abs(along) < half_length)
    cover = np.clip(edge, 0, 1) * core * np.clip((half_length - np.abs(along)) / 8, 0, 1)
    return _lowered(image, rng.uniform(1.8, 4.5) * cover), cover


def pulled_thread(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 7: one thread drawn out: a bright loose thread beside the dark gap it left."""
    size = len(image)
    small = shrink(size)
    centre = _place(rng, size)
    angle = np.pi / 2 * rng.integers(0, 2) + rng.normal(0, 0.08)
    length = rng.uniform(70, 200) * small
    bend, sigma = rng.normal(0, 0.15), rng.uniform(1.5, 2.4) * small**0.5
    side = np.array([np.cos(angle), -np.sin(angle)]) * rng.choice([-1, 1]) * 2.2 * sigma
    thread = _stroke(size, centre, length=length, angle=angle, bend=bend, sigma=sigma)
    gap = _stroke(size, centre + side, length=length, angle=angle, bend=-bend, sigma=sigma)
    bright = np.median(image) * rng.uniform(1.3, 1.6)
    image = image * (1 - rng.uniform(0.45, 0.7) * gap)
    return image + thread * (bright - image), np.maximum(thread, gap)


def pit(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 8: a dark hole whose rim shines on the side away from the light."""
    size = len(image)
    small = shrink(size)
    radius = rng.uniform(6, 15) * small
    stretch = rng.uniform(0.85, 1.3)
    along, across = _offsets(size, _place(rng, size), rng.uniform(0, 2 * np.pi))
    along, across = along / stretch, across * stretch
    distance = np.hypot(along, across)
    hole = np.clip((radius - distance) / 2 + 0.5, 0, 1)
    rim = np.clip(1 - np.abs(distance - radius - 1.5) / 2.5, 0, 1)
    lit = rim * np.clip(along / radius, 0, 1)
    floor = np.median(image) * rng.uniform(0.3, 0.6)
    image = image + hole * (floor - image) + rng.uniform(40, 80) * lit
    return image, np.maximum(hole, lit)


def cut(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 9: a straight cut, dark where it gapes, with one bright lip."""
    size = len(image)
    small = shrink(size)
    centre, angle = _place(rng, size), rng.uniform(0, np.pi)
    length = rng.uniform(50, 150) * small
    count = int(length / 0.25)
    gape = np.sqrt(np.sin(np.linspace(0, np.pi, count)))
    bend = rng.normal(0, 0.12)
    sigma = rng.uniform(1.2, 1.8)
    lip_side = np.array([np.cos(angle), -np.sin(angle)]) * 2 * sigma
    shape = {"length": length, "angle": angle, "bend": bend, "sigma": sigma}
    dark = _stroke(size, centre, weight=gape, **shape)
    lip = _stroke(size, centre + lip_side, weight=0.6 * gape, **shape)
    image = image + rng.uniform(35, 70) * lip
    return image * (1 - rng.uniform(0.6, 0.9) * dark), np.maximum(dark, lip)


def merged_dots(rng: np.random.Generator, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Class 10: a patch in which the dots have run together, or were never printed."""
    size = len(image)
    small = shrink(size)
    cover = _lobes(rng, size, rng.uniform(12, 24) * small, rng.uniform(3, 6) * small)
    low, high = np.percentile(image, [15, 92])
    target = rng.choice([low, high])
    flat = target + rng.uniform(4, 8) * ragged_noise(rng, size, 1)
    return image + cover * rng.uniform(0.75, 0.95) * (flat - image), cover


DEFECTS = {
    1: smoothed_patch,
    2: curved_scratch,
    3: bright_blob,
    4: dark_line,
    5: comb,
    6: dark_band,
    7: pulled_thread,
    8: pit,
    9: cut,
    10: merged_dots,
}
