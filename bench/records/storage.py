"""Errors of reading and writing records, as messages for the user; and the lock of a folder."""

import fcntl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path


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


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; raise `RecordsError` if another process holds it."""
    with storage_errors(f"cannot lock {folder}"), ExitStack() as stack:
        file = stack.enter_context((folder / "lock").open("w"))
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RecordsError(f"run {folder.name} is being written by another process") from None
        # The lock outlives this block, but an OSError of the caller is no error of the lock.
        release = stack.pop_all()
    with release:
        yield
