"""Threads are placed on cores of their own while there are any."""

import os
from pathlib import Path

import pytest

from bench.records import machine
from bench.records.topology import core_count, parse_list, spread_over_cores

NEIGHBOURS = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3"}
"""The two threads of a core have neighbouring numbers."""
HALVES = {k: f"{k % 4},{k % 4 + 4}" for k in range(8)}
"""The second threads of all cores come after the first ones: the usual order."""
MIXED = {0: "0-1", 1: "0-1", 2: "2-3", 3: "2-3", 4: "4", 5: "5"}
"""Cores with two threads and cores with one."""


def system(root: Path, siblings: dict[int, str]) -> Path:
    """A tree as in `/sys/devices/system/cpu`."""
    for processor, text in siblings.items():
        folder = root / f"cpu{processor}" / "topology"
        folder.mkdir(parents=True)
        (folder / "thread_siblings_list").write_text(text + "\n")
    return root


@pytest.mark.parametrize(
    ("siblings", "allowed", "order"),
    [
        (NEIGHBOURS, [0, 1, 2, 3], [0, 2, 1, 3]),
        (HALVES, range(8), [0, 1, 2, 3, 4, 5, 6, 7]),
        (HALVES, [0, 4, 5, 6], [0, 5, 6, 4]),
        (MIXED, range(6), [0, 2, 4, 5, 1, 3]),
        (NEIGHBOURS, [1], [1]),
        ({}, [3, 1, 2], [1, 2, 3]),
        ({0: "0-1", 1: "x", 2: "2-3"}, [0, 1, 2], [0, 1, 2]),
        ({0: "", 1: "0-1"}, [0, 1], [0, 1]),
    ],
)
def test_every_beginning_uses_as_many_cores_as_it_can(
    siblings: dict[int, str], allowed: list[int], order: list[int], tmp_path: Path
) -> None:
    root = system(tmp_path, siblings)
    assert spread_over_cores(allowed, root) == order
    readable = all(siblings.get(k, "x") not in ("x", "") for k in allowed)
    if readable:
        cores = core_count(allowed, root) or 0
        for count in range(1, len(order) + 1):
            assert core_count(order[:count], root) == min(count, cores)
    else:
        assert core_count(allowed, root) is None


def test_list_of_the_kernel_is_read() -> None:
    assert parse_list("0-2,8\n") == {0, 1, 2, 8}
    with pytest.raises(ValueError, match="invalid literal"):
        parse_list("a")


def test_processors_are_those_that_this_process_may_use() -> None:
    if hasattr(os, "sched_getaffinity"):
        assert sorted(machine.cpus()) == sorted(os.sched_getaffinity(0))
    assert 1 <= machine.processor_count() <= len(machine.cpus())
