"""The table of the recorded tries."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tabulate import tabulate  # type: ignore[import-untyped]

from studies.faults.checks import Sort
from studies.faults.tries import TRIES_FILE
from studies.json_lines import JsonLines

ORIGIN_FILE = "origin.txt"
"""The day, the machine and the versions of the tries."""
ALL = "all kinds"


def table_page(folder: Path) -> str:
    """The page of all recorded tries: the table, then every problem."""
    lines = JsonLines(folder / TRIES_FILE).read()
    rows = fault_rows(lines)
    table = tabulate(rows, "keys", "pipe", disable_numparse=True)
    problems = [
        f"- {line['kind']}, seed {line['seed']}, try {line['number']}, {sort.value}: {text}"
        for line in lines
        for sort in Sort
        for text in line[sort.value]
    ]
    about = "How many tries found each sort of problem."
    parts = [(folder / ORIGIN_FILE).read_text().strip(), about, table]
    parts += ["## Problems", "\n".join(problems)] if problems else []
    return "\n\n".join(parts) + "\n"


def fault_rows(lines: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    """A row for each kind and one for all: its tries, and how many of them found each sort."""
    kinds = dict.fromkeys(line["kind"] for line in lines)
    rows = [_row(kind, [line for line in lines if line["kind"] == kind]) for kind in kinds]
    return [*rows, _row(ALL, lines)]


def _row(name: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    counts = {sort.value: str(sum(bool(line[sort.value]) for line in lines)) for sort in Sort}
    return {"kind": name, "tries": str(len(lines)), **counts}


def has_problems(line: Mapping[str, Any]) -> bool:
    """Whether a try has found a problem of any sort."""
    return any(line[sort.value] for sort in Sort)
