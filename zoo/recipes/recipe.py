"""A recipe: everything that decides how a module is trained, as plain data.

Each field is also a flag of `python -m zoo`.
"""

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from zoo.recipes.threshold_rules import RULES, parse_rule


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
        "height,width that images are resized to, masks so that thin defects survive; "
        "none: as they are",
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
    test_folds: tuple[int, ...] = _field(
        "folds of test_split that are measured, and kept out of training; none given: all of it", ()
    )
    defective_only: bool = _field("learn from defective images alone", False)
    defective_fraction: float | None = _field(
        "share of defective images in each batch; none: as often as they come", None
    )
    augmentation: str = _field("random turns and mirrorings: d4, nvidia or identity", "d4")
    rotation: float = _field("largest random turn to either side, in degrees", 0.0)
    shear: float = _field("largest random shear, relative to the distance from the centre", 0.0)
    zoom: float = _field("largest random magnification minus 1; images shrink as much", 0.0)
    perspective: float = _field("largest random change of scale from centre to border", 0.0)
    elastic: float = _field("largest random displacement, relative to the shorter side", 0.0)
    brightness: float = _field("largest random shift of an image in [0, 1]", 0.0)
    contrast: float = _field("largest random relative change of contrast", 0.0)
    blur: float = _field("largest standard deviation of a random blur, in pixels", 0.0)
    noise: float = _field("largest standard deviation of random noise, of the full range", 0.0)

    textures: tuple[str, ...] = _field(
        "of defects painted on good images, where a model learns from those alone: dtd:FOLDER, "
        "folder:FOLDER, procedural or self; the first of several that is there",
        ("procedural",),
    )
    foreground_dir: str | None = _field(
        "folder of masks, white where the part is, that say where such defects may lie; "
        "none: the part is told from its ground",
        None,
    )

    loss: str | None = _field(
        "one or several with + between them: ce, bce, dice, focal, tversky, lovasz, "
        "...; none: masks are not learnt, only the labels of images, or what is normal",
        "bce_dice",
    )
    class_weights: tuple[float, ...] | None = _field(
        "weights of the pixels of each class in ce and focal, background first; none: alike", None
    )
    label_weights: tuple[float, ...] | None = _field(
        "weights of the images of each label in the loss of labels, good first; none: alike", None
    )
    loss_weights: tuple[float, float] = _field(
        "weights of the loss of masks and of that of labels, where a model has both", (1.0, 1.0)
    )
    optimizer: str = _field(
        "one of adam, adam_clipped, adamw, adamw_fixel, adamw_unclipped or rmsprop",
        "adamw",
    )
    learning_rate: float = _field("learning rate at the start, or the highest of a cycle", 1e-3)
    schedule: str = _field(
        "steps, drops every decay_steps; cosine, from the first step to the last; one_cycle, up "
        "and down again epoch by epoch",
        "steps",
    )
    weight_decay: float = _field("decoupled weight decay of the kinds of adamw", 1e-4)
    decay_steps: int | None = _field(
        "steps between drops of the learning rate by schedule steps; none: no drops", None
    )
    decay_rate: float = _field("factor of each drop", 0.8)
    batch_size: int = _field("images in a training step", 16)
    steps_per_epoch: int = _field("training steps between two validations", 20)
    epochs: int = _field("most epochs", 60)
    early_stopping_patience: int | None = _field(
        "epochs without a better validation IoU before training stops; none: never", 15
    )
    stop_accuracy: float | None = _field(
        "share of right labels in the training batches of an epoch at which it is the last; "
        "none: never",
        None,
    )
    reduce_lr_patience: int | None = _field(
        "epochs without a better validation IoU before the learning rate falls; none: never", 5
    )
    reduce_lr_factor: float = _field("factor by which the learning rate falls then", 0.5)
    pixel_rule: str = _field(
        "how the pixel threshold is chosen on the validation folds: best_f1; best_f1_1se, the "
        "nearest to 0.5 whose F1 is within one standard error of the best; or false_alarms:SHARE "
        "of the pixels of good images",
        "best_f1",
    )
    image_rule: str = _field(
        "how the image threshold is chosen there: best_f1, best_f1_1se, false_alarms:SHARE of the "
        "good images, conformal:ALPHA, which a new good image exceeds with that probability at "
        "most, or normal:ALPHA, with that probability if logits are normal, from two images on",
        "best_f1",
    )
    weights: str = _field(
        "which weights to keep: best (by validation IoU, or what stands for it) or last", "best"
    )

    start_from: str | None = _field(
        "run directory whose weights training starts from, as far as its layers fit; none: random",
        None,
    )
    seed: int = _field("seed of weights, order, crops and augmentation", 0)
    mixed_precision: str = _field(
        "auto, float32, mixed_bfloat16 or mixed_float16; auto asks the device", "auto"
    )
    xla: str = _field("auto, on or off; auto asks the device", "auto")

    def __post_init__(self):
        if self.test_folds is None:  # as the flag's word none says it
            object.__setattr__(self, "test_folds", ())
        for each in dataclasses.fields(self):
            if getattr(self, each.name) is None and "None" not in type_name(each):
                raise ValueError(f"Recipe field `{each.name}` must be {type_name(each)}, not none.")
        for name in ("batch_size", "steps_per_epoch", "epochs"):
            if getattr(self, name) < 1:
                raise ValueError(
                    f"Recipe field `{name}` must be at least 1. Received: {getattr(self, name)}"
                )
        for name in ("image_size", "crop_size"):
            size = getattr(self, name)
            if size is not None and (len(size) != 2 or min(size) < 1):
                raise ValueError(
                    f"Recipe field `{name}` must be a height and a width. Received: {size}"
                )
        for name, valid in _CHOICES.items():
            if getattr(self, name) not in valid:
                raise ValueError(
                    f"Recipe field `{name}` must be one of {', '.join(valid)}. "
                    f"Received: {getattr(self, name)!r}"
                )
        if len(self.loss_weights) != 2:
            raise ValueError(
                "Recipe field `loss_weights` must be two numbers, of masks and of labels. "
                f"Received: {self.loss_weights}"
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
        apart = set(range(10)) - set(self.validation_folds)
        if not set(self.test_folds) <= apart or not self.training_folds:
            raise ValueError(
                "Recipe field `test_folds` must name folds 0..9 that are not validated on, and "
                f"leave some to learn from. Received: {self.test_folds}, with the validation "
                f"folds {self.validation_folds}"
            )

    @property
    def training_folds(self) -> tuple[int, ...]:
        """The folds of the train split that neither validate nor measure."""
        return tuple(sorted(set(range(10)) - set(self.validation_folds) - set(self.test_folds)))

    def to_dict(self) -> dict:
        """Returns what JSON holds: tuples become lists."""
        return json.loads(json.dumps(dataclasses.asdict(self)))

    @classmethod
    def from_dict(cls, values: dict) -> "Recipe":
        """Returns the inverse of `to_dict`."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})


_CHOICES = {
    "mixed_precision": ("auto", "float32", "mixed_bfloat16", "mixed_float16"),
    "xla": ("auto", "on", "off"),
    "weights": ("best", "last"),
}


def type_name(field: dataclasses.Field) -> str:
    """Returns the type of a field as a reader writes it, such as `int | None`."""
    return field.type.__name__ if isinstance(field.type, type) else str(field.type)


def parse_field(field: dataclasses.Field, text: str):
    """Reads the value of a field of `Recipe` from text: a word, JSON, or numbers with commas.

    Raises:
      ValueError: the text is no value of the field's type.
    """
    if "tuple[str" in type_name(field):
        return tuple(text.split(","))
    if "str" in type_name(field):
        return text
    try:
        if "tuple" in type_name(field):
            number_type = float if "float" in type_name(field) else int
            return tuple(number_type(number) for number in text.split(","))
        value = json.loads(text)
        return float(value) if "float" in type_name(field) else _checked(field, value)
    except (ValueError, TypeError) as error:
        raise ValueError(f"must be {type_name(field)}. Received: {text!r}") from error


def _checked(field, value):
    kind = next(kind for kind in (bool, int, dict) if kind.__name__ in type_name(field))
    if type(value) is not kind:
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
