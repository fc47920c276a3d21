import keras
import numpy as np
from PIL import Image

from zoo.training.backup import Backup
from zoo.training.callbacks import EpochPictures, MeasureAnomaly
from zoo.visualization import pictures


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


def test_pictures_of_large_images_are_small_and_lose_no_defect(tmp_path):
    image = keras.Input((600, 2048, 1), name="image")
    logits = keras.layers.Rescaling(20.0, offset=-10.0, name="mask_logits")(image)
    mask = np.zeros((1, 600, 2048, 1), np.uint8)
    mask[0, 301, 1001] = 1
    callback = EpochPictures(
        tmp_path, keras.Model(image, {"mask_logits": logits}), 255 * mask, mask
    )
    callback.on_epoch_end(0)
    drawn = np.asarray(Image.open(tmp_path / "epoch_00001.png"))
    assert drawn.shape == (150, 3 * 512 + 2 * 4, 3)
    for left in (516, 1032):  # the truth and what was found
        part = drawn[:, left : left + 512].astype(int).sum(axis=-1)
        assert np.argwhere(part > part.min() + 100).tolist() == [[75, 250]]


def test_dropout_goes_on_where_it_was(tmp_path):
    """Files of weights do not hold the states of what draws random numbers."""
    rng = np.random.default_rng(0)
    x, y = rng.random((16, 8), np.float32), rng.random((16, 1), np.float32)

    def fitted(directory, *stops):
        for stop in stops:
            keras.utils.set_random_seed(1)
            layers = [keras.layers.Dropout(0.5), keras.layers.Dense(1)]
            model = keras.Sequential([keras.Input((8,)), *layers])
            model.compile("adam", "mse")
            model.optimizer.build(model.trainable_variables)
            backup = Backup(directory, {}, monitor="loss")
            options = {"initial_epoch": backup.restore(model), "epochs": stop, "verbose": 0}
            model.fit(x, y, batch_size=4, shuffle=False, callbacks=[backup], **options)
        return model.get_weights()

    unbroken, resumed = fitted(tmp_path / "one", 3), fitted(tmp_path / "other", 1, 3)
    for one, other in zip(unbroken, resumed):
        np.testing.assert_array_equal(one, other)


def test_labels_count_where_there_is_no_mask():
    """A defective image without a mask is one, and the score of a model of labels is its own."""
    image = keras.Input((4, 4, 1), name="image")
    logits = keras.layers.Rescaling(20.0, offset=-10.0, name="mask_logits")(image)
    images = np.zeros((4, 4, 4, 1), np.uint8)
    images[2:, 1, 1] = 255
    masks = np.where(np.arange(4).reshape(4, 1, 1, 1) < 2, 0, 255) * np.ones((1, 4, 4, 1))
    batch = {"image": images, "mask": masks.astype(np.uint8), "label": np.array([0, 0, 1, 1])}
    callback = MeasureAnomaly(keras.Model(image, {"mask_logits": logits}), lambda: [batch], 1)
    logs = {}
    callback.on_epoch_end(0, logs)
    assert logs["val_image_auroc"] == 1.0
