"""The review page in a real browser: what its keys do is on disk, what it shows is NumPy's."""

import urllib.parse

import numpy as np
import pytest
from browser_page import Tab, decode, needs_browser
from made_predictors import made
from made_review import LEVELS, ORDER, SCORES, cone, file, served_review
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_mask import pseudo_mask
from zoo.review_pictures import COLORS, DEFECT

pytestmark = needs_browser


class ReviewPage(Tab):
    """An opened review."""

    def __init__(self, driver, root, address):
        super().__init__(driver)
        self.root, self.address = root, address
        self.open()

    def open(self):
        self.driver.get(self.address)
        self.settle()

    def press(self, *keys):
        """Presses keys wherever the focus is, and waits until all is saved and drawn."""
        ActionChains(self.driver).send_keys(*keys).perform()
        self.settle()

    def click(self, selector):
        self.find(selector).click()
        self.settle()

    def settle(self):
        self.wait(
            "saving === 0 && !drawing && [...document.images].every((image) => image.complete)"
        )

    def entry(self, name):
        return manifest.read_manifest(self.root)[file(name)]

    def mask(self, name):
        return np.asarray(Image.open(self.root / f"train/masks/{name}.png"))

    def name(self):
        return self.text("#name")

    def threshold(self):
        return float(self.find("#number").get_property("value"))

    def layer(self, name):
        """The pixels of a layer as it is shown, uint8 [H, W, 4]."""
        return decode(
            self.run(
                "const layer = document.getElementById(arguments[0]);"
                "const canvas = document.createElement('canvas');"
                "[canvas.width, canvas.height] = [layer.naturalWidth, layer.naturalHeight];"
                "canvas.getContext('2d').drawImage(layer, 0, 0); return canvas.toDataURL()",
                name,
            )
        )

    def marked(self):
        """Where the page shows a defect, bool, of the size of the image."""
        growth = 1024 // 64
        marks = self.layer("marks")[::growth, ::growth].astype(int)
        return np.abs(marks - COLORS[DEFECT]).max(axis=-1) < 5  # clear colours are rounded


@pytest.fixture
def page(browser, tmp_path):
    with served_review(tmp_path / "pseudo") as (root, address):
        yield ReviewPage(browser, root, address)


def drawn(name, threshold):
    return pseudo_mask(cone(SCORES[name]).astype(np.float32), LEVELS.redrawn(threshold))


def test_keys_reach_the_disk_and_stay(page):
    assert page.name() == ORDER[0] == "dust"
    page.press("a")
    assert page.name() == "dent" and page.entry("dust")["reviewed"] == "accepted"
    page.press("r")
    assert page.name() == "spot" and page.entry("dent")["use"] is False
    before = page.mask("spot")
    page.press(*5 * [Keys.ARROW_DOWN])
    assert (page.mask("spot") == before).all()  # nothing is saved yet
    assert page.text("#verdict").startswith("Not saved yet.")
    page.press("a")  # would save another mask than the one that is seen
    assert page.name() == "spot" and page.text("#status").startswith("The threshold has moved")
    threshold = page.threshold()
    page.press(Keys.ENTER)
    assert page.entry("spot")["reviewed"] == "redrawn"
    assert page.entry("spot")["levels"]["pixel"] == threshold < LEVELS.pixel
    np.testing.assert_array_equal(page.mask("spot"), drawn("spot", threshold))
    assert page.name() == "clean" and page.text("#count") == "3 of 5 reviewed"

    page.open()
    assert page.name() == "clean" and page.text("#count") == "3 of 5 reviewed"
    states = page.run("return [...document.querySelectorAll('.state')].map((e) => e.textContent)")
    assert [word in state for word, state in zip(("accepted", "rejected", "redrawn"), states)] == [
        True
    ] * 3
    page.press(Keys.ARROW_LEFT)
    assert page.name() == "spot" and page.text("#verdict").startswith("Redrawn.")
    page.press("u")
    assert page.entry("spot")["reviewed"] is None
    np.testing.assert_array_equal(page.mask("spot"), before)
    assert page.name() == "spot" and page.threshold() == LEVELS.pixel
    page.press("A")  # with caps lock
    assert page.entry("spot")["reviewed"] == "accepted" and page.name() == "clean"


def test_the_picture_follows_the_threshold(page):
    page.press("n", "n")
    assert page.name() == "spot"
    np.testing.assert_array_equal(page.marked(), page.mask("spot") == 1)
    seen = set()
    for key in (Keys.ARROW_UP, "+", "=", Keys.ARROW_DOWN, "-", "-", "-"):
        page.press(key)
        expected = drawn("spot", page.threshold()) == 1
        np.testing.assert_array_equal(page.marked(), expected)
        assert page.text("#pixels") == str(np.count_nonzero(expected))
        seen.add(page.threshold())
    assert len(seen) >= 5
    page.press(Keys.ESCAPE)
    assert page.threshold() == LEVELS.pixel and page.text("#verdict").startswith("Not reviewed.")
    np.testing.assert_array_equal(page.marked(), page.mask("spot") == 1)
    page.press(*30 * [Keys.ARROW_UP])
    assert page.threshold() >= SCORES["spot"] and not page.marked().any()
    assert "good" in page.text("#verdict")
    page.press(Keys.ENTER)
    assert page.entry("spot")["use"] is True and not page.mask("spot").any()


