"""Draws line charts as SVG that stands inside a page and takes the page's text colour."""

import html
import io
import math
import re

# Legible on white and on black; from the palette of Okabe and Ito.
LINE_STYLES = (("#0072B2", "-"), ("#D55E00", "--"), ("#009E73", "-."), ("#CC79A7", ":"))
SIZE = (4.4, 3.1)  # inches: small enough that the text can be read on a phone
TEXT = "#010203"  # stands for the page's text colour until the SVG is written


def line_chart(
    x: list[float],
    lines: dict[str, list[float | None]],
    *,
    title: str,
    x_label: str,
    logarithmic: bool = False,
    vertical: float | None = None,
    unit_range: bool = False,
) -> str | None:
    """Draws lines over a common x axis.

    Args:
      x: positions of the points.
      lines: name -> one value for each position; None or NaN leaves a gap.
      title: says what is shown; also read to those who cannot see it.
      x_label: what x is.
      logarithmic: whether the y axis is.
      vertical: position of a thin upright line.
      unit_range: whether the y axis runs from 0 to 1.

    Returns:
      An `<svg>` element; None where there is not one value to draw.
    """
    import matplotlib
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    values = {name: [_number(value) for value in line] for name, line in lines.items()}
    if all(math.isnan(value) for line in values.values() for value in line):
        return None
    # Text stays text, in the page's font. The salt keeps the ids of two charts apart.
    settings = {"svg.fonttype": "none", "svg.hashsalt": title}
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=SIZE, layout="constrained")
        FigureCanvasSVG(figure)
        axes = figure.add_subplot()
        for (name, line), (color, style) in zip(values.items(), LINE_STYLES):
            if not all(map(math.isnan, line)):
                axes.plot(x, line, style, color=color, label=name, marker=".", markersize=4)
        if vertical is not None:
            axes.axvline(vertical, color=TEXT, linewidth=0.8, linestyle=":")
        if logarithmic:
            axes.set_yscale("log")
        if unit_range:
            axes.set_ylim(-0.02, 1.02)
        if all(float(position).is_integer() for position in x):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(title, color=TEXT, fontsize=11)
        axes.set_xlabel(x_label, color=TEXT)
        axes.tick_params(which="both", colors=TEXT)
        axes.grid(color=TEXT, alpha=0.15, linewidth=0.6)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(values) > 1:
            figure.legend(
                loc="outside lower center", ncols=2, frameon=False, labelcolor=TEXT, fontsize=9
            )
        stream = io.StringIO()
        metadata = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(stream, format="svg", transparent=True, metadata=metadata)
    return _inline(stream.getvalue(), title)


def _number(value) -> float:
    return float("nan") if value is None else float(value)


def _inline(document: str, title: str) -> str:
    """Leaves the `<svg>` element of a file: no size of its own, no ids but those referred to."""
    svg = document[document.index("<svg") :].replace(TEXT, "currentColor")
    # A <style> would reach the whole page.
    svg = re.sub(r"<(metadata|style).*?</\1>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="[^"]*"', "<g", svg)
    svg = re.sub(r"font-family: [^;]*;", "", svg)
    start, _, content = re.sub(r"\s+", " ", svg).partition(">")
    view_box = re.search(r'viewBox="[^"]*"', start)[0]
    name = html.escape(title)
    return f'<svg {view_box} role="img" aria-label="{name}" stroke-linejoin="round">{content}'
