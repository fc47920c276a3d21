"""PatchCore: remembers good images, and calls the rest a defect."""

from tfds_datasets.mvtec_ad import categories as mvtec_ad

BLURRED_SIDE = 512  # pixels of an image's shorter side of which the blur is 8 pixels

_DEFAULT = {
    "builder_args": {"backbone": "EfficientNetLite0", "weights": "imagenet"},
    "augmentation": "identity",
    "loss": None,
    "pixel_rule": "false_alarms:0.001",
    # Of all rules that ten good images can choose a threshold by, the one that comes nearest to
    # rejecting a twentieth of others, on six sets of images.
    "image_rule": "normal:0.05",
    "weights": "last",
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
    "epochs": 1,
}

# Uneven tiles differ from good ones in large: with stride 8 as well, the defects of their training
# split were sorted less well.
_COARSE = {"strides": [16], "smoothing": 288 / BLURRED_SIDE / 2}

_DATA = {
    **{
        f"mvtec_ad/{name}": {"channels": 1 if name in mvtec_ad.GREY else 3, "size": (512, 512)}
        for name in mvtec_ad.DEFECT_TYPES
    },
    **{
        f"{name}/class_{number}{suffix}": {
            "channels": 1,
            "size": size,
            "mask_feature": mask_feature,
        }
        for name, suffix, mask_feature, size in (
            ("dagm2007", "", "mask", (512, 512)),
            ("dagm_synthetic", "", "weak_mask", (512, 512)),
            ("dagm_synthetic", "_small", "weak_mask", None),
        )
        for number in range(1, 11)
    },
    "magnetic_tile/tile": {"channels": 1, "size": (384, 288), "args": _COARSE},
    # It has no good image: a training says so.
    "neu_seg/strip": {
        "channels": 1,
        "size": (200, 200),
        "validation_folds": (0,),
        "test_split": "train",
        "test_folds": (1,),
    },
    "kolektor_sdd/commutator": {"channels": 1, "size": (1280, 512)},
    "image_mask_folder/grey": {"channels": 1, "size": (512, 512)},
    "image_mask_folder/rgb": {"channels": 3, "size": (512, 512)},
}


def _on_data(*, channels, size, args=None, **data):
    args = {
        **_DEFAULT["builder_args"],
        "image_shape": [None, None, channels],
        "smoothing": min(size or (BLURRED_SIDE,)) / BLURRED_SIDE,
        **(args or {}),
    }
    return {**_DEFAULT, "builder_args": args, "image_size": size, **data}


RECIPES = {f"patch_core/{handle}": {"default": _on_data(**data)} for handle, data in _DATA.items()}
# Small defects on large parts, at four times the pixels, seconds and milliseconds.
for _name in mvtec_ad.DEFECT_TYPES:
    _data = {**_DATA[f"mvtec_ad/{_name}"], "size": (1024, 1024)}
    RECIPES[f"patch_core/mvtec_ad/{_name}"]["large"] = _on_data(**_data)
