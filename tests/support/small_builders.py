"""The smallest network of each builder, and how it must answer."""

import numpy as np

from builders.predictions import predictions

# The smallest network of each builder that still has all its kinds of layers.
SMALL = {
    "deeplab_v3_plus": {"backbone": "MobileNetV3Small", "rates": [1, 2, 3]},
    "tiny_unet": {},
    "unet": {"base_filters": 2, "dropout_rate": 0.1},
    "flex_unet": {"base_filters": 2, "num_layers": 3},
    "fast_unet": {"base_filters": 2, "stem_stride": 2, "refine_filters": 2},
    "micro_segmentor": {
        "base_filters": 2,
        "num_labels": 3,
        "num_classes": 1,
        "label_pooling": "defect",
    },
    "patch_core": {"backbone": "MobileNetV3Small", "bank_size": 8, "num_neighbours": 3},
    "super_simple_net": {"mask_filters": 2, "score_filters": 2},
    "transfusion": {
        "base_filters": 32,
        "multipliers": [1, 2],
        "attention": [False, True],
        "num_blocks": 1,
        "stem_stride": 2,
        "num_steps": 4,
    },
    "vgg16_cam": {"backbone": "MobileNetV3Small", "num_labels": 3},
}
# Builders without the argument `num_classes`.
TELL_NO_TYPES = ("patch_core", "super_simple_net", "transfusion", "vgg16_cam")
SIZES = ((37, 41), (29, 41), (29, 58), (37, 41))  # one side changes, the other, both


def builder_arguments(name):
    few = {"tiny_unet": {"num_classes": 1}, **{key: {} for key in TELL_NO_TYPES}}
    classes = few.get(name, {"num_classes": 3})
    return {"image_shape": [None, None, 3], **classes, **SMALL[name]}


def assert_answers_at_any_size(predict, model, tolerance=1e-5):
    """Asks about images uint8 whose sizes change; outside a graph a model has no size."""
    rng, spread = np.random.default_rng(1), 0.0
    for size in SIZES:
        images = rng.integers(0, 256, (2, *size, 3), np.uint8)
        found, expected = predict(images), predictions(model(images / np.float32(255)))
        keys = found.keys() & expected.keys()
        assert {"mask", "score"} <= keys and found["mask"].shape[1:3] == size
        for key in keys:
            np.testing.assert_allclose(
                found[key], expected[key], atol=tolerance, err_msg=f"{key} {size}"
            )
            spread = max(spread, np.ptp(expected[key]))
    assert spread > 3 * tolerance  # a constant would agree with a constant
