"""Why a worker died, as far as the system tells."""

import signal
from contextlib import suppress
from pathlib import Path

LOG_TAIL = 1 << 16
"""Bytes of a log that are searched for its last line."""


def exit_reason(code: int | None) -> str:
    """The exit code or the signal of a process in words; None means that it still runs."""
    if code is None:
        return "it closed its output"
    with suppress(ValueError):
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name
    return f"signal {-code}"


def out_of_memory_kills() -> int | None:
    """How often this machine's kernel has killed for memory; None where it does not count."""
    with suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/vmstat").read_text().split("oom_kill ")[1].split()[0])
    return None


def last_line(log: Path) -> str:
    """The last line of a worker's log, as the end of a message; empty without one."""
    with suppress(OSError):
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - LOG_TAIL))
            lines = file.read().decode(errors="replace").strip().splitlines()
        if lines:
            return f"; last words: {lines[-1][:300]}"
    return ""
