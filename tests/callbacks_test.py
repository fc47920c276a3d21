import keras
import numpy as np
from PIL import Image

from zoo import pictures
from zoo.callbacks import EpochPictures


def test_pictures_of_an_epoch_leave_ignored_pixels_dark(tmp_path):
    image = keras.Input((4, 4, 1), name="image")
    logits = keras.layers.Rescaling(1.0, name="mask_logits")(image)
    mask = np.zeros((1, 4, 4, 1), np.uint8)
    mask[0, 0], mask[0, 1] = 2, 255
    images = np.zeros_like(mask)
    callback = EpochPictures(tmp_path, keras.Model(image, {"mask_logits": logits}), images, mask)
    callback.on_epoch_end(0)
    drawn = np.asarray(Image.open(tmp_path / "epoch_00001.png"))
    truth = drawn[:, 8:12]
    none, full = pictures.heat(np.array([0.0, 1.0], np.float32))
    assert (truth[0] == full).all() and (truth[1:] == none).all()
