"""What reads the files of a run directory."""

import pytest

from builders.runs import run_files


def test_a_document_that_is_not_there_is_empty(tmp_path):
    assert run_files.read_document(tmp_path, run_files.METRICS_FILE) == {}
    (tmp_path / "metrics.json").write_text('{"images": 3}')
    assert run_files.read_document(tmp_path, run_files.METRICS_FILE) == {"images": 3}


@pytest.mark.parametrize(
    "text, rows",
    [
        (None, []),
        ("epoch,loss,val_iou\n", []),
        ("epoch,loss,val_iou\n0,1.5,\n1,0.5,0.25\n", [(0, 1.5, None), (1, 0.5, 0.25)]),
    ],
)
def test_figures_that_were_not_measured_are_none(text, rows, tmp_path):
    if text is not None:
        (tmp_path / "history.csv").write_text(text)
    found = run_files.read_history(tmp_path)
    assert [tuple(row.values()) for row in found] == rows
    assert all(list(row) == ["epoch", "loss", "val_iou"] for row in found)
