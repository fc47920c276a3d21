"""Draws charts as SVG that stands inside a page and takes the page's text colour."""

import html
import io
import math
import re

import numpy as np

# Legible on white and on black; from the palette of Okabe and Ito.
LINE_STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
SIZE = (4.4, 3.1)  # inches: small enough that the text can be read on a phone
BAR_HEIGHT = 0.22  # inches
MOST_MARKERS = 60  # a line of more points is drawn without them
TEXT = "#010203"  # stands for the page's text colour until the SVG is written
POINTS_PER_INCH = 72  # the unit of the SVG


def line_chart(
    x: list[float],
    lines: dict[str, list[float | None]],
    *,
    title: str,
    x_label: str,
    y_label: str = "",
    logarithmic: bool = False,
    verticals: tuple[float, ...] = (),
    x_range: tuple[float, float] | None = None,
    unit_range: bool = False,
) -> str | None:
    """Draws lines over a common x axis.

    Args:
      x: positions of the points.
      lines: name -> one value for each position; None or NaN leaves a gap.
      title: says what is shown; also read to those who cannot see it.
      x_label: what x is.
      y_label: what y is, where the title does not say it.
      logarithmic: whether the y axis is.
      verticals: positions of thin upright lines.
      x_range: ends of the x axis; None lets the data decide.
      unit_range: whether the y axis runs from 0 to 1.

    Returns:
      An `<svg>` element; None where there is not one value to draw. Its `data-frame` is left, top,
      width and height of the axes in the units of its `viewBox`; its `data-range` the values at
      their left, right, bottom and top.
    """
    from matplotlib.ticker import MaxNLocator

    values = {name: [_number(value) for value in line] for name, line in lines.items()}
    if all(math.isnan(value) for line in values.values() for value in line):
        return None
    axes = _new_axes(SIZE)
    marker = "." if len(x) <= MOST_MARKERS else ""
    for (name, line), (color, style) in zip(values.items(), LINE_STYLES):
        if not all(map(math.isnan, line)):
            axes.plot(x, line, style, color=color, label=name, marker=marker, markersize=4)
    for vertical in verticals:
        axes.axvline(vertical, color=TEXT, linewidth=0.8, linestyle=":")
    if logarithmic:
        axes.set_yscale("log")
    if unit_range:
        axes.set_ylim(-0.02, 1.02)
    if x_range:
        axes.set_xlim(x_range)
    elif all(float(position).is_integer() for position in x):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_xlabel(x_label, color=TEXT)
    axes.set_ylabel(y_label, color=TEXT)
    return _svg(axes, title, legend=len(values) > 1)


def bar_chart(
    names: list[str],
    bars: dict[str, list[float | None]],
    *,
    title: str,
    whiskers: dict[str, list[list[float] | None]],
) -> str | None:
    """Draws groups of horizontal bars from 0 to 1, the first name on top.

    Args:
      names: of the groups.
      bars: what a bar is -> one length for each group; None or NaN leaves it out.
      title: says what is shown; also read to those who cannot see it.
      whiskers: what a bar is -> [low, high] for each group, or None.

    Returns:
      As `line_chart`.
    """
    values = {name: [_number(value) for value in line] for name, line in bars.items()}
    values = {name: line for name, line in values.items() if not all(map(math.isnan, line))}
    if not values:
        return None
    thickness = 1 / (len(values) + 0.6)
    axes = _new_axes((SIZE[0], 1.1 + BAR_HEIGHT * len(names) / thickness))
    for index, (name, line) in enumerate(values.items()):
        where = [group + (index - (len(values) - 1) / 2) * thickness for group in range(len(names))]
        axes.barh(
            where, np.nan_to_num(line), 0.85 * thickness, color=LINE_STYLES[index][0], label=name
        )
        for position, interval in zip(where, whiskers.get(name, [])):
            if interval is not None:
                axes.plot(interval, [position] * 2, color=TEXT, linewidth=1.2, marker="|")
    axes.set_yticks(range(len(names)), names, parse_math=False)  # "$" is a letter
    axes.invert_yaxis()
    axes.set_xlim(0.0, 1.02)
    return _svg(axes, title, legend=True)


def _new_axes(size: tuple[float, float]):
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasSVG(figure)
    return figure.add_subplot()


def _svg(axes, title: str, *, legend: bool) -> str:
    import matplotlib

    axes.set_title(title, color=TEXT, fontsize=11)
    axes.tick_params(which="both", colors=TEXT)
    axes.grid(color=TEXT, alpha=0.15, linewidth=0.6)
    axes.set_axisbelow(True)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if legend:
        axes.figure.legend(
            loc="outside lower center", ncols=2, frameon=False, labelcolor=TEXT, fontsize=9
        )
    stream = io.StringIO()
    metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    # Text stays text, in the page's font. The salt keeps the ids of two charts apart.
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": title}):
        axes.figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
    return _inline(stream.getvalue(), title, _place(axes))


def _place(axes) -> str:
    """Returns where the axes lie, as attributes; right only once the figure was drawn."""
    box, (width, height) = axes.get_position(), POINTS_PER_INCH * axes.figure.get_size_inches()
    frame = (box.x0 * width, (1 - box.y1) * height, box.width * width, box.height * height)
    limits = (*axes.get_xlim(), *axes.get_ylim())
    frame, limits = (" ".join(f"{number:.6g}" for number in row) for row in (frame, limits))
    return f'data-frame="{frame}" data-range="{limits}"'


def _number(value) -> float:
    return float("nan") if value is None else float(value)


def _inline(document: str, title: str, attributes: str) -> str:
    """Leaves the `<svg>` element of a file: no size of its own, no ids but those referred to."""
    svg = document[document.index("<svg") :].replace(TEXT, "currentColor")
    # A <style> would reach the whole page.
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;]*;", "", svg)
    start, _, content = re.sub(r"\s+", " ", svg).partition(">")
    view_box = re.search(r'viewBox="[^"]*"', start)[0]
    name = f'role="img" aria-label="{html.escape(title)}"'
    return f'<svg {view_box} {attributes} {name} stroke-linejoin="round">{content}'
