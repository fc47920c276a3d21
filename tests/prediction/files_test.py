import json
import types

import numpy as np
import pytest
from PIL import Image

from zoo.prediction import files, image_files
from zoo.prediction.predictor import index_mask
from zoo.visualization import pictures


def bright(images):
    """Probability of a defect: how bright a pixel is."""
    probability = images[..., :1].astype(np.float32) / 255
    return {"mask": probability, "score": probability.max(axis=(1, 2, 3))}


def predictor(model=bright, *, channels=1, class_names=("good", "defect")):
    batches = []

    def counted(images):
        assert images.dtype == np.uint8 and images.shape[-1] == channels
        batches.append(images.shape)
        return model(images)

    return types.SimpleNamespace(
        predict=counted,
        channels=channels,
        class_names=list(class_names),
        threshold=0.5,
        score_threshold=0.8,
        batches=batches,
    )


def save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.array(pixels, np.uint8)).save(path)


def lines(directory):
    return [json.loads(line) for line in (directory / "predictions.jsonl").open()]


SPOT = [[0, 0, 0, 0], [0, 0, 0, 250], [0, 0, 200, 100]]


def test_one_image_by_hand(tmp_path):
    save(tmp_path / "part.png", SPOT)
    out = tmp_path / "out"
    (row,) = files.predict_files(predictor(), [str(tmp_path / "part.png")], out)
    assert row.pop("milliseconds") >= 0
    assert row == {
        "file": str(tmp_path / "part.png"),
        "score": pytest.approx(250 / 255),
        "defect": True,
        "label": "defect",
        "defect_pixels": 2,
        "defect_fraction": 2 / 12,
        "box": [1 / 3, 0.5, 1.0, 1.0],
        "mask": "part_mask.png",
        "overlay": "part_overlay.png",
    }
    picture = Image.open(out / row["mask"])
    mask = np.asarray(picture)
    assert picture.mode == "P"
    assert picture.convert("RGB").getpixel((3, 1)) == pictures.type_color(1)
    np.testing.assert_array_equal(mask, [[0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 1, 0]])
    overlay = np.asarray(Image.open(out / row["overlay"]))
    assert overlay.shape[0] > 3 and overlay.shape[1] > 4  # the legend
    np.testing.assert_array_equal(
        overlay[:3, :4], pictures.overlay_types(np.array(SPOT, np.uint8)[..., None], mask)
    )
    assert (overlay[3:] == pictures.type_color(1)).all(axis=-1).any()
    assert {key: lines(out)[0][key] for key in row} == row


def test_good_image_has_no_box(tmp_path):
    save(tmp_path / "part.png", np.zeros((3, 3)))
    (row,) = files.predict_files(predictor(), [tmp_path], tmp_path / "out")
    assert (row["defect"], row["label"], row["box"], row["defect_pixels"]) == (
        False,
        "good",
        None,
        0,
    )


def test_defect_types(tmp_path):
    """Three channels: background, type 1, type 2."""
    probability = np.array([[[0.9, 0.1, 0.0], [0.4, 0.2, 0.4], [0.1, 0.2, 0.7]]], np.float32)
    mask = index_mask(probability, 0.5)
    np.testing.assert_array_equal(mask, [[0, 2, 2]])
    # nothing exceeds 0.95: no area, yet a type
    assert not index_mask(probability, 0.95).any()

    def model(images):
        return {"mask": probability[None], "score": np.array([0.9], np.float32)}

    save(tmp_path / "part.png", np.zeros((1, 3)))
    names = ("good", "dent", "scratch")
    for threshold in (0.5, 0.95):
        fake = predictor(model, class_names=names)
        fake.threshold = threshold
        (row,) = files.predict_files(fake, [tmp_path / "part.png"], tmp_path / "out")
        assert row["label"] == "scratch"


def test_folders_are_mirrored_and_nothing_collides(tmp_path):
    root = tmp_path / "parts"
    for name in ("a.png", "a.BMP", "left/a.png", "right/deep/a.png"):
        save(root / name, SPOT)
    (root / "notes.txt").write_text("no image")
    (root / "._a.png").write_text("what macOS leaves behind")
    rows = list(files.predict_files(predictor(), [root], tmp_path / "out"))
    assert [row["mask"] for row in rows] == [
        "a.BMP_mask.png",
        "a.png_mask.png",
        "left/a_mask.png",
        "right/deep/a_mask.png",
    ]
    assert all((tmp_path / "out" / row["overlay"]).is_file() for row in rows)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 8


def test_two_folders_and_a_glob(tmp_path):
    for name in ("x/a.png", "y/a.png", "y/b.png"):
        save(tmp_path / name, SPOT)
    patterns = [str(tmp_path / "x"), str(tmp_path / "y" / "*.png"), str(tmp_path / "y" / "a.png")]
    rows = list(files.predict_files(predictor(), patterns, tmp_path / "out"))
    assert [row["mask"] for row in rows] == ["x/a_mask.png", "y/a_mask.png", "y/b_mask.png"]


def test_brackets_in_a_name_are_literal(tmp_path):
    save(tmp_path / "part[1].png", SPOT)
    (row,) = files.predict_files(predictor(), [tmp_path / "part[1].png"], tmp_path / "out")
    assert row["mask"] == "part[1]_mask.png"


