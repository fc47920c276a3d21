"""Arguments that make each builder small."""

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
