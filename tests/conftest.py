"""What several tests use: a small data set, and a browser."""

import pytest
import tensorflow_datasets as tfds
from browser_page import start_browser

import tfds_datasets


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """The first 120 images of each split; their folds hold defective and good ones."""
    folder = tmp_path_factory.mktemp("data")
    builder = tfds_datasets.DATASETS["dagm_synthetic"](config="class_1_small", data_dir=folder)
    builder.download_and_prepare(
        download_config=tfds.download.DownloadConfig(max_examples_per_split=120)
    )
    return folder


@pytest.fixture(autouse=True)
def briefly_timed(monkeypatch):
    """Every module is compared with its model and timed: here once, on a small image."""
    monkeypatch.setattr("export.check.SIZE", (128, 128))
    monkeypatch.setattr("export.check.SECONDS", 0.0)
    monkeypatch.setattr("export.check.LEAST_RUNS", 1)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    driver = start_browser(tmp_path_factory.mktemp("profile"))
    yield driver
    driver.quit()
