import hashlib
import http.client
import json
import socket
import threading
from concurrent import futures

import pytest

from export.serve import make_server
from export.versions import version_paths

HANDLE = "tiny_unet/dagm2007/class_1"
ARCHIVE = bytes(range(256)) * 20_000  # 5 MB, several chunks
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()
POLL = 0.01  # seconds that a server takes to see that it shall stop
COMPRESSED = "tf-hub-format=compressed"


def write_version(modules_dir, version, page="# Page\n"):
    paths = version_paths(modules_dir, HANDLE, version)
    paths["module"].mkdir(parents=True)
    (paths["module"] / "saved_model.pb").write_bytes(b"graph")
    paths["archive"].write_bytes(ARCHIVE)
    paths["card"].write_text(page)
    paths["manifest"].write_text(json.dumps({"archive": {"sha256": SHA256}}))
    return paths


@pytest.fixture
def modules_dir(tmp_path):
    modules_dir = tmp_path / "modules"
    for version in (2, 10):
        write_version(modules_dir, version)
    write_version(modules_dir, 11)["manifest"].unlink()  # an export that was interrupted
    (tmp_path / "secret").write_text("secret")
    (modules_dir / "note.txt").write_text("secret")
    return modules_dir


@pytest.fixture
def server(modules_dir):
    with make_server(modules_dir) as server:
        threading.Thread(target=server.serve_forever, args=[POLL], daemon=True).start()
        yield server
        server.shutdown()


def ask(server, address, method="GET", headers=None):
    connection = http.client.HTTPConnection(*server.server_address, timeout=10)
    connection.request(method, address, headers=headers or {})
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, dict(response.getheaders()), content


@pytest.mark.parametrize("address", [f"/{HANDLE}/2?{COMPRESSED}", f"/{HANDLE}/2.tar.gz"])
def test_archive(server, address):
    status, headers, content = ask(server, address)
    assert (status, hashlib.sha256(content).hexdigest()) == (200, SHA256)
    assert headers["Content-Length"] == str(len(ARCHIVE))
    assert headers["ETag"] == f'"{SHA256}"'


def test_head_is_get_without_content(server):
    for address in (f"/{HANDLE}/2?{COMPRESSED}", f"/{HANDLE}/2", "/"):
        status, headers, content = ask(server, address, method="HEAD")
        assert (status, content) == (200, b"")
        assert int(headers["Content-Length"]) == len(ask(server, address)[2])


def test_address_without_version_leads_to_the_newest(server):
    status, headers, _ = ask(server, f"/{HANDLE}?{COMPRESSED}")
    assert (status, headers["Location"]) == (302, f"/{HANDLE}/10?{COMPRESSED}")
    status, headers, _ = ask(server, f"/{HANDLE}")
    assert (status, headers["Location"]) == (302, f"/{HANDLE}/10")


def test_browser_gets_pages(server, modules_dir):
    table = "| a | b |\n| - | - |\n| 1 | 2 |\n"
    page = f"# Module\n\n<!-- task: x -->\n\n<script>alert(1)</script>\n\n{table}"
    write_version(modules_dir, 12, page)
    status, headers, content = ask(server, f"/{HANDLE}/12")
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    html = content.decode()
    assert "<h1>Module</h1>" in html and "<td>2</td>" in html
    assert "&lt;script&gt;" in html and "<script" not in html
    assert "task:" not in html

    index = ask(server, "/")[2].decode()
    assert [f"/{HANDLE}/{number}" in index for number in (2, 10, 11, 12)] == [1, 1, 0, 1]
    assert "note" not in index


def test_files_beside_the_archive(server, modules_dir):
    assert ask(server, f"/{HANDLE}/2.md")[2] == b"# Page\n"
    assert json.loads(ask(server, f"/{HANDLE}/2.json")[2])["archive"]["sha256"] == SHA256


