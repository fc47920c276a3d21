"""Who may import whom; see the map in CONTRIBUTING.md."""

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
# The rooms of `zoo`: each may import those on the floors below its own alone.
FLOORS = (
    ("hardware", "metrics", "moved", "recipes", "visualization"),
    ("data", "losses", "results"),
    ("memory_bank", "modules", "synthetic_anomalies"),
    ("prediction",),
    ("evaluation",),
    ("feature_learning", "pseudo_masks", "report", "saved_maps"),
    ("review", "training"),
    ("auto", "benchmark"),
    ("api",),
    ("__init__",),
    ("commands",),
    ("__main__",),
)
ENTRY = ROOT / "zoo" / "commands" / "entry.py"  # the console script starts either program
# The rooms that also export what was trained.
MAY_EXPORT = ("api", "commands")
FLOOR_OF = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MOST_LINES = 300
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
    also = set()
    if path == ENTRY or (package == "zoo" and room_of(path) in MAY_EXPORT):
        also = {"export"}
    elif path == ROOT / "export" / "__main__.py":
        also = {"zoo"}
    assert names & set(MAY_IMPORT) <= {package, *MAY_IMPORT[package], *also}
    if package == "builders":
        assert not names & {"tensorflow", "tensorflow_datasets", "absl"}
    if package == "zoo" and str(path.relative_to(ROOT)) not in MAY_USE_TENSORFLOW:
        assert "tensorflow" not in names


def room_of(path: pathlib.Path) -> str:
    """The room of a file of `zoo`, or the name of one that lies in none."""
    if path == ENTRY:
        return "__main__"
    return path.relative_to(ROOT / "zoo").with_suffix("").parts[0]


def rooms_imported(path: pathlib.Path) -> set[str]:
    """The rooms of `zoo` that a file imports; `__init__` where it takes what that one offers."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            dotted = [alias.name.split(".") for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            dotted = [f"{node.module}.{alias.name}".split(".") for alias in node.names]
        else:
            continue
        for package, *names in dotted:
            if package == "zoo":
                known = names and (names[0] in FLOOR_OF or (ROOT / "zoo" / names[0]).is_dir())
                rooms.add(names[0] if known else "__init__")
    return rooms


@pytest.mark.parametrize(
    "path", sorted((ROOT / "zoo").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT))
)
def test_rooms_have_floors(path):
    room = room_of(path)
    assert room in FLOOR_OF, f"{room} lies in no room of zoo: move it into one of {FLOORS}"
    above = {other for other in rooms_imported(path) - {room} if FLOOR_OF[other] >= FLOOR_OF[room]}
    assert not above


@pytest.mark.parametrize(
    "path", sorted((ROOT / "builders").glob("*.py")), ids=lambda path: path.stem
)
def test_networks_know_nothing_of_runs(path):
    assert "builders.runs" not in path.read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_holds_one_idea(path):
    assert len(path.read_text().splitlines()) <= MOST_LINES


def test_flags_are_defined_in_main_alone():
    users = {str(path.relative_to(ROOT)) for path in FILES if "flags.DEFINE" in path.read_text()}
    assert users == {"zoo/__main__.py", "export/__main__.py"}
