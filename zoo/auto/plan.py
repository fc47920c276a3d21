"""Chooses the model and the recipe for a folder of images, and says why."""

import pathlib
from typing import NamedTuple

from zoo.auto.folder import Folder, inspect_folder
from zoo.data import datasets
from zoo.recipes import RECIPES, get_recipe
from zoo.recipes.recipe import Recipe
from zoo.training.starting_weights import adopt_start

FEW_DEFECTS = 10  # defective training images below which labels alone teach a network too little
SIDE = 512  # pixels of the longer side of what networks of whole images see
LARGE = 1024  # of what networks of masks see, from larger photographs
SMALL = 288  # smaller images are enlarged to this
MULTIPLE = 32  # of all strides
CROP = 128  # pixels of the crops of the recipes for one's own images
WHOLE_IMAGES = ("patch_core", "super_simple_net", "transfusion", "vgg16_cam")  # not their crops


class Counts(NamedTuple):
    """Images of a built data set.

    Attributes:
      good, defective: training images, the validation folds included.
      masked: how many of the defective ones have a mask.
      test_good, test_defective: images that are measured.
      types: names of the defect types.
    """

    good: int
    defective: int
    masked: int
    test_good: int
    test_defective: int
    types: list[str]


class Plan(NamedTuple):
    """What will be trained.

    Attributes:
      folder: what was found.
      counts: its images.
      recipe: what is trained on them.
      reason: why this model.
      data_dir: the folder of the built data set.
    """

    folder: Folder
    counts: Counts
    recipe: Recipe
    reason: str
    data_dir: pathlib.Path

    @property
    def run_name(self) -> str:
        """The name of the folder, which the run gets."""
        return self.folder.root.resolve().name

    def describe(self) -> list[str]:
        """Returns the five lines that a training begins with."""
        counts, recipe = self.counts, self.recipe
        found, files = self.folder.describe()
        labels = f"{counts.good + counts.test_good} good"
        if defective := counts.defective + counts.test_defective:
            labels += f", {defective} defective"
            labels += f" ({', '.join(counts.types)})" if len(counts.types) > 1 else ""
            labels += f"; {counts.masked} of {counts.defective} to train on have masks"
        size = "their own size" if recipe.image_size is None else "{}x{}".format(*recipe.image_size)
        return [
            f"found   {found}",
            f"files   {files}",
            f"labels  {labels}",
            f"model   {recipe.builder}: {self.reason}; it sees images at {size}",
            f"split   {counts.good + counts.defective} images to train on and for thresholds, "
            f"{counts.test_good + counts.test_defective} to measure",
        ]


def make_plan(
    root,
    *,
    data_dir="data",
    module: str | None = None,
    recipe: str | None = None,
    fast: bool = False,
    skip_broken_images: bool = False,
    modules_dir="modules",
    runs_dir="runs",
    **changes,
) -> Plan:
    """Looks at a folder, builds its data set, and chooses what to train.

    Args:
      root: a folder in one of the layouts of `tfds_datasets.image_mask_folder`.
      data_dir: folder of all built data sets; this one gets a folder of its own in it.
      module: handle of `image_mask_folder`, or the name of a builder; None chooses one.
      recipe: the name of a recipe of that module; None chooses one.
      fast: choose a network for a fast line, which needs masks.
      skip_broken_images: leave out unreadable images instead of stopping.
      modules_dir, runs_dir: where a `start_from` that is a handle is found, and imported to.
      **changes: fields of the recipe, which come before what is chosen here.

    Raises:
      ValueError: the folder holds too little, or nothing that the model can be trained on.
    """
    if changes.get("start_from") is not None and module is None:
        raise ValueError("A `start_from` needs a `module`, the name of its builder.")
    folder = inspect_folder(root)
    dataset = f"image_mask_folder/{'grey' if folder.channels == 1 else 'rgb'}"
    own_data_dir = datasets.folder_of_built_data(data_dir, root)
    builder = datasets.prepare_dataset(
        dataset, data_dir=own_data_dir, manual_dir=root, skip_broken_images=skip_broken_images
    )
    counts = count_images(builder)
    name, recipe_name, reason = choose_builder(counts, fast=fast)
    if module is not None:
        name, _, rest = module.partition("/")
        reason = "as you asked"
        recipe_name = "default"
        if rest and rest != dataset:
            raise ValueError(
                f"Argument `module` must be {name}/{dataset} for {root}, or {name} alone. "
                f"Received: {module}"
            )
    handle = f"{name}/{dataset}"
    if handle not in RECIPES:
        known = sorted(each.split("/")[0] for each in RECIPES if each.endswith(f"/{dataset}"))
        raise ValueError(f"Argument `module` must be one of {', '.join(known)}. Received: {module}")
    changes = adopt_start(handle, changes, modules_dir=modules_dir, runs_dir=runs_dir)
    chosen = choose_fields(name, folder, counts)
    args = {**chosen.pop("builder_args", {}), **changes.pop("builder_args", {})}
    if args:
        chosen["builder_args"] = args
    made = get_recipe(handle, recipe or recipe_name, **{**chosen, **changes})
    return Plan(folder, counts, made, reason, own_data_dir)


