"""Tables and lists in Markdown and LaTeX, with their text escaped."""

from collections.abc import Sequence

import pandas as pd

from bench.report.escapes import escape_latex, escape_markdown
from bench.report.words import TEXT_COLUMNS


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
