"""Says how to go on where a signal or a full disk ends a command."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.records.folder import RecordsError

FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def how_to_continue(advice: str, results: Path | None = None) -> Iterator[None]:
    """Print the advice where a signal stops what runs in this context, and add it to the error of
    a full disk. `results` is the folder of what was measured before, if that is to be named."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            print(f"stopped; {advice}{_where(results)}", file=sys.stderr, flush=True)
        raise
    except RecordsError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in FULL_DISK:
            raise RecordsError(f"{error}; make room and {advice}{_where(results)}") from cause
        raise


def _where(results: Path | None) -> str:
    return f"; what was measured is in {results}" if results and results.exists() else ""
