"""Recipes: everything that decides how a module is trained, as plain data.

A module's handle is `<builder>/<dataset>/<class>`; a recipe is chosen by its name beside it. Each
field of `Recipe` is also a flag of `python -m zoo`.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from zoo.threshold_rules import RULES, parse_rule


def _field(help_text: str, default: Any = dataclasses.MISSING) -> Any:
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata={"help": help_text})
    return field(default=default, metadata={"help": help_text})


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One training run, complete: equal recipes on equal machines give equal weights."""

    module: str = _field("handle, <builder>/<dataset>/<class>")
    name: str = _field("name of the recipe this one started from")
    builder: str = _field("key of builders.BUILDERS")
    builder_args: dict = _field("arguments of the builder, as JSON")
    dataset: str = _field("name/config of the TFDS data set")
    class_names: tuple[str, ...] = _field(
        "label names, good first; filled in from the data set", ()
    )
    mask_feature: str = _field("feature that holds the mask to learn: mask or weak_mask", "mask")

    image_size: tuple[int, int] | None = _field(
        "height,width that images are resized to, masks by nearest neighbour; none: as they are",
        None,
    )
    crop_size: tuple[int, int] | None = _field(
        "height,width of the random crop in training, around a defect where there is one; "
        "none: the whole image",
        None,
    )
    train_split: str = _field("split to learn from and to validate on", "train")
    validation_folds: tuple[int, ...] = _field(
        "folds of train_split that are kept out of training, to choose epoch and threshold", (0, 1)
    )
    test_split: str = _field("split that is measured once, at the end", "test")
    defective_only: bool = _field("learn from defective images alone", False)
    defective_fraction: float | None = _field(
        "share of defective images in each batch; none: as often as they come", None
    )
    augmentation: str = _field("key of zoo.augment.SYMMETRIES: d4, nvidia or identity", "d4")
    brightness: float = _field("largest random shift of an image in [0, 1]", 0.0)
    contrast: float = _field("largest random relative change of contrast", 0.0)

    loss: str = _field("key of zoo.losses.LOSSES", "bce_dice")
    optimizer: str = _field("key of zoo.optimizers.OPTIMIZERS: adamw or rmsprop", "adamw")
    learning_rate: float = _field("learning rate at the start", 1e-3)
    weight_decay: float = _field("decoupled weight decay of adamw", 1e-4)
    decay_steps: int | None = _field(
        "steps between drops of the learning rate; none: no drops", None
    )
    decay_rate: float = _field("factor of each drop", 0.8)
    batch_size: int = _field("images in a training step", 16)
    steps_per_epoch: int = _field("training steps between two validations", 20)
    epochs: int = _field("most epochs", 60)
    early_stopping_patience: int | None = _field(
        "epochs without a better validation IoU before training stops; none: never", 15
    )
    reduce_lr_patience: int | None = _field(
        "epochs without a better validation IoU before the learning rate halves; none: never", 5
    )
    pixel_rule: str = _field(
        "how the pixel threshold is chosen on the validation folds: best_f1, or false_alarms:SHARE "
        "of the pixels of good images",
        "best_f1",
    )
    image_rule: str = _field(
        "how the image threshold is chosen there: best_f1, false_alarms:SHARE of the good images, "
        "or conformal:ALPHA, which a new good image exceeds with that probability at most",
        "best_f1",
    )
    weights: str = _field("which weights to keep: best (by validation IoU) or last", "best")

    seed: int = _field("seed of weights, order, crops and augmentation", 0)
    mixed_precision: str = _field(
        "auto, float32, mixed_bfloat16 or mixed_float16; auto asks the device", "auto"
    )
    xla: str = _field("auto, on or off; auto asks the device", "auto")

    def __post_init__(self):
        for name, valid in _CHOICES.items():
            if getattr(self, name) not in valid:
                raise ValueError(
                    f"Recipe field `{name}` must be one of {', '.join(valid)}. "
                    f"Received: {getattr(self, name)!r}"
                )
        for name in RULES:
            parse_rule(name, getattr(self, name))
        if self.builder_args.get("num_classes", 1) < 1:
            raise ValueError(f"num_classes must be at least 1. Received: {self.builder_args}")
        if not self.validation_folds or not set(self.validation_folds) < set(range(10)):
            raise ValueError(
                "Recipe field `validation_folds` must name some, not all, of the folds 0..9. "
                f"Received: {self.validation_folds}"
            )

    def to_dict(self) -> dict:
        """As JSON has it: tuples become lists."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in dataclasses.asdict(self).items()
        }

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """The inverse of `to_dict`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


_CHOICES = {
    "mixed_precision": ("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    "xla": ("auto", "on", "off"),
    "weights": ("best", "last"),
}

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

_CLASSES = [f"class_{number}" for number in range(1, 11)]

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


def type_name(field: dataclasses.Field) -> str:
    """The type of a field as a reader writes it, such as `int | None`."""
    return field.type.__name__ if isinstance(field.type, type) else str(field.type)


def parse_field(field: dataclasses.Field, text: str):
    """Reads the value of a field of `Recipe` from text: a word, JSON, or numbers with commas.

    Raises:
      ValueError: the text is no value of the field's type.
    """
    if field.type is str:
        return text
    try:
        if "tuple" in type_name(field):
            return tuple(int(number) for number in text.split(","))
        value = json.loads(text)
        return float(value) if "float" in type_name(field) else _checked(field, value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"must be {type_name(field)}. Received: {text!r}") from error


def _checked(field, value):
    kind = next(kind for kind in (bool, int, dict) if kind.__name__ in type_name(field))
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
