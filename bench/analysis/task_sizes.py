"""Names for the sizes at which a task was run: `adding length=50`."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bench.plan.case import PROBE_SETTINGS
from bench.records.record import Record

NOT_SIZE = frozenset((*PROBE_SETTINGS, "backend", "device", "dtype", "cell", "task"))
SizeKey = frozenset[tuple[str, Any]]
"""The settings of a size: equal for equal sizes, whatever their order."""


def task_size(case: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the task, the model and the training that all rows of a table share."""
    return {name: value for name, value in case.items() if name not in NOT_SIZE}


def size_key(case: Mapping[str, Any]) -> SizeKey:
    """The identity of the size of a case."""
    return frozenset(item for item in case.items() if item[0] not in NOT_SIZE)


def task_labels(records: Iterable[Record]) -> dict[tuple[str, SizeKey], str]:
    """A label for each task and size key: `adding`, or `adding length=50` where the records hold
    several sizes of the task."""
    sizes: dict[str, dict[SizeKey, dict[str, Any]]] = {}
    for record in records:
        by_key, key = sizes.setdefault(record.case["task"], {}), size_key(record.case)
        if key not in by_key:
            by_key[key] = task_size(record.case)
    labels = {}
    for task, by_key in sizes.items():
        options = distinguishing_options(list(by_key.values()))
        for key, settings in by_key.items():
            pairs = (f"{name}={settings.get(name)}" for name in options)
            labels[task, key] = " ".join((task, *pairs))
    return labels


def distinguishing_options(sizes: Sequence[Mapping[str, Any]]) -> list[str]:
    """The first options, in the order of the case, whose values tell all sizes apart."""
    options: list[str] = []
    distinct = 1
    for option in dict.fromkeys(name for size in sizes for name in size):
        values = {tuple(size.get(name) for name in (*options, option)) for size in sizes}
        if len(values) > distinct:
            options, distinct = [*options, option], len(values)
        if distinct == len(sizes):
            break
    return options
