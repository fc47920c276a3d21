"""The ten classes of DAGM 2007, and of what is drawn like them: a defect or none."""

_DEFAULT = {
    "builder_args": {"image_shape": [None, None, 1], "num_classes": 1},
    "defective_fraction": 0.5,
    "brightness": 0.1,
    "contrast": 0.1,
    "batch_size": 8,
}

# Whole images of 512x512 would take two cores hours: crops around the defects, fewer validations.
_CROPS = {
    "crop_size": (128, 128),
    "validation_folds": (0,),
    "steps_per_epoch": 60,
    "epochs": 20,
    "early_stopping_patience": 6,
    "reduce_lr_patience": 3,
}

# UNet_Industrial as NVIDIA published it: 2,500 steps of 16 defective images, the adaptive loss,
# RMSProp with drops of the learning rate, L2 on kernels and biases, the last weights.
_NVIDIA = {
    "builder_args": {"image_shape": [None, None, 1], "num_classes": 1, "weight_decay": 1e-5},
    "defective_only": True,
    "augmentation": "nvidia",
    "loss": "adaptive",
    "optimizer": "rmsprop",
    "learning_rate": 1e-4,
    "weight_decay": 0.0,
    "decay_steps": 500,
    "steps_per_epoch": 100,
    "epochs": 25,
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
    "weights": "last",
}

# The demonstration: minutes on two cores.
_SMALL = {
    "steps_per_epoch": 15,
    "epochs": 8,
    "early_stopping_patience": 3,
    "reduce_lr_patience": 2,
}

# Within 128 pixels a long arc of class 2 is cut, and a dark cloud of class 6 looks like its band.
# Within 192, TinyUNet's best validation IoU rose from 0.30, after 11 epochs, to 0.60, and from 0.46
# to 0.71.
_WIDER_CROPS = {"crop_size": (192, 192)}
# What folds blocks of pixels sees as much of the surface in larger crops as fast.
_LARGE_CROPS = {"crop_size": (256, 256)}

# An epoch of FastUNet takes seconds, and the IoU of a fold's few defects leaps by 0.2 from one to
# the next: with half the patience, training ended at the first lull, on class 2 as version 1.0.0
# drew it at a validation IoU of 0.56 in place of 0.65. So it did for TinyUNet on class 4, 0.57
# after 14 epochs: of 39, the 27th has 0.60.
_LONG = {"epochs": 40, "early_stopping_patience": 12}
# On two classes FastUNet still improves then: 6,000 steps raise the validation IoU of class 2, mean
# of three seeds, from 0.56 to 0.61, and of class 9 from 0.61 to 0.68.
_LONGEST = {
    "steps_per_epoch": 150,
    "epochs": 40,
    "schedule": "cosine",
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
}
# Class 9 is faint. As they are, TinyUNet learns nothing of its images; brought to mean 0 and
# deviation 1 each, its validation IoU is 0.66, and FastUNet's rises from 0.60 to 0.61. On class 4
# they lower it, from 0.57 to 0.47 and from 0.75 to 0.53.
_STANDARDIZED = {"builder_args": {"standardize": True}}

# FastUNet at the width that is ten times as fast as TinyUNet. Without normalisation it learnt
# nothing on class 2 of that version: validation IoU 0.00 in place of 0.56.
_BUILDERS = {
    "tiny_unet": {},
    "fast_unet": {"builder_args": {"stem_stride": 4, "base_filters": 16, "normalization": "batch"}},
    "micro_segmentor": {"builder_args": {"num_labels": 2}},
    "deeplab_v3_plus": {"builder_args": {"backbone": "MobileNetV2"}},
}

# What crops of `dagm_synthetic` change for a builder, and for one class of it.
_BUILDERS_ON_CROPS = {
    "tiny_unet": {},
    "fast_unet": _LARGE_CROPS | _LONG,
    "micro_segmentor": _LARGE_CROPS,
    "deeplab_v3_plus": _LARGE_CROPS,
}
_CLASSES_ON_CROPS = {
    "tiny_unet": {2: [_WIDER_CROPS], 4: [_LONG], 6: [_WIDER_CROPS], 9: [_STANDARDIZED]},
    "fast_unet": {2: [_LONGEST], 9: [_LONGEST, _STANDARDIZED]},
}


def _merge(*parts: dict) -> dict:
    """Merges recipes, the later ones first; `builder_args` are merged as well."""
    merged: dict = {"builder_args": {}}
    for part in parts:
        args = merged["builder_args"] | part.get("builder_args", {})
        merged |= part | {"builder_args": args}
    return merged


def _recipes(builder: str, mask_feature: str, *parts: dict) -> dict[str, dict]:
    """Returns the recipes of a module: `default`, and of TinyUNet `nvidia`."""
    mask = {"mask_feature": mask_feature}
    recipes = {"default": _merge(_DEFAULT, _BUILDERS[builder], *parts, mask)}
    if builder == "tiny_unet":
        recipes["nvidia"] = _NVIDIA | mask
    return recipes


def _on_crops(builder: str, number: int) -> tuple[dict, ...]:
    changes = _CLASSES_ON_CROPS.get(builder, {}).get(number, ())
    return (_CROPS, _BUILDERS_ON_CROPS[builder], *changes)


_MODULES = [(builder, number) for builder in _BUILDERS for number in range(1, 11)]
RECIPES = {
    **{f"{name}/dagm2007/class_{number}": _recipes(name, "mask") for name, number in _MODULES},
    **{
        f"{name}/dagm_synthetic/class_{number}": _recipes(
            name, "weak_mask", *_on_crops(name, number)
        )
        for name, number in _MODULES
    },
    **{
        f"{name}/dagm_synthetic/class_{number}_small": _recipes(name, "weak_mask", _SMALL)
        for name, number in _MODULES
    },
}
