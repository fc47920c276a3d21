import hashlib
import os
import pathlib
import subprocess
import sys
import tarfile

import keras
import pytest
from tiny_run import RECIPE, tiny_run

import export
from builders.runs.atomic import write_json
from builders.runs.handles import check_handle
from builders.runs.run_dir import load_model
from export import publish as publish_module
from export.archive import describe_file, write_archive
from export.publish import publish
from export.versions import published_handles, published_versions, version_paths

HANDLE = RECIPE["module"]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    return tiny_run(tmp_path_factory.mktemp("runs") / "two", seed=1)


@pytest.fixture
def quick_writer(monkeypatch):
    """Writes modules in no time, for what does not depend on what is in them."""

    def write(model, path, *, assets, **attributes):
        path.mkdir()
        (path / "weight").write_bytes(model.get_weights()[0].tobytes())

    monkeypatch.setattr(publish_module.saved_model, "write", write)
    monkeypatch.setattr(publish_module, "_checked", lambda *arguments: {})


def content_of(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_runs_give_equal_bytes_in_any_process(run, tmp_path):
    command = [sys.executable, "-m", "export", "convert", f"--run={run}"]
    root = pathlib.Path(export.__file__).parents[1]
    done = subprocess.run(
        [*command, f"--modules_dir={tmp_path / 'other process'}"],
        check=True,
        capture_output=True,
        text=True,
        cwd=root,
    )
    model, _ = load_model(run)  # moves the counters of this process
    keras.ops.convert_to_numpy(model(keras.ops.ones((1, 16, 16, 1)))["mask_logits"])
    publish(run, tmp_path / "this process")

    folders = [tmp_path / name for name in ("other process", "this process")]
    archives = [describe_file(version_paths(folder, HANDLE, 1)["archive"]) for folder in folders]
    assert archives[0] == archives[1]
    assert archives[0]["sha256"] in done.stdout
    assert f'hub.load("{version_paths(folders[0], HANDLE, 1)["module"]}")' in done.stdout
    for content in content_of(tmp_path).values():
        assert str(tmp_path).encode() not in content


def test_archive_root_is_the_module(tmp_path):
    (tmp_path / "module" / "assets").mkdir(parents=True)
    (tmp_path / "module" / "assets" / "card.md").write_text("page")
    (tmp_path / "module" / "saved_model.pb").write_bytes(b"graph")
    write_archive(tmp_path / "module", tmp_path / "1.tar.gz")
    os.utime(tmp_path / "module" / "saved_model.pb", (1, 1))
    (tmp_path / "module" / "saved_model.pb").chmod(0o600)
    write_archive(tmp_path / "module", tmp_path / "2.tar.gz")
    assert (tmp_path / "1.tar.gz").read_bytes() == (tmp_path / "2.tar.gz").read_bytes()
    assert (tmp_path / "1.tar.gz").read_bytes()[4:8] == bytes(4)  # where gzip keeps the time
    with tarfile.open(tmp_path / "1.tar.gz") as archive:
        assert archive.getnames() == ["assets", "assets/card.md", "saved_model.pb"]
        assert archive.extractfile("assets/card.md").read() == b"page"


def test_manifest_describes_every_file(run, tmp_path, quick_writer):
    manifest, written = publish(run, tmp_path)
    paths = version_paths(tmp_path, HANDLE, 1)
    assert written and (manifest["handle"], manifest["version"]) == (HANDLE, 1)
    archive = paths["archive"].read_bytes()
    assert manifest["archive"] == {
        "file": "1.tar.gz",
        "bytes": len(archive),
        "sha256": hashlib.sha256(archive).hexdigest(),
    }
    weight = (paths["module"] / "weight").read_bytes()
    digest = hashlib.sha256(weight).hexdigest()
    assert manifest["files"] == {"weight": {"bytes": len(weight), "sha256": digest}}
    assert manifest["run"] == "one"
    assert paths["card"].read_text().startswith(f"# Module defect-zoo/{HANDLE}/1\n")


def test_published_versions_never_change(run, other_run, tmp_path, quick_writer):
    publish(run, tmp_path)
    before = content_of(tmp_path)
    for version in (None, 1):
        manifest, written = publish(run, tmp_path, version=version)
        assert not written and manifest["version"] == 1
    with pytest.raises(ValueError, match=r"class_4/1 holds another run .* Use 2\. Received: 1"):
        publish(other_run, tmp_path, version=1)
    assert content_of(tmp_path) == before

    manifest, written = publish(other_run, tmp_path)
    assert written and manifest["version"] == 2
    assert published_versions(tmp_path, HANDLE) == [1, 2]
    assert published_handles(tmp_path) == [HANDLE]
    assert {path: content_of(tmp_path)[path] for path in before} == before


def test_new_thresholds_are_new_content(run, tmp_path, quick_writer):
    publish(run, tmp_path / "modules")
    copy = tiny_run(tmp_path / "copy")
    assert not publish(copy, tmp_path / "modules")[1]
    write_json(copy / "calibration.json", {"threshold": 0.1, "score_threshold": 0.2, "source": "x"})
    assert publish(copy, tmp_path / "modules")[0]["version"] == 2


def test_a_module_that_answers_otherwise_is_not_published(run, other_run, tmp_path, monkeypatch):
    write, other = publish_module.saved_model.write, load_model(other_run)[0]
    monkeypatch.setattr(
        publish_module.saved_model,
        "write",
        lambda model, path, **attributes: write(other, path, **attributes),
    )
    with pytest.raises(
        ValueError, match=r"otherwise than the model, in mask_logits, .*nothing was"
    ):
        publish(run, tmp_path)
    assert not published_versions(tmp_path, HANDLE) and not list(tmp_path.rglob("*.pb"))


def test_what_is_no_version_is_not_replaced(run, tmp_path, quick_writer):
    paths = version_paths(tmp_path, HANDLE, 1)
    paths["module"].mkdir(parents=True)
    (paths["module"] / "saved_model.pb").write_text("of somebody")
    with pytest.raises(ValueError, match="no published version: move it elsewhere"):
        publish(run, tmp_path)
    assert (paths["module"] / "saved_model.pb").read_text() == "of somebody"
    assert publish(run, tmp_path, version=2)[0]["version"] == 2


def test_an_older_run_is_found_again(run, tmp_path, quick_writer):
    publish(run, tmp_path)
    _, written = publish(run, tmp_path, weights="bfloat16")
    assert written
    assert publish(run, tmp_path)[0]["version"] == 1
    assert published_versions(tmp_path, HANDLE) == [1, 2]


@pytest.mark.parametrize("at", ["module", "archive", "card", "manifest"])
def test_interrupted_export_publishes_nothing(run, tmp_path, quick_writer, monkeypatch, at):
    replace = os.replace

    def killed(source, target):
        if target == version_paths(tmp_path, HANDLE, 1)[at]:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(publish_module.os, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        publish(run, tmp_path)
    assert published_versions(tmp_path, HANDLE) == []
    assert not list(tmp_path.rglob(".*"))

    monkeypatch.setattr(publish_module.os, "replace", replace)
    manifest, written = publish(run, tmp_path)
    assert written and manifest["version"] == 1
    assert describe_file(version_paths(tmp_path, HANDLE, 1)["archive"]) == {
        key: manifest["archive"][key] for key in ("bytes", "sha256")
    }


def test_failed_writer_leaves_nothing(run, tmp_path, monkeypatch):
    def write(model, path, **kwargs):
        path.mkdir()
        raise OSError("disk full")

    monkeypatch.setattr(publish_module.saved_model, "write", write)
    monkeypatch.setattr(publish_module, "_checked", lambda model, path: {})
    with pytest.raises(OSError, match="disk full"):
        publish(run, tmp_path)
    assert content_of(tmp_path) == {}


@pytest.mark.parametrize(
    "handle",
    ["", "one", "../up/down", "/etc/passwd", "a/../b", "a//b", "a/b/", "A/b", "a/b\n", "a/1", None],
)
def test_bad_handles(handle):
    with pytest.raises(ValueError, match="Argument `handle` must be"):
        check_handle(handle)


def test_bad_arguments(run, tmp_path):
    with pytest.raises(ValueError, match="Argument `version` must be 1 or more"):
        publish(run, tmp_path, version=0)
    with pytest.raises(ValueError, match=r"recipe\.json is missing"):
        publish(tmp_path, tmp_path)


@pytest.mark.parametrize(
    "words, message",
    [
        ([], "python -m export convert --run="),
        (["upload"], "must be one of convert, package, serve. Received: upload"),
        (["convert"], "Flag --run is needed for this command"),
        (["convert", "--run=a", "--precision=int8"], "--precision is of other formats: name one"),
        (["package", "--hub=kaggle"], "Flag --module is needed for this command"),
        (["serve", "--modules_dir=no such folder"], "must be a folder of modules"),
        (
            ["serve", "--format=onnx"],
            "serve does not read the flag --format, which belongs to convert",
        ),
    ],
)
def test_command_teaches(words, message):
    done = subprocess.run(
        [sys.executable, "-m", "export", *words],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(export.__file__).parents[1],
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
