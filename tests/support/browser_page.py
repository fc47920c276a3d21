"""A page in a headless Chromium, for tests."""

import base64
import io
import json
import os
import pathlib
import shutil
import time

import numpy as np
import pytest
from PIL import Image

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    BROWSER is None or DRIVER is None,
    reason="no chromium or chromedriver: apt-get install chromium chromium-driver",
)
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def start_browser(profile):
    """Starts Chromium with an empty profile folder; whoever starts it must call `quit`."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With its path given, selenium does not look for a driver in the network.
    return webdriver.Chrome(options, webdriver.ChromeService(DRIVER))


class Tab:
    """The browser's only tab, and what tests do to any page in it."""

    def __init__(self, driver):
        self.driver = driver
        self.screen(1280, 900)
        driver.get("about:blank")
        driver.get_log("performance")  # forgets what the page before asked for

    def run(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def wait(self, condition):
        """Waits until a condition holds and its frame is drawn."""
        self.driver.execute_async_script(
            f"const done = arguments[0]; const look = () => {condition} "
            "? requestAnimationFrame(() => requestAnimationFrame(done)) : setTimeout(look, 10); "
            "look();"
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).text

    def screen(self, width, height, mobile=False):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def screens(self, phone_height=1500):
        """Names of three screens, each while the page is shown on it; light at the end."""
        backgrounds = set()
        for name, width, height, mobile, scheme in (
            ("desktop", 1280, 900, False, "light"),
            ("dark", 1280, 900, False, "dark"),
            ("phone", 360, phone_height, True, "light"),
        ):
            self.screen(width, height, mobile)
            self.prefer(scheme)
            yield name
            assert self.run("return document.documentElement.scrollWidth") <= width
            backgrounds.add(self.run("return getComputedStyle(document.body).backgroundColor"))
        self.prefer("light")
        assert len(backgrounds) == 2

    def screenshot(self, name, folder):
        """Writes a PNG to `$ZOO_ARTIFACTS_DIR`, else to `folder`."""
        folder = pathlib.Path(os.environ.get("ZOO_ARTIFACTS_DIR") or folder)
        folder.mkdir(parents=True, exist_ok=True)
        assert self.driver.save_screenshot(str(folder / f"{name}.png"))

    def requested(self):
        """The addresses that were asked for since this tab was made or they were last asked for."""
        rows = self.driver.get_log("performance")
        messages = [json.loads(row["message"])["message"] for row in rows]
        return [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]


class Page(Tab):
    """An opened report."""

    def __init__(self, driver, path):
        super().__init__(driver)
        start = time.perf_counter()
        driver.get(path.as_uri())
        self.run("document.querySelector('.card').scrollIntoView()")
        self.wait("drawings.size > 0")
        self.seconds = time.perf_counter() - start
        self.data = json.loads(self.run("return document.querySelector('#data').textContent"))

    def press(self, slider, key):
        """Presses a key on a slider and returns the threshold it has moved to."""
        self.find(slider).send_keys(key)
        self.wait("true")
        kind = slider[1:].partition("-")[0]
        return self.data[kind]["thresholds"][int(self.find(slider).get_property("value"))]

    def cards(self):
        """Titles of the cards that are shown."""
        return self.run(
            "return cards.filter((card) => !card.hidden)"
            ".map((card) => find('figcaption', card).textContent)"
        )


def decode(address):
    """The pixels of a data address."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2]))))
