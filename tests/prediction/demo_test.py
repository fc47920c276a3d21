"""The demo page: its figures are those of `predict`, and moving a threshold asks no network."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import types
import urllib.request

import numpy as np
import pytest
from made_predictors import boxed, bright, free_port, made, save, served_demo, spot, two_types
from PIL import Image

from zoo.commands import prediction
from zoo.modules import pretrained
from zoo.prediction import answers, demo
from zoo.prediction.files import predict_files
from zoo.prediction.predictor import load_predictor
from zoo.visualization import pictures

FAST = "fast_unet/dagm_synthetic/class_1"  # the module that came along and loads quickly


@pytest.mark.parametrize(
    "model, names",
    [
        (bright, ("good", "defect")),
        (two_types, ("good", "dent", "scratch")),
        (boxed, ("good", "defect")),
    ],
)
def test_figures_and_pictures_are_those_of_predict(model, names, tmp_path):
    path = save(tmp_path / "part.png", spot())
    predictor, seen = made(model, names)
    answer = answers.predict_file(predictor, path)
    verdicts = set()
    for threshold, score_threshold in ((0.375, 0.6251), (0.8, 0.6251), (0.999, 0.99), (0.1, 0.2)):
        chosen = {"threshold": threshold, "score_threshold": score_threshold}
        (row,) = predict_files(made(model, names, chosen)[0], [path], tmp_path / "found")
        overlay, figures = answers.draw(answer, threshold, score_threshold)
        assert figures == {key: row[key] for key in figures} and "defect_fraction" in figures
        written = np.asarray(Image.open(tmp_path / "found" / row["overlay"]))
        np.testing.assert_array_equal(overlay, written)
        verdicts.add((row["defect"], row["defect_pixels"]))
    assert len(verdicts) == 4 and len(seen) == 1


def test_the_examples_by_a_module_that_came_along(tmp_path):
    examples, predictor = demo.write_examples(tmp_path), load_predictor(FAST)
    rows = list(predict_files(predictor, examples, tmp_path / "found"))
    for example, row, defective in zip(examples, rows, (True, True, True, False)):
        answer = answers.predict_file(predictor, example)
        _, figures = answers.draw(answer, *answers.thresholds(predictor))
        assert figures["defect"] == defective
        assert figures == {key: row[key] for key in figures}


def test_a_photograph_is_shown_small_and_counted_whole(tmp_path):
    photograph = np.zeros((2000, 3001), np.uint8)
    photograph[1777, 3000] = 255
    answer = answers.predict_file(made()[0], save(tmp_path / "large.png", photograph))
    overlay, figures = answers.draw(answer, 0.5, 0.5)
    assert figures["defect_pixels"] == 1 and figures["defect_fraction"] == 1 / photograph.size
    assert answer.image.shape == (682, 1024, 1)
    assert overlay.shape[1] == 1024 and overlay[605:607, 1023].any()  # shrinking loses no pixel
    assert (
        (answers.probability_map(answer)[600:610] == pictures.heat(np.ones((1, 1)))).all(-1).any()
    )
    text = answers.sentences(answer, figures, 0.5)
    assert "0.00 % of the image, 1 of 6,002,000 pixels" in text
    assert "Of 2000x3001 pixels, the pictures show 682x1024" in text


def test_what_cameras_deliver(tmp_path):
    """16 bits, colour, and a rotation that EXIF asks for."""
    deep = save(tmp_path / "deep.TIF", spot().astype(np.uint16) * 257)
    np.testing.assert_array_equal(answers.predict_file(made()[0], deep).image[..., 0], spot())
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn clockwise
    Image.fromarray(spot()).convert("RGB").save(tmp_path / "turned.png", exif=exif)
    turned = answers.predict_file(made()[0], tmp_path / "turned.png").image[..., 0]
    np.testing.assert_array_equal(turned, np.rot90(spot(), -1))


def test_sentences(tmp_path):
    predictor, _ = made(two_types, ("good", "dent", "scratch"), image_size=[24, 32])
    image = np.zeros((10, 20), np.uint8)
    image[4:6, 15] = 204
    answer = answers.predict_file(predictor, save(tmp_path / "part.png", image))
    assert answers.sentences(answer, answers.draw(answer, 0.5, 0.75)[1], 0.75).splitlines() == [
        "### Defect: scratch",
        "The score 0.8 exceeds the image threshold 0.75.  ",
        "Marked: 1.00 % of the image, 2 of 200 pixels.  ",
        "The network saw the image at 24x32 pixels.",
    ]
    good = answers.sentences(answer, answers.draw(answer, 0.5, 0.9)[1], 0.9)
    assert good.startswith("### Good\nThe score 0.8 does not exceed the image threshold 0.9.")


def test_modules_to_choose_from(tmp_path):
    bundled = [each["handle"] for each in pretrained.manifests()]
    assert demo.module_names(tmp_path / "none") == bundled
    exported = tmp_path / "unet/neu_seg/strip/2.json"
    exported.parent.mkdir(parents=True)
    exported.write_text(json.dumps({"handle": "unet/neu_seg/strip", "version": 2}))
    exported.with_name("2.float32.onnx.json").write_text("{}")
    others = sorted({*bundled, "unet/neu_seg/strip"} - {bundled[1]})
    assert demo.module_names(tmp_path, bundled[1]) == [bundled[1], *others]


def test_thresholds_beyond_every_score_stay_on_the_slider():
    calibration = {"threshold": 0.25, "score_threshold": float(np.nextafter(1, 2, dtype="f4"))}
    assert answers.thresholds(made(calibration=calibration)[0]) == (0.25, 1.0)


def test_without_gradio(monkeypatch):
    monkeypatch.setitem(sys.modules, "gradio", None)
    with pytest.raises(ValueError, match=r"pip install 'defect-zoo\[demo\]'"):
        demo.make_page(["made"], lambda name: made()[0], [])


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Of `served_demo`; at the end nothing is left, and nobody else was asked for anything."""
    variables = (demo.CACHE_VARIABLE, demo.OFFLINE_VARIABLE, "no_proxy")
    hosts, before = set(), [os.environ.get(name) for name in variables]
    places = {"socket.connect": 1, "socket.getaddrinfo": 0}

    def hear(event, arguments):
        if event in places:
            place = arguments[places[event]]
            hosts.add(place[0] if isinstance(place, tuple) else place)

    sys.addaudithook(hear)
    with served_demo(tmp_path_factory.mktemp("served")) as (address, seen):
        folder = pathlib.Path(os.environ[demo.CACHE_VARIABLE])
        assert folder.is_dir()
        yield address, seen
    assert not folder.exists() and [os.environ.get(name) for name in variables] == before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((demo.HOST, port_of(address)))
    assert hosts <= {demo.HOST, "127.0.0.2", "localhost"}


