"""The recipes of every module.

A module's handle is `<builder>/<dataset>/<class>`; a recipe is chosen by its name beside it.
"""

import dataclasses

from tfds_datasets.mvtec_ad import categories as mvtec_ad
from zoo.recipe import Recipe

_TINY_UNET = {
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

# Two cores: the smallest width; crops of odd sizes would be padded.
_UNET = {
    "builder_args": {"image_shape": [None, None, 1], "num_classes": 1, "base_filters": 16},
    "loss": "ce+dice",
    "brightness": 0.1,
    "contrast": 0.1,
    "batch_size": 8,
    "steps_per_epoch": 100,
}

# NEU-Seg has no good images, and its test images come apart: fold 1 stands for them.
_NEU_SEG = {
    "builder_args": {**_UNET["builder_args"], "num_classes": 4},
    "crop_size": (192, 192),
    "validation_folds": (0,),
    "test_split": "train",
    "test_folds": (1,),
    "steps_per_epoch": 200,
    "epochs": 8,
    "decay_steps": 250,
    "decay_rate": 0.6,
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
}

# Images of many sizes; those smaller than the crop would be refused, and none is smaller than 96.
_MAGNETIC_TILE = {
    "builder_args": {**_UNET["builder_args"], "num_classes": 6},
    "crop_size": (96, 96),
    "defective_fraction": 0.75,
    "validation_folds": (0, 1),
    "epochs": 20,
}

# The official training images are all good, so types are learnt from seven tenths of the test
# images as well, and measured on the other three: not to be compared with what learns from good
# images alone.
_MVTEC_AD = {
    "image_size": (512, 512),
    "crop_size": (256, 256),
    "defective_fraction": 0.75,
    "train_split": "train+test",
    "validation_folds": (0, 1),
    "test_folds": (2, 3, 4),
    "epochs": 20,
}

# A user's own images, of any sizes: any defect against good, unless flags say how many types.
_IMAGE_MASK_FOLDER = {"loss": "bce_dice", "crop_size": (128, 128), "epochs": 20}

_CLASSES = [f"class_{number}" for number in range(1, 11)]

# antillia's six FlexUNet projects on MVTec AD: kernel and dilation of the first level, dropout,
# learning rate.
_ANTILLIA = {
    "leather": (9, 3, 0.03, 7e-5),
    "screw": (9, 1, 0.03, 7e-5),
    "tile": (9, 1, 0.04, 7e-5),
    "transistor": (11, 3, 0.03, 6e-5),
    "wood": (9, 1, 0.04, 7e-5),
    "zipper": (9, 1, 0.04, 6e-5),
}


def _antillia(category: str) -> dict:
    """What those projects published, on folds that share no image.

    Their training images were turned, mirrored, shrunk and bent offline before they were split,
    which put copies of every image into all three parts; here they are changed in training alone.
    Their learning rate never fell, by a misspelt argument; here it does as they meant it to.
    """
    base_kernel, dilation, dropout_rate, learning_rate = _ANTILLIA[category]
    types = _mvtec_ad_types(category)
    network = {
        "base_filters": 16,
        "base_kernel": base_kernel,
        "num_layers": 8,
        "dilation": dilation,
        "dropout_rate": dropout_rate,
        "normalization": None,
        "input_scale": "raw",
    }
    return {
        **_MVTEC_AD,
        "builder_args": {**types["builder_args"], **network},
        "crop_size": None,
        "defective_only": True,
        "defective_fraction": None,
        "rotation": 180.0,
        "zoom": 0.25,
        "shear": 0.2,
        "elastic": 0.02,
        "loss": "ce",
        "optimizer": "adam_clipped",
        "learning_rate": learning_rate,
        "batch_size": 2,
        "steps_per_epoch": 700,
        "epochs": 100,
        "early_stopping_patience": 10,
        "reduce_lr_patience": 4,
    }


def _mvtec_ad_types(category: str) -> dict:
    """One channel for each type and one for the background; one in all for a single type."""
    num_types = len(mvtec_ad.DEFECT_TYPES[category])
    args = {
        **_UNET["builder_args"],
        "image_shape": [None, None, 1 if category in mvtec_ad.GREY else 3],
        "num_classes": 1 + num_types if num_types > 1 else 1,
    }
    return {"builder_args": args, "loss": "ce+dice" if num_types > 1 else "bce_dice"}


# Recipes of each module: handle -> recipe name -> what differs from the defaults of `Recipe`.
RECIPES: dict[str, dict[str, dict]] = {
    **{
        f"tiny_unet/{dataset}/{config}": {
            "default": _TINY_UNET | default_changes | {"mask_feature": mask_feature},
            "nvidia": _NVIDIA | {"mask_feature": mask_feature},
        }
        for dataset, suffix, mask_feature, default_changes in (
            ("dagm2007", "", "mask", {}),
            ("dagm_synthetic", "", "weak_mask", _CROPS),
            ("dagm_synthetic", "_small", "weak_mask", _SMALL),
        )
        for config in (f"{name}{suffix}" for name in _CLASSES)
    },
    "unet/neu_seg/strip": {"default": _UNET | _NEU_SEG},
    **{
        f"unet/image_mask_folder/{config}": {
            "default": _UNET
            | _IMAGE_MASK_FOLDER
            | {"builder_args": {**_UNET["builder_args"], "image_shape": [None, None, channels]}}
        }
        for config, channels in (("grey", 1), ("rgb", 3))
    },
    "unet/magnetic_tile/tile": {"default": _UNET | _MAGNETIC_TILE},
    **{
        f"unet/mvtec_ad/{category}": {"default": _UNET | _MVTEC_AD | _mvtec_ad_types(category)}
        for category in mvtec_ad.DEFECT_TYPES
    },
    **{
        f"flex_unet/mvtec_ad/{category}": {
            "default": _UNET | _MVTEC_AD | _mvtec_ad_types(category),
            **({"antillia": _antillia(category)} if category in _ANTILLIA else {}),
        }
        for category in mvtec_ad.DEFECT_TYPES
    },
}


def get_recipe(module: str, name: str = "default", **changes) -> Recipe:
    """Returns the recipe of a module, with the given fields changed.

    Args:
      module: a handle of `RECIPES`.
      name: a recipe of that module.
      **changes: fields of `Recipe` that shall differ from the recipe; `builder_args` is merged.

    Raises:
      ValueError: the module, the recipe or a field is unknown; the message lists the valid ones.
    """
    if module not in RECIPES:
        families: dict[str, list[str]] = {}
        for handle in RECIPES:
            family, _, config = handle.rpartition("/")
            families.setdefault(family, []).append(config)
        valid = "; or ".join(f"{key}/ and {', '.join(names)}" for key, names in families.items())
        raise ValueError(f"Argument `module` must be {valid}. Received: {module!r}")
    if name not in RECIPES[module]:
        raise ValueError(
            f"Argument `recipe` must be one of {', '.join(RECIPES[module])} for {module}. "
            f"Received: {name!r}"
        )
    fields = [item.name for item in dataclasses.fields(Recipe)]
    if unknown := set(changes) - set(fields):
        raise ValueError(f"Recipe has no field {', '.join(unknown)}. Fields: {', '.join(fields)}")
    builder, dataset = module.split("/", 1)
    values = {
        "module": module,
        "name": name,
        "builder": builder,
        "dataset": dataset,
        **RECIPES[module][name],
    }
    if "builder_args" in changes:
        changes["builder_args"] = {**values["builder_args"], **changes["builder_args"]}
    return Recipe(**{**values, **changes})
