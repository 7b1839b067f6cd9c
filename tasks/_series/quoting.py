"""How messages name rows of a file."""

from collections.abc import Iterable

from bench.spec import Array

MOST_LINES = 4
MOST_TEXT = 60


def quoted_rows(lines: Array, texts: Iterable[str] | None = None) -> str:
    """`line 7 ('many')`, or `3 rows, lines 7 ('many'), 9 ('few'), 12 ('')`; long lists end in …."""
    named = [str(line) for line in lines[:MOST_LINES]]
    if texts is not None:
        quotes = (repr(text[:MOST_TEXT]) for text in texts)
        named = [f"{line} ({text})" for line, text in zip(named, quotes, strict=False)]
    if len(lines) == 1:
        return f"line {named[0]}"
    return f"{len(lines)} rows, lines {', '.join(named)}" + ", …" * (len(lines) > MOST_LINES)
