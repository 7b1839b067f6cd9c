"""The lines of record files, plain and packed."""

import lzma
import os
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

from bench.records.parse_record import parse_record
from bench.records.record import Record
from bench.records.storage import RecordsError, storage_errors


def parse_lines(
    lines: Iterable[bytes],
    file: Path,
    omit: Collection[bytes] = (),
    reduced: Callable[[Record], Record] | None = None,
) -> list[Record]:
    """The records of the lines of a file, without the lines in `omit`, as `reduced` returns them.

    Raises `RecordsError`, which names the first line that is not a whole record.
    """
    records = []
    for number, line in enumerate(lines, 1):
        if line in omit:
            continue
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
    file.touch()
    size = file.stat().st_size
    try:
        with file.open("ab") as stream:
            stream.write(line + b"\n")
            stream.flush()
            os.fsync(stream.fileno())
    except OSError:
        with suppress(OSError):
            os.truncate(file, size)
        raise


def split_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """The whole lines, and what follows the last of them."""
    *lines, torn = content.split(b"\n")
    return lines, torn


def read_packed(file: Path) -> list[bytes]:
    """The lines of a packed file; none if it does not exist."""
    if not file.is_file():
        return []
    with storage_errors(f"cannot read {file}"):
        content = file.read_bytes()
    try:
        return lzma.decompress(content).splitlines()
    except lzma.LZMAError as error:
        raise RecordsError(f"{file} is damaged: {error}") from error


def write_packed(file: Path, lines: Iterable[bytes]) -> None:
    """Replace a packed file in one step: a kill leaves the old file or the new one."""
    draft = file.with_suffix(".tmp")
    with storage_errors(f"cannot write to {file}"), draft.open("wb") as stream:
        stream.write(lzma.compress(b"".join(line + b"\n" for line in lines)))
        stream.flush()
        os.fsync(stream.fileno())
    with storage_errors(f"cannot write to {file}"):
        draft.replace(file)
