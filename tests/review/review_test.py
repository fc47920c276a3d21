"""Decisions about pseudo masks on disk: order, manifest and masks, and what a crash leaves."""

import json

import numpy as np
import pytest
from made_archives import build, examples
from made_predictors import made
from made_review import LEVELS, ORDER, SCORES, cone, file, make_review
from PIL import Image

from builders.runs.atomic import write_json
from tfds_datasets.image_mask_folder import manifest
from tfds_datasets.image_mask_folder.image_mask_folder_dataset_builder import Builder
from zoo.pseudo_masks.hysteresis import pseudo_mask
from zoo.review import decisions
from zoo.review.session import ReviewSession
from zoo.review.student import disagreement


@pytest.fixture
def root(tmp_path):
    return make_review(tmp_path / "pseudo")


def line(root, name):
    return manifest.read_manifest(root)[file(name)]


def mask(root, name):
    return np.asarray(Image.open(root / f"train/masks/{name}.png"))


def contents(root):
    """What lies in a folder, byte by byte."""
    paths = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths}


def drawn(name, threshold):
    return pseudo_mask(cone(SCORES[name]).astype(np.float32), LEVELS.redraw(threshold))


def test_disagreement_by_hand():
    masks = np.array([[1, 1, 0], [0, 0, 255], [0, 255, 0]], np.uint8)
    marked = np.array([[0, 1, 1], [0, 0, 1], [0, 0, 0]], bool)
    assert disagreement(masks, marked) == pytest.approx(2 / 3)  # one of three; 255 counts for none
    assert disagreement(np.where(masks == 1, 0, masks), np.zeros((3, 3), bool)) == 0
    assert disagreement(masks, masks == 1) == 0
    assert disagreement(masks, np.zeros((3, 3), bool)) == 1
    with pytest.raises(ValueError, match="one shape"):
        disagreement(masks, marked[:2])


def test_order(root):
    entries = decisions.read_entries(root)
    assert decisions.order(entries) == [file(name) for name in ORDER]
    differing = dict(zip(sorted(entries), (0.5, 0.25, 0.5, 1.0, 0.0)))
    named = [file(name) for name in ("scratch", "clean", "dust", "dent", "spot")]
    assert decisions.order(entries, differing) == named  # of equal ones by name
    decisions.decide(root, file("scratch"), "redrawn", 0.9)
    assert decisions.order(decisions.read_entries(root)) == [file(name) for name in ORDER]


def test_a_student_is_asked_once_and_kept(root):
    student, seen = made()
    session = ReviewSession(root, student)
    assert seen == [(1, 48, 64, 1)] * len(SCORES)
    image = np.asarray(Image.open(root / file("spot")))
    np.testing.assert_array_equal(session.students[file("spot")], image / 255 > 0.375)
    differing = [image["disagreement"] for image in session.images()]
    assert differing == sorted(differing, reverse=True) and 0 < min(differing) < max(differing) == 1
    before = session.images()[-1]
    after = session.decide(before["file"], "redrawn", 1.0)
    assert after["disagreement"] == 1  # with the mask that is there now


def test_accepting_and_rejecting_leave_the_mask(root):
    before = contents(root)
    decisions.decide(root, file("spot"), "rejected")
    assert line(root, "spot")["use"] is False
    assert line(root, "spot")["reason"] == "rejected in review"
    assert line(root, "spot")["reviewed"] == "rejected"
    decisions.decide(root, file("spot"), "accepted")
    assert line(root, "spot")["use"] is True and line(root, "spot")["reason"] is None
    assert line(root, "spot")["reviewed"] == "accepted"
    after = contents(root)
    assert {name for name in after if after[name] != before.get(name)} == {manifest.FILE}
    others = [json.loads(text) for text in after[manifest.FILE].decode().splitlines()]
    earlier = [json.loads(text) for text in before[manifest.FILE].decode().splitlines()]
    assert [row for row in others if row["file"] != file("spot")] == [
        row for row in earlier if row["file"] != file("spot")
    ]


def test_redrawing_and_undoing(root):
    before = contents(root)
    for threshold in (0.125, 0.6):  # the second from the teacher's levels again
        entry = decisions.decide(root, file("spot"), "redrawn", threshold)
        expected = drawn("spot", threshold)
        np.testing.assert_array_equal(mask(root, "spot"), expected)
        assert entry == line(root, "spot")
        assert entry["levels"] == {"low": min(threshold, 0.25), "pixel": threshold} | {
            "image": threshold
        }
        assert entry["defect_pixels"] == np.count_nonzero(expected == 1) > 0
        assert entry["use"] is True and entry["reviewed"] == "redrawn"
    decisions.decide(root, file("spot"), "rejected")
    entry = decisions.decide(root, file("spot"), "undone")
    assert contents(root)["train/masks/spot.png"] == before["train/masks/spot.png"]
    known = json.loads(before[manifest.FILE].decode().splitlines()[4])
    assert {key: entry[key] for key in known} == known


def test_a_threshold_at_the_peak_says_good(root):
    entry = decisions.decide(root, file("scratch"), "redrawn", SCORES["scratch"])
    assert entry["use"] and entry["defect_pixels"] == 0 and not mask(root, "scratch").any()


