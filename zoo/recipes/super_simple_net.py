"""Heads on features of photographs, taught by good images and by whatever is known of defects."""

from tfds_datasets.mvtec_ad import categories as mvtec_ad

# Thresholds are those of data with defects; see `supervision.complete_recipe` for data without.
_DEFAULT = {
    "builder_args": {"backbone": "EfficientNetLite0", "weights": "imagenet"},
    "defective_fraction": 0.5,
    "brightness": 0.1,
    "contrast": 0.1,
    "loss": None,
    "learning_rate": 2e-3,
    "schedule": "cosine",
    "weight_decay": 1e-5,
    "batch_size": 8,
    "steps_per_epoch": 50,
    "epochs": 16,
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
}

# Defects stand in the test half alone, so those of seven tenths of it teach and validate, as they
# do networks of masks, and the other three tenths are measured.
_MVTEC_AD = {
    "image_size": (512, 512),
    "train_split": "train+test",
    "validation_folds": (5, 6),
    "test_folds": (7, 8, 9),
}

# Parts that lie at any angle.
_ANY_ANGLE = {"rotation": 180.0, "zoom": 0.2}

_DATA = {
    **{
        f"mvtec_ad/{name}": {
            **_MVTEC_AD,
            "channels": 1 if name in mvtec_ad.GREY else 3,
            **(_ANY_ANGLE if name in mvtec_ad.ANY_ANGLE else {}),
        }
        for name in mvtec_ad.DEFECT_TYPES
    },
    **{
        f"{name}/class_{number}{suffix}": {"channels": 1, "mask_feature": mask_feature, **changes}
        for name, suffix, mask_feature, changes in (
            ("dagm2007", "", "mask", {"image_size": (288, 288)}),
            ("dagm_synthetic", "", "weak_mask", {"image_size": (256, 256)}),
            ("dagm_synthetic", "_small", "weak_mask", {}),
        )
        for number in range(1, 11)
    },
    "magnetic_tile/tile": {"channels": 1, "image_size": (384, 288)},
    "kolektor_sdd/commutator": {"channels": 1, "image_size": (640, 256)},
    "msd/screen": {"channels": 3, "image_size": (320, 576), "validation_folds": (0,)},
    # Without good images; see `defect_types` for its folds.
    "neu_seg/strip": {
        "channels": 1,
        "image_size": (256, 256),
        "validation_folds": (0,),
        "test_split": "train",
        "test_folds": (1,),
    },
    "image_mask_folder/grey": {"channels": 1, "image_size": (512, 512)},
    "image_mask_folder/rgb": {"channels": 3, "image_size": (512, 512)},
}


def _on_data(*, channels, **data):
    args = {**_DEFAULT["builder_args"], "image_shape": [None, None, channels]}
    return {**_DEFAULT, "builder_args": args, **data}


RECIPES = {
    f"super_simple_net/{handle}": {"default": _on_data(**data)} for handle, data in _DATA.items()
}
