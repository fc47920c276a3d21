"""Counts what a data set holds: images and pixels of each type, sizes of defects and of images."""

import collections
import pathlib

import numpy as np
from scipy import ndimage

from builders.runs.atomic import replacing, write_json
from tfds_datasets.features import GOOD, IGNORE
from zoo.data import datasets

EIGHT_NEIGHBOURS = np.ones((3, 3))


def dataset_statistics(builder, *, mask_feature: str = "mask") -> dict:
    """Counts all splits of a built data set, one image in memory at a time.

    Returns:
      A dict for JSON: `dataset`; `class_names`; `images`, split -> label -> number; `masks`, split
      -> type -> number of masks that hold it, also beside a larger one; `pixels`, type -> number,
      with `background` and `ignored`; `defects`, type -> a dict of `regions` (connected by sides
      and corners), `smallest`, `median` and `largest` pixels (None without any) and `histogram`,
      the number of regions from 2**i to 2**(i+1)-1 pixels; `image_sizes`, "HxW" -> number;
      `problems`, sentences that name each class or image that a training could lose.
    """
    names = list(builder.info.features["label"].names)
    pixels = np.zeros(256, np.int64)
    sizes = {number: collections.Counter() for number in range(1, len(names))}
    images, masks, shapes = {}, {}, collections.Counter()
    empty, marked = collections.Counter(), 0
    for split in builder.info.splits:
        count, held = np.zeros((2, len(names)), np.int64)
        examples = datasets.read_examples(builder, split, mask_feature=mask_feature)
        for example in examples.as_numpy_iterator():
            mask, label = example["mask"][..., 0], int(example["label"])
            count[label] += 1
            shapes["{}x{}".format(*mask.shape)] += 1
            found = np.bincount(mask.ravel(), minlength=256)
            pixels += found
            defective = found[1:IGNORE].any()
            marked += bool(label == 0 and defective)
            empty[names[label]] += bool(label > 0 and not defective)
            types = datasets.types_in(mask, len(sizes))
            held[types] += 1
            for number in types:
                regions, _ = ndimage.label(mask == number, EIGHT_NEIGHBOURS)
                sizes[number].update(np.bincount(regions.ravel())[1:].tolist())
        images[split] = dict(zip(names, count.tolist()))
        masks[split] = dict(zip(names[1:], held[1:].tolist()))
    defects = {names[number]: _summary(counter) for number, counter in sizes.items()}
    statistics = {
        "dataset": builder.info.full_name,
        "class_names": names,
        "images": images,
        "masks": masks,
        "pixels": {
            "background": int(pixels[0]),
            **{names[number]: int(pixels[number]) for number in sizes},
            "ignored": int(pixels[IGNORE]),
        },
        "defects": defects,
        "image_sizes": dict(shapes.most_common()),
    }
    unnamed = [number for number in np.flatnonzero(pixels[:IGNORE]) if number >= len(names)]
    return {**statistics, "problems": _problems(statistics, unnamed, empty, marked)}


def table(statistics: dict) -> str:
    """Aligned lines for a terminal: one for each label, then the problems."""
    splits = list(statistics["images"])
    rows = [["label", *splits, "masks", "pixels", "defects", "median"]]
    for name in statistics["class_names"]:
        counts = [statistics["images"][split][name] for split in splits]
        if name == GOOD:
            rows.append([name, *counts, "", "", "", ""])
            continue
        defects = statistics["defects"][name]
        median = "" if defects["median"] is None else defects["median"]
        masks = sum(statistics["masks"][split][name] for split in splits)
        pixels, regions = statistics["pixels"][name], defects["regions"]
        rows.append([name, *counts, masks, pixels, regions, median])
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join([f"{row[0]:{widths[0]}}", *(f"{v:>{w}}" for v, w in zip(row[1:], widths[1:]))])
        for row in rows
    ]
    problems = statistics["problems"] or ["none"]
    return "\n".join([*lines, *(f"problem  {problem}" for problem in problems)])


def write_statistics(directory, statistics: dict) -> None:
    """Writes `statistics.json` and `statistics.png`; makes the directory where it is missing."""
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    write_json(directory / "statistics.json", statistics)
    with replacing(directory / "statistics.png") as temporary:
        _draw(statistics).savefig(temporary, format="png")


def _summary(sizes: collections.Counter) -> dict:
    values = np.array(sorted(sizes), np.int64)
    if not len(values):
        return {"regions": 0, "smallest": None, "median": None, "largest": None, "histogram": []}
    counts = np.array([sizes[value] for value in values.tolist()])
    middle = np.searchsorted(np.cumsum(counts), (counts.sum() + 1) // 2)
    bins = np.frexp(values)[1] - 1  # exact, unlike a logarithm
    return {
        "regions": int(counts.sum()),
        "smallest": int(values[0]),
        "median": int(values[middle]),
        "largest": int(values[-1]),
        "histogram": np.bincount(bins, weights=counts).astype(int).tolist(),
    }


def _problems(statistics, unnamed, empty, marked) -> list[str]:
    problems = [
        f"{name!r} is a class, but no mask has one pixel of it."
        for name in statistics["class_names"][1:]
        if not statistics["pixels"][name]
    ]
    problems += [f"The id {number} is in the masks, but no class has it." for number in unnamed]
    for split, counts in statistics["images"].items():
        masks = statistics["masks"][split]
        missing = ", ".join(n for n, count in counts.items() if not count and not masks.get(n))
        if missing:
            problems.append(f"The split {split!r} has no image of: {missing}.")
    problems += [
        f"{count} images of {name!r} have an empty mask." for name, count in empty.items() if count
    ]
    if marked:
        problems.append(f"{marked} images are labelled {GOOD!r}, but their masks have a defect.")
    return problems


def _draw(statistics):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from zoo.visualization.pictures import type_color

    names = statistics["class_names"]
    colors = ["#888888", *("#" + bytes(type_color(n)).hex() for n in range(1, len(names)))]
    figure = Figure(figsize=(12, 8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(statistics["dataset"])
    (of_images, of_pixels), (of_defects, of_sizes) = figure.subplots(2, 2)
    left = np.zeros(len(statistics["images"]))
    for name, color in zip(names, colors):
        counts = [split[name] for split in statistics["images"].values()]
        of_images.barh(list(statistics["images"]), counts, left=left, color=color, label=name)
        left += counts
    of_images.set_title("images of each split")
    figure.legend(loc="outside lower center", ncols=4, fontsize=8)
    of_pixels.barh(names[1:], [statistics["pixels"][name] for name in names[1:]], color=colors[1:])
    of_pixels.set_title("pixels of each type")
    for name, color in zip(names[1:], colors[1:]):
        counts = statistics["defects"][name]["histogram"]
        edges = 2.0 ** np.arange(len(counts) + 1)
        of_defects.step(edges, [*counts, 0], where="post", color=color)
    of_defects.set_xscale("log", base=2)
    of_defects.set_title("connected defects by size in pixels")
    shapes = list(statistics["image_sizes"].items())[:12]
    of_sizes.barh([shape for shape, _ in shapes], [count for _, count in shapes], color=colors[0])
    of_sizes.set_title(f"image sizes: {len(shapes)} of {len(statistics['image_sizes'])}")
    return figure
