"""What must hold after a fault. Each check takes plain data and returns the problems."""

import json
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

RecordData = Mapping[str, Any]
"""A record as it is written."""
DETERMINISTIC = ("learning", "gradients")
"""The probes whose samples two runs must have in common."""
BY_SIGNAL = 128
"""Exit codes above this one say by which signal a command ended: they explain themselves."""
TRACEBACK, FRAME = "Traceback (most recent call last)", '  File "'
ROOT = str(Path(__file__).parents[2])
"""A traceback without a frame of this project is the interpreter's: it had not begun to run the
program when a signal came."""


class Sort(StrEnum):
    """The sorts of problems: the columns of the table."""

    LOST = "lost"
    """A finished case has no record any more, or other numbers without a word about it."""
    DOUBLED = "doubled"
    """A case counts more than once."""
    LEFT_BEHIND = "left behind"
    """A process, a temporary file or a worktree stays."""
    UNCLEAR = "unclear"
    """A command hangs, prints a traceback, says nothing, or has an undocumented exit code."""


@dataclass(frozen=True)
class Problem:
    """One thing that a try found wrong."""

    sort: Sort
    text: str


@dataclass(frozen=True)
class Ended:
    """How a command ended. `code` is negative for a signal, and None where the command did not end
    in time."""

    command: str
    code: int | None
    out: str
    err: str


def unclear(ended: Ended, accepted: Collection[int]) -> list[Problem]:
    """The problems of a command's message and exit code, which must be one of the accepted ones."""
    texts = []
    if ended.code is None:
        texts.append("did not end")
    elif ended.code not in accepted:
        codes = ", ".join(map(str, sorted(accepted)))
        texts.append(f"exit code {ended.code}, expected {codes}; {last_line(ended)}")
    frames = [line.strip() for line in ended.err.splitlines() if line.startswith(FRAME)]
    if TRACEBACK in ended.out + ended.err and any(ROOT in frame for frame in frames):
        texts.append(f"a traceback from {frames[0]} to {frames[-1]}; {last_line(ended)}")
    if ended.code in range(1, BY_SIGNAL) and not (ended.out + ended.err).strip():
        texts.append(f"exit code {ended.code} without a word")
    return [Problem(Sort.UNCLEAR, f"{ended.command}: {text}") for text in texts]


def last_line(ended: Ended) -> str:
    """The last line that a command printed, shortened."""
    lines = (ended.err.strip() or ended.out.strip() or "(no output)").splitlines()
    return lines[-1][:300]


def case_key(record: RecordData) -> str:
    """The identity of a recorded case."""
    return json.dumps(record["case"], sort_keys=True)


def lost(
    expected: Sequence[RecordData], present: Sequence[RecordData], failures: int = 0
) -> list[Problem]:
    """The cases that have no record, or other numbers than in an undisturbed run.

    `failures` is how many cases the fault may cost. Such a case has a failed record with its
    reason; a case that was skipped because the proof of its model failed does not count.
    """
    latest = {case_key(record): record for record in present}
    problems = [
        Problem(Sort.LOST, text)
        for record in expected
        if (text := _difference(record, latest.get(case_key(record))))
    ]
    failed = [record for record in latest.values() if record["status"] == "failed"]
    if len(failed) > failures:
        reasons = "; ".join(f"{_label(record)}: {record['reason']}" for record in failed)
        problems.append(
            Problem(Sort.LOST, f"{len(failed)} cases failed, not {failures} at most: {reasons}")
        )
    if not failed:
        skipped = [record for record in latest.values() if record["status"] == "skipped"]
        problems += [Problem(Sort.LOST, f"{_label(r)} is skipped: {r['reason']}") for r in skipped]
    silent = [r for r in latest.values() if r["status"] != "ok" and not r["reason"]]
    return problems + [Problem(Sort.UNCLEAR, f"{_label(r)} has no reason") for r in silent]


def _difference(expected: RecordData, present: RecordData | None) -> str | None:
    if present is None:
        return f"{_label(expected)} has no record"
    if present["status"] != "ok" or expected["probe"] not in DETERMINISTIC:
        return None
    if present["samples"] != expected["samples"]:
        return f"{_label(expected)} has other samples"
    return None


def _label(record: RecordData) -> str:
    return f"{record['case']['cell']} {record['probe']}"


def doubled(present: Iterable[RecordData]) -> list[Problem]:
    """The cases with more than one successful record."""
    counts = Counter(
        (case_key(record), _label(record)) for record in present if record["status"] == "ok"
    )
    return [
        Problem(Sort.DOUBLED, f"{label} has {count} records")
        for (_, label), count in counts.items()
        if count > 1
    ]


def not_kept(before: Sequence[bytes], after: Sequence[bytes]) -> list[Problem]:
    """The recorded lines that were there before and are not there after."""
    missing = [line for line in before if line not in after]
    return [Problem(Sort.LOST, f"a recorded line is gone: {line[:200]!r}") for line in missing]


def changed_tables(reference: Mapping[str, str], tables: Mapping[str, str]) -> list[Problem]:
    """The tables that a command wrote as if nothing had happened, with other contents; by file."""
    return [
        Problem(Sort.LOST, f"{name} differs without a word")
        for name in sorted(reference.keys() | tables.keys())
        if reference.get(name) != tables.get(name)
    ]


def left_behind(names: Iterable[str]) -> list[Problem]:
    """What is still there, by its name: files, worktrees or processes."""
    return [Problem(Sort.LEFT_BEHIND, name) for name in names]
