"""Which processors share a physical core."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

PROCESSORS = Path("/sys/devices/system/cpu")


def spread_over_cores(processors: Iterable[int], root: Path = PROCESSORS) -> list[int]:
    """The processors in an order of which every beginning uses as many cores as it can.

    The first processor of each core comes first, then the second of each. Where the system does
    not tell which processors share a core, they stay in their order by number.
    """
    used: dict[object, int] = {}
    turns = {}
    for processor in sorted(processors):
        core = _siblings(processor, root)
        turns[processor] = used[core] = used.get(core, -1) + 1
    return sorted(turns, key=lambda processor: (turns[processor], processor))


def core_count(processors: Sequence[int], root: Path = PROCESSORS) -> int | None:
    """The number of physical cores that these processors belong to; None if it cannot be read."""
    cores = {_siblings(processor, root) for processor in processors}
    return None if any(isinstance(core, int) for core in cores) else len(cores)


def _siblings(processor: int, root: Path) -> frozenset[int] | int:
    """All processors of this one's core; the processor itself if that cannot be read."""
    with suppress(OSError, ValueError):
        text = (root / f"cpu{processor}" / "topology" / "thread_siblings_list").read_text()
        if siblings := parse_list(text):
            return siblings
    return processor


def parse_list(text: str) -> frozenset[int]:
    """The numbers in a list of the kernel's: `0,4` or `0-1,8-9`. Raises ValueError for others."""
    numbers: set[int] = set()
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return frozenset(numbers)
