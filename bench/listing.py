"""What there is to run: backends, tasks and devices, and why one is missing."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from textwrap import fill
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

from bench.plan.availability import why_unavailable
from bench.plan.selection import Registry
from bench.records import machine
from bench.spec import CELLS, DTYPES, NOT_WRITTEN, Limit, Supports, Unavailable

WIDTH, INDENT = 100, 17
"""Columns of what is said of a task, and where it begins."""


def list_command(backends: Registry, tasks: Registry, limits: bool) -> int:
    """Print them, or the table of what each backend expresses; one that does not load hides no
    other."""
    if limits:
        print(limits_table(backends))
        return 0
    print("backends")
    for name in backends.names():
        try:
            _list_backend(name, backends.load(name))
        except Unavailable as error:
            print(f"  {name:<14} {error}")
    print("tasks")
    for name in tasks.names():
        try:
            print(f"  {name:<14} {_about(tasks.load(name))}")
        except Unavailable as error:
            print(f"  {name:<14} {error}")
    return 0


def task_command(name: str, tasks: Registry) -> int:
    """Print what a task is, its sizes by their names, and their settings."""
    name = name.partition(":")[0]
    module = tasks.load(name)
    sizes: Mapping[str, Any] = module.PROFILES
    kinds = dict.fromkeys(map(type, sizes.values()))
    own = [kind.__doc__ for kind in kinds if not f"{kind.__doc__}".startswith(f"{kind.__name__}(")]
    print("\n\n".join(cleandoc(text) for text in [module.__doc__, *own] if text))
    print(f"\nsizes, as in --tasks {name}:{[*sizes][-1]}, and their settings\n")
    print(settings_table(sizes))
    return 0


def settings_table(sizes: Mapping[str, Any]) -> str:
    """A row a size, of the settings that are not the same in all of them, and below it the rest."""
    settings = {name: _settings(size) for name, size in sizes.items()}
    options = list(dict.fromkeys(option for own in settings.values() for option in own))
    values = {o: [own.get(o, "") for own in settings.values()] for o in options}
    same = [o for o in options if len(set(values[o])) == 1]
    rows = [
        [name, *(own.get(o, "") for o in options if o not in same)]
        for name, own in settings.items()
    ]
    table = tabulate(rows, ["size", *(o for o in options if o not in same)], disable_numparse=True)
    shared = " ".join(f"{o}={values[o][0]}" for o in same)
    return f"{table}\n\n{fill(f'all: {shared}', WIDTH)}" if same else table


def _settings(size: Any) -> dict[str, str]:
    """What `option=value` would set, written as it would be."""
    idle = getattr(size, "unread", ())
    found = {f.name: getattr(size, f.name) for f in dataclasses.fields(size)}
    return {
        name: "none" if value is None else str(value)
        for name, value in found.items()
        if name not in idle
    }


FEATURES = (
    *("layers", "bidirectional", "lengths", "initial_state", "training", "hidden_gradients"),
    *("decoder", "generation"),
)


def limits_table(backends: Registry) -> str:
    """A Markdown table of what each backend expresses, and a list of what keeps it from the
    rest: ours (the adapter's limit), theirs (the framework's) or impossible."""
    columns = [*[*CELLS][:3], "reset_before", *[*CELLS][3:], *DTYPES, *FEATURES]
    table, reasons = [], []
    for name in backends.names():
        limits = _limits(backends.load(name), columns)
        table.append([name, *(_whose(limits[column]) for column in columns)])
        by_reason: dict[str, list[str]] = {}
        for column, limit in limits.items():
            if limit is not None:
                by_reason.setdefault(f"{limit.why} ({limit.whose})", []).append(_word(column))
        listed = "; ".join(f"{', '.join(what)}: {why}" for why, what in by_reason.items())
        reasons += [f"- **{name}** – {listed}."] if listed else []
    heads = ["backend", *map(_word, columns)]
    lines = [heads, ["---"] * len(heads), *table]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", *reasons])


def _limits(module: Any, columns: Sequence[str]) -> dict[str, Limit | None]:
    supports: Supports = getattr(module, "SUPPORTS", Supports())
    there = (*supports.cells, *supports.dtypes, *(supports.gru if "gru" in supports.cells else ()))
    found: dict[str, Limit | None] = {}
    for column in columns:
        if column in FEATURES:
            own = getattr(supports, column)
            found[column] = own if isinstance(own, Limit) else None if own else NOT_WRITTEN
        else:
            found[column] = None if column in there else supports.limits.get(column, NOT_WRITTEN)
    return found


def _whose(limit: Limit | None) -> str:
    return "✓" if limit is None else limit.whose


def _word(column: str) -> str:
    return "gru reset_before" if column == "reset_before" else column.replace("_", " ")


def _list_backend(name: str, module: Any) -> None:
    found = machine.versions(getattr(module, "REQUIRES", ()))
    print(f"  {name:<14} {', '.join(f'{p} {version}' for p, version in found.items() if version)}")
    for device in ("cpu", "cuda"):
        print(f"    {device:<6} {why_unavailable(module, device) or 'available'}")


def _about(task: Any) -> str:
    """A task's description, its first sentence, and what keeps which of its sizes from running."""
    indent = " " * INDENT
    paragraph = " ".join((task.__doc__ or "").strip().partition("\n\n")[0].split())
    sentence = re.split(r"(?<=\.) ", re.sub(r" \([^()]*\d{4}[^()]*\)", "", paragraph))[0]
    summary = fill(sentence, WIDTH, initial_indent=indent, subsequent_indent=indent).strip()
    reasons: dict[str, list[str]] = {}
    for size, sized in task.PROFILES.items():
        if reason := getattr(sized, "unavailable", lambda: None)():
            reasons.setdefault(reason, []).append(size)
    told = [f"sizes: {', '.join(task.PROFILES)}"]
    for why, sizes in reasons.items():
        told.append(f"{'all' if len(sizes) == len(task.PROFILES) else ', '.join(sizes)}: {why}")
    around: Any = {"initial_indent": indent, "subsequent_indent": indent, "break_on_hyphens": False}
    return "\n".join([summary, *(fill(text, WIDTH, **around) for text in told)])
