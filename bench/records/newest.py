"""The newest records of runs, without reading all the others."""

import lzma
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from bench.records.folder import RunFolder
from bench.records.parse_record import parse_record
from bench.records.record import Record
from bench.records.storage import RecordsError, open_to_read


def newest_first(folders: Iterable[RunFolder]) -> list[RunFolder]:
    """The folders by the time at which a record was last written, the newest first."""
    return sorted(folders, key=_last_written, reverse=True)


def newest_lines(folder: RunFolder, most_bytes: int) -> list[bytes]:
    """The last whole lines of a run's records, in at most so many bytes.

    Packed records can be read from their beginning only: of these the first lines are returned, as
    far as there is room. What cannot be read is left out.
    """
    lines = _last_lines(folder.records_file, most_bytes)
    room = most_bytes - sum(map(len, lines))
    return [*_first_packed_lines(folder.packed_file, room), *lines]


def readable_records(lines: Iterable[bytes]) -> Iterator[Record]:
    """The records of these lines; damaged lines are left out."""
    for line in lines:
        with suppress(ValueError):
            yield parse_record(line)


def _last_lines(file: Path, most_bytes: int) -> list[bytes]:
    with suppress(OSError, RecordsError), open_to_read(file) as stream:
        start = max(0, stream.seek(0, os.SEEK_END) - most_bytes)
        stream.seek(start)
        lines = stream.read(most_bytes).split(b"\n")[:-1]
        return lines[1:] if start else lines  # the first is the end of a longer line
    return []


def _first_packed_lines(file: Path, most_bytes: int) -> list[bytes]:
    unreadable = suppress(OSError, RecordsError, lzma.LZMAError, EOFError)
    with unreadable, open_to_read(file) as stream, lzma.open(stream) as unpacked:
        return unpacked.read(most_bytes).split(b"\n")[:-1]
    return []


def _last_written(folder: RunFolder) -> float:
    times = [0.0]
    for file in (folder.records_file, folder.packed_file):
        with suppress(OSError):
            times.append(file.stat().st_mtime)
    return max(times)
