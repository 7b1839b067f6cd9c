"""The lines of record files, plain and packed."""

import lzma
import os
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from bench.records.parse_record import parse_record
from bench.records.record import Record
from bench.records.storage import (
    RecordsError,
    open_to_read,
    open_to_write,
    read_file,
    replace_file,
    storage_errors,
)

LONGEST_LINE = 1 << 29
"""Bytes of a line: nothing longer is read into the memory."""
MOST_PACKED_BYTES = 1 << 29
"""Bytes of a packed file."""
MOST_BYTES = 1 << 32
"""Bytes that a packed file may unpack to: a small file can hold any number of them."""


def parse_lines(
    lines: Iterable[bytes],
    file: Path,
    omit: Collection[bytes] = (),
    reduced: Callable[[Record], Record] | None = None,
) -> list[Record]:
    """The records of the lines of a file, without the lines in `omit`, as `reduced` returns them.
    A line that is there twice counts once.

    Raises `RecordsError`, which names the first line that is not a whole record.
    """
    records, read = [], set(map(hash, omit))
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
        for number, line in enumerate(iter(partial(stream.readline, LONGEST_LINE), b""), 1):
            if len(line) == LONGEST_LINE:
                raise RecordsError(
                    f"{file}, line {number} is damaged: it has {LONGEST_LINE >> 20} MiB or more"
                )
            if not line.endswith(b"\n"):
                raise RecordsError(
                    f"{file}, line {number} is half-written (the run was killed while writing it). "
                    f"Nothing was changed; {advice}"
                )
            yield line[:-1]


def split_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last of them."""
    *lines, torn = content.split(b"\n")
    return lines, torn


def read_packed(file: Path) -> list[bytes]:
    """The lines of a packed file; none if it does not exist."""
    if not file.exists():
        return []
    content, unpacker = read_file(file, MOST_PACKED_BYTES), lzma.LZMADecompressor()
    try:
        lines = unpacker.decompress(content, MOST_BYTES).splitlines()
    except lzma.LZMAError as error:
        raise RecordsError(f"{file} is damaged: {error}") from error
    if not unpacker.eof:
        long = f"it unpacks to more than {MOST_BYTES >> 30} GiB"
        raise RecordsError(
            f"{file} is damaged: {'it ends early' if unpacker.needs_input else long}"
        )
    if rest := len(unpacker.unused_data):
        raise RecordsError(
            f"{file} is damaged: {rest} bytes follow its end. If it was joined from several files, "
            "join what they unpack to"
        )
    return lines


def write_packed(file: Path, lines: Iterable[bytes]) -> None:
    """Replace a packed file in one step: a kill leaves the old file or the new one."""
    with storage_errors(f"cannot write to {file}"):
        replace_file(file, lzma.compress(b"".join(line + b"\n" for line in lines)))
