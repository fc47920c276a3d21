"""The server of the review: whom it answers, and what it draws."""

import contextlib
import http.client
import io
import json
import threading

import numpy as np
import pytest
from made_review import SCORES, cone, file, make_review, served_review
from PIL import Image

from tfds_datasets.image_mask_folder import manifest
from zoo.review.files import ReviewFiles
from zoo.review.marks import DEFECT, DEFECT_LINE, NOTHING, OPEN, STUDENT_LINE
from zoo.review.server import FILES, LONGEST_BODY, serving
from zoo.review.views import ReviewPictures


@pytest.fixture
def served(tmp_path):
    with serve(tmp_path) as root_and_port:
        yield root_and_port


@pytest.fixture(scope="module")
def untouched(tmp_path_factory):
    """For what must change nothing."""
    with serve(tmp_path_factory.mktemp("review")) as (root, port):
        before = (root / manifest.FILE).read_bytes()
        yield port
        assert (root / manifest.FILE).read_bytes() == before


@contextlib.contextmanager
def serve(folder):
    (folder / "secret.png").write_bytes(b"secret")
    with served_review(folder / "pseudo") as (root, address):
        yield root, int(address.rpartition(":")[2].strip("/"))


def ask(port, address, body=None, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request("GET" if body is None else "POST", address, body, headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


def decision(name="spot", kind="rejected", **more):
    return json.dumps({"file": file(name), "decision": kind, **more})


def reviewed(root):
    entries = manifest.read_manifest(root)
    return {name: entries[file(name)]["reviewed"] for name in SCORES}


def test_the_page_and_a_decision(served):
    root, port = served
    status, headers, page = ask(port, "/")
    assert status == 200 and b"dust" in page and b"known" not in page
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    for name in FILES:
        assert ask(port, name)[0] == 200
    for origin in ({}, {"Origin": f"http://127.0.0.1:{port}"}):
        status, _, answer = ask(port, "/decide", decision(), **origin)
        assert status == 200 and json.loads(answer)["reviewed"] == "rejected"
    own = {"Host": f"localhost:{port}", "Origin": f"http://localhost:{port}"}
    assert ask(port, "/decide", decision("dent", "accepted"), **own)[0] == 200
    assert reviewed(root) == dict.fromkeys(SCORES) | {"spot": "rejected", "dent": "accepted"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{}", "127.0.0.1", "[::1]:{}", ""])
def test_another_host_is_refused(host, untouched):
    for address, body in (("/", None), (f"/picture?file={file('spot')}", None), ("/decide", "{}")):
        status, _, content = ask(untouched, address, body, Host=host.format(untouched))
        assert status == 403 and content == b"This page answers this machine alone.\n"


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "", "https://127.0.0.1:{}"])
def test_another_origin_must_not_decide(origin, untouched):
    assert ask(untouched, "/decide", decision(), Origin=origin.format(untouched))[0] == 403
    localhost = f"http://localhost:{untouched}"  # this machine, and not that page
    assert ask(untouched, "/decide", decision(), Origin=localhost)[0] == 403


@pytest.mark.parametrize(
    "body",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 4000,
        '{"file": "train/images/spot.png"}',
        decision("other"),
        decision("../../../secret"),
        decision(kind="liked"),
        json.dumps({"file": "test/images/known.png", "decision": "accepted"}),
        json.dumps({"file": ["a"], "decision": "accepted"}),
        decision(kind="redrawn"),
        decision(kind="redrawn", threshold="0.5"),
        decision(kind="redrawn", threshold=float("nan")),
        decision(kind="redrawn", threshold=float("inf")),
        decision(kind="redrawn", threshold=10**400),
    ],
)
def test_bad_decisions_are_refused_with_one_line(body, untouched):
    status, _, content = ask(untouched, "/decide", body)
    assert status == 400 and content.count(b"\n") == 1 and content.endswith(b"\n")


def test_bodies_are_limited(untouched):
    assert ask(untouched, "/decide", decision(more="x" * LONGEST_BODY))[0] == 413
    for length, status in (("9" * 5000, 413), ("-1", 411), ("x", 411), ("", 411)):
        connection = http.client.HTTPConnection("127.0.0.1", untouched, timeout=20)
        connection.putrequest("POST", "/decide")
        connection.putheader("Content-Length", length)
        connection.endheaders()
        assert connection.getresponse().status == status
        connection.close()
    assert ask(untouched, "/other", "{}")[0] == 404


@pytest.mark.parametrize(
    "name",
    [
        "train/images/../../../secret.png",
        "../secret.png",
        "/etc/passwd",
        "test/images/known.png",
        "train/images/known.png",
        "manifest.jsonl",
        "",
    ],
)
def test_only_files_of_the_manifest_are_read(name, untouched):
    for layer in ("image", "marks", "heat", "small"):
        status, _, content = ask(untouched, f"/picture?layer={layer}&file={name}")
        assert status == 400 and content != b"secret" and content.count(b"\n") == 1
    assert ask(untouched, f"/hottest?file={name}")[0] == 400


@pytest.mark.parametrize("address", ["/../secret.png", "/train/images/spot.png", "/server.py"])
def test_there_is_no_other_page(address, untouched):
    assert ask(untouched, address)[0] == 404


