"""A table in Markdown."""

from collections.abc import Sequence

from tabulate import tabulate  # type: ignore[import-untyped]


def pipe_table(
    rows: Sequence[Sequence[str]], heads: Sequence[str], alignment: Sequence[str] | None = None
) -> str:
    """The rows as a Markdown table; `alignment` has `left` or `right` for each column."""
    return str(tabulate(rows, heads, "pipe", colalign=alignment, disable_numparse=True))