def test_files_in_other_formats(server, modules_dir, tmp_path):
    folder = version_paths(modules_dir, HANDLE, 2)["module"].parent
    names = ["2.int8.tflite", "2.512x512.float32.onnx", "2.float16.bin", "2.int8.tflite.json"]
    for name in names:
        (folder / name).write_bytes(name.encode())
        assert ask(server, f"/{HANDLE}/{name}")[::2] == (200, name.encode())
    page = ask(server, f"/{HANDLE}/2")[2].decode()
    assert all(f'href="/{HANDLE}/{name}"' in page for name in [*names, "2.tar.gz"])
    (folder / "2.int8.onnx").symlink_to(tmp_path / "secret")
    for name in ("2.int8.onnx", "2.float32.keras", "2.int9.onnx", "2.1x.int8.onnx"):
        assert ask(server, f"/{HANDLE}/{name}")[0] == 404


@pytest.mark.parametrize(
    "address",
    [
        f"/{HANDLE}/3",
        f"/{HANDLE}/11",
        f"/{HANDLE}/11.tar.gz",
        f"/{HANDLE}/02",
        f"/{HANDLE}/{'9' * 5000}",
        f"/{HANDLE}/2/saved_model.pb",
        "/tiny_unet/dagm2007",
        "/tiny_unet/none/class_1",
        "/note.txt",
        "/../secret",
        "/..%2fsecret",
        "/%2e%2e/secret",
        f"/{HANDLE}/../../../../secret",
        f"/{HANDLE}/%2e%2e/%2e%2e/%2e%2e/note.txt",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/a/b%00",
        f"/{HANDLE}%00/2",
        f"/{HANDLE}%0a/2",
        f"/{'a' * 3000}/b",
        f"/tiny_unet\\dagm2007/2?{COMPRESSED}",
        "/%ff%fe",
        "//[/",
    ],
)
def test_unknown_addresses_and_traversal(server, address):
    status, _, content = ask(server, address)
    assert status in (400, 404)
    assert b"secret" not in content and b"root:" not in content and b"graph" not in content
    assert ask(server, "/")[0] == 200


def test_links_out_of_the_folder_are_not_followed(server, modules_dir, tmp_path):
    paths = version_paths(modules_dir, HANDLE, 2)
    for name, address in (("archive", "2.tar.gz"), ("card", "2"), ("manifest", "2.json")):
        original = paths[name].read_bytes()
        paths[name].unlink()
        paths[name].symlink_to(tmp_path / "secret")
        status, _, content = ask(server, f"/{HANDLE}/{address}")
        assert (status, b"secret" in content) == (404, False)
        paths[name].unlink()
        paths[name].write_bytes(original)
    assert ask(server, f"/{HANDLE}/2")[0] == 200


def test_linked_module_folder_is_not_followed(server, modules_dir, tmp_path):
    outside = tmp_path / "outside" / "class_9"
    outside.mkdir(parents=True)
    (outside / "1.json").write_text("{}")
    (outside / "1.md").write_text("secret")
    (modules_dir / "linked").symlink_to(tmp_path / "outside")
    assert ask(server, "/linked/class_9/1")[0] == 404


def test_many_clients_get_the_same_bytes(server):
    with futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(server, f"/{HANDLE}/2.tar.gz"), range(16)))
    assert {hashlib.sha256(content).hexdigest() for _, _, content in answers} == {SHA256}


def test_client_that_leaves_harms_nobody(server, capfd):
    for _ in range(3):
        with socket.create_connection(server.server_address) as client:
            client.sendall(f"GET /{HANDLE}/2.tar.gz HTTP/1.0\r\n\r\n".encode())
            client.recv(10)
    assert hashlib.sha256(ask(server, f"/{HANDLE}/2.tar.gz")[2]).hexdigest() == SHA256
    assert "Traceback" not in capfd.readouterr().err


def test_unknown_method_and_missing_folder(server, tmp_path):
    assert ask(server, f"/{HANDLE}/2", method="DELETE")[0] == 501
    with pytest.raises(ValueError, match="Argument `modules_dir` must be a folder of modules"):
        make_server(tmp_path / "none")


def test_default_host_is_this_machine(server):
    assert server.server_address[0] == "127.0.0.1"
