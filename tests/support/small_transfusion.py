"""A recipe of TransFusion that takes seconds."""

MODULE = "transfusion/dagm_synthetic/class_1_small"


SMALL = {
    "builder_args": {
        "multipliers": [1],
        "attention": [False],
        "num_blocks": 1,
        "stem_stride": 4,
        "num_steps": 4,
    },
    "image_size": (32, 32),
    "batch_size": 4,
    "steps_per_epoch": 4,
    "epochs": 3,
    "mixed_precision": "float32",
}
