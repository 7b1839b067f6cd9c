"""Reading and writing the files of a folder of records, errors as messages for the user, a lock.

A folder may come from elsewhere. Only regular files are read, and nothing is written through a
symbolic link.
"""

import fcntl
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

MOST_BYTES = 1 << 32
"""Bytes of a file that is read as a whole."""
BUFFER = 1 << 20
"""Bytes that are read at once: a record may have a hundred thousand."""


class RecordsError(Exception):
    """A run's folder or its records cannot be used; the message says why and what to do next."""


@contextmanager
def storage_errors(message: str, advice: str = "") -> Iterator[None]:
    """Turn an OSError into a `RecordsError` that starts with `message` and ends with `advice`."""
    try:
        yield
    except OSError as error:
        text = f"{message}: {error.strerror or error}"
        raise RecordsError(f"{text}. {advice}" if advice else text) from error


def open_to_read(file: Path) -> IO[bytes]:
    """Open a regular file. Raises `RecordsError` for any other: a pipe or a device may have no end.
    Raises OSError."""
    if not stat.S_ISREG(file.stat().st_mode):
        raise RecordsError(f"cannot read {file}: it is not a regular file")
    return file.open("rb", buffering=BUFFER)


def read_file(file: Path, most_bytes: int = MOST_BYTES) -> bytes:
    """The contents of a regular file. Raises `RecordsError` where they cannot be read, and for more
    than `most_bytes`."""
    with storage_errors(f"cannot read {file}"), open_to_read(file) as stream:
        if file.stat().st_size > most_bytes:
            raise RecordsError(f"cannot read {file}: it has more than {most_bytes >> 20} MiB")
        try:
            return stream.read(most_bytes)
        except MemoryError:
            raise RecordsError(f"cannot read {file}: it is larger than the memory") from None


def replace_file(file: Path, content: bytes) -> None:
    """Write a file in one step: a kill or a full disk leaves the old file or the new one. A link of
    its name is replaced, not followed. Raises OSError."""
    draft = file.with_name(f".{file.name}.tmp")
    draft.unlink(missing_ok=True)
    try:
        with draft.open("xb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(file)
    except OSError:
        with suppress(OSError):
            draft.unlink()
        raise


def open_to_write(file: Path, mode: str) -> IO[Any]:
    """Open a file of a folder of records. Raises `RecordsError` where its name is taken by a link,
    or by anything else that is no regular file, and OSError."""
    _refuse_others(file, stat.S_ISREG, "a regular file")
    return file.open(mode)


def make_folder(folder: Path) -> None:
    """Create a folder within a folder of records, unless it exists. Raises `RecordsError` where its
    name is taken by a link or a file, and OSError."""
    _refuse_others(folder, stat.S_ISDIR, "a folder")
    folder.mkdir(exist_ok=True)


def _refuse_others(path: Path, is_right: Callable[[int], bool], noun: str) -> None:
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode):
            raise RecordsError(f"cannot write to {path}: it is a symbolic link. Remove the link")
        if not is_right(mode):
            raise RecordsError(f"cannot write to {path}: it is not {noun}")


@contextmanager
def locked(folder: Path) -> Iterator[Callable[[], bool]]:
    """Hold the lock of a folder; raise `RecordsError` if another process holds it. The function
    tells whether the path still leads to this folder and lock: both can be renamed or removed."""
    with storage_errors(f"cannot lock {folder}"), ExitStack() as stack:
        file = stack.enter_context(open_to_write(folder / "lock", "ab"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordsError(f"run {folder.name} is being written by another process") from None
        # The lock outlives this block, but an OSError of the caller is no error of the lock.
        release = stack.pop_all()

    def is_here() -> bool:
        with suppress(OSError):
            return os.path.samestat(os.fstat(file.fileno()), os.stat(folder / "lock"))
        return False

    with release:
        yield is_here
