"""Tables and lists in Markdown and LaTeX, with their text escaped."""

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd
from tabulate import tabulate  # type: ignore[import-untyped]

from bench.report.escapes import escape_latex, escape_markdown
from bench.report.words import TEXT_COLUMNS, row_values


def markdown_table(frame: pd.DataFrame) -> str:
    """The frame as a pipe table, with numbers aligned to the right."""
    header = [escape_markdown(name) for name in frame.columns]
    lines = [[escape_markdown(value) for value in row] for row in row_values(frame)]
    alignment = ["left" if name in TEXT_COLUMNS else "right" for name in frame.columns]
    return str(tabulate(lines, header, "pipe", colalign=alignment, disable_numparse=True))


def markdown_list(lines: Sequence[str]) -> str:
    """The lines as a bullet list."""
    return "\n".join(f"- {escape_markdown(line)}" for line in lines)


def latex_table(caption: str, frame: pd.DataFrame) -> str:
    """The frame as a longtable with the rules of booktabs; reasons are set as paragraphs."""
    styles = {"reason": "p{14cm}"}
    alignment = [styles.get(n, "l" if n in TEXT_COLUMNS else "r") for n in frame.columns]
    title, header = escape_latex(caption), _latex_row(frame.columns)
    lines = [
        rf"\begin{{longtable}}{{{''.join(alignment)}}}",
        *(rf"\caption{{{title}}} \\", r"\toprule", header, r"\midrule", r"\endfirsthead"),
        *(rf"\caption[]{{{title}}} \\", r"\toprule", header, r"\midrule", r"\endhead"),
        r"\midrule",
        rf"\multicolumn{{{len(frame.columns)}}}{{r}}{{Continued on next page}} \\",
        *(r"\midrule", r"\endfoot", r"\bottomrule", r"\endlastfoot"),
        *map(_latex_row, row_values(frame)),
        r"\end{longtable}",
    ]
    return "\n".join(lines) + "\n"


def _latex_row(values: Iterable[Any]) -> str:
    return " & ".join(map(escape_latex, values)) + r" \\"
