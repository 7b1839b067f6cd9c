"""The tables as Markdown for a README and as a LaTeX document."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bench.report.sections import Section
from bench.report.words import TEXT

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
PREAMBLE = r"""\documentclass{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[a3paper,landscape,margin=15mm]{geometry}
\usepackage{array,booktabs,longtable}
\begin{document}\scriptsize
"""


def markdown_table(frame: pd.DataFrame) -> str:
    """Numbers set to the right. What Markdown or HTML would take for its own is escaped."""
    heads = [_for_markdown(name) for name in frame.columns]
    lines = [[_for_markdown(value) for value in row] for row in frame.itertuples(index=False)]
    sides = ["left" if name in TEXT else "right" for name in frame.columns]
    plain = pd.DataFrame(lines, columns=heads, dtype=object)
    return str(plain.to_markdown(index=False, disable_numparse=True, colalign=sides))


def _for_markdown(value: Any) -> str:
    text = " ".join(str(value).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"[\\|*`]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\\g<0>", text)


def markdown_list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {_for_markdown(line)}" for line in lines)


def markdown_section(section: Section, images: Sequence[str]) -> str:
    """Title, what the score means, both tables, and the figures."""
    parts = [f"## {_for_markdown(section.title)}", _for_markdown(section.settings)]
    if len(section.learning):
        parts += ["### Learning and gradients", _for_markdown(section.score)]
        parts += [markdown_table(section.learning)]
    if len(section.measures):
        parts += ["### Every score", markdown_table(section.measures)]
    if len(section.speed):
        parts += ["### Speed and memory", markdown_table(section.speed)]
    if section.written:
        written = [f"{who}: {text}" for who, text in section.written.items()]
        parts += ["### Written after training", markdown_list(written)]
    parts += [f"![{name.removesuffix('.png')}]({name})" for name in images]
    return "\n\n".join(part for part in parts if part)


def latex_document(tables: Sequence[tuple[str, pd.DataFrame]], lines: Sequence[str]) -> str:
    """A whole document that compiles by itself; each table can be taken out of it."""
    body = [latex_table(caption, frame) for caption, frame in tables]
    said = "\n\n".join(for_latex(line) for line in lines)
    return PREAMBLE + "\n".join(body) + "\n" + said + "\n\\end{document}\n"


def latex_table(caption: str, frame: pd.DataFrame) -> str:
    """A longtable with the rules of booktabs; reasons are set as paragraphs."""
    words = frame.map(for_latex)
    words.columns = pd.Index([for_latex(name) for name in frame.columns])
    styles = {"reason": "p{14cm}"}
    sides = "".join(styles.get(name, "l" if name in TEXT else "r") for name in frame.columns)
    return str(
        words.to_latex(
            index=False,
            escape=False,
            longtable=True,
            column_format=sides,
            caption=for_latex(caption),
        )
    )


def for_latex(value: Any) -> str:
    """Text with what TeX would take for its own escaped, in ASCII."""
    text = "".join(LATEX.get(letter, letter) for letter in " ".join(str(value).split()))
    return text.encode("ascii", "replace").decode()
