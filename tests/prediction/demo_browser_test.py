"""The demo page in a real browser: what its sliders show is compared with NumPy."""

import json

import numpy as np
import pytest
from browser_page import Tab, decode, needs_browser
from made_predictors import CALIBRATION, save, served_demo, spot

from zoo.prediction import demo
from zoo.visualization import pictures

pytestmark = needs_browser


class Demo(Tab):
    """An opened demo page."""

    def upload(self, path):
        self.wait("document.querySelector('input[type=file]')")
        self.find("input[type=file]").send_keys(str(path))

    def verdict(self, part):
        """Waits until the verdict has a part, and returns all of it."""
        self.wait(f"document.querySelector('#verdict')?.innerText.includes({json.dumps(part)})")
        return self.text("#verdict")

    def overlay(self):
        """The overlay of `spot()`, without the legend: uint8 [48, 64, 3]."""
        self.wait("document.querySelector('#overlay img')?.complete")
        address = self.run(
            "const image = document.querySelector('#overlay img');"
            "const canvas = document.createElement('canvas');"
            "[canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];"
            "canvas.getContext('2d').drawImage(image, 0, 0); return canvas.toDataURL()"
        )
        return decode(address)[:48, :64, :3]


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with served_demo(tmp_path_factory.mktemp("served")) as address_and_seen:
        yield address_and_seen


@pytest.fixture
def page(browser, served, tmp_path):
    """The page with an answer, of which nobody but the server was asked for anything."""
    page = Demo(browser)
    browser.get(served[0])
    page.verdict(demo.WELCOME)
    page.upload(save(tmp_path / "part.png", spot()))
    page.verdict("Marked")
    yield page
    requested = page.requested()
    assert requested and all(url.startswith((served[0], "data:")) for url in requested)
    assert not [row for row in browser.get_log("browser") if row["level"] == "SEVERE"]


def marked(threshold):
    return (spot() / np.float32(255) > threshold).astype(np.uint8)


def test_sliders_draw_and_count_again_and_ask_no_network(page, served):
    from selenium.webdriver.common.keys import Keys

    asked = len(served[1]["spots"])
    start = pictures.overlay_types(spot(), marked(CALIBRATION["threshold"]))
    np.testing.assert_array_equal(page.overlay(), start)
    slider = page.find("#pixel input[type=range]")
    for key in (Keys.ARROW_RIGHT, Keys.END, Keys.HOME):
        slider.send_keys(key)
        mask = marked(float(slider.get_property("value")))
        page.verdict(f" {mask.sum():,} of 3,072 pixels")
        np.testing.assert_array_equal(page.overlay(), pictures.overlay_types(spot(), mask))
    assert page.text("#verdict").startswith("Defect\n")
    page.find("#score input[type=range]").send_keys(Keys.END)
    assert "does not exceed the image threshold 1." in page.verdict("Good")
    page.find("#reset").click()
    page.verdict("Defect")
    np.testing.assert_array_equal(page.overlay(), start)
    numbers = [page.find(f"#{name} input[type=number]") for name in ("pixel", "score")]
    assert [float(each.get_property("value")) for each in numbers] == [*CALIBRATION.values()]
    assert len(served[1]["spots"]) == asked


def test_another_module_answers_anew(page, served):
    asked = len(served[1]["types"])
    for number, answer in ((1, "Defect: "), (2, "There is no module broken."), (0, "Defect\n")):
        page.find("input[role=combobox]").click()
        page.wait("document.querySelector('[role=option]')")
        page.driver.find_elements("css selector", "[role=option]")[number].click()
        page.verdict(answer)
        shown = page.driver.find_elements("css selector", "#overlay img, #heat img")
        assert len(shown) == (0 if "broken" in answer else 2)
    assert len(served[1]["types"]) == asked + 1


def test_a_file_that_is_no_image_and_then_an_example(page, tmp_path):
    (tmp_path / "notes.png").write_text("not an image")
    page.find("[aria-label=Clear]").click()
    page.verdict(demo.WELCOME)
    page.upload(tmp_path / "notes.png")
    page.verdict("notes.png is truncated or no image")
    assert not page.driver.find_elements("css selector", "#overlay img")
    page.find(".gallery-item").click()
    page.verdict("of 262,144 pixels")


def test_phone_and_dark(page, tmp_path):
    for name in page.screens():
        page.wait("true")
        page.screenshot(f"demo_{name}", tmp_path)
