"""A page in a headless Chromium, for tests."""

import json
import shutil
import time

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
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


class Page:
    """An opened report."""

    def __init__(self, driver, path):
        self.driver = driver
        self.screen(1280, 900)
        driver.get_log("performance")  # forgets what the page before asked for
        start = time.perf_counter()
        driver.get(path.as_uri())
        self.run("document.querySelector('.card').scrollIntoView()")
        self.wait("drawings.size > 0")
        self.seconds = time.perf_counter() - start
        self.data = json.loads(self.run("return document.querySelector('#data').textContent"))

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

    def screen(self, width, height, mobile=False):
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def prefer(self, scheme):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
