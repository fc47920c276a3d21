"""The page of a review in a headless Chromium, for tests."""

import numpy as np
from browser_page import Tab, decode
from made_review import SHAPE, file
from PIL import Image
from selenium.webdriver.common.action_chains import ActionChains

from tfds_datasets.image_mask_folder import manifest
from zoo.review.marks import COLORS, DEFECT


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
        """Where the page shows a defect, bool, a value for each pixel of the image that is seen."""
        _, _, height, width = self.window() or (0, 0, *SHAPE)
        growth = 1024 // max(height, width)
        marks = self.layer("marks")[::growth, ::growth].astype(int)
        return np.abs(marks - COLORS[DEFECT]).max(axis=-1) < 5  # clear colours are rounded

    def window(self):
        """Top, left, height and width of what is zoomed to; None where all is seen."""
        return self.run("return view && [view.top, view.left, view.height, view.width]")

    def zoom(self):
        """By key, to the hottest place."""
        self.press("z")
        self.wait("view !== null")
        self.settle()

    def pointer(self, x, y):
        """Puts the pointer upon the middle of the picture and so many screen pixels beside it."""
        return ActionChains(self.driver).move_to_element_with_offset(self.find("#stage"), x, y)

    def check_window(self, mask):
        """Each layer shows its part of the whole, in its place."""
        top, left, height, width = self.window()
        rows, columns = slice(top, top + height), slice(left, left + width)
        image = np.asarray(Image.open(self.root / file(self.name())))[rows, columns]
        np.testing.assert_array_equal(self.layer("image")[..., 0], image)
        np.testing.assert_array_equal(self.marked(), mask[rows, columns] == 1)
        assert self.layer("heat").shape == (height, width, 4)
        moved = self.run("return layers().map((layer) => layer.style.transform)")
        assert moved == ["translate(0px, 0px)"] * 3
        assert f"x {left}, y {top}" in self.text("#view")
