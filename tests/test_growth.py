"""The study of growth: the runs that it writes, the processes that it measures, and its table."""

from pathlib import Path
from typing import Any

from conftest import ROOT
from quotes import Page, table_cells

from bench.plan.bounds import MOST_CASES
from bench.plan.past_costs import MOST_BYTES, RUN_BYTES
from bench.records.folder import RunFolder
from studies.growth.commands import COMMANDS
from studies.growth.measure import AFTER, BEFORE, MEASUREMENTS_FILE
from studies.growth.processes import measured
from studies.growth.records import TEMPLATE, write_older_run, write_run
from studies.growth.tables import report
from studies.json_lines import JsonLines


def test_written_run_repeats_the_published_records_at_other_sizes(tmp_path: Path) -> None:
    published = RunFolder(TEMPLATE).records()
    count = len(published) + 3
    records = write_run(tmp_path, "large", count).records()
    assert len({record.key for record in records}) == count
    sizes = [record.case["hidden"] for record in records]
    assert sizes == [32] * len(published) + [33] * 3
    assert [r.samples for r in records] == [r.samples for r in [*published, *published[:3]]]
    older = write_older_run(tmp_path, "older", count)
    assert [record.case for record in older.records()] == [record.case for record in records]
    assert older.records_file.read_bytes().count(b"checksum") == 0


def script(folder: Path, text: str) -> Path:
    """A checkout whose `run_bench.py` is this program."""
    (folder / "run_bench.py").write_text(text)
    return folder


def test_process_is_measured_with_its_memory_and_its_exit_code(tmp_path: Path) -> None:
    small = measured(script(tmp_path, "raise SystemExit(3)"), [], tmp_path / "log", 60)
    text = "import sys; block = bytearray(int(sys.argv[1])); print(len(block))"
    large = measured(script(tmp_path, text), [str(200 << 20)], tmp_path / "log", 60)
    assert (small.exit_code, large.exit_code) == (3, 0)
    assert large.peak_bytes > 200 << 20
    assert 0 < small.peak_bytes < 60 << 20, "the memory of this process does not count"
    assert (tmp_path / "log").read_text() == f"{200 << 20}\n"


def test_process_that_exceeds_its_limit_is_killed(tmp_path: Path) -> None:
    usage = measured(script(tmp_path, "import time; time.sleep(60)"), [], tmp_path / "log", 0.2)
    assert usage.exit_code == -9


def test_table_has_medians_of_both_sides_and_leaves_failures_out(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / MEASUREMENTS_FILE)

    def append(command: str, side: str, seconds: float, **fields: Any) -> None:
        values = {
            "peak_bytes": 100 << 20,
            "processor_s": 1.0,
            "exit_code": 0,
            "work_s": None,
            **fields,
        }
        lines.append({"command": command, "count": 999, "side": side, "seconds": seconds, **values})

    for seconds in (1.0, 2.0, 9.0):
        append("report", AFTER, seconds)
    append("report", BEFORE, 1.0, exit_code=-9)
    append("run", BEFORE, 12.0, work_s=2.0, processor_s=3.0)
    append("run", AFTER, 4.0, work_s=2.0, processor_s=3.0)
    rows = [table_cells(line)[1:] for line in report(tmp_path).splitlines() if "999" in line]
    assert rows == [
        ["999", "before", "–", "–", "–"],
        ["999", "now", "2.00", "1.00", "100"],
        ["999", "before", "12.0", "3.00", "100"],
        ["999", "now", "4.00", "3.00", "100"],
    ]


def test_table_says_what_one_more_case_takes(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / MEASUREMENTS_FILE)
    for count, seconds, work_s, processor_s in ((100, 3.0, 1.0, 4.0), (1100, 13.0, 2.0, 6.0)):
        usage = {"seconds": seconds, "processor_s": processor_s, "peak_bytes": 1, "exit_code": 0}
        lines.append({"command": "run", "count": count, "side": AFTER, "work_s": work_s, **usage})
    assert table_cells(report(tmp_path).splitlines()[-1]) == [
        *("100 to 1,100", "now", "9.00", "2.00")
    ]


def test_page_quotes_the_published_table() -> None:
    text = (ROOT / "results" / "large-cpu" / "table.md").read_text()
    cells = [table_cells(line) for line in text.splitlines() if line.startswith("|")]
    now = {(row[0], row[1]): row for row in cells if row[2:3] == ["now"]}
    page = Page(ROOT / "docs" / "architecture.md")

    def figures(command: str, count: str) -> list[str]:
        """Seconds of the processors, and MiB."""
        return now[COMMANDS[command].about, count][4:]

    reports = figures("report", "100,000"), figures("report", "10,000")
    assert page.quotes(
        "A report of 100,000 records without plots takes {} s of one processor and {} MiB; one of "
        "10,000 takes {} s and {} MiB.",
        *(*reports[0], *reports[1]),
    )
    assert page.quotes(
        "A run beside 50,000 records begins after {} s, with {} MiB. A plan of 10,000 launches "
        "takes {} s.",
        *(*figures("start", "50,000"), figures("plan", "10,000")[0]),
    )
    (case,) = (row for row in cells if len(row) == 4 and row[1] == "now")
    assert page.quotes(
        "takes {} ms of the processors, work included, and a run of 1,000 such cases holds {} MiB.",
        *(case[3], figures("run", "1,000")[1]),
    )
    assert page.quotes("at most {} MiB", MOST_BYTES >> 20)
    assert page.quotes("{} MiB of each run", RUN_BYTES >> 20)
    assert page.quotes("One run may have {} of them", f"{MOST_CASES:,}")
