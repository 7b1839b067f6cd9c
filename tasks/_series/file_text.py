"""The text of a user's file, plain or compressed."""

import bz2
import gzip
import lzma
import zlib
from collections.abc import Callable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from bench.spec import Unavailable

OPENERS: Mapping[str, Callable[..., Any]] = {
    ".gz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}
"""How compressed files are opened, by the end of their name."""


def read_text(file: Path, digest: str) -> str:
    """The text of a file in UTF-8, every line ended by a line feed.

    Raises `Unavailable` if the file cannot be read, is not UTF-8, or, unless `digest` is empty, if
    its sha256 does not begin with `digest`.
    """
    try:
        if digest and not sha256(file.read_bytes()).hexdigest().startswith(digest):
            raise Unavailable(
                f"{file} has changed since the run began. Restore the file, or begin a new run"
            )
        with OPENERS.get(file.suffix, open)(file, "rt", encoding="utf-8-sig") as stream:
            return str(stream.read())
    except UnicodeDecodeError as error:
        byte = error.object[error.start]
        raise Unavailable(
            f"{file} is not text in UTF-8: byte {byte:#04x} {error.reason}. Save it as UTF-8: a "
            "file in Latin-1, for example, by iconv -f latin1 -t utf-8 OLD > NEW (or -f utf-16)"
        ) from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise Unavailable(f"{file} cannot be read: {reason}") from error
