"""The tables of results in the README and in `zoo/results`, in Markdown.

They are made of the files in `zoo/results` and of the manifests in `zoo/pretrained`.
"""

import json
import pathlib
import statistics
from collections.abc import Callable

from builders.runs.figures import FIGURES

# What UNet_Industrial published for each class of DAGM 2007 at 512x512, FP32, threshold 0.99,
# as "IoU": Dice averaged over all test images, the good ones included.
PUBLISHED_DICE = dict(
    enumerate((0.969, 0.976, 0.979, 0.967, 0.992, 0.983, 0.981, 0.970, 0.988, 0.981), start=1)
)


def kind(result: dict) -> str:
    """Returns which of `TABLES` a result belongs to: what its model learnt."""
    recipe = result["recipe"]
    if recipe.get("loss", "") is None and "num_labels" in recipe["builder_args"]:
        return "labels"
    return "types" if len(result["type_iou"]) > 2 else "defects"


def table(name: str, results: list[dict]) -> str:
    """Returns one of `TABLES`, with a row for each result."""
    rows = sorted(results, key=lambda r: (r["recipe"]["module"], r["recipe"]["name"]))
    return _table(TABLES[name], rows)


def page_tables(folder, manifests: list[dict]) -> dict[str, str]:
    """Returns every table of `zoo/results/README.md` by what it shows, in Markdown.

    Args:
      folder: holds the result files.
      manifests: of the pretrained modules.
    """
    folder = pathlib.Path(folder)

    def read(pattern):
        return [json.loads(path.read_text()) for path in sorted(folder.glob(pattern))]

    results = read("*-*.json")  # those of a module
    shown = {}
    for name in TABLES:
        if ours := [result for result in results if kind(result) == name]:
            shown[name] = table(name, ours)
    for path in sorted(folder.glob("comparison_*.json")):
        shown[path.stem] = comparison_table(json.loads(path.read_text()))
    (measured,), (longer,), (formats,) = map(
        read, ("sim_to_real.json", "teacher_time.json", "formats.json")
    )
    shown["sim_to_real"] = real_table(measured["rows"])
    shown["teacher_time"] = teacher_table(longer + read("transfusion-*.json"))
    shown["modules"] = module_table(manifests)
    shown["formats"] = format_table(formats)
    return shown


def module_table(manifests: list[dict]) -> str:
    """Formats the pretrained modules, with a row for each manifest."""
    return _table(_MODULE, manifests)


def format_table(rows: list[dict]) -> str:
    """Returns what each format of a module costs and finds: rows of `zoo/results/formats.json`."""
    return _table(_FORMAT, rows)


def comparison_table(compared: dict) -> str:
    """Returns a teacher and its students, as `zoo.pseudo_masks.compare.compare` returns them."""
    return _table(_COMPARISON, compared["rows"])


def real_table(rows: list[dict]) -> str:
    """Returns what modules of drawn images find on real ones.

    Rows of `zoo/results/sim_to_real.json`.
    """
    return _table(_REAL, rows)


def teacher_table(results: list[dict]) -> str:
    """Returns what a longer training brings.

    Results of models that learn from good images alone.
    """

    def place(result):
        recipe = result["recipe"]
        started = recipe["start_from"] is not None
        return recipe["module"], started, result["training_steps"][0], recipe["rotation"]

    return _table(_TEACHER, sorted(results, key=place))


