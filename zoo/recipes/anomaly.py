"""Models that learn what is normal from good images alone, and call the rest a defect."""

from tfds_datasets.mvtec_ad import categories as mvtec_ad

# Good validation images alone choose the thresholds; `recipe_checks.check_one_class` warns of few.
_GOOD_IMAGES = {
    "image_size": (256, 256),
    "augmentation": "identity",
    "loss": None,
    "pixel_rule": "false_alarms:0.001",
    "image_rule": "false_alarms:0.05",
    "weights": "last",
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
    "batch_size": 8,
}

# The fast network of `builders.transfusion`, for a plain CPU: hours, not days.
_DEFAULT = {
    **_GOOD_IMAGES,
    "builder_args": {
        "base_filters": 32,
        "multipliers": [1, 2, 2],
        "attention": [False, False, True],
        "num_blocks": 1,
        "stem_stride": 2,
        "num_steps": 10,
    },
    "learning_rate": 5e-4,
    "schedule": "cosine",
    "steps_per_epoch": 100,
    "epochs": 40,
}

# Parts that lie at any angle. Without this, 80 good screws were learnt by heart: the median score
# of 25 of them was 0.129, that of the validation folds 0.154; with it, 0.193 and 0.198.
_ANY_ANGLE = {"rotation": 180.0, "brightness": 0.1, "contrast": 0.1}

# TransFusion as published: all of train/good, 1,500 rounds through it in batches of 8, a learning
# rate that falls to a tenth after 800, float32, the last weights. Here one fold of ten is kept for
# the thresholds, and an epoch is 25 of those rounds.
_PAPER = {
    **_GOOD_IMAGES,
    "builder_args": {},
    "validation_folds": (0,),
    "optimizer": "adamw_unclipped",
    "learning_rate": 1e-5,
    "weight_decay": 0.01,
    "decay_rate": 0.1,
    "seed": 3,
    "mixed_precision": "float32",
}
_ROUNDS, _ROUNDS_TO_DROP, _ROUNDS_OF_EPOCH = 1500, 800, 25

# Good training images of MVTec AD, which decide how many steps a round has.
_MVTEC_AD_GOOD = {
    "bottle": 209,
    "cable": 224,
    "capsule": 219,
    "carpet": 280,
    "grid": 264,
    "hazelnut": 391,
    "leather": 245,
    "metal_nut": 220,
    "pill": 267,
    "screw": 320,
    "tile": 230,
    "toothbrush": 60,
    "transistor": 213,
    "wood": 247,
    "zipper": 240,
}
_OTHER_GOOD = 320  # as many as of screws, where nothing is published

_DATA = {
    **{
        f"mvtec_ad/{name}": {
            "channels": 1 if name in mvtec_ad.GREY else 3,
            "num_good": count,
            "any_angle": name in mvtec_ad.ANY_ANGLE,
        }
        for name, count in _MVTEC_AD_GOOD.items()
    },
    **{
        f"{name}/class_{number}{suffix}": {"channels": 1, "mask_feature": mask_feature, **changes}
        for name, suffix, mask_feature, changes in (
            ("dagm2007", "", "mask", {}),
            ("dagm_synthetic", "", "weak_mask", {}),
            ("dagm_synthetic", "_small", "weak_mask", {"image_size": None}),
        )
        for number in range(1, 11)
    },
    "magnetic_tile/tile": {"channels": 1},
    "image_mask_folder/grey": {"channels": 1},
    "image_mask_folder/rgb": {"channels": 3},
}


def _default(*, channels, num_good=None, any_angle=False, **data) -> dict:
    return _of_channels(_DEFAULT, channels) | (_ANY_ANGLE if any_angle else {}) | data


def _paper(*, channels, num_good=_OTHER_GOOD, any_angle=False, **data) -> dict:
    steps = -(-num_good // _PAPER["batch_size"])
    length = {
        "steps_per_epoch": _ROUNDS_OF_EPOCH * steps,
        "epochs": _ROUNDS // _ROUNDS_OF_EPOCH,
        "decay_steps": _ROUNDS_TO_DROP * steps,
    }
    return _of_channels(_PAPER, channels) | data | length


def _of_channels(recipe: dict, channels: int) -> dict:
    args = {**recipe["builder_args"], "image_shape": [None, None, channels]}
    return {**recipe, "builder_args": args}


RECIPES = {
    f"transfusion/{handle}": {"default": _default(**data), "paper": _paper(**data)}
    for handle, data in _DATA.items()
}
