import re

import pytest

from zoo.report import svg


def test_chart_without_a_value_is_none():
    lines = {"a": [None, float("nan")]}
    assert svg.line_chart([0.0, 1.0], lines, title="t", x_label="x") is None
    assert svg.bar_chart(["a"], {"share": [None]}, title="t", whiskers={}) is None


def test_chart_takes_the_text_color_and_names_its_lines():
    lines = {"first": [0.1, None, 0.3], "second": [None] * 3}
    drawn = svg.line_chart([0.0, 0.5, 1.0], lines, title='a "b" <c>', x_label="x")
    assert "currentColor" in drawn and svg.TEXT not in drawn and "first" in drawn
    assert 'aria-label="a &quot;b&quot; &lt;c&gt;"' in drawn
    assert "<style" not in drawn and "http" not in drawn


def test_chart_says_where_its_axes_are():
    """A point of the line stands where frame and range say."""
    drawn = svg.line_chart([0.25, 0.75], {"a": [0.0, 1.0]}, title="t", x_label="x")
    left, top, width, height = map(float, re.search('data-frame="(.*?)"', drawn)[1].split())
    x0, x1, y0, y1 = map(float, re.search('data-range="(.*?)"', drawn)[1].split())
    path = re.search(r'<path d="M (\S+) (\S+) L (\S+) (\S+)[^>]*stroke: #0072b2', drawn)
    expected = [
        left + width * (0.25 - x0) / (x1 - x0),
        top + height * y1 / (y1 - y0),
        left + width * (0.75 - x0) / (x1 - x0),
        top + height * (y1 - 1) / (y1 - y0),
    ]
    assert [float(number) for number in path.groups()] == pytest.approx(expected, abs=1e-3)


def test_bars_have_whiskers_and_names():
    bars = {"share found": [0.5, None], "mean IoU": [0.25, 0.75], "unknown": [None, None]}
    drawn = svg.bar_chart(
        ["dent", "scratch"], bars, title="t", whiskers={"share found": [[0.2, 0.8], None]}
    )
    for name in ("dent", "scratch", "share found", "mean IoU"):
        assert name in drawn
    assert "unknown" not in drawn


def test_a_name_may_hold_dollars():
    """Matplotlib takes what is between two of them for a formula."""
    drawn = svg.bar_chart(["x$_$y"], {"share": [0.5]}, title="t", whiskers={})
    assert "x$_$y" in drawn