def _table(columns, rows) -> str:
    lines = [list(columns), ["---"] * len(columns)]
    lines += [[cell(row) for cell in columns.values()] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _figures(*keys: str) -> dict[str, Callable[[dict], str]]:
    """Columns of figures of several seeds, under their names."""
    return {FIGURES[key].name: _figure(key, FIGURES[key].digits) for key in keys}


def _figure(name: str, digits: int = 3) -> Callable[[dict], str]:
    """Returns a figure's mean and spread; a result measured before the figure existed says so."""

    def cell(result):
        figures = result["figures"]
        return _show(figures[name], digits) if name in figures else "not measured"

    return cell


def _show(spread, digits=3) -> str:
    if spread["mean"] is None:
        return "undefined"
    sd = "" if spread["sd"] is None else f" ± {spread['sd']:.{digits}f}"
    return f"{spread['mean']:.{digits}f}{sd}"


def _share(part: str, rest: str) -> Callable[[dict], str]:
    """Returns the mean over the runs of how many images, and of how many."""

    def cell(result):
        parts, rests = (
            statistics.mean(each[key] for each in result["images_decided"]) for key in (part, rest)
        )
        return f"{parts:.1f} / {parts + rests:.0f}"

    return cell


def _hottest(result) -> str:
    hits, rate = (result["figures"][name]["mean"] for name in ("hits", "hit_rate"))
    if hits is None:
        return "undefined"
    return f"{hits:.1f} / {round(hits / rate) if rate else result['defective']}"


def _each_type(result) -> str:
    types = result["type_iou"].items()
    return ", ".join(f"{name} {_show(iou)}" for name, iou in types if name != "background")


def _nvidia(result) -> str:
    name, _, config = result["recipe"]["dataset"].partition("/")
    published = "none"
    if name == "dagm2007":
        published = str(PUBLISHED_DICE[int(config.removeprefix("class_"))])
    return f"{_show(result['nvidia_dice_mean@0.99'])} / {published}"


_FIRST = {
    "module": lambda result: f"`{result['recipe']['module']}`",
    "recipe": lambda result: result["recipe"]["name"],
    "image": lambda result: "x".join(map(str, result["image_shape"][:2])),
    "seeds": lambda result: str(len(result["seeds"])),
}
_FOUND = {
    FIGURES["tp"].name: _share("tp", "fn"),
    FIGURES["tn"].name: _share("tn", "fp"),
}
_LAST = {"minutes": lambda result: f"{result['training_seconds']['mean'] / 60:.0f}"}

TABLES: dict[str, dict[str, Callable[[dict], str]]] = {
    "defects": {
        **_FIRST,
        **_figures("defect_iou", "set_iou", "au_pro@0.3", "image_auroc"),
        **_FOUND,
        "NVIDIA's number, ours / published": _nvidia,
        **_LAST,
    },
    "types": {
        **_FIRST,
        **_figures("mean_iou", "mean_iou_with_background"),
        "IoU of each type": _each_type,
        **_figures("label_f1", "au_pro@0.3", "image_auroc"),
        **_LAST,
    },
    "labels": {
        **_FIRST,
        **_figures("balanced_accuracy"),
        **_FOUND,
        **_figures("image_auroc"),
        FIGURES["hits"].name: _hottest,
        **_figures("box_recall@0.3", "box_precision@0.3"),
        **_LAST,
    },
}


def _values(*keys: str) -> dict[str, Callable[[dict], str]]:
    """Columns of figures of one module, under their names."""
    return {FIGURES[key].name: _value(key, FIGURES[key].digits) for key in keys}


def _value(name: str, digits: int = 3) -> Callable[[dict], str]:
    """Returns a figure of one module."""

    def cell(row):
        figures = row.get("figures", row)
        if name not in figures:
            return "not measured"
        value = figures[name]
        return "undefined" if value is None else f"{value:.{digits}f}"

    return cell


_MODULE: dict[str, Callable[[dict], str]] = {
    "module": lambda manifest: f"`{manifest['handle']}`",
    "parameters": lambda manifest: f"{manifest['parameters']:,}",
    "MB": lambda manifest: f"{manifest['archive']['bytes'] / 1e6:.1f}",
    "test images, defective": lambda manifest: (
        f"{manifest['figures']['images']}, {manifest['figures']['defective']}"
    ),
    **_values("defect_iou", "image_auroc", "pb@0.01"),
    "ms": lambda manifest: f"{manifest['milliseconds']:.0f}",
    "data": lambda manifest: manifest["data_licence"],
}
_FORMAT: dict[str, Callable[[dict], str]] = {
    "module": lambda row: f"`{row['module']}`",
    "format": lambda row: row["format"],
    "precision": lambda row: row["precision"],
    "MB": lambda row: f"{row['bytes'] / 1e6:.1f}",
    "image": lambda row: "{}x{}".format(*row["timed_at"]),
    "ms": lambda row: f"{row['milliseconds']:.0f}",
    "agreement": _value("agreement"),
    **_values("defect_iou", "image_auroc"),
}
_REAL: dict[str, Callable[[dict], str]] = {
    "module": lambda row: f"`{row['module']}`",
    "real images": lambda row: str(row["images"]),
    **_values("defect_iou", "pixel_auroc", "image_auroc"),
    FIGURES["hits"].name: lambda row: f"{row['hits']} / {row['defective']}",
    FIGURES["tp"].name: lambda row: f"{row['tp']} / {row['tp'] + row['fn']}",
    FIGURES["tn"].name: lambda row: f"{row['tn']} / {row['tn'] + row['fp']}",
}
_COMPARISON: dict[str, Callable[[dict], str]] = {
    "module": lambda row: f"`{row['module']}`",
    "learnt from": lambda row: row["learnt_from"],
    "seeds": lambda row: str(len(row["seeds"])),
    "parameters": lambda row: f"{row['parameters']:,}",
    **_figures("image_auroc", "pixel_auroc", "pixel_ap", "au_pro@0.3", "au_pro@0.05", "set_iou"),
    "at the best threshold": _figure("best_set_iou"),
    "ms": _figure("milliseconds", 0),
    "agreement with the teacher, IoU": _figure("agreement_iou"),
}
_TEACHER: dict[str, Callable[[dict], str]] = {
    **_FIRST,
    "stem": lambda result: str(result["recipe"]["builder_args"]["stem_stride"]),
    "good images": lambda result: "turned" if result["recipe"]["rotation"] else "as they are",
    "steps": lambda result: (
        f"{result['training_steps'][0]:,}" + (" more" if result["recipe"]["start_from"] else "")
    ),
    **_LAST,
    **_figures("image_auroc", "au_pro@0.3", "pixel_ap"),
    FIGURES["hits"].name: _hottest,
    **_FOUND,
}
