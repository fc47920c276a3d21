"""The report in a real browser: what its sliders show is compared with NumPy."""

import numpy as np
import pytest
from browser_page import Page, decode, needs_browser
from report_data import CALIBRATION, HISTORY, THRESHOLDS, measure
from scipy import ndimage

from zoo import report
from zoo.metrics import decisions, segmentation
from zoo.recipes import get_recipe
from zoo.report import verdict
from zoo.visualization.gallery import Gallery
from zoo.visualization.pictures import heat

SECONDS = 3.0  # from the call to the first pictures

pytestmark = needs_browser


@pytest.fixture(scope="module")
def measured():
    return measure(defective=6, good=8, missed=2, alarms=3, shape=(48, 64))


@pytest.fixture
def page(browser, measured, tmp_path):
    return open_report(browser, measured, tmp_path)


def open_report(browser, measured, folder):
    path = folder / "report.html"
    report.write_report(
        path,
        recipe=get_recipe("tiny_unet/dagm_synthetic/class_1").to_dict(),
        metrics=measured["metrics"],
        calibration=CALIBRATION,
        environment={},
        history=HISTORY,
        gallery=measured["gallery"],
        curves=measured["curves"],
    )
    return Page(browser, path)


def shares(text):
    return [float(word) for word in text.split(" to ")]


def test_score_slider_counts_again(page, measured):
    from selenium.webdriver.common.keys import Keys

    metrics = measured["metrics"]
    scores = np.array([row["score"] for row in metrics["per_image"]])
    defective = np.array([row["label"] != "good" for row in metrics["per_image"]])
    seen = set()
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.HOME, Keys.END):
        threshold = page.press("#score-slider", key)
        expected = decisions.image_decisions(scores, defective, threshold)
        for name in ("tp", "fp", "tn", "fn"):
            assert int(page.text(f"#{name}")) == expected[name]
        for name in ("tpr", "tnr"):
            assert float(page.text(f"#{name}")) == pytest.approx(expected[name], abs=6e-4)
            low_high = shares(page.text(f"[data-show={name}_interval]"))
            assert low_high == pytest.approx(expected[f"{name}_interval"], abs=6e-4)
        balanced = float(page.text("#balanced-accuracy"))
        assert balanced == pytest.approx(expected["balanced_accuracy"], abs=6e-4)
        assert page.text("#sentence") == verdict.sentence({**metrics, **expected})
        assert sum("wrongly" in card for card in page.cards()) == expected["fp"] + expected["fn"]
        spoken = page.find("#score-slider").get_attribute("aria-valuetext")
        assert float(spoken.removeprefix("threshold ")) == pytest.approx(threshold, rel=1e-4)
        seen.add(page.text("#sentence"))
    assert len(seen) >= 4


def test_pixel_slider_draws_and_counts_again(page, measured):
    from selenium.webdriver.common.keys import Keys

    page.run("document.querySelector('.card').scrollIntoView()")
    page.wait("drawings.has(cards[0])")
    worst = measured["gallery"][0]
    names = [row["file_name"] for row in measured["metrics"]["per_image"]]
    counts, summed = measured["counts"][names.index(worst["file_name"])], measured["counts"].sum(0)
    levels, truth = decode(worst["levels"]), decode(worst["truth"]).astype(int)
    defect = np.ptp(truth, axis=-1) > 0
    judged = defect | (truth[..., 0] == 0)
    line = ndimage.binary_dilation(defect) & ~defect
    colors = heat(np.round(np.arange(10) * 255 / 9) / 255)
    np.testing.assert_array_equal(drawn(page, ".map"), colors[levels])
    pictures = set()
    for key in (Keys.ARROW_RIGHT, Keys.ARROW_LEFT, Keys.ARROW_LEFT, Keys.HOME, Keys.END):
        threshold = page.press("#pixel-slider", key)
        index = int(np.flatnonzero(threshold == THRESHOLDS).item())
        both, predicted, true = summed[index]
        expected = {
            "#set-iou": both / (predicted + true - both),
            "#set-dice": 2 * both / (predicted + true),
            "#set-precision": both / predicted,
            "#set-recall": both / true,
            "#defect-iou": segmentation.iou(measured["counts"][:6, index]).mean(),
        }
        for selector, value in expected.items():
            assert float(page.text(selector)) == pytest.approx(value, abs=6e-4)
        overlap = float(page.text(".card .overlap").strip("IoU ,"))
        assert overlap == pytest.approx(segmentation.iou(counts[index]), abs=6e-3)
        picture = drawn(page, ".prediction")
        # A grey image: colour is what was drawn upon it.
        colored = np.ptp(picture.astype(int), axis=-1) > 12
        np.testing.assert_array_equal(colored, (judged & (levels > index)) | line)
        pictures.add(picture.tobytes())
    assert len(pictures) >= 4