def test_a_mask_that_a_label_had_emptied_comes_back_empty(root):
    """It does not follow from the map."""
    path = root / "train/masks/scratch.png"
    Image.fromarray(np.zeros((48, 64), np.uint8)).save(path)
    empty = path.read_bytes()
    decisions.decide(root, file("scratch"), "redrawn", 0.5)
    assert mask(root, "scratch").any()
    decisions.decide(root, file("scratch"), "undone")
    assert path.read_bytes() == empty


def test_what_was_left_out_is_so_again_once_undone(root):
    lines = manifest.read_manifest(root)
    lines[file("dust")] |= {"use": False, "reason": "no region"}
    manifest.write_manifest(root, lines.values())
    assert decisions.decide(root, file("dust"), "accepted")["use"] is True
    entry = decisions.decide(root, file("dust"), "undone")
    assert (entry["use"], entry["reason"], entry["reviewed"]) == (False, "no region", None)


def test_students_learn_what_was_decided(root, tmp_path):
    write_json(root / "palette.json", {"defect": 1, "ignore": 255})
    decisions.decide(root, file("spot"), "rejected")
    decisions.decide(root, file("scratch"), "redrawn", 0.75)
    learnt = examples(build(Builder, "grey", root, tmp_path / "data"))
    masks = {row["file_name"].decode(): row["mask"][..., 0] for row in learnt}
    assert file("spot") not in masks and len(masks) == len(SCORES)
    np.testing.assert_array_equal(masks[file("scratch")], drawn("scratch", 0.75))


def test_an_error_between_mask_and_manifest_leaves_both(root, monkeypatch):
    decisions.decide(root, file("spot"), "redrawn", 0.6)
    before = contents(root)

    def full(*_):
        raise OSError("the disk is full")

    monkeypatch.setattr(manifest, "write_manifest", full)
    with pytest.raises(OSError, match="full"):
        decisions.decide(root, file("spot"), "redrawn", 0.3)
    assert contents(root) == before


@pytest.mark.parametrize("decision, threshold", [("redrawn", 0.3), ("undone", None)])
def test_a_kill_between_manifest_and_mask_is_made_good(decision, threshold, root):
    decisions.decide(root, file("spot"), "redrawn", 0.6)
    path = root / "train/masks/spot.png"
    earlier = path.read_bytes()
    decisions.decide(root, file("spot"), decision, threshold)
    done = path.read_bytes()
    assert done != earlier
    path.write_bytes(earlier)  # the second rename did not happen
    ReviewSession(root)
    assert path.read_bytes() == done


def test_a_mask_that_another_program_changed_stays(root, caplog):
    decisions.decide(root, file("spot"), "redrawn", 0.6)
    path = root / "train/masks/spot.png"
    changed = np.array(Image.open(path))
    changed[:2] = 1
    Image.fromarray(changed).save(path)
    kept = path.read_bytes()
    with caplog.at_level("WARNING"):
        ReviewSession(root)
    assert path.read_bytes() == kept
    assert "spot.png was changed outside of the review" in caplog.text


def test_the_manifest_is_whole_or_the_earlier_one(root, monkeypatch):
    before = (root / manifest.FILE).read_bytes()

    def full(*_, **__):
        raise OSError("the disk is full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="full"):
        manifest.write_manifest(root, [{"file": "a"}])
    assert (root / manifest.FILE).read_bytes() == before


@pytest.mark.parametrize(
    "name, decision, threshold, message",
    [
        ("train/images/other.png", "accepted", None, "`file` must be that of"),
        ("test/images/known.png", "accepted", None, "`file` must be that of"),
        ("train/images/known.png", "rejected", None, "`file` must be that of"),
        (["train"], "rejected", None, "`file` must be that of"),
        (file("spot"), "liked", None, "`decision` must be one of accepted, rejected"),
        (file("spot"), ["accepted"], None, "`decision` must be one of"),
        *(
            (file("spot"), "redrawn", threshold, "`threshold` must be a finite number")
            for threshold in (None, "0.5", True, [1], float("nan"), float("inf"), 10**400, 1e39)
        ),
    ],
)
def test_errors_change_nothing(name, decision, threshold, message, root):
    before = contents(root)
    with pytest.raises(ValueError, match=message):
        decisions.decide(root, name, decision, threshold)
    assert contents(root) == before


@pytest.mark.parametrize(
    "changes",
    [
        {"file": "train/images/../../../secret.png"},
        {"file": "/etc/passwd"},
        {"file": "train/images/.."},
        {"file": "test/images/spot.png"},
        {"score": float("nan")},
        {"score": "high"},
        {"levels": {"low": 0.1}},
        {"levels": None},
        {"reviewed": "maybe"},
        {"teacher": {"levels": [0.1]}},
    ],
)
def test_a_manifest_that_leads_elsewhere_or_lacks_something(changes, root):
    lines = [*manifest.read_manifest(root).values()]
    manifest.write_manifest(root, [lines[0] | changes])
    with pytest.raises(ValueError, match=r"Each line of manifest\.jsonl"):
        decisions.read_entries(root)


def test_folders_that_are_none(root, tmp_path):
    with pytest.raises(ValueError, match=r"must have a manifest\.jsonl.*Received"):
        decisions.read_entries(tmp_path)
    manifest.write_manifest(
        tmp_path, [{"file": "a", "fold": 0, "use": True} | {"mask_source": "ground_truth"}]
    )
    with pytest.raises(ValueError, match="no mask of a teacher"):
        decisions.read_entries(tmp_path)
    (root / "maps/spot.npz").unlink()
    with pytest.raises(ValueError, match=r"The map of .*spot\.png is missing"):
        ReviewSession(root)
