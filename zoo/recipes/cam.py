"""Classifiers that learn from image labels alone, and show where the evidence lies."""

from tfds_datasets.mvtec_ad import categories as mvtec_ad

_LABELS = {
    "builder_args": {"image_shape": [None, None, 3], "num_labels": 2},
    "loss": None,
    "brightness": 0.1,
    "contrast": 0.1,
    "steps_per_epoch": 40,
    "epochs": 25,
    "early_stopping_patience": 8,
    "reduce_lr_patience": 3,
}

# Defects are rare, and either of two things makes up for it, never both: each by itself tells the
# network that they are more frequent than they are, and together they would say so twice. Images
# as often as they come, those of defects weighing more, is what was published.
_WEIGHTED = {"label_weights": (1.0, 3.0)}
# In a short training every batch needs some: as many as good ones, which weigh alike.
_BALANCED = {"defective_fraction": 0.5}

# Weights of ImageNet, of which the last block learns.
_DEFAULT = {
    **_LABELS,
    **_WEIGHTED,
    "builder_args": {
        **_LABELS["builder_args"],
        "backbone": "VGG16",
        "weights": "imagenet",
        "trainable_from": "block5_conv1",
    },
    "learning_rate": 1e-4,
    "batch_size": 10,
}

# Weights that come with the zoo, of which the last blocks learn, on two cores; images are large
# enough for a scratch to be more than a pixel.
_SMALL = {
    **_LABELS,
    **_BALANCED,
    "builder_args": {
        **_LABELS["builder_args"],
        "backbone": "EfficientNetLite0",
        "weights": "imagenet",
        "trainable_from": "block5a_expand_conv",
    },
    "schedule": "cosine",
    "batch_size": 8,
    "epochs": 15,
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
}

# Visual-Inspection as published: no augmentation, the head and the input of the original, its one
# box round what exceeds 0.7 of the map of the defect, plain Adam, the last weights of a training
# that stops by its own accuracy.
_PUBLISHED = {
    **_DEFAULT,
    "builder_args": {
        **_DEFAULT["builder_args"],
        "preprocessing": "unit",
        "cam": "published",
        "box_mode": "hull",
        "box_threshold": 0.7,
        "box_evidence": "label",
    },
    "optimizer": "adam",
    "augmentation": "identity",
    "brightness": 0.0,
    "contrast": 0.0,
    "epochs": 10,
    "stop_accuracy": 0.98,
    "early_stopping_patience": None,
    "reduce_lr_patience": None,
    "weights": "last",
}

# Types stand in the test half alone, which is divided as for masks.
_MVTEC_AD = {
    "train_split": "train+test",
    "validation_folds": (5, 6),
    "test_folds": (7, 8, 9),
}

_DATA = {
    **{
        f"mvtec_ad/{name}": _MVTEC_AD
        | {"channels": 1 if name in mvtec_ad.GREY else 3, "size": 224, "small_size": 512}
        for name in mvtec_ad.DEFECT_TYPES
    },
    **{
        f"{name}/class_{number}": {"channels": 1, "size": None, "mask_feature": mask_feature}
        for name, mask_feature in (("dagm2007", "mask"), ("dagm_synthetic", "weak_mask"))
        for number in range(1, 11)
    },
    "magnetic_tile/tile": {"channels": 1, "size": 224, "small_size": (384, 288)},
    "kolektor_sdd/commutator": {"channels": 1, "size": (640, 256)},
    # Nearly all images are defective: labels tell types apart, and every image weighs alike.
    "msd/screen": {
        "channels": 3,
        "size": (320, 576),
        "num_labels": 4,
        "label_weights": None,
        "validation_folds": (0,),
    },
    "image_mask_folder/grey": {"channels": 1, "size": 224, "small_size": 512},
    "image_mask_folder/rgb": {"channels": 3, "size": 224, "small_size": 512},
}


def _on_data(recipe, *, channels, size, small_size=None, num_labels=2, **data):
    """Returns a recipe on a data set.

    `small_size` is that of the images of `_SMALL`, None for `size`.
    """
    args = {
        **recipe["builder_args"],
        "image_shape": [None, None, channels],
        "num_labels": num_labels,
    }
    if recipe is _SMALL:
        size = small_size or size
    image_size = (size, size) if isinstance(size, int) else size
    return {**recipe, "builder_args": args, "image_size": image_size, **data}


RECIPES = {
    f"vgg16_cam/{handle}": {
        name: _on_data(recipe, **data)
        for name, recipe in (("default", _DEFAULT), ("small", _SMALL), ("published", _PUBLISHED))
    }
    for handle, data in _DATA.items()
}
