"""Windows of an image under review: each is what the whole has there, pixel for pixel."""

import io

import numpy as np
import pytest
from made_review import SCORES, SHAPE, cone, file, make_review
from PIL import Image

from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_masks.hysteresis import pseudo_mask
from zoo.review import decisions
from zoo.review.files import ReviewFiles
from zoo.review.marks import DEFECT, STUDENT_LINE, draw_marks
from zoo.review.views import LONGEST, ReviewPictures
from zoo.review.windows import ReviewWindows, Window, parse_window

WINDOWS = [Window(0, 0, *SHAPE), Window(20, 30, 10, 20), Window(0, 0, 3, 50), Window(40, 34, 8, 30)]
# Where the disc of a mask ends, at its threshold or at 0.3, and where that of a student does.
BESIDE_A_DISC = [Window(0, 44, 48, 20), Window(0, 47, 48, 17), Window(0, 0, 48, 47)]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """For what changes nothing."""
    return make_review(tmp_path_factory.mktemp("windows") / "pseudo")


def entry(root):
    return manifest.read_manifest(root)[file("spot")]


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)))


@pytest.mark.parametrize("window", WINDOWS)
def test_image_and_heat_are_cut_from_the_whole(window, root):
    windows, whole = ReviewWindows(ReviewFiles(root)), ReviewPictures(ReviewFiles(root))
    image = pixels(windows.image(file("spot"), window))
    expected = np.asarray(Image.open(root / file("spot")))[window.rows, window.columns]
    np.testing.assert_array_equal(image, np.repeat(expected[..., None], 3, axis=-1))
    heat = pixels(whole.heat(entry(root)))[window.rows, window.columns]
    np.testing.assert_array_equal(pixels(windows.heat(entry(root), window)), heat)


@pytest.mark.parametrize("threshold", [None, 0.3])
@pytest.mark.parametrize("window", WINDOWS + BESIDE_A_DISC)
def test_marks_are_cut_from_the_whole(window, threshold, root):
    """Lines that begin outside of the window reach into it, and its border is none of them."""
    student = cone(1, SHAPE) > 0.4
    marks, count = ReviewWindows(ReviewFiles(root), {file("spot"): student}).marks(
        entry(root), threshold, window
    )
    defect = cone(SCORES["spot"]).astype(np.float32) > (threshold or 0.375)
    assert count == np.count_nonzero(defect[window.rows, window.columns])
    growth = LONGEST // max(window.height, window.width)
    whole = draw_marks(mask_of(root, threshold), student, growth)
    rows, columns = (
        slice(growth * s.start, growth * s.stop) for s in (window.rows, window.columns)
    )
    np.testing.assert_array_equal(pixels(marks), whole[rows, columns])


def mask_of(root, threshold):
    levels = decisions.teacher_levels(entry(root))
    if threshold is not None:
        levels = levels.redraw(threshold)
    return pseudo_mask(cone(SCORES["spot"]).astype(np.float32), levels)


def test_what_is_seen_is_what_is_saved(tmp_path):
    """The shrunk map of so large an image joins what is apart; the window does not."""
    root = make_review(tmp_path / "pseudo", {"spot": 0.75})
    shape = (700, 3000)
    noise = np.random.default_rng(0).random((350, 1500)).astype(np.float16)
    np.savez_compressed(root / "maps/spot.npz", anomaly_map=np.kron(noise, np.ones((2, 2))))
    for name in (file("spot"), "train/masks/spot.png"):
        Image.fromarray(np.zeros(shape, np.uint8)).save(root / name)
    windows, window = ReviewWindows(ReviewFiles(root)), Window(100, 1900, 600, 1024)
    seen, count = windows.marks(entry(root), 0.8, window)
    assert not windows.marks(entry(root), None, window)[1]
    decisions.decide(root, file("spot"), "redrawn", 0.8)
    assert windows.marks(entry(root), None, window) == (seen, count)
    saved = np.asarray(Image.open(root / "train/masks/spot.png"))[window.rows, window.columns]
    np.testing.assert_array_equal(pixels(seen) == DEFECT, saved == 1)
    shown, _ = ReviewPictures(ReviewFiles(root)).marks(entry(root), 0.8)
    assert 0 < count < np.count_nonzero(pixels(shown) == DEFECT) * (3000 / 1024) ** 2


def test_students_pixel_at_the_border_of_a_window(root):
    student = np.zeros(SHAPE, bool)
    student[10, 10] = True
    windows = ReviewWindows(ReviewFiles(root), {file("spot"): student})
    inside, outside = (
        pixels(windows.marks(entry(root), None, Window(10, left, 5, 5))[0]) for left in (10, 11)
    )
    assert (inside == STUDENT_LINE).any() and not (outside == STUDENT_LINE).any()


def test_the_hottest_place(root):
    assert ReviewWindows(ReviewFiles(root)).hottest(file("spot")) == (24, 32)


def test_windows_that_are_read():
    assert parse_window("1,2,47,62", SHAPE) == (1, 2, 47, 62)
    assert parse_window("1976,0,1024,1024", (3000, 3000)) == (1976, 0, 1024, 1024)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "spot",
            "0,0,5",
            "0,0,5,5,5",
            "0;0;5;5",
            "0,0,5,5 ",
            "0,0,5.0,5",
            "-1,0,5,5",
            "+1,0,5,5",
        ),
        *("+1,0,5,5", "0,0,0,5", "0,0,5,0", "2996,0,5,5", "0,2996,5,5", "3000,3000,1,1", "0,0,0,0"),
        *("0,0,1025,5", "0,0,5,1025", "0,0,5,١", f"0,0,5,{'9' * 5000}", "0,0,5,5\n"),
    ],
)
def test_windows_that_are_refused(text):
    with pytest.raises(
        ValueError, match=r"`window` must be top,left,height,width.*Received"
    ) as error:
        parse_window(text, (3000, 3000))
    assert len(str(error.value)) < 250
