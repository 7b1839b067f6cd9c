"""The `list` command: backends, tasks and devices, and why one is unavailable."""

import re
from collections.abc import Mapping, Sequence
from inspect import cleandoc
from textwrap import fill
from typing import Any

from bench.plan.availability import why_unavailable
from bench.plan.checked_task import TaskReader
from bench.plan.selection import Registry
from bench.plan.trial_import import load_checked
from bench.records import machine
from bench.records.inert import inert, inert_lines
from bench.report.escapes import escape_markdown
from bench.spec import CELLS, DTYPES, NOT_WRITTEN, Limit, Supports, Unavailable

WIDTH, INDENT = 100, 17
"""Columns of the text on a task, and where its lines begin."""
FEATURES = (
    *("layers", "bidirectional", "lengths", "initial_state", "training", "hidden_gradients"),
    *("nan_propagation", "decoder", "generation"),
)
"""The fields of `Supports` that are columns of the table of limits."""


def list_command(backends: Registry, tasks: Registry, limits: bool) -> int:
    """Print all backends and tasks, or with `limits` the table of what each backend expresses. A
    backend or task that does not load is printed with its error."""
    if limits:
        print(limits_table(backends))
        return 0
    print("backends")
    for name in backends.names():
        try:
            _list_backend(name, load_checked(backends, name))
        except Unavailable as error:
            print(f"  {inert(name):<14} {inert_lines(error)}")
    print("tasks")
    for name in tasks.names():
        try:
            description = _describe_task(name, load_checked(tasks, name))
            print(f"  {inert(name):<14} {inert_lines(description)}")
        except Unavailable as error:
            print(f"  {inert(name):<14} {inert_lines(error)}")
    return 0


def task_command(name: str, tasks: Registry) -> int:
    """Print a task's description, its named sizes and their settings. A size behind a colon, as in
    `adding:paper`, is ignored."""
    name = name.partition(":")[0]
    module = load_checked(tasks, name)
    sizes: Mapping[str, Any] = module.PROFILES
    classes = dict.fromkeys(map(type, sizes.values()))
    docstrings = [_docstring(module), *map(_class_docstring, classes)]
    print(inert_lines("\n\n".join(cleandoc(text) for text in docstrings if text)))
    print(f"\nsizes, as in --tasks {inert(name)}:{inert([*sizes][-1])}, and their settings\n")
    print(inert_lines(settings_table(name, module)))
    return 0


def _docstring(documented: Any) -> str:
    """The docstring of a module or a class; empty where it is no text."""
    return text if isinstance(text := documented.__doc__, str) else ""


def _class_docstring(task_class: type) -> str:
    """The docstring of a class, without the signature that a dataclass without one gets."""
    text = _docstring(task_class)
    return "" if text.startswith(f"{task_class.__name__}(") else text


def settings_table(name: str, file: Any) -> str:
    """A row for each size with the settings that differ between sizes, then a line with the
    settings that do not."""
    from tabulate import tabulate  # type: ignore[import-untyped]

    settings = {
        size: _settings(TaskReader(name, task, file)) for size, task in file.PROFILES.items()
    }
    options = dict.fromkeys(option for values in settings.values() for option in values)
    columns = {o: [values.get(o, "") for values in settings.values()] for o in options}
    varied = {option: column for option, column in columns.items() if len(set(column)) > 1}
    rows = zip(settings, *varied.values(), strict=True)
    table = str(tabulate(list(rows), ["size", *varied], disable_numparse=True))
    shared = " ".join(f"{o}={columns[o][0]}" for o in options if o not in varied)
    return f"{table}\n\n{fill(f'all: {shared}', WIDTH)}" if shared else table


def _settings(reader: TaskReader) -> dict[str, str]:
    """The options that change something at this size, with their values as the command line takes
    them."""
    unread = reader.texts("unread")
    return {
        name: "none" if value is None else str(value)
        for name, value in reader.settings().items()
        if name not in unread
    }


def limits_table(backends: Registry) -> str:
    """A Markdown table of what each backend expresses, and a list of the reasons for what it does
    not, with whose limit it is: ours (the adapter's), theirs (the framework's) or impossible."""
    columns = [*[*CELLS][:3], "reset_before", *[*CELLS][3:], *DTYPES, *FEATURES]
    rows, reasons = [], []
    for name in backends.names():
        limits = _limits(load_checked(backends, name), columns)
        marks = ["✓" if limit is None else limit.whose for limit in limits.values()]
        rows.append([escape_markdown(name), *marks])
        if text := _reasons(limits):
            reasons.append(f"- **{escape_markdown(name)}** – {escape_markdown(text)}.")
    heading = ["backend", *map(_heading, columns)]
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join(["| " + " | ".join(line) + " |" for line in lines] + ["", *reasons])


def _limits(module: Any, columns: Sequence[str]) -> dict[str, Limit | None]:
    """The limit in each column; None where the backend expresses it."""
    supports: Supports = getattr(module, "SUPPORTS", Supports())
    variants = supports.gru if "gru" in supports.cells else ()
    supported = {*supports.cells, *supports.dtypes, *variants}
    limits: dict[str, Limit | None] = {}
    for column in columns:
        if column in FEATURES:
            support = getattr(supports, column)
            limit = support if isinstance(support, Limit) else None if support else NOT_WRITTEN
        else:
            limit = None if column in supported else supports.limits.get(column, NOT_WRITTEN)
        limits[column] = limit
    return limits


def _reasons(limits: Mapping[str, Limit | None]) -> str:
    """`layers, lengths: why not (ours); decoder: …`: columns with the same reason together."""
    columns_by_reason: dict[str, list[str]] = {}
    for column, limit in limits.items():
        if limit is not None:
            reason = f"{limit.why} ({limit.whose})"
            columns_by_reason.setdefault(reason, []).append(_heading(column))
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in columns_by_reason.items())


def _heading(column: str) -> str:
    return "gru reset_before" if column == "reset_before" else column.replace("_", " ")


def _list_backend(name: str, module: Any) -> None:
    versions = machine.versions(getattr(module, "REQUIRES", ()))
    installed = (f"{package} {version}" for package, version in versions.items() if version)
    print(f"  {inert(name):<14} {inert(', '.join(installed))}")
    for device in ("cpu", "cuda"):
        print(f"    {device:<6} {inert(why_unavailable(module, device) or 'available')}")


def _describe_task(name: str, file: Any) -> str:
    """The first sentence of a task's description, its sizes, and why sizes cannot run here."""
    lines = [_first_sentence(_docstring(file)), f"sizes: {', '.join(file.PROFILES)}"]
    sizes_by_reason: dict[str, list[str]] = {}
    for size, task in file.PROFILES.items():
        if reason := TaskReader(name, task, file).why_unavailable():
            sizes_by_reason.setdefault(reason, []).append(size)
    for reason, names in sizes_by_reason.items():
        sizes = "all" if len(names) == len(file.PROFILES) else ", ".join(names)
        lines.append(f"{sizes}: {reason}")
    indent = " " * INDENT
    style: Any = {"initial_indent": indent, "subsequent_indent": indent, "break_on_hyphens": False}
    return "\n".join(fill(line, WIDTH, **style) for line in lines).lstrip()


def _first_sentence(docstring: str) -> str:
    """The first sentence of a docstring, without the references to papers in it."""
    paragraph = " ".join(docstring.strip().partition("\n\n")[0].split())
    return re.split(r"(?<=\.) ", re.sub(r" \([^()]*\d{4}[^()]*\)", "", paragraph))[0]