def test_mouse_slider_and_number(page):
    page.click("#list li:nth-child(5) button")
    assert page.name() == "scratch"
    page.click("#accept")
    assert page.entry("scratch")["reviewed"] == "accepted" and page.name() == "dust"
    page.press(Keys.ENTER)  # does not press the button again
    assert page.entry("dust")["reviewed"] is None
    page.click("#next")
    slider = page.find("#slider")
    ActionChains(page.driver).click_and_hold(slider).move_by_offset(40, 0).release().perform()
    page.settle()
    threshold = page.threshold()
    np.testing.assert_array_equal(page.marked(), drawn("dent", threshold) == 1)
    page.press(Keys.ARROW_LEFT)  # moves the slider, which has the focus
    assert page.name() == "dent" and page.threshold() < threshold
    number = page.find("#number")
    number.clear()
    number.send_keys("0.3")
    page.press(Keys.ENTER)
    assert page.entry("dent")["levels"]["pixel"] == 0.3 and page.name() == "spot"
    page.click("#reject")
    assert page.entry("spot")["reviewed"] == "rejected"
    page.click("#previous")
    page.click("#undo")
    assert page.name() == "spot" and page.entry("spot")["reviewed"] is None


def test_map_masks_and_help(page):
    def hidden(name):
        return page.run("return document.getElementById(arguments[0]).hidden", name)

    assert hidden("heat") and not hidden("marks")
    page.press("h", "m")
    assert not hidden("heat") and hidden("marks")
    assert page.layer("heat").shape == (48, 64, 4)
    page.press("n")
    assert not hidden("heat") and hidden("marks")  # of the next one, too
    page.press("h", "m", "?")
    assert hidden("heat") and not hidden("marks")
    assert page.run("return document.getElementById('help').open")
    page.press("a")
    assert page.entry("dent")["reviewed"] is None  # who reads the help decides nothing
    page.press(Keys.ESCAPE)
    assert not page.run("return document.getElementById('help').open")


def test_zoom_by_key_click_and_drag(page):
    def window():
        """Rows and columns of what is shown."""
        view = page.run("return view")
        return tuple(
            slice(view[start], view[start] + view[side])
            for start, side in (("top", "height"), ("left", "width"))
        )

    def check():
        marks = page.layer("marks")[::32, ::32].astype(int)
        marked = np.abs(marks - COLORS[DEFECT]).max(axis=-1) < 5
        np.testing.assert_array_equal(marked, (page.mask("spot") == 1)[window()])
        shown, stored = page.layer("image")[..., 0], Image.open(page.root / file("spot"))
        np.testing.assert_array_equal(shown, np.asarray(stored)[window()])

    page.press("n", "n", "z")
    assert page.name() == "spot" and window() == (slice(12, 36), slice(16, 48))
    assert page.text("#window") == "32x24 from x 16, y 12 of 64x48 pixels"
    check()
    page.press(Keys.ARROW_UP)  # moves the threshold
    expected = (drawn("spot", page.threshold()) == 1)[window()]
    marks = page.layer("marks")[::32, ::32].astype(int)
    np.testing.assert_array_equal(np.abs(marks - COLORS[DEFECT]).max(axis=-1) < 5, expected)
    page.press(Keys.ESCAPE)
    shift = ActionChains(page.driver).key_down(Keys.SHIFT)
    shift.send_keys(Keys.ARROW_UP, Keys.ARROW_RIGHT).key_up(Keys.SHIFT).perform()
    page.settle()
    assert window() == (slice(6, 30), slice(24, 56)) and page.name() == "spot"
    check()
    drag = ActionChains(page.driver).move_to_element(page.find("#stage")).click_and_hold()
    drag.move_by_offset(200, -100).release().perform()
    page.settle()
    rows, columns = window()
    scale = page.run("return scale()")
    assert abs(rows.start - (6 + 100 * scale)) < 1 and abs(columns.start - (24 - 200 * scale)) < 1
    check()
    page.click("#stage")
    assert page.run("return view") is None and page.text("#window") == "64x48 pixels"
    page.click("#stage")  # round its middle
    assert window() == (slice(12, 36), slice(16, 48))
    page.press("n")
    assert page.run("return view") is None and page.name() == "clean"


def test_what_was_not_saved_is_said(page):
    lines = (page.root / manifest.FILE).read_bytes()
    (page.root / manifest.FILE).unlink()
    page.press("a")
    assert "Not saved: dust was not accepted" in page.text("#error")
    (page.root / manifest.FILE).write_bytes(lines)
    page.press("p", "a")
    assert page.entry("dust")["reviewed"] == "accepted"
    assert not page.find("#error").is_displayed()


def test_student_screens_and_no_network(browser, tmp_path):
    with served_review(tmp_path / "pseudo", made()[0]) as (root, address):
        page = ReviewPage(browser, root, address)
        page.driver.get_log("browser")
        assert page.name() == "clean" and page.text("#disagreement") == "1.000"
        page.press("a", "r")
        for name in page.screens():
            page.settle()
            page.screenshot(f"review_{name}", tmp_path)
        page.screen(360, 700, mobile=True)
        page.press("n", "n", "p")
        assert page.run("return scrollY") == 0  # the list lies below the picture, which stays
        assert page.driver.get_log("browser") == []  # no error, and nothing that is forbidden
        asked = {urllib.parse.urlsplit(url.removeprefix("blob:")) for url in page.requested()}
        hosts = {url.netloc for url in asked if url.scheme != "data"}
        assert hosts == {urllib.parse.urlsplit(address).netloc}
