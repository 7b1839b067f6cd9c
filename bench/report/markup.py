"""Tables, lists and escaped text in Markdown and LaTeX."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.words import TEXT_COLUMNS

LATEX: Mapping[str, str] = {
    "\\": r"\textbackslash{}",
    **{mark: f"\\{mark}" for mark in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "–": "--",
    "−": "$-$",
    "→": r"$\to$",
    "×": r"$\times$",
    "∞": r"$\infty$",
    "‖": r"$\|$",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
}


def escape_markdown(value: Any) -> str:
    """The value on one line, with the marks of Markdown and HTML escaped."""
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\|*`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", text)


def markdown_table(frame: pd.DataFrame) -> str:
    """The frame as a pipe table, with numbers aligned to the right."""
    header = [escape_markdown(name) for name in frame.columns]
    lines = [[escape_markdown(value) for value in row] for row in frame.itertuples(index=False)]
    alignment = ["left" if name in TEXT_COLUMNS else "right" for name in frame.columns]
    escaped = pd.DataFrame(lines, columns=header, dtype=object)
    return str(escaped.to_markdown(index=False, disable_numparse=True, colalign=alignment))


def markdown_list(lines: Sequence[str]) -> str:
    """The lines as a bullet list."""
    return "\n".join(f"- {escape_markdown(line)}" for line in lines)


def escape_latex(value: Any) -> str:
    """The value on one line in ASCII, with the marks of TeX escaped. A letter that is neither
    ASCII nor in `LATEX` becomes a question mark."""
    text = "".join(LATEX.get(letter, letter) for letter in " ".join(str(value).split()))
    return text.encode("ascii", "replace").decode()


def latex_table(caption: str, frame: pd.DataFrame) -> str:
    """The frame as a longtable with the rules of booktabs; reasons are set as paragraphs."""
    escaped = frame.map(escape_latex)
    escaped.columns = pd.Index([escape_latex(name) for name in frame.columns])
    styles = {"reason": "p{14cm}"}
    alignment = [styles.get(n, "l" if n in TEXT_COLUMNS else "r") for n in frame.columns]
    return str(
        escaped.to_latex(
            index=False,
            escape=False,
            longtable=True,
            column_format="".join(alignment),
            caption=escape_latex(caption),
        )
    )
