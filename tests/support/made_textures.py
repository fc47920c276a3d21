"""Makes a folder in the layout of DTD."""

from PIL import Image


def make_dtd(folder, classes):
    for number in range(classes):
        (folder / "images" / str(number)).mkdir(parents=True)
        Image.new("L", (8, 8)).save(folder / "images" / str(number) / "a.jpg")
