import base64
import hashlib
import io
import json

import numpy as np
import pytest
from parsed_page import Page
from PIL import Image
from report_data import CALIBRATION, HISTORY, measure

from zoo import report
from zoo.recipes import get_recipe
from zoo.report import explorer


def write(path, measured=None, metrics=(), **changes):
    """Writes a report of a made-up measurement and reads it."""
    measured = measured or measure()
    arguments = {
        "recipe": get_recipe("tiny_unet/dagm_synthetic/class_1").to_dict(),
        "metrics": measured["metrics"] | dict(metrics),
        "calibration": CALIBRATION,
        "environment": {"keras": "3.15.1", "cpu_cores": 2},
        "history": HISTORY,
        "gallery": measured["gallery"],
        "curves": measured["curves"],
    }
    report.write_report(path, **{**arguments, **changes})
    return Page(path.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    return write(tmp_path_factory.mktemp("report") / "report.html")


def test_headline_and_counts(page):
    assert "Of 100 defective parts 25 pass, of 100 good parts 33 are rejected." in page.text
    assert "1 of 4 defective images passes" in page.text
    assert "2 of 6 good images are rejected" in page.text
    assert "score exceeds 0.43" in page.text
    assert "never on test images: best F1 on folds 0, 1 of the train split (20 images" in page.text


def test_figures_tables_and_training(page):
    for text in (
        "Image AUROC 0.987",
        "Pixel AP 0.832",
        "AU-PRO@0.3 0.912 ± 2.0e-05",
        "Boundary F1 0.625",
        "defect 3 TP 1 FN TPR 0.750 0.301 to 0.954",
        "good 2 FP 4 TN TNR 0.667 0.300 to 0.903",
        "Balanced accuracy 0.708",
        "F1 of images 0.900 at 0.52",
        "bad_3<&>.png 1 15 0.25, 0.25, 0.50, 0.50 0.600 0.500",  # the worst defect
        "dent 2 1 0.500 0.600 2 0.900",
        "dent 13 21 22 0.410 0.410 0.410 0.410",
        "structural 0.750 logical – mean 0.750",
        "3 epochs in 3 min",
        "images as they are",
        "keras 3.15.1",
    ):
        assert text in page.text
    assert "0.600" in page.text  # NVIDIA's figure of a model that marks nothing
    assert len(page.all("svg")) == 6 + 1 + 3  # curves, types, training


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, attributes)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_only_the_known_script_may_run(page):
    (policy,) = [row["content"] for row in page.all("meta") if "http-equiv" in row]
    data, script = page.scripts
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert "default-src 'none'" in policy and f"script-src 'sha256-{hashed}'" in policy
    assert page.all("script")[0]["type"] == "application/json"
    assert "innerHTML" not in script
    assert "<" not in data and json.loads(data)["scores"]["good"]


def test_pictures_can_be_decoded_and_are_described(page):
    pictures = page.all("img")
    assert len(pictures) == 10 * 3
    for attributes in pictures:
        content = base64.b64decode(attributes["src"].partition("base64,")[2])
        assert Image.open(io.BytesIO(content)).convert("RGB").size == (16, 12)
        assert attributes["alt"]
    assert page.text.count("wrongly rejected") == 2 and page.text.count("wrongly passed") == 1
    assert "All 10 images are shown" in page.text


def test_default_thresholds_are_called_so(tmp_path):
    page = write(tmp_path / "report.html", calibration={})
    assert "it is the default" in page.text and "Back to the default thresholds" in page.text


def test_sliders_start_at_the_calibrated_thresholds(page):
    data = json.loads(page.scripts[0])
    for kind, threshold in (("score", 0.43), ("pixel", CALIBRATION["threshold"])):
        assert data[kind]["thresholds"][int(page.at(f"{kind}-slider")["value"])] == threshold
    assert (
        "Back to the calibrated thresholds" in page.text and "start at the oracle" not in page.text
    )


def test_thresholds_tell_all_scores_apart():
    scores = np.array([0.5, 0.25, 0.5, 0.75])
    below, first, chosen, second, highest = explorer.score_thresholds(scores, 0.4)
    assert below < 0.25 < first < chosen == 0.4 < 0.5 < second < highest == 0.75
    many = explorer.score_thresholds(np.arange(10_000.0), 77.7)
    assert len(many) == explorer.MOST_POSITIONS and 77.7 in many
    assert many[0] < 0 and many[-1] == 9999 and np.diff(many).max() < 40


