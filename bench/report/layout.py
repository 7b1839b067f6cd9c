"""The layout of figures: their width and height, titles, legends, and pages."""

from collections.abc import Sequence
from textwrap import fill
from typing import Any, TypeVar

from matplotlib.figure import Figure

from bench.records.inert import inert

WIDTH, HEIGHT = 8.0, 10.0
"""Inches: the width of a README at 100 dots an inch, and the most that fits on a page."""
LINE_LETTERS = 105
"""Letters that fit into a line of small text below a figure."""
TITLE_LETTERS = 86
"""Letters that fit into a line of the title of a figure."""
LEGEND_LINE = 0.22
"""Inches that a further line of a legend takes."""
LEGEND_MARK = 9
"""Letters that take as much room as the mark of a label."""

LONGEST_LABEL = 60
"""Letters of a name that a figure shows."""

Item = TypeVar("Item")


def label_text(value: object, longest: int = LONGEST_LABEL) -> str:
    """The value as a label of a figure: one line, of which the middle is left out if it is long."""
    text = inert(value)
    if len(text) <= longest:
        return text
    return f"{text[: longest * 2 // 3]}…{text[-longest // 3 :]}"


def pages(items: Sequence[Item], heights: Sequence[float], frame: float) -> list[list[Item]]:
    """The items on as few pages as it takes in this order. `heights` are those of the items and
    `frame` is what every page takes besides, in inches."""
    filled: list[list[Item]] = []
    left = 0.0
    for item, height in zip(items, heights, strict=True):
        if not filled or height > left:
            filled.append([])
            left = HEIGHT - frame
        filled[-1].append(item)
        left -= height
    return filled


def wrapped(text: str) -> str:
    """Small text on as many lines as the width of a figure takes."""
    return fill(inert(text), LINE_LETTERS)


def add_title(figure: Figure, text: str) -> None:
    """The title of a figure, on as many lines as it takes."""
    title = label_text(text, 4 * TITLE_LETTERS)
    figure.suptitle(fill(title, TITLE_LETTERS), x=0.01, ha="left")


def add_legend(figure: Figure, handles: Sequence[Any], title: str) -> None:
    """A legend below the panels, for which the figure grows; its title explains the marks."""
    longest = max((len(handle.get_label()) for handle in handles), default=0)
    columns = min(len(handles), max(1, LINE_LETTERS // (longest + LEGEND_MARK)))
    lines = -(-len(handles) // max(columns, 1))
    figure.set_figheight(figure.get_figheight() + LEGEND_LINE * (lines - 1))
    style = {"title": wrapped(title), "title_fontsize": 9, "frameon": False}
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, **style)
