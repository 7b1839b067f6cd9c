"""Reads packed files piece by piece: a small file can unpack to any number of bytes."""

import io
import lzma
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.records.storage import RecordsError, open_to_read

MOST_PACKED_BYTES = 1 << 29
"""Bytes of a packed file."""
MOST_BYTES = 1 << 32
"""Bytes that a packed file may unpack to."""
MEMORY_BYTES = 1 << 28
"""Memory that unpacking may take; a file packed with the highest preset takes a quarter of it."""
PIECE_BYTES = 1 << 16


@contextmanager
def open_unpacked(file: Path) -> Iterator[IO[bytes]]:
    """The contents of a packed file as a stream. Raises `RecordsError` for a file that is too large
    or damaged, as soon as that is seen, and OSError."""
    with open_to_read(file) as packed:
        if (size := file.stat().st_size) > MOST_PACKED_BYTES:
            raise RecordsError(
                f"cannot read {file}: it has more than {MOST_PACKED_BYTES >> 20} MiB"
            )
        with io.BufferedReader(_Unpacker(packed, file, size), PIECE_BYTES) as stream:
            yield stream


class _Unpacker(io.RawIOBase):
    """The contents of the packed file of this size, which is open."""

    def __init__(self, packed: IO[bytes], file: Path, size: int) -> None:
        self._packed, self._file, self._size = packed, file, size
        self._unpacker = lzma.LZMADecompressor(memlimit=MEMORY_BYTES)
        self._unpacked_bytes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer as far as the next piece goes; 0 at the end of the file."""
        content = b""
        while not content and not self._unpacker.eof:
            content = self._next(len(buffer))
        self._unpacked_bytes += len(content)
        if self._unpacked_bytes > MOST_BYTES:
            self._refuse(f"it unpacks to more than {MOST_BYTES >> 30} GiB")
        if not content:
            self._check_end()
        buffer[: len(content)] = content
        return len(content)

    def _next(self, most: int) -> bytes:
        piece = b""
        if self._unpacker.needs_input and not (piece := self._packed.read(PIECE_BYTES)):
            self._refuse("it ends early")
        try:
            return self._unpacker.decompress(piece, most)
        except lzma.LZMAError as error:
            self._refuse(str(error))
            raise

    def _check_end(self) -> None:
        if rest := len(self._unpacker.unused_data) + self._size - self._packed.tell():
            self._refuse(
                f"{rest} bytes follow its end. If it was joined from several files, join what "
                "they unpack to"
            )

    def _refuse(self, fault: str) -> None:
        raise RecordsError(f"{self._file} is damaged: {fault}") from None
