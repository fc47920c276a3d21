"""Writes the page of a module, in the documentation format of TF-Hub."""

import pathlib

import jinja2
import keras

from builders.predictions import predictions
from builders.runs import run_dir
from builders.runs.figures import FIGURES
from builders.runs.handles import check_handle
from export import licences

CARDS = pathlib.Path(__file__).parent / "cards"

# Sources of the textures of painted defects, without the folders of those who trained.
_TEXTURES = {
    "dtd": "every second from the Describable Textures Dataset, which is for research; the others",
    "folder": "every second from pictures in a folder of those who trained; the others",
    "procedural": "every second drawn by formulas; the others",
    "self": "all",
}


def render(
    model: keras.Model,
    recipe: dict,
    *,
    version: int,
    calibration: dict,
    metrics: dict,
    weights: str = "float32",
    environment: dict | None = None,
) -> str:
    """Returns the page of a version of a module, in Markdown.

    Args:
      model: the model of the module.
      recipe: its recipe.
      version: number of the version.
      calibration: `threshold`, `score_threshold` and their `source`; empty if there is none.
      metrics: figures on the test images; empty if there are none. Lists are left out.
      weights: "float32", or "bfloat16" where they were rounded after that.
      environment: what the run has noted: the `textures` of the defects that training painted,
        such as "dtd:FOLDER", and the data sets that the weights have `learnt_from`.

    Raises:
      ValueError: nobody has written about the recipe's builder yet.
    """
    handle = check_handle(recipe["module"])
    about = CARDS / f"{recipe['builder']}.md"
    if not about.is_file():
        raise ValueError(
            f"Builder {recipe['builder']!r} has no page. Write export/cards/{about.name}: where "
            "the architecture comes from, its licence, its use and its limits."
        )
    found = predictions(model.output)
    environment = environment or {}
    textures = environment.get("textures")
    known = run_dir.learnt_from(recipe, environment)
    template = templates().get_template("module.md.j2")
    return template.render(
        handle=handle,
        version=version,
        recipe=recipe,
        about=_about(about.read_text(encoding="utf-8")),
        calibration=calibration,
        measured=_measured(metrics),
        seen=metrics.get("seen", False),
        figures=_figures(metrics),
        learnt_from=known,
        licence=licences.of_images(known),
        notice=licences.notice(known).strip(),
        weights_licence=(licences.of_weights(known) or ("other",) * 2)[1],
        weights=weights,
        textures=_TEXTURES[textures.partition(":")[0]] if textures else "",
        size=_size(recipe["image_size"]),
        parameters=model.count_params(),
        channels=model.inputs[0].shape[-1],
        mask_channels=found["mask"].shape[-1],
        outputs={name: _output(name, value, recipe) for name, value in found.items()},
    )


def _about(card: str) -> str:
    """Returns what the page of a model says of every module of it.

    Its command and results stay there.
    """
    heading, _, text = card.partition("\n")
    return (text if heading.startswith("# ") else card).partition("\n## Train\n")[0].strip()


def templates() -> jinja2.Environment:
    """Returns the environment of the templates in `CARDS`."""
    found = jinja2.Environment(
        loader=jinja2.FileSystemLoader(CARDS),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    found.filters["threshold"] = _threshold
    return found


def _threshold(value: float) -> str:
    """Four digits, or as many more as tell the value from 0 and 1, which nothing is beyond."""
    texts = (f"{value:.{digits}g}" for digits in range(4, 17))
    return next((text for text in texts if float(text) not in (0, 1)), f"{value:g}")


# Names of the axes of each output; channels are counted.
_AXES = {
    "mask": "B, H, W, {}",
    "mask_logits": "B, H, W, {}",
    "score": "B",
    "anomaly_map": "B, H, W",
    "reconstruction": "B, H, W, {}",
    "label": "B, {}",
    "label_logits": "B, {}",
    "cam": "B, h, w, {}",
    "box": "B, N, 4",
    "box_score": "B, N",
}


def _output(name: str, value, recipe: dict) -> str:
    """Returns what an output holds, for the table of outputs."""
    channels, names = value.shape[-1], recipe["class_names"]
    classes = ", ".join(names if channels == len(names) else ["good", "defect"])
    meaning = {
        "mask": f"probability of {'a defect' if channels == 1 else classes}",
        "mask_logits": f"before the {'sigmoid' if channels == 1 else 'softmax'}",
        "score": "probability that the image shows a defect; of a mask its highest one",
        "anomaly_map": "in [0, 1], higher where something does not belong; the mask has it, too",
        "reconstruction": "the image in [0, 1] as it would be without defects",
        "label": f"probability that the image is {classes}",
        "label_logits": "before the softmax",
        "cam": "evidence for each label, cell by cell",
        "box": "[ymin, xmin, ymax, xmax] in [0, 1], the surest first; zeros fill the row; to be "
        "read where the score exceeds the threshold of images",
        "box_score": "of each box; 0 where there is none",
    }[name]
    return f"float32 [{_AXES[name].format(channels)}], {meaning}"


def _size(image_size) -> str:
    return "their own size" if image_size is None else "{}x{} pixels".format(*image_size)


def _measured(metrics: dict) -> str:
    """Says on what the figures were measured; empty where the metrics do not say."""
    if not {"dataset", "split", "image_shape"} <= set(metrics):
        return ""
    height, width, _ = metrics["image_shape"]
    return (
        f"Measured on {metrics['dataset']}, split {metrics['split']}, at {height}x{width} pixels."
    )


def _figures(metrics: dict) -> list[tuple[str, str, str]]:
    """Name, value and meaning of each figure, for the table of results."""
    hidden = {"threshold", "score_threshold", "map_note", "seen"}  # above the table, or no figure
    for group, names in _OF_GROUPS.items():  # of models that tell no labels apart, or draw no boxes
        if not metrics.get(group):
            hidden.update((group, *names))
    confusion = metrics.get("pixel_confusion") or {"classes": [], "iou": []}
    types = dict(list(zip(confusion["classes"], confusion["iou"]))[1:])  # without the background
    if len(types) < 2:  # the mean over one type is the IoU of summed areas
        hidden.update(("mean_iou", "mean_iou_with_background"))
        types = {}
    names = [*(name for name in FIGURES if name in metrics), *sorted(set(metrics) - set(FIGURES))]
    figures = [
        (
            FIGURES[name].title if name in FIGURES else f"`{name}`",
            _number(metrics[name]),
            FIGURES[name].meaning if name in FIGURES else "",
        )
        for name in names
        if name not in hidden and not isinstance(metrics[name], str | list | dict)
    ]
    return figures + [(f"IoU of {name}", _number(iou), "") for name, iou in types.items()]


# What only some models answer: the entry of the metrics that says so, and its figures.
_OF_GROUPS = {
    "labels": ("label_f1",),
    "boxes": ("box_mean_iou", "box_recall@0.3", "box_precision@0.3"),
}


def _number(value) -> str:
    if value is None:
        return "undefined"  # a rate of no images
    return f"{value:.4f}" if isinstance(value, float) else str(value)
