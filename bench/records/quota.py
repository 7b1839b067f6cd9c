"""The share of the processors that a container may use, and how often it was held back.

Linux limits a control group to a time per period: `cpu.max` in version 2, `cpu.cfs_quota_us` and
`cpu.cfs_period_us` in version 1. A group that has used its time up is stopped ("throttled") until
the next period. The limits of the groups above it hold as well.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Throttling:
    """In how many periods, and for how many seconds, this process' groups were stopped."""

    periods: int
    seconds: float


def processor_quota(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> float | None:
    """The number of processors that this process may keep busy; None without a limit, or where
    none can be read."""
    quotas = [quota for group in _groups(groups, membership) if (quota := _quota(group))]
    return min(quotas, default=None)


def throttling(groups: Path = GROUPS, membership: Path = MEMBERSHIP) -> Throttling | None:
    """How often this process' groups have been throttled so far; None where none counts it."""
    counts = [count for group in _groups(groups, membership) if (count := _throttling(group))]
    if not counts:
        return None
    return Throttling(sum(c.periods for c in counts), sum(c.seconds for c in counts))


def _groups(groups: Path, membership: Path) -> Iterator[Path]:
    """The folders of the groups that limit this process, the innermost first."""
    with suppress(OSError, ValueError):
        for line in membership.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            root = _root(groups, controllers)
            if root is not None:
                yield from _with_parents(root, path)


def _root(groups: Path, controllers: str) -> Path | None:
    """Where the hierarchy is mounted that has the controller `cpu`; None for other hierarchies."""
    if controllers and "cpu" not in controllers.split(","):
        return None
    # Version 2 has no list of controllers; beside version 1 it is mounted at `unified`.
    names = (controllers, "cpu") if controllers else ("unified", "")
    return next((groups / name for name in names if (groups / name).is_dir()), None)


def _with_parents(root: Path, path: str) -> Iterator[Path]:
    """The group and all above it. A container may see its own group as the root of the mount,
    while its path names the group as the host does; then only the root exists."""
    parts = [part for part in path.split("/") if part not in ("", ".", "..")]
    for count in range(len(parts), -1, -1):
        folder = root.joinpath(*parts[:count])
        if folder.is_dir():
            yield folder


def _quota(group: Path) -> float | None:
    with suppress(OSError, ValueError):
        limit, period = (group / "cpu.max").read_text().split()
        return None if limit == "max" else int(limit) / int(period)
    with suppress(OSError, ValueError):
        limit = (group / "cpu.cfs_quota_us").read_text()
        period = (group / "cpu.cfs_period_us").read_text()
        return int(limit) / int(period) if int(limit) > 0 else None
    return None


def _throttling(group: Path) -> Throttling | None:
    with suppress(OSError, ValueError, KeyError):
        lines = (group / "cpu.stat").read_text().splitlines()
        values = {name: int(value) for name, value in map(str.split, lines)}
        microseconds = values.get("throttled_usec", values.get("throttled_time", 0) / 1000)
        return Throttling(values["nr_throttled"], microseconds / 1e6)
    return None
