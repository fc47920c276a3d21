"""The review page in a real browser: what its keys do is on disk, what it shows is NumPy's."""

import urllib.parse

import numpy as np
import pytest
from browser_page import needs_browser
from made_predictors import made
from made_review import LEVELS, ORDER, SCORES, SHAPE, cone, served_review
from review_page import ReviewPage
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tfds_datasets.image_mask_folder import manifest
from zoo.pseudo_masks.hysteresis import pseudo_mask

pytestmark = needs_browser


@pytest.fixture
def page(browser, tmp_path):
    with served_review(tmp_path / "pseudo") as (root, address):
        yield ReviewPage(browser, root, address)


def drawn(name, threshold):
    return pseudo_mask(cone(SCORES[name]).astype(np.float32), LEVELS.redraw(threshold))


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


def test_zoom_shows_and_moves_a_window(page):
    page.press("n", "n", "h")
    page.zoom()
    top, left, height, width = page.window()
    assert abs(top + height / 2 - 24) <= 1 and abs(left + width / 2 - 32) <= 1
    assert height < 48 and width < 64
    page.check_window(page.mask("spot"))
    before = page.threshold()
    keys = ActionChains(page.driver).key_down(Keys.SHIFT)
    keys.send_keys(Keys.ARROW_RIGHT, Keys.ARROW_UP).key_up(Keys.SHIFT).perform()
    page.settle()
    assert page.window() == [top - round(height / 4), left + round(width / 4), height, width]
    assert page.threshold() == before
    page.press(*4 * [Keys.ARROW_DOWN])
    threshold = page.threshold()
    assert page.name() == "spot" and threshold < before
    page.check_window(drawn("spot", threshold))
    assert page.text("#pixels") == f"{np.count_nonzero(page.marked())} in the window"

    top, left, _, _ = page.window()
    scale = page.run("return scaleOf(view)")
    page.pointer(0, 0).click_and_hold().move_by_offset(3 * scale, -2 * scale).release().perform()
    page.settle()
    assert page.window() == [top + 2, left - 3, height, width]
    page.check_window(drawn("spot", threshold))
    page.pointer(0, 0).click_and_hold().move_by_offset(400, 300).release().perform()
    page.pointer(0, 0).click_and_hold().move_by_offset(400, 300).release().perform()
    page.settle()
    assert page.window() == [0, 0, height, width]  # and no farther
    page.check_window(drawn("spot", threshold))
    page.press(Keys.ENTER)
    np.testing.assert_array_equal(page.mask("spot"), drawn("spot", threshold))
    assert page.name() == "clean" and page.window() is None


def test_zoom_by_click_and_ways_out(page):
    scale = page.run("return scaleOf(image())")
    page.pointer(-10 * scale, 5 * scale).click().perform()
    page.settle()
    top, left, height, width = page.window()
    assert abs(top + height / 2 - 29) <= 1 and abs(left + width / 2 - 22) <= 1
    page.pointer(100, 100).click().perform()
    page.settle()
    assert page.window() is None and page.layer("image").shape == (*SHAPE, 4)
    np.testing.assert_array_equal(page.marked(), page.mask("dust") == 1)
    for leave in ("z", Keys.ESCAPE, "n", "a"):
        page.zoom()
        assert page.find("#zoom-button").get_attribute("aria-pressed") == "true"
        page.press(leave)
        assert page.window() is None and not page.find("#view").is_displayed()
        assert page.layer("image").shape == (*SHAPE, 4)
        assert page.find("#zoom-button").get_attribute("aria-pressed") == "false"
    assert page.entry("dent")["reviewed"] == "accepted" and page.name() == "spot"
    page.click("#zoom-button")
    page.wait("view !== null")
    page.press(Keys.ARROW_UP, Keys.ESCAPE)  # forgets the threshold first
    assert page.window() and page.threshold() == LEVELS.pixel


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
            page.zoom()
            page.screenshot(f"review_zoom_{name}", tmp_path)
            page.press("z")
        page.screen(360, 700, mobile=True)
        page.press("n", "n", "p")
        assert page.run("return scrollY") == 0  # the list lies below the picture, which stays
        assert page.driver.get_log("browser") == []  # no error, and nothing that is forbidden
        asked = {urllib.parse.urlsplit(url.removeprefix("blob:")) for url in page.requested()}
        hosts = {url.netloc for url in asked if url.scheme != "data"}
        assert hosts == {urllib.parse.urlsplit(address).netloc}
