"""Names for the sizes at which a task was run: `adding length=50`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.analysis.labels import distinct_labels, exact_name, exact_value
from bench.plan.case import PROBE_SETTINGS
from bench.records.record import Record

NOT_SIZE = frozenset((*PROBE_SETTINGS, "backend", "device", "dtype", "cell", "task"))
SizeKey = frozenset[tuple[str, Any]]
"""The settings of a size: equal for equal sizes, whatever their order."""


def task_size(case: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the task, the model and the training that all rows of a table share."""
    return {name: value for name, value in case.items() if name not in NOT_SIZE}


def size_key(case: Mapping[str, Any]) -> SizeKey:
    """The identity of the size of a case. A setting that is null is as good as none, which is what
    older records have in its place."""
    return frozenset((n, v) for n, v in case.items() if n not in NOT_SIZE and v is not None)


def task_labels(records: Iterable[Record]) -> dict[tuple[str, SizeKey], str]:
    """A label for each task and size key: `adding`, or `adding length=50` where the records hold
    several sizes of the task. No two have the same label."""
    sizes: dict[str, dict[SizeKey, dict[str, Any]]] = {}
    for record in records:
        by_key, key = sizes.setdefault(record.case["task"], {}), size_key(record.case)
        if key not in by_key:
            by_key[key] = task_size(record.case)
    plain: dict[tuple[str, SizeKey], str] = {}
    exact: dict[tuple[str, SizeKey], str] = {}
    for task, by_key in sizes.items():
        options = distinguishing_options(list(by_key.values()))
        for key, settings in by_key.items():
            values = [(name, settings.get(name)) for name in options]
            plain[task, key] = " ".join((task, *(f"{name}={value}" for name, value in values)))
            pairs = (f"{name}={exact_value(value)}" for name, value in values)
            exact[task, key] = " ".join((exact_name(task), *pairs))
    return distinct_labels(plain, exact)


def distinguishing_options(sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first options, in the order of the case, whose values tell all sizes apart. The time
    grows with the number of values: each option moves the sizes that have it into groups of their
    own."""
    values: dict[str, dict[Any, list[int]]] = {}
    for index, size in enumerate(sizes):
        for option, value in size.items():
            by_value = values.setdefault(option, {})
            if value is not None:
                by_value.setdefault(value, []).append(index)
    options: list[str] = []
    group, members = [0] * len(sizes), [len(sizes)]
    for option, by_value in values.items():
        if len(members) >= len(sizes):
            break
        groups = len(members)
        for indices in by_value.values():
            _move_apart(indices, group, members)
        if len(members) > groups:
            options.append(option)
    return options


def _move_apart(indices: Sequence[int], group: list[int], members: list[int]) -> None:
    """Move these sizes into new groups, by the groups that they are in, unless they are all of
    theirs. `group` holds the group of each size, `members` the number of sizes in each group."""
    by_group: dict[int, list[int]] = {}
    for index in indices:
        by_group.setdefault(group[index], []).append(index)
    for old, moved in by_group.items():
        if len(moved) < members[old]:
            members[old] -= len(moved)
            for index in moved:
                group[index] = len(members)
            members.append(len(moved))