def test_without_calibration(tmp_path):
    """Saved maps: no recipe, no images, no threshold."""
    measured = measure(calibrated=False)
    gallery = [entry | {"image": None} for entry in measured["gallery"]]
    page = write(
        tmp_path / "report.html",
        measured,
        {"map_note": "maps resized bilinearly", "seconds": None},
        recipe={},
        calibration={},
        history=[],
        gallery=gallery,
    )
    data = json.loads(page.scripts[0])
    assert data["score"]["thresholds"][data["score"]["start"]] == 0.52
    assert data["pixel"]["thresholds"][data["pixel"]["start"]] == pytest.approx(0.3)
    for text in (
        "No threshold was calibrated, so no part is judged.",
        "The sliders start at the oracle: thresholds chosen on the measured images, which flatters",
        "Back to the oracle thresholds",
        "maps resized bilinearly",
        "the weights were not trained here",
    ):
        assert text in page.text
    assert "None" not in page.text and "nan" not in page.text
    assert len(page.all("img")) == 10 * 2


@pytest.mark.parametrize("source", [{}, {"source": "chosen by hand"}])
def test_thresholds_that_say_less_of_themselves(source, tmp_path):
    given = {key: CALIBRATION[key] for key in ("threshold", "score_threshold")}
    write(tmp_path / "report.html", calibration={**given, **source})
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    said = source.get("source", "not stated which")
    assert f"never on test images:\n  {said}.\n" in text


def test_missing_pieces(tmp_path):
    page = write(
        tmp_path / "report.html",
        measure(defective=0, missed=0),
        {"split": "train[:10]", "seen": True},
        calibration={},
        environment={},
        history=[],
        gallery=[],
    )
    for text in (
        "Of 100 good parts 33 are rejected.",
        "No defective image was measured",
        "Image AUROC – Undefined: no defective image was measured.",
        "AU-PRO@0.3 – Undefined: there is no defect pixel.",
        "defect 0 TP 0 FN TPR – –",
        "it is the default",
        "The figures flatter the model",
        "the weights were not trained here",
        "No picture was kept.",
        "Hardware and versions were not recorded.",
    ):
        assert text in page.text
    assert "None" not in page.text and "nan" not in page.text
    assert "never on test images" not in page.text


def test_no_figure_is_rounded_to_perfection(tmp_path):
    changes = {"image_auroc": 0.99996, "image_ap": 1.0, "pixel_auroc": 0.9994}
    page = write(tmp_path / "report.html", metrics=changes)
    for text in ("Image AUROC 0.9999", "Image AP 1.000", "Pixel AUROC 0.999"):
        assert text in page.text


def test_outliers_among_the_good_images(page, tmp_path):
    assert "utliers" not in page.text and not any("outlier" in str(tag) for tag in page.tags)
    gallery = measure()["gallery"]
    rows = [
        {"file_name": f"a_{index}<&>.png", "score": 0.9, "role": role, "z": 5.25}
        | {"pictures": dict.fromkeys(("image", "map", "marked"), gallery[0]["image"])}
        for index, role in enumerate(("validation", "training"))
    ]
    page = write(tmp_path / "report.html", outliers=rows)
    assert "2 of the images given as good look least like the others: look at them" in page.text
    assert "a_0<&>.png (chose the thresholds): score 0.9, z 5.2" in page.text
    assert "a_1<&>.png (learnt from): score 0.9, z 5.2" in page.text
    assert {"href": "#outliers"} in page.all("a") and page.at("outliers")
    assert len(page.all("img")) == 10 * 3 + 2 * 3


def test_no_good_image(tmp_path):
    page = write(tmp_path / "report.html", measure(good=0, alarms=0))
    assert "Of 100 defective parts 25 pass." in page.text
    assert "Undefined: no good image was measured" in page.text


def test_no_pixel_counts(tmp_path):
    page = write(tmp_path / "report.html", curves={})
    assert "Mark a pixel" not in page.text and "Reject a part" in page.text


def test_refuses_what_a_browser_cannot_read(tmp_path):
    measured = measure()
    measured["curves"]["overlap"]["threshold"][-1] = float("nan")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write(tmp_path / "report.html", measured)


def test_a_failure_leaves_the_old_report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyError):
        write(path, gallery=[{"kind": "worst"}])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
