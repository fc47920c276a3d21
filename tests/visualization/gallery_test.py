import base64
import io

import numpy as np
from PIL import Image

from zoo.metrics import segmentation
from zoo.visualization import gallery
from zoo.visualization.gallery import Gallery

THRESHOLDS = np.linspace(0.0, 0.99, 255)


def offer(kept, *, shape=(8, 8), scores=None, mask=None, image="grey", **row):
    scores = np.zeros(shape, np.float32) if scores is None else scores
    mask = np.zeros((*scores.shape, 1), np.uint8) if mask is None else mask
    levels = segmentation.threshold_levels(scores, THRESHOLDS)
    kept.offer(
        {
            "file_name": "a.png",
            "label": "dent",
            "score": 0.5,
            "iou": 0.5,
            "rejected": True,
            "boxes": [],
            **row,
        },
        image=np.full((*scores.shape, 1), 90, np.uint8) if isinstance(image, str) else image,
        mask=mask,
        levels=levels,
        counts=segmentation.level_counts(levels, mask[..., 0], len(THRESHOLDS)),
    )


def decode(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2]))))


def test_the_worst_come_first_and_the_best_are_dropped():
    rows = {
        "best good": {"label": "good", "score": 0.1, "iou": None, "rejected": False},
        "best": {"iou": 0.9},
        "missed": {"iou": 0.3, "rejected": False},
        "good": {"label": "good", "score": 0.4, "iou": None, "rejected": False},
        "worst": {"iou": 0.1},
        "alarm": {"label": "good", "score": 0.8, "iou": None, "rejected": True},
        "missed altogether": {"iou": 0.0, "rejected": False},
    }
    order = ["missed altogether", "missed", "alarm", "worst", "best", "good", "best good"]
    for limit in (7, 4, 1):
        kept = Gallery(len(rows), limit=limit)
        for name, row in rows.items():
            offer(kept, file_name=name, **row)
        assert [entry["file_name"] for entry in kept.entries()] == order[:limit]


def test_without_decisions_no_image_is_wrong():
    kept = Gallery(None)
    offer(kept, file_name="good", label="good", iou=None, rejected=None)
    offer(kept, file_name="undefined", iou=None, rejected=None)
    offer(kept, file_name="half", rejected=None)
    assert [entry["file_name"] for entry in kept.entries()] == ["undefined", "half", "good"]


def test_no_marked_and_no_true_pixel_disappears():
    scores, mask = np.zeros((700, 1000), np.float32), np.full((700, 1000, 1), 255, np.uint8)
    scores[2, 5], scores[699, 999] = 0.5, 1.0
    mask[2, 5] = 2
    mask[350:] = 0
    kept = Gallery(1)
    offer(kept, scores=scores, mask=mask)
    (entry,) = kept.entries()
    assert (entry["height"], entry["width"]) == (224, 320) and entry["shrunk"]
    levels, truth = decode(entry["levels"]), decode(entry["truth"])
    assert levels[0, 1] == (THRESHOLDS < 0.5).sum() and levels[-1, -1] == 255
    assert (levels > 0).sum() == 2
    assert truth[0, 1].tolist() == [86, 180, 233]  # type 2, rather than the ignored pixels beside
    assert truth[0, 0].tolist() == [128] * 3 and (truth[112:] == 0).all()
    assert decode(entry["image"]).shape == (224, 320)


def test_counts_are_those_of_the_full_image():
    rng = np.random.default_rng(0)
    scores = rng.random((400, 500), dtype=np.float32)
    mask = (rng.random((400, 500, 1)) < 0.1).astype(np.uint8)
    mask[0] = 255
    kept = Gallery(600)
    offer(kept, scores=scores, mask=mask)
    (entry,) = kept.entries()
    both, predicted = np.frombuffer(base64.b64decode(entry["counts"]), "<u4").reshape(-1, 2).T
    judged, truth = mask[..., 0] < 255, mask[..., 0] == 1
    for index in (0, 100, 254):
        marked = scores > np.float32(THRESHOLDS[index])
        assert both[index] == (marked & truth).sum()
        assert predicted[index] == (marked & judged).sum()
    assert entry["truth_pixels"] == truth.sum() and entry["judged_pixels"] == 399 * 500


def test_every_entry_keeps_to_its_share():
    """Noise is the worst that can come."""
    rng = np.random.default_rng(0)
    for total, side in ((600, 80), (40, 256)):
        kept = Gallery(total)
        for _ in range(2):
            offer(
                kept,
                scores=rng.random((256, 256), dtype=np.float32),
                mask=rng.integers(0, 9, (256, 256, 1), dtype=np.uint8),
                image=rng.integers(0, 256, (256, 256, 3), dtype=np.uint8),
            )
        for entry in kept.entries():
            text = sum(len(entry[key]) for key in ("image", "truth", "levels", "counts"))
            assert text <= gallery.TEXT_BYTES / total
            assert entry["width"] == side


def test_small_and_missing_images():
    kept = Gallery(1)
    offer(kept, image=None)
    (entry,) = kept.entries()
    assert entry["image"] is None and not entry["shrunk"]
    assert (entry["height"], entry["width"]) == (8, 8)
