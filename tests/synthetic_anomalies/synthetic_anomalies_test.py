"""Synthetic anomalies: what is drawn where, how often, and that a seed decides all of it."""

import concurrent.futures
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from zoo.synthetic_anomalies import painting, perlin
from zoo.synthetic_anomalies.textures import Textures

TEXTURES = Textures("procedural")
EVERYWHERE = np.ones((64, 64), bool)


def good_images(shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def batch(images, *, foregrounds=None, indices=None, seed=0):
    if foregrounds is None:
        foregrounds = np.ones(images.shape[:3], bool)
    return painting.transfusion_batch(
        images,
        foregrounds,
        np.arange(len(images)) if indices is None else indices,
        seed=seed,
        textures=TEXTURES,
    )


def paste(images, indices=None, *, foregrounds=None):
    return painting.with_anomalies(
        images,
        np.ones(images.shape[:3], bool) if foregrounds is None else foregrounds,
        np.arange(len(images)) if indices is None else indices,
        seed=0,
        textures=TEXTURES,
    )


def drawn_masks(count, foreground=EVERYWHERE):
    rngs = map(np.random.default_rng, range(count))
    return [painting.draw_mask(rng, foreground) for rng in rngs]


def test_perlin_noise_pixel_by_pixel():
    height, width, cells = 12, 10, (2, 4)
    field = perlin.perlin_field(np.random.default_rng(3), (height, width), cells)
    angle = np.random.default_rng(3).uniform(0, 2 * math.pi, (cells[0] + 1, cells[1] + 1))
    for y in range(height):
        for x in range(width):
            v, u = y * cells[0] / height, x * cells[1] / width
            expected = 0.0
            for i in (int(v), int(v) + 1):
                for j in (int(u), int(u) + 1):
                    slope = math.sin(angle[i, j]) * (v - i) + math.cos(angle[i, j]) * (u - j)
                    fades = [6 * t**5 - 15 * t**4 + 10 * t**3 for t in (abs(v - i), abs(u - j))]
                    expected += (1 - fades[0]) * (1 - fades[1]) * slope
            assert field[y, x] == pytest.approx(math.sqrt(2) * expected, abs=1e-5)


def test_lattices_take_every_power_of_two_that_fits():
    rng = np.random.default_rng(0)
    drawn = [perlin.random_cells(rng, (256, 32)) for _ in range(300)]
    assert {rows for rows, _ in drawn} == {1, 2, 4, 8, 16, 32}
    assert {columns for _, columns in drawn} == {1, 2, 4, 8}
    with pytest.raises(ValueError, match=r"at least 4 px.*Received: \(256, 3\)"):
        perlin.random_cells(rng, (256, 3))


def test_a_seed_and_an_index_decide_an_anomaly_whatever_the_order_and_worker():
    images = good_images((6, 32, 32, 3))
    expected = paste(images)
    order = np.array([4, 0, 5, 2, 1, 3])
    for result, whole in zip(paste(images[order], order), expected):
        np.testing.assert_array_equal(result, whole[order])
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        alone = list(pool.map(lambda i: paste(images[i : i + 1], [i]), range(6)))
    for results, whole in zip(zip(*alone), expected):
        np.testing.assert_array_equal(np.concatenate(results), whole)
    # beside others in a batch, as long as it stays in the half with anomalies
    first, second = batch(images), batch(images[[2, 1, 0, 3, 4, 5]], indices=[2, 1, 0, 3, 4, 5])
    for name in first:
        np.testing.assert_array_equal(first[name][:3], second[name][2::-1])


def test_seed_and_index_change_it():
    images = np.repeat(good_images((1, 32, 32, 1)), 2, axis=0)
    results = [
        batch(images, indices=indices, seed=seed)["anomaly"][0]
        for indices, seed in (([0, 1], 0), ([7, 1], 0), ([0, 1], 9))
    ]
    assert len({anomaly.tobytes() for anomaly in results}) == 3


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 5),
    st.integers(8, 40),
    st.integers(8, 40),
    st.sampled_from([1, 3]),
    st.integers(0, 2**31),
)
def test_what_holds_in_every_batch(size, height, width, channels, seed):
    images = good_images((size, height, width, channels), seed)
    foregrounds = np.random.default_rng(seed).random((size, height, width)) < 0.7
    made = batch(images, foregrounds=foregrounds, seed=seed)
    assert made["normal"].shape == made["anomaly"].shape == images.shape
    assert made["mask"].shape == made["corrupted_mask"].shape == (*images.shape[:3], 1)
    assert np.abs(made["normal"]).max() <= 1 and np.abs(made["anomaly"]).max() <= 1
    assert not made["anomaly"][np.broadcast_to(made["mask"] == 0, images.shape)].any()
    for name in ("mask", "corrupted_mask"):
        assert set(np.unique(made[name])) <= {0, 1} and made[name].dtype == np.float32
    clean = slice((size + 1) // 2, None)
    for name in ("anomaly", "mask", "corrupted_mask", "redraws"):
        assert not made[name][clean].any()
    pasted, mask = paste(images, foregrounds=foregrounds)
    changed = (pasted != images).any(axis=-1)
    assert not (changed & ~(mask[..., 0] > 0)).any()
    assert not (mask[..., 0] > foregrounds).any()


def test_half_a_batch_stays_clean_and_the_odd_one_does_not():
    for size, anomalous in ((1, 1), (2, 1), (5, 3), (8, 4)):
        made = batch(good_images((size, 64, 64, 1)))
        assert made["mask"].any(axis=(1, 2, 3)).tolist() == [n < anomalous for n in range(size)]


def test_images_that_are_not_turned_are_kept_and_three_in_ten_are():
    images = good_images((400, 16, 16, 1))
    normal = batch(images)["normal"]
    kept = np.isclose((normal + 1) * 127.5, images, atol=1e-3).all(axis=(1, 2, 3))
    assert 1 - kept[:200].mean() == pytest.approx(0.3, abs=0.1)
    assert 1 - kept[200:].mean() == pytest.approx(0.3, abs=0.1)
    assert (normal[~kept][:, 0, 0] == 0).any()  # a corner from outside: grey


def test_all_of_a_batch_is_turned_together():
    # the image marks its foreground, so that each pixel says whether the mask may hold it
    foregrounds = np.zeros((120, 32, 32), bool)
    foregrounds[:, 4:20, 10:28] = True
    images = np.where(foregrounds, 255, 0)[..., None].astype(np.uint8)
    made = batch(images, foregrounds=foregrounds)
    turned = (made["normal"] == 0).any(axis=(1, 2, 3))
    assert 10 < turned[:60].sum() < 30
    for name in ("mask", "corrupted_mask"):
        assert made[name][turned].any() and (made["normal"][made[name] > 0] == 1).all()


def test_the_share_of_masks():
    shares = [drawn.mask.mean() for drawn in drawn_masks(300)]
    # of Perlin noise on random lattices, |p| is above 0.5 in about a tenth
    assert np.mean(shares) == pytest.approx(0.1, abs=0.03)
    assert min(shares) > 0 and max(shares) < 0.6


def test_the_four_corrupted_masks_are_equally_frequent():
    kinds = {"exact": 0, "within": 0, "beyond": 0}
    for mask, corrupted, _ in drawn_masks(800):
        assert not (mask & ~corrupted).any() or not (corrupted & ~mask).any()
        kinds["exact"] += np.array_equal(mask, corrupted)
        kinds["within"] += corrupted.sum() < mask.sum()
        kinds["beyond"] += corrupted.sum() > mask.sum()
    # too small and nearly empty ones lie within
    for kind, share in (("exact", 0.25), ("within", 0.5), ("beyond", 0.25)):
        assert kinds[kind] / 800 == pytest.approx(share, abs=0.05)


def test_masks_are_drawn_anew_where_they_miss_the_part():
    spot = np.zeros((64, 64), bool)
    spot[30:34, 30:34] = True
    drawn = drawn_masks(100, spot)
    redraws = np.array([each.redraws for each in drawn])
    empty = np.array([not each.mask.any() for each in drawn])
    assert 0 < np.mean(redraws > 0) < 1 and empty.mean() < 0.5
    assert (redraws[empty] == 10).all()
    never = drawn_masks(1, np.zeros((64, 64), bool))[0]
    assert never.redraws == 10 and not never.mask.any() and not never.corrupted.any()


def test_a_constant_image_gets_visible_anomalies():
    images = np.full((8, 32, 32, 1), 128, np.uint8)
    pasted, mask = paste(images)
    assert (mask.any(axis=(1, 2, 3))).all()
    assert (pasted != images).any(axis=(1, 2, 3)).mean() > 0.5


@pytest.mark.parametrize(
    "images, message",
    [
        (np.zeros((2, 8, 8, 1), np.float32), "uint8.*16-bit.*Received: float32"),
        (np.zeros((2, 8, 8, 1), np.uint16), "uint8.*16-bit.*Received: uint16"),
        (np.zeros((2, 8, 8, 4), np.uint8), r"uint8.*Received: uint8 \[2, 8, 8, 4\]"),
        (np.zeros((2, 8, 8), np.uint8), r"uint8.*Received: uint8 \[2, 8, 8\]"),
    ],
)
def test_images_of_other_kinds_are_refused(images, message):
    with pytest.raises(ValueError, match=f"`images` must be {message}"):
        paste(images)


def test_wrong_foregrounds_and_indices_are_refused():
    images = good_images((2, 8, 8, 1))
    with pytest.raises(ValueError, match=r"`foregrounds` must be bool \[2, 8, 8\].*uint8"):
        batch(images, foregrounds=np.ones((2, 8, 8), np.uint8))
    with pytest.raises(ValueError, match=r"`indices` must have one.*Received: 3"):
        batch(images, indices=[0, 1, 2])