def test_results_of_an_earlier_run_are_no_input(tmp_path):
    save(tmp_path / "a.png", SPOT)
    for _ in range(2):
        rows = list(files.predict_files(predictor(), [tmp_path], tmp_path))
        assert [row["file"] for row in rows] == [str(tmp_path / "a.png")]
    assert len(lines(tmp_path)) == 2
    for folder in ("in/first", "second"):  # results below the images, and then others elsewhere
        save(tmp_path / "parts/in/a.png", SPOT)
        rows = files.predict_files(predictor(), [tmp_path / "parts"], tmp_path / "parts" / folder)
        assert [row["file"] for row in rows] == [str(tmp_path / "parts/in/a.png")]
    (tmp_path / "predictions.jsonl").unlink()
    save(tmp_path / "elsewhere" / "a_mask.png", SPOT)  # here the name says nothing
    (row,) = files.predict_files(predictor(), [tmp_path / "elsewhere"], tmp_path / "out")
    assert row["mask"] == "a_mask_mask.png"


def test_an_input_is_never_replaced(tmp_path):
    save(tmp_path / "a.png", SPOT)
    save(tmp_path / "a_mask.png", SPOT)
    before = (tmp_path / "a_mask.png").read_bytes()
    with pytest.raises(ValueError, match=r"would replace.*a_mask\.png"):
        files.predict_files(predictor(), [tmp_path / "a.png", tmp_path / "a_mask.png"], tmp_path)
    assert (tmp_path / "a_mask.png").read_bytes() == before


def test_a_mask_made_by_hand_is_never_replaced(tmp_path):
    save(tmp_path / "a.png", SPOT)
    save(tmp_path / "a_mask.png", SPOT)
    with pytest.raises(ValueError, match="would replace"):
        files.predict_files(predictor(), [tmp_path], tmp_path)


def test_broken_files_stop_at_the_end(tmp_path):
    for name in ("a.png", "c.png"):
        save(tmp_path / "in" / name, SPOT)
    (tmp_path / "in" / "b.png").write_bytes(b"no image")
    out = tmp_path / "out"
    with pytest.raises(ValueError, match=r"1 of 3 image files are broken: .*b\.png"):
        list(files.predict_files(predictor(), [tmp_path / "in"], out))
    assert [row.get("mask") for row in lines(out)] == ["a_mask.png", None, "c_mask.png"]
    rows = list(files.predict_files(predictor(), [tmp_path / "in"], out, skip_broken_images=True))
    assert "b.png" in rows[1]["error"] and "score" not in rows[1]
    assert len(lines(out)) == 6


def test_what_is_done_stays_when_the_model_fails(tmp_path):
    save(tmp_path / "a.png", SPOT)
    save(tmp_path / "b.png", np.zeros((2, 2)))

    def model(images):
        if images.shape[1] == 2:
            raise MemoryError
        return bright(images)

    with pytest.raises(MemoryError):
        list(files.predict_files(predictor(model), [tmp_path], tmp_path / "out"))
    assert [row["mask"] for row in lines(tmp_path / "out")] == ["a_mask.png"]


def test_batches_hold_one_size(tmp_path):
    for index, size in enumerate([(3, 3), (3, 3), (3, 3), (2, 5), (3, 3)]):
        save(tmp_path / f"{index}.png", np.full(size, 255))
    fake = predictor()
    rows = list(files.predict_files(fake, [tmp_path], tmp_path / "out", batch_size=2))
    assert fake.batches == [(2, 3, 3, 1), (1, 3, 3, 1), (1, 2, 5, 1), (1, 3, 3, 1)]
    assert [row["mask"] for row in rows] == [f"{index}_mask.png" for index in range(5)]


@pytest.mark.parametrize("channels", [1, 3])
def test_every_kind_of_file(tmp_path, channels):
    save(tmp_path / "grey.png", np.full((3, 4), 255))
    save(tmp_path / "colour.webp", np.full((3, 4, 3), 255))
    save(tmp_path / "alpha.PNG", np.full((3, 4, 4), 255))
    Image.fromarray(np.full((3, 4), 65535, np.uint16)).save(tmp_path / "deep.tiff")
    rotated = Image.Exif()
    rotated[0x0112] = 6  # orientation: turned by a quarter
    Image.fromarray(np.full((4, 3), 255, np.uint8)).save(tmp_path / "rotated.jpg", exif=rotated)
    fake = predictor(channels=channels)
    rows = list(files.predict_files(fake, [tmp_path], tmp_path / "out"))
    assert fake.batches == [(1, 3, 4, channels)] * 5
    assert all(row["defect_fraction"] == 1.0 for row in rows)


@pytest.mark.parametrize("pattern", ["nowhere/*.png", "empty"])
def test_no_match_is_named(tmp_path, monkeypatch, pattern):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=rf"No file that ends in \.png.*{pattern[:5]}"):
        files.predict_files(predictor(), [pattern], "out")
    assert not (tmp_path / "out").exists()


def test_other_wrong_arguments(tmp_path):
    with pytest.raises(ValueError, match="`patterns` must name at least one"):
        files.predict_files(predictor(), [], tmp_path)
    with pytest.raises(ValueError, match="`batch_size` must be at least 1"):
        files.predict_files(predictor(), [tmp_path], tmp_path, batch_size=0)


def test_linked_folders_are_read_once(tmp_path):
    save = Image.fromarray(np.zeros((4, 4), np.uint8)).save
    for folder in ("in", "elsewhere"):
        (tmp_path / folder).mkdir()
        save(tmp_path / folder / f"{folder}.png")
    (tmp_path / "in/link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in/loop").symlink_to(tmp_path / "in")
    found = image_files.find_images([str(tmp_path / "in")])
    assert [file.name for file in found] == ["in.png", "elsewhere.png"]
