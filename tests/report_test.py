import base64
import html.parser
import io

import numpy as np
import pytest
from PIL import Image

from zoo import charts, report
from zoo.recipes import get_recipe

THRESHOLDS = (0.05, 0.125, 0.25, 0.5, 0.75, 0.85, 0.95, 0.99)
VOID = {"meta", "link", "img", "br", "hr", "input"}


def make_metrics(*, defective=4, good=6, missed=1, alarms=2, split="test"):
    """Figures of a model that misses some defects; None where a class is missing."""
    overlap = 0.75 if defective else None
    both = defective and good
    decisions = {
        "tp": defective - missed,
        "fn": missed,
        "fp": alarms,
        "tn": good - alarms,
        "tpr": (defective - missed) / defective if defective else None,
        "tnr": (good - alarms) / good if good else None,
    }
    rows = [
        {"file_name": f"bad_{i}.png", "label": "dent", "score": 0.2 if i < missed else 0.9}
        | {"iou": 0.5, "dice": 0.67}
        for i in range(defective)
    ] + [
        {"file_name": f"good_{i}.png", "label": "good", "score": 0.7 if i < alarms else 0.1}
        | {"iou": None, "dice": None}
        for i in range(good)
    ]
    ratios = {"defect_iou": overlap, "defect_dice": overlap, "set_iou": 0.625, "set_dice": 0.771}
    return {
        "module": "tiny_unet/dagm_synthetic/class_1",
        "dataset": "dagm_synthetic/class_1/1.0.0",
        "split": split,
        "images": defective + good,
        "defective": defective,
        "threshold": 0.37,
        "score_threshold": 0.43,
        "threshold_source": "best F1 on folds 0, 1 of the train split",
        **ratios,
        "image_auroc": 0.987 if both else None,
        "image_ap": 0.954 if defective else None,
        "pixel_auroc": 0.991 if defective else None,
        "pixel_ap": 0.832 if defective else float("nan"),
        **decisions,
        "seconds": 12.5,
        "images_per_second": 8.0,
        "at_thresholds": [
            {"threshold": threshold, **ratios, "nvidia_dice_mean": 0.881, **decisions}
            for threshold in THRESHOLDS
        ],
        "per_image": rows,
    }


def make_gallery(shape=(12, 16, 1)):
    mask = np.zeros((*shape[:2], 1), np.uint8)
    mask[3:6, 4:9] = 1
    mask[-1] = 255
    return [
        {
            "kind": kind,
            "file_name": f"{kind}<&>.png",
            "label": "good" if kind == "alarm" else "dent",
            "score": 0.9,
            "iou": None if kind == "alarm" else 0.5,
            "image": np.full(shape, 90, np.uint8),
            "mask": mask * (kind != "alarm"),
            "probability": np.linspace(0, 1, mask.size, dtype=np.float32).reshape(shape[:2]),
        }
        for kind in report.GALLERY
    ]


HISTORY = [
    {"epoch": epoch, "loss": 1 / epoch, "val_loss": 1.1 / epoch, "iou": 0.1 * epoch}
    | {"val_iou": None, "learning_rate": 1e-3, "seconds": 60.0 * epoch}
    for epoch in (1.0, 2.0, 3.0)
]
CALIBRATION = {
    "threshold": 0.37,
    "score_threshold": 0.43,
    "source": "best F1 on folds 0, 1 of the train split",
    "images": 20,
    "defective": 8,
}


def write(path, **changes):
    arguments = {
        "recipe": get_recipe("tiny_unet/dagm_synthetic/class_1").to_dict(),
        "metrics": make_metrics(),
        "calibration": CALIBRATION,
        "environment": {"keras": "3.15.1", "cpu_cores": 2},
        "history": HISTORY,
        "gallery": make_gallery(),
    }
    report.write_report(path, **{**arguments, **changes})
    return Page(path.read_text(encoding="utf-8"))


class Page(html.parser.HTMLParser):
    """Collects tags and text, and fails where an element is not closed."""

    def __init__(self, source):
        super().__init__()
        self.tags, self.open, self.text = [], [], ""
        self.feed(source)
        assert not self.open
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.text += " "
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if "style" not in self.open:
            self.text += data
        assert "@import" not in data and "url(" not in data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


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
    for text in ("Defect IoU 0.750", "Image AUROC 0.987", "Pixel AP 0.832", "3 epochs in 3 min"):
        assert text in page.text
    for threshold in THRESHOLDS:
        row = "0.750 0.750 0.625 0.771 0.881 3 2 4 1 0.750 0.667"
        assert f"{threshold} {row}" in page.text
    assert "The 3 wrong decisions" in page.text
    assert "0.600" in page.text  # NVIDIA's figure of a model that marks nothing
    assert len(page.all("svg")) == 5
    assert "images as they are" in page.text and "keras 3.15.1" in page.text


def test_nothing_is_loaded_from_elsewhere(page):
    for tag, attributes in page.tags:
        for name in ("src", "href", "xlink:href", "srcset", "poster", "data", "action"):
            assert attributes.get(name, "#").startswith(("data:", "#")), (tag, attributes)
    assert not page.all("script")
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_pictures_can_be_decoded_and_are_described(page):
    pictures = page.all("img")
    assert len(pictures) == 3 * 4
    for attributes in pictures:
        content = base64.b64decode(attributes["src"].partition("base64,")[2])
        assert Image.open(io.BytesIO(content)).convert("RGB").size == (16, 12)
        assert attributes["alt"]
    assert "worst<&>.png" in page.text  # escaped in the file
    assert "wrongly rejected" in page.text


def test_overlay_keeps_to_the_threshold():
    row = make_gallery()[0] | {"probability": np.full((12, 16), 0.37, np.float32)}
    entry = report._entry(row, make_metrics())
    assert entry["pictures"][3][2] == "0.00% of the image is marked"


def test_missing_pieces(tmp_path):
    page = write(
        tmp_path / "report.html",
        metrics=make_metrics(defective=0, missed=0, split="train[:10]"),
        calibration={},
        environment={},
        history=[],
        gallery=[],
    )
    for text in (
        "Of 100 good parts 33 are rejected.",
        "No defective image was measured",
        "Image AUROC – Undefined: no defective image was measured.",
        "Pixel AP – Undefined",
        "it is the default",
        "The figures flatter the model",
        "the weights were not trained here",
        "No picture was kept.",
        "Hardware and versions were not recorded.",
    ):
        assert text in page.text
    assert "None" not in page.text and "nan" not in page.text
    assert "never on test images" not in page.text


def test_no_good_image(tmp_path):
    page = write(tmp_path / "report.html", metrics=make_metrics(good=0, alarms=0))
    assert "Of 100 defective parts 25 pass." in page.text
    assert "Undefined: no good image was measured" in page.text


def test_a_failure_leaves_the_old_report(tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    with pytest.raises(KeyError):
        write(path, gallery=[{"kind": "worst"}])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_chart_without_a_value_is_none():
    lines = {"a": [None, float("nan")]}
    assert charts.line_chart([0.0, 1.0], lines, title="t", x_label="x") is None


def test_chart_takes_the_text_color_and_names_its_lines():
    lines = {"first": [0.1, None, 0.3], "second": [None] * 3}
    svg = charts.line_chart([0.0, 0.5, 1.0], lines, title='a "b" <c>', x_label="x")
    assert "currentColor" in svg and charts.TEXT not in svg and "first" in svg
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in svg
    assert "<style" not in svg and "http" not in svg
