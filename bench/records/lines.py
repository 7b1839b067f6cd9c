"""The lines of record files, plain and packed."""

import lzma
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import IO

from bench.records.parse_record import parse_record
from bench.records.record import Record
from bench.records.storage import (
    RecordsError,
    open_to_read,
    open_to_write,
    replace_file,
    storage_errors,
)
from bench.records.unpack import open_unpacked

LONGEST_LINE = 1 << 29
"""Bytes of a line: nothing longer is read into the memory."""


def parse_lines(
    lines: Iterable[bytes],
    file: Path,
    reduced: Callable[[Record], Record] | None = None,
    read: set[int] | None = None,
) -> list[Record]:
    """The records of the lines of a file, as `reduced` returns them. A line that is there twice
    counts once, and so does one whose hash is in `read`, to which those of the lines are added.

    Raises `RecordsError`, which names the first line that is not a whole record.
    """
    records, read = [], set() if read is None else read
    for number, line in enumerate(lines, 1):
        if (digest := hash(line)) in read:
            continue
        read.add(digest)
        try:
            record = parse_record(line)
        except ValueError as error:
            raise RecordsError(
                f"{file}, line {number} is damaged: {error}. "
                "Nothing was changed; mend or remove that line and its case runs again."
            ) from error
        records.append(reduced(record) if reduced else record)
    return records


def append_line(file: Path, line: bytes) -> None:
    """Append a line and flush it to the disk; if that fails, leave no part of the line."""
    size = file.stat().st_size if file.exists() else 0
    try:
        with open_to_write(file, "ab") as stream:
            stream.write(line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(file, size)
        raise


def whole_lines(file: Path, advice: str) -> Iterator[bytes]:
    """The lines of a file without their ends, one after the other. Raises `RecordsError` for a line
    that is too long, and for a half-written one, with the advice."""
    with storage_errors(f"cannot read {file}"), open_to_read(file) as stream:
        for number, line in enumerate(_short_lines(stream, file), 1):
            if not line.endswith(b"\n"):
                raise RecordsError(
                    f"{file}, line {number} is half-written (the run was killed while writing it). "
                    f"Nothing was changed; {advice}"
                )
            yield line[:-1]


def packed_lines(file: Path) -> Iterator[bytes]:
    """The lines of a packed file without their ends, one after the other; none if it does not
    exist. Raises `RecordsError` for a damaged file, and for a line that is too long."""
    if not file.exists():
        return
    with storage_errors(f"cannot read {file}"), open_unpacked(file) as stream:
        for line in _short_lines(stream, file):
            yield line.removesuffix(b"\n")


def _short_lines(stream: IO[bytes], file: Path) -> Iterator[bytes]:
    """The lines with their ends; raises `RecordsError` for one of `LONGEST_LINE` bytes."""
    for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), 1):
        if len(line) == LONGEST_LINE:
            raise RecordsError(
                f"{file}, line {number} is damaged: it has {LONGEST_LINE >> 20} MiB or more"
            )
        yield line


def split_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last of them."""
    *lines, torn = content.split(b"\n")
    return lines, torn


def write_packed(file: Path, lines: Iterable[bytes]) -> None:
    """Replace a packed file in one step: a kill leaves the old file or the new one."""
    with storage_errors(f"cannot write to {file}"):
        replace_file(file, lzma.compress(b"".join(line + b"\n" for line in lines)))
