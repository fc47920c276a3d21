"""Labels of images: the confusion table, and what follows from it."""

from collections.abc import Sequence

import keras
import numpy as np
from keras import ops

from zoo.metrics.decisions import wilson_interval


def label_scores(confusion: np.ndarray, names: Sequence[str]) -> dict:
    """Returns what a confusion table of image labels says.

    Args:
      confusion: int [L, L], rows the true label, columns the predicted one, good first.
      names: of the L labels.

    Returns:
      `labels` and `counts`, the table; for each label `recall`, `recall_interval` as
      `wilson_interval` gives it, `precision` and `f1`, None where undefined; `macro_f1`, the mean
      of F1 over the labels that some image has; `label_f1`, the same, but of two labels the F1 of
      the defect; and `accuracy`.
    """
    hits = np.diag(confusion)
    true, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    f1 = [_ratio(2 * h, t + p) if t else None for h, t, p in zip(hits, true, predicted)]
    known = [value for value in f1 if value is not None]
    macro_f1 = sum(known) / len(known) if known else None
    return {
        "labels": list(names),
        "counts": confusion.tolist(),
        "recall": [_ratio(h, t) for h, t in zip(hits, true)],
        "recall_interval": [wilson_interval(int(h), int(t)) for h, t in zip(hits, true)],
        "precision": [_ratio(h, p) for h, p in zip(hits, predicted)],
        "f1": f1,
        "macro_f1": macro_f1,
        "label_f1": f1[1] if len(names) == 2 else macro_f1,
        "accuracy": _ratio(hits.sum(), true.sum()),
    }


def _ratio(part, total) -> float | None:
    return float(part / total) if total else None


class BalancedAccuracy(keras.metrics.Metric):
    """Mean recall of the labels that occur, for `fit`; chance is one over their number."""

    def __init__(self, num_labels: int, name: str = "balanced_accuracy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.num_labels = num_labels
        # rows: images that are recognised, and all, of each label
        self.images = self.add_weight(name="images", shape=(2, num_labels), initializer="zeros")

    def update_state(self, label, logits, sample_weight=None):
        """Adds a batch: label int [B], logits [B, L]."""
        label = ops.cast(ops.reshape(label, (-1,)), "int32")
        true = ops.one_hot(label, self.num_labels, dtype="float32")
        hit = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), "int32"), label), "float32")
        self.images.assign_add(ops.stack([ops.sum(true * hit[:, None], 0), ops.sum(true, 0)]))

    def result(self):
        hits, all_images = ops.unstack(self.images, 2)
        present = ops.cast(all_images > 0, self.dtype)
        recall = hits / ops.maximum(all_images, 1.0)
        return ops.sum(recall) / ops.maximum(ops.sum(present), 1.0)

    def get_config(self):
        return {**super().get_config(), "num_labels": self.num_labels}
