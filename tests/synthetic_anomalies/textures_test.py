"""Textures: which source is taken, what is drawn from it, and the ten changes."""

import numpy as np
import pytest
from absl.testing import absltest
from made_textures import make_dtd
from PIL import Image

from zoo.synthetic_anomalies import procedural_textures, texture_augment, textures

RAMP = np.broadcast_to(np.arange(256, dtype=np.uint8)[None, :, None], (32, 256, 3))


@pytest.fixture
def folder(tmp_path):
    """A folder with red, 16-bit grey and hidden pictures in folders below it."""
    (tmp_path / "deep").mkdir()
    Image.new("RGB", (20, 10), (255, 0, 0)).save(tmp_path / "deep" / "red.png")
    Image.fromarray(np.full((10, 20), 257 * 100, np.uint16)).save(tmp_path / "grey.png")
    (tmp_path / "._grey.png").write_bytes(b"no picture")
    return tmp_path


def test_the_first_source_that_is_there_is_taken_and_the_others_are_logged(folder):
    with absltest.mock.patch("absl.logging.warning") as warning:
        found = textures.find_textures((f"dtd:{folder}", f"folder:{folder}", "procedural"))
    assert found.source == f"folder:{folder}"
    assert [file.name for file in found.files] == ["red.png", "grey.png"]
    assert "is not DTD" in warning.call_args.args[1]
    assert textures.find_textures() == textures.Textures("procedural")


def test_dtd_is_known_by_its_47_folders(tmp_path):
    make_dtd(tmp_path / "dtd", 47)
    assert len(textures.find_textures([f"dtd:{tmp_path / 'dtd'}"]).files) == 47
    make_dtd(tmp_path / "part", 46)
    with pytest.raises(ValueError, match="47 folders"):
        textures.find_textures([f"dtd:{tmp_path / 'part'}"])


@pytest.mark.parametrize(
    "sources, message",
    [
        (["dtd:nowhere"], "add procedural.*nowhere is missing: extract dtd"),
        (["folder:nowhere"], "nowhere is missing: name a folder with pictures"),
        (["folder:{empty}"], "holds no picture"),
        (["folder:"], "must hold dtd:FOLDER.*Received: 'folder:'"),
        (["perlin"], "must hold .*Received: 'perlin'"),
        ([], r"add procedural.*Received: \(\)"),
    ],
)
def test_sources_that_are_not_there_say_what_to_do(tmp_path, sources, message):
    sources = [source.format(empty=tmp_path) for source in sources]
    with pytest.raises(ValueError, match=message):
        textures.find_textures(sources)