def picture(port, layer, name="spot", **more):
    query = "".join(f"&{key}={value}" for key, value in more.items())
    status, headers, content = ask(port, f"/picture?file={file(name)}&layer={layer}{query}")
    assert status == 200, content
    return np.asarray(Image.open(io.BytesIO(content))), headers


def test_pictures(served):
    root, port = served
    spot = np.asarray(Image.open(root / file("spot")))
    np.testing.assert_array_equal(picture(port, "image")[0], spot)
    growth = 1024 // 64
    for threshold in (None, 0.3, 0.6):
        marks, headers = picture(port, "marks", **({"threshold": threshold} if threshold else {}))
        assert marks.shape == (48 * growth, 64 * growth)
        defect = np.asarray(cone(SCORES["spot"]) > (threshold or 0.375))
        np.testing.assert_array_equal(marks[::growth, ::growth] == DEFECT, defect)
        assert int(headers["Defect-Pixels"]) == np.count_nonzero(defect)
        assert set(np.unique(marks)) == {NOTHING, DEFECT, DEFECT_LINE, OPEN}
    assert not picture(port, "marks", threshold=SCORES["spot"])[0].any()
    heat, small = (picture(port, layer)[0] for layer in ("heat", "small"))
    assert heat.shape == (48, 64, 3) and heat[24, 32].sum() > heat[24, 20].sum() > heat[0, 0].sum()
    assert small.shape == (48, 64, 3) and np.ptp(small[24, 32].astype(int)) > 20  # in colour
    for bad in ("nan", "inf", "x", "1e39"):
        assert ask(port, f"/picture?file={file('spot')}&threshold={bad}")[0] == 400
    assert ask(port, f"/picture?file={file('spot')}&layer=none")[0] == 400


def test_windows_of_pictures(served):
    root, port = served
    spot = np.asarray(Image.open(root / file("spot")))
    image, _ = picture(port, "image", window="20,30,10,20")
    np.testing.assert_array_equal(image[..., 0], spot[20:30, 30:50])
    marks, headers = picture(port, "marks", threshold=0.3, window="20,30,10,20")
    defect = np.asarray(cone(SCORES["spot"]) > 0.3)[20:30, 30:50]
    growth = 1024 // 20
    np.testing.assert_array_equal(marks[::growth, ::growth] == DEFECT, defect)
    assert int(headers["Defect-Pixels"]) == np.count_nonzero(defect)
    assert picture(port, "heat", window="20,30,10,20")[0].shape == (10, 20, 3)
    assert json.loads(ask(port, f"/hottest?file={file('spot')}")[2]) == [24, 32]
    for layer in ("image", "marks", "heat"):
        for bad in ("", "0,0,48", "0,0,49,64", "0,0,-1,5", "x"):
            address = f"/picture?file={file('spot')}&layer={layer}&window={bad}"
            status, _, content = ask(port, address)
            assert status == 400 and content.count(b"\n") == 1


def test_a_picture_that_cannot_be_read_is_an_error_of_one_line(served):
    root, port = served
    (root / "maps/spot.npz").write_bytes(b"no map")
    status, _, content = ask(port, f"/picture?file={file('spot')}&layer=heat")
    assert status == 400 and b"spot.npz" in content and content.count(b"\n") == 1


def test_large_images_are_shrunk_and_lose_no_region(tmp_path):
    """A defect of 5x5 in six million pixels, and a student's single pixel."""
    root = make_review(tmp_path / "pseudo", {"spot": 0.75})
    shape = (2000, 3000)
    whole, student = np.zeros(shape, np.float16), np.zeros(shape, bool)
    whole[1000:1010, 1500:1510] = 0.75
    student[10, 10] = True
    Image.fromarray(np.zeros(shape, np.uint8)).save(root / file("spot"))
    Image.fromarray((whole > 0).astype(np.uint8)).save(root / "train/masks/spot.png")
    np.savez_compressed(root / "maps/spot.npz", anomaly_map=whole)
    entry = manifest.read_manifest(root)[file("spot")]
    drawn = ReviewPictures(ReviewFiles(root), {file("spot"): student})
    for threshold in (None, 0.5):
        content, pixels = drawn.marks(entry, threshold)
        marks = np.asarray(Image.open(io.BytesIO(content)))
        assert marks.shape == (683, 1024) and marks[343, 513] == DEFECT
        assert np.argwhere(marks == STUDENT_LINE).tolist() == [[3, 3]]
        assert pixels == 100 if threshold is None else 100 <= pixels <= 220
    for content in (drawn.image(file("spot")), drawn.heat(entry)):
        assert Image.open(io.BytesIO(content)).size == (1024, 683)


def test_decisions_at_once_are_all_kept(served):
    root, port = served
    threads = [
        threading.Thread(target=ask, args=(port, "/decide", decision(name, "accepted")))
        for name in SCORES
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert reviewed(root) == dict.fromkeys(SCORES, "accepted")


def test_a_port_that_is_taken(served):
    root, port = served
    with pytest.raises(ValueError, match=f"Port {port} is taken"), serving(root, port):
        pass