def count_images(builder) -> Counts:
    """Counts the images of a built data set of a user's own folder."""
    names = list(builder.info.features["label"].names)
    splits = builder.info.splits
    train = datasets.count_labels(builder, "train")
    test = datasets.count_labels(builder, "test") if "test" in splits else [0, 0]
    masked = datasets.count_types(builder, "train")[1:].sum()
    return Counts(
        good=int(train[0]),
        defective=int(train[1:].sum()),
        masked=min(int(masked), int(train[1:].sum())),
        test_good=int(test[0]),
        test_defective=int(sum(test[1:])),
        types=names[1:],
    )


def choose_builder(counts: Counts, *, fast: bool = False) -> tuple[str, str, str]:
    """Chooses a builder by what is known of defects.

    Returns:
      The name of a builder, the name of its recipe, and the reason.

    Raises:
      ValueError: nothing can be trained on such images.
    """
    if fast:
        if not counts.masked:
            raise ValueError("Flag --fast takes fast_unet, which needs masks of defective images.")
        return "fast_unet", "default", "the fastest network of masks"
    if not counts.defective:
        return "patch_core", "default", "there is no defective image to train on"
    if counts.masked and (len(counts.types) > 1 or not counts.good):
        reason = (
            f"the masks tell {len(counts.types)} types apart"
            if len(counts.types) > 1
            else "there are masks, and no good image"
        )
        return "deeplab_v3_plus", "default", reason
    if not counts.good:
        raise ValueError(
            "There must be good images, or masks of the defective ones. Received defective images "
            "without masks alone: add a folder of good ones."
        )
    if counts.masked or counts.defective < FEW_DEFECTS:
        known = f"{counts.masked} masks" if counts.masked else "labels"
        return (
            "super_simple_net",
            "default",
            f"there are good images, and {known} of {counts.defective} defective ones",
        )
    return "vgg16_cam", "small", f"{counts.defective} defective images have labels and no masks"


def choose_fields(name: str, folder: Folder, counts: Counts) -> dict:
    """Chooses the fields of a recipe that depend on the images."""
    fields: dict = {"image_size": image_size(name, folder.size)}
    if name in WHOLE_IMAGES:
        return fields
    if min(fields["image_size"] or folder.size) < CROP:
        fields["crop_size"] = None
    if counts.good:
        fields["defective_fraction"] = 0.5
    if len(counts.types) > 1 and name == "micro_segmentor":
        fields["builder_args"] = {"num_labels": 1 + len(counts.types)}
    elif len(counts.types) > 1:
        fields["builder_args"] = {"num_classes": 1 + len(counts.types)}
        fields["loss"] = "ce+dice+defect_dice"
    return fields


def image_size(name: str, size: tuple[int, int]) -> tuple[int, int] | None:
    """Returns the height and width at which a network sees images, None for their own.

    Networks that look at crops see images at their own size, large photographs shrunk; others see
    whole images, of any shape, at `SIDE` pixels of the longer side.
    """
    longest = max(size)
    if name not in WHOLE_IMAGES:
        return None if longest <= LARGE else _scaled(size, LARGE / longest)
    if name == "transfusion":
        return _scaled(size, SIDE / 2 / longest)
    return _scaled(size, min(SIDE, max(SMALL, longest)) / longest)


def _scaled(size: tuple[int, int], factor: float) -> tuple[int, int]:
    height, width = (max(1, round(side * factor / MULTIPLE)) * MULTIPLE for side in size)
    return height, width