def test_an_image_without_a_true_mask_says_so(browser, measured, tmp_path):
    first, *others = measured["gallery"]
    unmasked = first | {"iou": None, "truth_pixels": 0, "judged_pixels": 0}
    page = open_report(browser, measured | {"gallery": [unmasked, *others]}, tmp_path)
    page.run("cards[0].scrollIntoView()")
    page.wait("drawings.has(cards[0])")
    assert page.text(".card .overlap") == "no true mask,"


def test_boxes_are_drawn(page):
    page.run("window.boxed = cards.find((card) => card.dataset.boxes !== '[]')")
    page.run("window.boxed.scrollIntoView()")
    page.wait("drawings.has(window.boxed)")
    picture = decode(page.run("return find('.prediction', window.boxed).toDataURL()"))[..., :3]
    height, width = picture.shape[:2]
    green = (np.abs(picture.astype(int) - (0, 158, 115)) < 20).all(axis=-1)
    rows, columns = np.nonzero(green)
    assert rows.min() == pytest.approx(height / 4, abs=1)
    assert rows.max() == pytest.approx(3 * height / 4, abs=1)
    assert columns.min() == pytest.approx(width / 4, abs=1)
    assert columns.max() == pytest.approx(width / 2, abs=1)
    assert not green[height // 2, 3 * width // 8]


def drawn(page, canvas):
    """What the first card shows, uint8 [H, W, 3]."""
    return decode(page.run(f"return document.querySelector('{canvas}').toDataURL()"))[..., :3]


def test_button_leads_back_to_the_calibrated_thresholds(page):
    from selenium.webdriver.common.keys import Keys

    names = ("tp", "fp", "set-iou", "defect-iou", "score-value", "pixel-value")
    before = [page.text(f"#{name}") for name in names]
    assert before[-2:] == ["0.43", "0.5"]
    for slider in ("#score-slider", "#pixel-slider"):
        page.press(slider, Keys.HOME)
    moved = [page.text(f"#{name}") for name in names]
    assert all(first != second for first, second in zip(before, moved))
    page.find("#reset").send_keys(Keys.ENTER)
    page.wait("true")
    assert [page.text(f"#{name}") for name in names] == before


def test_filters(page):
    from selenium.webdriver.common.keys import Keys

    def choose(kind):
        page.find(f"[name=show][value={kind}]").send_keys(Keys.SPACE)
        assert page.run(
            "const { x, y } = document.activeElement.getBoundingClientRect();"
            "return document.elementFromPoint(x + 5, y + 5) === document.activeElement"
        )  # and does not lie below the panel
        return page.cards()

    assert len(page.cards()) == 14
    assert len(choose("defective")) == 6
    assert all("(good)" in card for card in choose("good"))
    assert sum("wrongly" in card for card in choose("wrong")) == len(page.cards()) == 5
    choose("all")
    page.find("#name").send_keys("BAD_3<")
    assert page.text(".card:not([hidden]) .name") == "bad_3<&>.png" and len(page.cards()) == 1
    page.find("#name").clear()
    page.find("#type").send_keys("dent")
    assert all("(dent)" in card for card in page.cards())


def test_print_draws_what_was_never_in_view(page):
    page.run("dispatchEvent(new Event('beforeprint'))")
    assert page.run("return drawings.size") == 14


def test_phone_dark_and_no_network(page, tmp_path):
    for name in page.screens(phone_height=800):
        page.run("document.querySelector('.panel').scrollIntoView()")
        page.wait("[...visible].every((card) => drawings.has(card))")
        page.screenshot(f"report_{name}", tmp_path)
    assert page.driver.get_log("browser") == []  # no error, and nothing that the policy forbids
    asked = page.requested()
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)


def test_600_noisy_images_open_quickly(browser, measured, tmp_path):
    """Noise fills the share that each image has of the report."""
    rng = np.random.default_rng(0)
    gallery, mask = Gallery(600), np.zeros((256, 256, 1), np.uint8)
    for index in range(6):
        levels = rng.integers(0, 256, (256, 256), dtype=np.uint8)
        gallery.offer(
            {"file_name": f"{index}.png", "label": "good", "score": 0.3, "iou": None}
            | {"rejected": False, "boxes": []},
            image=rng.integers(0, 256, (256, 256, 1), dtype=np.uint8),
            mask=mask,
            levels=levels,
            counts=segmentation.level_counts(levels, mask[..., 0], 255),
        )
    page = open_report(browser, measured | {"gallery": 100 * gallery.entries()}, tmp_path)
    size = (tmp_path / "report.html").stat().st_size
    print(f"600 noisy images: {size / 1e6:.1f} MB, pictures after {page.seconds:.2f} s")
    assert 15e6 < size < 25e6
    assert len(page.cards()) >= 60 and page.seconds < SECONDS