def port_of(address):
    return int(address.rstrip("/").rpartition(":")[2])


@pytest.fixture
def client(served, tmp_path):
    from gradio_client import Client  # after the page, which keeps it offline

    return Client(served[0], download_files=tmp_path, verbose=False)


def test_it_listens_on_loopback_alone(served):
    port = port_of(served[0])
    assert served[0] == f"http://127.0.0.1:{port}/"
    with pytest.raises(ConnectionRefusedError):  # answers if all addresses are listened to
        socket.create_connection(("127.0.0.2", port))
    with pytest.raises(ValueError, match=f"Port {port} is taken: choose another by --port"):
        demo.serving(["spots"], lambda name: made()[0], port).__enter__()


def test_the_page_over_http(served, client, tmp_path):
    from gradio_client import handle_file

    _, seen = served
    asked = len(seen["spots"])
    part = handle_file(save(tmp_path / "part.png", spot()))
    overlay, heat, text = client.predict("spots", part, 0.375, 0.6251, api_name="/look")
    assert "### Defect" in text and np.asarray(Image.open(heat)).shape == (48, 64, 3)
    marked = [text]
    for threshold in (0.5, 0.9):
        redrawn, text = client.predict(threshold, 0.99, api_name="/redraw")
        pixels = int((spot() / np.float32(255) > threshold).sum())
        assert f"{pixels:,} of 3,072 pixels" in text and "### Good" in text
        assert pathlib.Path(redrawn).read_bytes() != pathlib.Path(overlay).read_bytes()
        marked.append(text)
    assert len(set(marked)) == 3 and len(seen["spots"]) == asked + 1
    pixel, score, *_, text = client.predict("types", part, api_name="/choose")
    assert (pixel, score) == (0.375, 0.6251) and "### Defect: " in text
    text = client.predict("broken", part, api_name="/choose")[-1]
    assert text == "There is no module broken."


def test_what_is_no_image_is_named(client, tmp_path):
    from gradio_client import handle_file

    (tmp_path / "notes.png").write_text("not an image")
    part = handle_file(tmp_path / "notes.png")
    overlay, heat, text = client.predict("spots", part, 0.5, 0.5, api_name="/look")
    assert overlay is heat is None
    assert text == (
        "notes.png is truncated or no image of 8 or 16 bits (unknown format). Replace the file, or "
        "leave it out."
    )


def test_large_images_are_predicted_by_tiles(monkeypatch):
    kept = []

    @contextlib.contextmanager
    def serving(names, load, port):
        kept.append(load)
        yield "address"

    monkeypatch.setattr(demo, "serving", serving)
    flags = {"source": FAST, "modules_dir": "modules", "calibration": None, "port": 1}
    options = types.SimpleNamespace(**flags, tile_size=None, tile_overlap=128)
    assert next(prediction.demo(options)) == "demo    address"
    predict = kept[0](FAST).predict
    assert "peak" in predict(np.zeros((1, 64, 1024, 1), np.uint8))
    assert "peak" not in predict(np.zeros((1, 64, 1040, 1), np.uint8))  # tiles have none


def test_command(tmp_path):
    port, root = free_port(), pathlib.Path(__file__).parents[2]
    running = subprocess.Popen(
        [sys.executable, "-m", "zoo", "demo", f"--source={FAST}", f"--port={port}"],
        cwd=tmp_path,
        env={
            **os.environ,
            "PYTHONPATH": str(root),
            "TMPDIR": str(tmp_path),
            "http_proxy": "http://127.0.0.1:9",  # that nobody listens to
        },
        # what a shell starts in the background ignores it, and so would this
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stdout.readline().split() == ["demo", f"http://127.0.0.1:{port}/"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/config", timeout=60) as answer:
            assert FAST in answer.read().decode()
        running.send_signal(signal.SIGINT)
        assert running.communicate(timeout=60)[0] == "stopped\n" and running.returncode == 0
    finally:
        running.kill()
    assert not list(tmp_path.iterdir())  # no image is left behind
