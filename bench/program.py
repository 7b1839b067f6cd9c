"""The program around a command: its signals, its standard streams, and its exit code."""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NoReturn

from bench.processes.stop import StopHandler, ignore_stop_signals

INTERRUPTED, WRONG_USE, NOBODY_READS = 130, 2, 141
REPOSITORY_VARIABLES = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"),
    *("GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_PREFIX", "GIT_NAMESPACE", "GIT_SHALLOW_FILE"),
)
"""What git sets for a hook: every git command would take the hook's repository for its own."""


def run_program(main: Callable[[list[str]], int]) -> int:
    """Run `main` with the words of the command line, and return the exit code of the process.

    That is what `main` returns, or 130, 143 or 129 where SIGINT, SIGTERM or SIGHUP has stopped it.
    A worker is ended by its supervisor and handles no signal.
    """
    words, handler = sys.argv[1:], StopHandler()
    for name in REPOSITORY_VARIABLES:
        os.environ.pop(name, None)
    os.environ["MPLBACKEND"] = "Agg"  # a notebook sets one that may not be installed here
    try:
        if words[:1] != ["worker"]:
            handler.install()
        _open_streams()
        code = main(words)
    except KeyboardInterrupt:
        code = INTERRUPTED
    except ImportError:
        # Compiled modules that are interrupted while they are imported raise errors of their own.
        if handler.number is None:
            raise
        code = INTERRUPTED
    finally:
        ignore_stop_signals()
    return code if handler.number is None else 128 + handler.number


def end_process(code: int) -> NoReturn:
    """End this process. Threads that a plug-in has left running, and what it has registered for
    the end of Python, cannot delay that."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # nobody reads it any more
            stream.flush()
    os._exit(code)


def exit_code_of(command: Callable[[], int]) -> int:
    """Run a command; return its exit code, or that of the error that ends it, with its message."""
    try:
        code = command()
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except OSError as error:
        return _output_failed(error) if error.filename is None else _path_failed(error)
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
    """Return the exit code where standard output cannot be written. Such an error, unlike others,
    names no file."""
    # Python flushes standard output once more when it ends; that must not fail again.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        return NOBODY_READS
    return _refuse(f"cannot write to standard output: {error.strerror or error}")


def _path_failed(error: OSError) -> int:
    """Return the exit code where the system refuses a path that no part of the program expects."""
    from bench.records.inert import inert

    return _refuse(f"cannot use {inert(error.filename)}: {error.strerror or error}")


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
