"""Modules that come along: what is loaded is what was published, or nothing."""

import http.server
import json
import shutil
import tarfile
import threading

import keras
import numpy as np
import pytest
from tiny_run import RECIPE, tiny_run

import zoo
from builders.runs.run_dir import load_model
from export.archive import describe_file
from export.publish import publish
from export.versions import version_paths
from zoo.modules import pretrained

HANDLE = RECIPE["module"]
LARGEST_BYTES = 60e6  # of all that travels with the repository


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    run = tiny_run(folder / "run")
    publish(run, folder / "modules", weights="bfloat16")
    return run, folder / "modules"


@pytest.fixture
def folder(published, tmp_path, monkeypatch):
    """Archive and manifest alone, as they come along, and an empty cache."""
    monkeypatch.setenv(pretrained.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.delenv(pretrained.MIRROR_VARIABLE, raising=False)
    paths = version_paths(published[1], HANDLE, 1)
    (tmp_path / "along" / HANDLE).mkdir(parents=True)
    for name in ("archive", "manifest"):
        shutil.copy(paths[name], tmp_path / "along" / HANDLE)
    return tmp_path / "along"


def archive(folder):
    return folder / HANDLE / "1.tar.gz"


def cached(tmp_path):
    return list((tmp_path / "cache").glob("*"))


def test_newest_and_named_version_are_unpacked_once(folder, published, tmp_path):
    (folder / HANDLE / "1.int8.onnx.json").write_text("{}")  # describes another format
    unpacked = pretrained.unpacked(HANDLE, folder=folder)
    assert unpacked == pretrained.unpacked(f"{HANDLE}/1", folder=folder)
    assert cached(tmp_path) == [unpacked]
    archive(folder).unlink()  # what is in the cache needs neither archive nor network
    assert pretrained.unpacked(HANDLE, folder=folder) == unpacked
    original = version_paths(published[1], HANDLE, 1)["module"]
    for file in original.rglob("*.*"):
        assert (unpacked / file.relative_to(original)).read_bytes() == file.read_bytes()
    assert pretrained.unpacked("tiny_unet/dagm2007/class_9", folder=folder) is None
    with pytest.raises(ValueError, match=r"one of the versions \[1\]. Received: .*class_4/7"):
        pretrained.unpacked(f"{HANDLE}/7", folder=folder)


@pytest.mark.parametrize("damage", [lambda content: content[:-9], lambda content: b"x" + content])
def test_a_damaged_archive_is_refused(damage, folder, tmp_path):
    archive(folder).write_bytes(damage(archive(folder).read_bytes()))
    with pytest.raises(ValueError, match="class_4/1: the archive is damaged or not the one"):
        pretrained.unpacked(HANDLE, folder=folder)
    assert not cached(tmp_path)


def test_an_archive_writes_nothing_outside(folder, tmp_path):
    (tmp_path / "evil").write_text("evil")
    with tarfile.open(archive(folder), "w:gz") as packed:
        packed.add(tmp_path / "evil", "../../outside")
    manifest = folder / HANDLE / "1.json"
    content = json.loads(manifest.read_text())
    content["archive"] |= describe_file(archive(folder))
    manifest.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"class_4/1: the archive is refused: .*outside"):
        pretrained.unpacked(HANDLE, folder=folder)
    assert not cached(tmp_path) and not list(tmp_path.rglob("outside"))


def test_what_was_changed_in_the_cache_is_refused(folder):
    unpacked = pretrained.unpacked(HANDLE, folder=folder)
    (unpacked / "saved_model.pb").write_bytes(b"")
    with pytest.raises(ValueError, match=r"saved_model\.pb was changed since.* remove "):
        pretrained.unpacked(HANDLE, folder=folder)


def test_a_mirror_has_what_is_not_here(folder, published, tmp_path, monkeypatch):
    archive(folder).unlink()
    with pytest.raises(ValueError, match=r"1\.tar\.gz is missing. Name a mirror in DEFECT_ZOO_MIR"):
        pretrained.unpacked(HANDLE, folder=folder)

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=published[1])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        with pytest.raises(ValueError, match=r"nowhere/.*1\.tar\.gz could not be fetched: .*404"):
            pretrained.unpacked(HANDLE, folder=folder, mirror=f"{address}/nowhere/")
        monkeypatch.setenv(pretrained.MIRROR_VARIABLE, address)
        assert (pretrained.unpacked(HANDLE, folder=folder) / "saved_model.pb").is_file()
        server.shutdown()


def test_rounded_weights_pack_smaller_and_answer_alike(published, tmp_path):
    run, rounded = published
    publish(run, tmp_path / "whole")
    sizes = [
        version_paths(modules, HANDLE, 1)["archive"].stat().st_size
        for modules in (rounded, tmp_path / "whole")
    ]
    assert sizes[0] < 0.65 * sizes[1]
    page = version_paths(rounded, HANDLE, 1)["card"].read_text()
    assert "rounded to bfloat16" in page
    module = zoo.load(HANDLE, modules_dir=rounded)
    for weight in module.variables:
        again = keras.ops.cast(keras.ops.cast(weight.numpy(), "bfloat16"), "float32")
        np.testing.assert_array_equal(weight.numpy(), again)
    image = np.random.default_rng(0).random((1, 64, 64, 1), np.float32)
    expected = keras.ops.sigmoid(load_model(run)[0](image)["mask_logits"])
    np.testing.assert_allclose(module(image)["mask"], expected, atol=5e-3)
    with pytest.raises(ValueError, match=r"must be float32 or bfloat16\. Received: 'int4'"):
        publish(run, tmp_path, weights="int4")


@pytest.mark.parametrize("manifest", pretrained.manifests(), ids=lambda each: each["handle"])
def test_every_module_that_came_along_marks_images(manifest, tmp_path, monkeypatch):
    monkeypatch.setenv(pretrained.CACHE_VARIABLE, str(tmp_path))
    module = zoo.load(manifest["handle"], modules_dir=tmp_path)
    channels = module.signatures["serve_uint8"].structured_input_signature[1]["image"].shape[-1]
    image = np.random.default_rng(0).random((1, 96, 80, channels), np.float32)
    found = module(image)
    assert found["mask"].shape[1:3] == (96, 80) and np.isfinite(found["score"]).all()
    # Data without a clear licence, or for no commerce, do not come along.
    assert manifest["data_licence"].startswith(("CC BY 4.0", "CC0"))
    figures = manifest["figures"]
    assert manifest["weights"] == "bfloat16"
    # What has learnt from labels alone shall tell images apart; its masks are coarse.
    assert figures["tpr"] + figures["tnr"] > 1.9 if "box" in found else figures["defect_iou"] > 0.5


def test_all_that_comes_along_is_small():
    files = [path for path in pretrained.FOLDER.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < LARGEST_BYTES
    assert {each["handle"] for each in pretrained.manifests()} <= set(zoo.list_modules())
