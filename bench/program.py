"""The program around a command: its signals, its standard streams, and its exit code."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from bench.processes.stop import StopHandler, ignore_stop_signals

INTERRUPTED, WRONG_USE, NOBODY_READS = 130, 2, 141


def run_program(main: Callable[[list[str]], int]) -> int:
    """Run `main` with the words of the command line, and return the exit code of the process.

    That is what `main` returns, or 130, 143 or 129 where SIGINT, SIGTERM or SIGHUP has stopped it.
    A worker is ended by its supervisor and handles no signal.
    """
    words, handler = sys.argv[1:], StopHandler()
    try:
        if words[:1] != ["worker"]:
            handler.install()
        _open_streams()
        code = main(words)
    except KeyboardInterrupt:
        code = INTERRUPTED
    finally:
        ignore_stop_signals()
    return code if handler.number is None else 128 + handler.number


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or that of the error that ends it, with its message."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _output_failed(error)
    except Exception as error:
        # Imported late: it takes longer than anything else here.
        from bench.records.folder import RecordsError
        from bench.records.inert import inert_lines
        from bench.spec import Unavailable

        if not isinstance(error, Unavailable | RecordsError):
            raise
        return _refuse(inert_lines(error))
    return code


def _output_failed(error: OSError) -> int:
    """Return the exit code where standard output cannot be written."""
    # Python flushes standard output once more when it ends; that must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return NOBODY_READS if isinstance(error, BrokenPipeError) else _refuse(str(error))


def _refuse(message: str) -> int:
    with suppress(OSError):  # nobody reads standard error any more
        print(f"run_bench.py: {message}", file=sys.stderr, flush=True)
    return WRONG_USE


def _open_streams() -> None:
    """Prepare the standard streams.

    A closed one leads nowhere from now on, or another file would take its number. Closed standard
    output ends the program.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    if sys.stdout is None:
        sys.exit(_refuse("standard output is closed; add >/dev/null to run without it"))
    streams: tuple[Any, Any] = (sys.stdout, sys.stderr)
    for stream in streams:
        stream.reconfigure(errors="replace")  # the terminal may lack a character
