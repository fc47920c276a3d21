"""The memory that a large image takes from file to mask and overlay, in a process of its own."""

import pathlib
import subprocess
import sys

import pytest

SIZE = (2400, 2500)  # pixels; of 20 megapixels each takes as much
# 20 megapixels of 9 channels stay below 1.4 GiB then, which leaves 0.6 GiB for the network.
BYTES_PER_PIXEL = {1: 30, 9: 70}

SCRIPT = """
import pathlib, re, sys
import numpy as np
from PIL import Image
from zoo.prediction import files, predictor, tiling

channels, folder = int(sys.argv[1]), pathlib.Path(sys.argv[2])

def model(images):
    mask = np.random.default_rng(0).random((*images.shape[:3], channels), np.float32)
    return {"mask": mask, "score": mask[..., 0].max(axis=(1, 2))}

def run(name):
    Image.fromarray(np.full((64, 64) if name == "small" else SIZE, 90, np.uint8)).save(
        folder / f"{name}.png"
    )
    list(files.predict_files(tiles, [folder / f"{name}.png"], folder / "out"))
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])

names = ["good", "a", "b", "c", "d", "e", "f", "g", "h"][: max(channels, 2)]
recipe = {"builder_args": {"image_shape": [None, None, 1]}, "class_names": names}
predict_tiled = tiling.tiled(model, tile=(256, 256), overlap=64)
tiles = predictor.Predictor(predict_tiled, recipe, {})
before = run("small")
print((run("large") - before) / (SIZE[0] * SIZE[1]))
"""


@pytest.mark.skipif(not pathlib.Path("/proc/self/status").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("channels", BYTES_PER_PIXEL)
def test_memory_of_a_large_image(channels, tmp_path):
    script = SCRIPT.replace("SIZE", str(SIZE))
    done = subprocess.run(
        [sys.executable, "-c", script, str(channels), str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(done.stdout) < BYTES_PER_PIXEL[channels]
