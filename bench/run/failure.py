"""What a record says of a case that raised an error."""

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from bench.spec import Unsupported, error_text, place_of

LENGTH = 8000
"""Characters of a traceback that a record keeps, the last ones."""
OUT_OF_MEMORY = ("out of memory", "not enough memory", "resource_exhausted", "resourceexhausted")


def describe_failure(error: BaseException, folders: Sequence[Path]) -> tuple[str, str, str | None]:
    """The status, reason and traceback of a case that raised this error.

    The reason ends with the innermost line in one of the folders, those of the adapter and of the
    task. The whole traceback goes to the worker's log. A case that is not supported is skipped and
    has no traceback.
    """
    if isinstance(error, Unsupported):
        return "skipped", str(error), None
    lines = _encodable("".join(traceback.format_exception(error)))
    print(lines, file=sys.stderr, flush=True)
    text = _encodable(" ".join(error_text(error).split()))
    reason = text[:600]
    if isinstance(error, MemoryError) or any(sign in text.lower() for sign in OUT_OF_MEMORY):
        reason = f"out of memory: {text[:400]}"
    return "failed", reason + place_of(error, folders), lines[-LENGTH:]


def _encodable(text: str) -> str:
    """The text with escapes for what UTF-8 cannot write: a file's name may hold any bytes."""
    return text.encode(errors="backslashreplace").decode()
