"""The limits and names that the options of the command line set for a run."""

import re
from dataclasses import dataclass
from datetime import datetime
from math import inf

from bench.options import WorkerOptions
from bench.records import machine
from bench.records.quota import processor_quota
from bench.spec import Unavailable

MEMORY_SHARE = 0.8
"""The share of the machine's memory that a worker may take by default."""
SECONDS_PER_UNIT = {"": 1, "s": 1, "m": 60, "h": 3600}


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of a case: seconds, and bytes of resident memory of its worker together with the
    processes that it has started."""

    time_s: float
    memory_bytes: float


def worker_limits(options: WorkerOptions, default_time_s: float) -> Limits:
    """The limits of one case; `default_time_s` holds where the options set no time limit."""
    if options.memory_limit is not None:
        memory_bytes = options.memory_limit * 2**30
    else:
        memory_bytes = MEMORY_SHARE * (machine.memory_bytes() or inf)
    return Limits(time_s=options.time_limit or default_time_s, memory_bytes=memory_bytes)


def job_count(options: WorkerOptions) -> int:
    """How many workers run side by side: by default, and at most, one for each processor that this
    process can keep busy."""
    processors = machine.processor_count()
    return min(options.jobs or processors, processors)


def quota_warning(threads: int) -> str | None:
    """What to say where a container's quota is smaller than the number of threads; else None."""
    quota = processor_quota()
    if quota is None or quota >= threads:
        return None
    return (
        f"warning: {threads} threads, but the container's quota allows {quota:g} processors: times "
        f"will hold pauses. Use --threads {max(1, int(quota))}, or raise the quota"
    )


def run_name(name: str | None) -> str:
    """The name of a new run: `name`, or the present time where it is None."""
    if name is None:
        return datetime.now().strftime("%Y-%m-%dT%H-%M-%S")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
        raise Unavailable(f"a run id has letters, digits, '.', '_' and '-' only, not {name!r}")
    return name


def parse_duration(text: str) -> float:
    """The seconds in a text such as `90`, `90s`, `10m` or `1.5h`."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?)([smh]?)", text.strip())
    seconds = float(match[1]) * SECONDS_PER_UNIT[match[2]] if match else 0.0
    if not 0 < seconds < inf:
        raise Unavailable(f"--budget must be a time such as 90s, 10m or 1h, not {text!r:.60}")
    return seconds
