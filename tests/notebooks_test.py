"""Every notebook runs from its first cell to its last, and shows pictures."""

import pathlib

import pytest

for package in ("ai_edge_litert", "ipykernel", "onnxruntime", "openvino", "tf2onnx"):
    pytest.importorskip(package)
nbclient, nbformat = map(pytest.importorskip, ("nbclient", "nbformat"))

ROOT = pathlib.Path(__file__).parent.parent
PATHS = sorted((ROOT / "zoo" / "notebooks").glob("*.ipynb"))
COLAB = "https://colab.research.google.com/github/defect-zoo/defect-zoo/blob/main/zoo/notebooks/"
SECONDS = 900  # for one cell, on a machine that is busy with other things


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder to run in, which receives all that Jupyter and the modules keep as well."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.delenv("MPLBACKEND", raising=False)
    for variable in ("DEFECT_ZOO_CACHE", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        monkeypatch.setenv(variable, str(tmp_path / variable.lower()))
    (tmp_path / "run").mkdir()
    return tmp_path / "run"


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


def test_it_runs_and_shows_pictures(path, folder):
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=SECONDS,
        resources={"metadata": {"path": str(folder)}},
    ).execute()
    shown = outputs(notebook)
    assert any("image/png" in output.get("data", {}) for output in shown)
    printed = "".join(output.get("text", "") for output in shown)
    assert "Traceback" not in printed  # a command that fails does not stop its cell


def test_it_is_kept_without_results(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert not outputs(notebook)
    assert all(cell.get("execution_count") is None for cell in notebook.cells)


def test_its_badge_opens_it_and_the_readme_names_it(path):
    title = nbformat.read(path, as_version=4).cells[0].source
    assert title.startswith("# ") and f"]({COLAB}{path.name})" in title
    assert f"(zoo/notebooks/{path.name})" in (ROOT / "README.md").read_text()
