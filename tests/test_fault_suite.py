"""The suite of faults: its short form finds no problem, and its checks find planted ones."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from conftest import ROOT
from quotes import Page

from studies.faults import processes
from studies.faults.__main__ import main
from studies.faults.checks import (
    Ended,
    Problem,
    Sort,
    changed_tables,
    doubled,
    lost,
    not_kept,
    unclear,
)
from studies.faults.commands import start
from studies.faults.fuzz import FUZZ_FILE, TARGETS
from studies.faults.kinds import chosen_kinds
from studies.faults.reference import Reference
from studies.faults.scene import Scene
from studies.faults.table import ALL, fault_rows, table_page
from studies.faults.tries import TRIES_FILE, one_try
from studies.json_lines import JsonLines

SHORT_FORM = (
    "SIGKILL to a run",
    "worker: die while a child holds the pipe",
    "file too large in a run",
    "file too large in a report",
    "records.jsonl: cut",
    "records.jsonl: flip a bit",
    "records.jsonl: change a value",
    "records.jsonl: join two lines",
    "records.jsonl: change the schema",
    "records.jsonl: with other line ends",
    "run.json: cut",
    "run.json: insert garbage",
    "records.jsonl.xz: cut",
    "records.jsonl.xz: flip a bit",
    "two comparisons of one name",
)


def test_short_form_finds_no_problem(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--tries", "1", "--kinds", *SHORT_FORM]) == 0, capsys.readouterr()
    lines = JsonLines(tmp_path / TRIES_FILE).read()
    assert [line["kind"] for line in lines] == list(chosen_kinds(SHORT_FORM))
    assert len(lines) == len(SHORT_FORM)
    before = (tmp_path / TRIES_FILE).read_bytes()
    assert main([str(tmp_path), "--tries", "1", "--kinds", *SHORT_FORM]) == 0
    assert (tmp_path / TRIES_FILE).read_bytes() == before, "recorded tries are not repeated"


def test_unknown_kind_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--kinds", "zebra"]) == 2
    assert "no kind has zebra in its name: SIGKILL to a run" in capsys.readouterr().err


# ---- planted problems ------------------------------------------------------------------------


def record(cell: str = "rnn", status: str = "ok", reason: str | None = None, **extra: Any) -> Any:
    case = {"cell": cell, "probe": "learning"}
    samples = {"loss": [0.5, 0.25]}
    fields = {"probe": "learning", "status": status, "reason": reason, "samples": samples}
    return {"case": case, **fields, **extra}


FAILED = record(status="failed", reason="worker died", samples={})


@pytest.mark.parametrize(
    ("present", "failures", "found"),
    [
        ([record(), record("gru")], 0, []),
        ([record()], 0, [(Sort.LOST, "gru learning has no record")]),
        (
            [record(samples={"loss": [0.5, 0.26]}), record("gru")],
            0,
            [(Sort.LOST, "rnn learning has other samples")],
        ),
        ([FAILED, record("gru")], 1, []),
        ([FAILED, record("gru")], 0, [(Sort.LOST, "1 cases failed, not 0 at most")]),
        (
            [record(status="skipped", reason="not proven"), record("gru")],
            1,
            [(Sort.LOST, "rnn learning is skipped: not proven")],
        ),
        (
            [record(status="failed", reason=""), record("gru")],
            1,
            [(Sort.UNCLEAR, "rnn learning has no reason")],
        ),
    ],
)
def test_lost_case_is_found(present: list[Any], failures: int, found: list[Any]) -> None:
    problems = lost([record(), record("gru")], present, failures)
    assert [p.sort for p in problems] == [sort for sort, _ in found]
    assert all(p.text.startswith(text) for p, (_, text) in zip(problems, found, strict=True))


def test_doubled_case_is_found() -> None:
    assert doubled([FAILED, record(), record("gru")]) == []
    assert doubled([record(), record("gru"), record()]) == [
        Problem(Sort.DOUBLED, "rnn learning has 2 records")
    ]


def test_line_or_table_that_changed_is_found() -> None:
    assert not_kept([b"a"], [b"b", b"a"]) == [] != not_kept([b"a"], [b"b"])
    assert changed_tables({"t": "1"}, {"t": "1"}) == [] != changed_tables({"t": "1"}, {"t": "2"})
    assert changed_tables({"t": "1"}, {}) != []


CRASH = 'Traceback (most recent call last):\n  File "{}", line 1\nKeyError: 1'


@pytest.mark.parametrize(
    ("ended", "text"),
    [
        (Ended("c", 2, "", "run_bench.py: no run"), None),
        (Ended("c", 141, "", ""), None),
        (Ended("c", 1, "", "went wrong"), "c: exit code 1, expected 0, 2, 141; went wrong"),
        (Ended("c", 2, "", ""), "c: exit code 2 without a word"),
        (Ended("c", None, "", ""), "c: did not end"),
        (Ended("c", 0, "", CRASH.format(ROOT / "run_bench.py")), "c: a traceback from File"),
        (Ended("c", 0, "", CRASH.format("<frozen site>")), None),
    ],
)
def test_unclear_end_of_a_command_is_found(ended: Ended, text: str | None) -> None:
    problems = unclear(ended, (0, 2, 141))
    assert [p.sort for p in problems] == [Sort.UNCLEAR] * (text is not None)
    assert all(p.text.startswith(text or "") for p in problems)


def leave_a_file(scene: Scene) -> None:
    (scene.temporary / "forgotten").touch()


def leave_a_draft(scene: Scene) -> None:
    (scene.results / ".r-1").mkdir()


def leave_a_process(scene: Scene) -> None:
    """A process without its parent, its session and its environment."""
    sleeper = f"import os; os.setsid(); os.fork() or os.execve({sys.executable!r}, SLEEP, {{}})"
    code = f"SLEEP = [{sys.executable!r}, '-c', 'import time; time.sleep(60)']\n{sleeper}"
    subprocess.run([sys.executable, "-c", code], check=True)
    time.sleep(0.1)


def go_wrong(scene: Scene) -> None:
    raise KeyError("plan")


@pytest.mark.parametrize(
    ("inject", "sort", "text"),
    [
        (lambda scene: None, None, ""),
        (leave_a_file, Sort.LEFT_BEHIND, "temporary file forgotten"),
        (leave_a_draft, Sort.LEFT_BEHIND, "draft .r-1"),
        (leave_a_process, Sort.LEFT_BEHIND, "process "),
        (go_wrong, Sort.UNCLEAR, "the try was not completed: KeyError: 'plan'"),
    ],
)
def test_try_that_leaves_something_is_found(
    inject: Callable[[Scene], None],
    sort: Sort | None,
    text: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(processes, "GRACE_S", 0.5)
    with processes.adopting_orphans():
        earlier = processes.descendants()
        problems = one_try(tmp_path / "try", inject, Random(0), Reference(tmp_path, 1.0))
        assert not processes.still_alive(earlier)
    assert [p.sort for p in problems] == [sort] * (sort is not None)
    assert all(p.text.startswith(text) for p in problems)


def test_command_that_hangs_is_killed() -> None:
    command = start([sys.executable], ["-c", "import time; time.sleep(60)"], os.environ)
    assert command.end(limit_s=0.2).code is None
    assert not command.runs


def test_table_counts_the_tries_with_each_sort() -> None:
    none: dict[str, list[str]] = {sort.value: [] for sort in Sort}
    lines = [
        {"kind": "a", **none},
        {"kind": "a", **none, "lost": ["x", "y"]},
        {"kind": "b", **none},
    ]
    rows = {row["kind"]: row for row in fault_rows(lines)}
    assert rows["a"] == {"kind": "a", "tries": "2", **dict.fromkeys(none, "0"), "lost": "1"}
    assert (rows[ALL]["tries"], rows[ALL]["lost"], rows["b"]["lost"]) == ("3", "1", "0")


# ---- the published table ---------------------------------------------------------------------


FOLDER = ROOT / "results" / "faults-cpu"
TRIES = JsonLines(FOLDER / TRIES_FILE).read()
PAGE = Page(ROOT / "docs" / "architecture.md")


def test_page_quotes_the_published_tries() -> None:
    *rows, total = fault_rows(TRIES)
    assert PAGE.quotes("In {} tries of {} kinds of faults", total["tries"], len(rows))
    words = "{} lost a case, {} doubled one, {} left something behind and {} ended unclearly"
    assert PAGE.quotes(words, *(total[sort.value] for sort in Sort))
    assert (FOLDER / "table.md").read_text() == table_page(FOLDER)


def test_page_quotes_the_counts_of_odd_inputs() -> None:
    lines = JsonLines(FOLDER / FUZZ_FILE).read()
    counts = [
        f"{sum(line['inputs'] for line in lines if line['target'] == target):,}"
        for target in TARGETS
    ]
    words = (
        "{} odd files of records, {} of descriptions, {} changed runs, {} series and {} command "
        "lines"
    )
    assert PAGE.quotes(words, *counts)
    failures = sum(line["failures"] for line in lines)
    assert PAGE.quotes("and {} of them ended in anything but a result or a message", failures)
