"""Modules whose bytecode is of another version of their source.

Python takes a source for unchanged if its size and its time are those in the bytecode, and tools
that restore files restore their times.
"""

import marshal
from collections.abc import Iterable
from contextlib import suppress
from importlib.util import cache_from_source
from pathlib import Path

HEADER_BYTES = 16
"""What precedes the code in a file of bytecode."""


def stale_bytecode(files: Iterable[str]) -> list[str]:
    """The Python files whose bytecode differs from what they compile to, sorted. Bytecode that this
    Python does not read, or that it would write anew, counts as equal."""
    return sorted(file for file in files if file.endswith(".py") and _is_stale(file))


def _is_stale(file: str) -> bool:
    with suppress(OSError, SyntaxError, ValueError, EOFError, TypeError, RecursionError):
        stored = Path(cache_from_source(file)).read_bytes()
        source = Path(file)
        flags, seconds, size = (int.from_bytes(stored[i : i + 4], "little") for i in (4, 8, 12))
        written = source.stat()
        if flags == 0 and (seconds, size) == (int(written.st_mtime), written.st_size):
            compiled = compile(source.read_bytes(), file, "exec", dont_inherit=True)
            return bool(marshal.loads(stored[HEADER_BYTES:]) != compiled)
    return False
