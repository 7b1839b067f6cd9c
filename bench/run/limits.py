"""What a run may take: names, numbers of workers, times and memory, from the command line."""

import re
from datetime import datetime
from math import inf

from bench.options import WorkerOptions, processor_count
from bench.records import machine
from bench.run.process import Limits
from bench.spec import Unavailable

MEMORY_SHARE = 0.8
"""The share of the machine's memory that a worker may take where no limit is given."""
SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def worker_limits(options: WorkerOptions, default_time_s: float) -> Limits:
    """The limits of one case."""
    total = machine.memory_bytes() or inf
    given = options.memory_limit
    return Limits(
        time_s=options.time_limit or default_time_s,
        memory_bytes=given * 2**30 if given else MEMORY_SHARE * total,
    )


def job_count(options: WorkerOptions) -> int:
    """How many workers run side by side: as many as asked for, one a processor at the most."""
    processors = processor_count()
    return min(options.jobs or processors, processors)


def run_name(name: str | None) -> str:
    """The name of a new run: the one that was given, or the time."""
    if name is None:
        return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise Unavailable(f"a run id has letters, digits, '.', '_' and '-' only, not {name!r}")
    return name


def parse_duration(text: str) -> float:
    """Seconds, from `90`, `90s`, `10m` or `1.5h`."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?)([smh]?)", text.strip())
    if not match or not float(match[1]):
        raise Unavailable(f"--budget must be a time such as 90s, 10m or 1h, not {text!r}")
    return float(match[1]) * SECONDS[match[2]]