def test_broken_pictures_are_all_named_at_once(folder):
    textures.require_readable(textures.find_textures([f"folder:{folder}"]))
    whole = (folder / "grey.png").read_bytes()
    for name in ("a.png", "deep/b.png"):
        (folder / name).write_bytes(whole[: len(whole) // 2])
    broken = textures.find_textures([f"folder:{folder}"])
    with pytest.raises(ValueError, match=r"these 2 of 4: .*a\.png.* .*deep/b\.png"):
        textures.require_readable(broken)


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_get_the_size_and_channels_of_the_image(folder, channels):
    found = textures.find_textures([f"folder:{folder}"])
    pictures = [textures._read_picture(file, (12, 9, channels)) for file in found.files]
    colors = [np.unique(picture.reshape(-1, channels), axis=0).tolist() for picture in pictures]
    assert colors == ([[[76]], [[100]]] if channels == 1 else [[[255, 0, 0]], [[100] * 3]])


@pytest.mark.parametrize("source", ["procedural", "self"])
@pytest.mark.parametrize("shape", [(32, 32, 1), (32, 32, 3), (30, 45, 3), (9, 11, 1), (4, 4, 1)])
def test_textures_of_any_shape_differ_and_a_seed_repeats_them(source, shape):
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    for seed in range(10):
        drawn = [
            textures.draw_texture(textures.Textures(source), np.random.default_rng(number), image)
            for number in (seed, seed, seed + 100)
        ]
        assert drawn[0].shape == shape and drawn[0].dtype == np.uint8
        np.testing.assert_array_equal(drawn[0], drawn[1])
        assert not np.array_equal(drawn[0], drawn[2])


def test_every_second_texture_is_of_the_image_itself():
    # three changes take a constant image to one that is nearly constant, but for a turn's corners
    image = np.full((64, 64, 1), 100, np.uint8)
    even = [
        np.bincount(drawn.ravel()).max() > 0.6 * drawn.size
        for drawn in (
            textures.draw_texture(textures.Textures(source), np.random.default_rng(seed), image)
            for source in ("self", "procedural")
            for seed in range(200)
        )
    ]
    assert np.mean(even[:200]) == 1
    assert 0.4 < np.mean(even[200:]) < 0.75


def test_tiles_are_all_there_and_in_another_order():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8).repeat(4, axis=0).repeat(3, axis=1)
    moved = textures.shuffled_tiles(np.random.default_rng(0), image[..., None])[..., 0]
    tiles = moved.reshape(8, 4, 8, 3)
    assert (tiles == tiles[:, :1, :, :1]).all()
    assert sorted(tiles[:, 0, :, 0].ravel()) == list(range(64))
    assert not np.array_equal(moved, image)


@pytest.mark.parametrize("name", texture_augment.AUGMENTATIONS)
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_each_change_is_drawn_and_keeps_size_and_mode(name, mode):
    if mode == "L" and name in texture_augment.COLOR_ONLY:
        return
    values = np.random.default_rng(0).integers(40, 200, (20, 30, 3), np.uint8)
    picture = Image.fromarray(values).convert(mode)
    before = picture.tobytes()
    changed = [
        texture_augment.AUGMENTATIONS[name](np.random.default_rng(seed), picture)
        for seed in range(8)
    ]
    assert all(each.mode == mode and each.size == (30, 20) for each in changed)
    assert picture.tobytes() == before
    different = {each.tobytes() for each in changed} - {before}
    assert len(different) == 1 if name in ("invert", "equalize") else len(different) > 2


@pytest.mark.parametrize("name, low, high", [("gamma", 62, 181), ("brightness", 72, 184)])
def test_strengths_of_tables(name, low, high):
    # 128 by a power of 2 and 1/2, and 128 * 0.8 - 30 and 128 * 1.2 + 30
    levels = [
        np.asarray(
            texture_augment.AUGMENTATIONS[name](
                np.random.default_rng(seed), Image.new("L", (1, 1), 128)
            )
        ).item()
        for seed in range(200)
    ]
    assert low <= min(levels) < low + 12 and high - 12 < max(levels) <= high


def test_three_changes_are_different_ones(monkeypatch):
    done = []
    monkeypatch.setattr(
        texture_augment,
        "AUGMENTATIONS",
        {
            name: lambda rng, picture, name=name: done.append(name) or picture
            for name in texture_augment.AUGMENTATIONS
        },
    )
    rng = np.random.default_rng(0)
    for _ in range(200):
        texture_augment.augmented(rng, RAMP)
    assert len(texture_augment.AUGMENTATIONS) == 10 and len(done) == 600
    assert all(len(set(done[i : i + 3])) == 3 for i in range(0, 600, 3))
    counts = [done.count(name) for name in texture_augment.AUGMENTATIONS]
    assert min(counts) > 30
    done.clear()
    for _ in range(200):
        texture_augment.augmented(rng, RAMP[..., :1])
    assert "hue_and_saturation" not in done and len(set(done)) == 9


@pytest.mark.parametrize("kind", procedural_textures.KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_procedural_textures_have_structure(kind, channels):
    for seed in range(5):
        texture = procedural_textures.KINDS[kind](np.random.default_rng(seed), (40, 56, channels))
        assert texture.shape == (40, 56, channels) and texture.dtype == np.uint8
        assert texture.std(axis=(0, 1)).max() > 1
