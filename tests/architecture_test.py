"""Who may import whom; see the README's map of the packages."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
MAY_IMPORT = {
    "tfds_datasets": set(),
    "builders": set(),
    "zoo": {"tfds_datasets", "builders"},
    "export": {"builders"},
}
MAY_USE_TENSORFLOW = {
    "zoo/__init__.py",
    "zoo/synthetic_anomalies/batches.py",
    "zoo/data/datasets.py",
    "zoo/feature_learning/batches.py",
    "zoo/feature_learning/cache.py",
    "zoo/data/input_pipeline.py",
    "zoo/modules/import_module.py",
    "zoo/modules/import_nvidia.py",
    "zoo/prediction/predictor.py",
    "zoo/data/training_examples.py",
}
FILES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]


def imported(path: pathlib.Path) -> set[str]:
    """The top-level names that a file imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_arrows(path):
    package = path.relative_to(ROOT).parts[0]
    names = imported(path)
    assert names & set(MAY_IMPORT) <= {package, *MAY_IMPORT[package]}
    if package == "builders":
        assert not names & {"tensorflow", "tensorflow_datasets", "absl"}
    if package == "zoo" and str(path.relative_to(ROOT)) not in MAY_USE_TENSORFLOW:
        assert "tensorflow" not in names


def test_flags_are_defined_in_main_alone():
    users = {str(path.relative_to(ROOT)) for path in FILES if "flags.DEFINE" in path.read_text()}
    assert users == {"zoo/__main__.py", "export/__main__.py"}
