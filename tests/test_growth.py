"""The study of growth: the runs that it writes, the processes that it measures, and its table."""

from pathlib import Path
from typing import Any

from bench.records.folder import RunFolder
from studies.growth.measure import AFTER, BEFORE, MEASUREMENTS_FILE
from studies.growth.processes import measured
from studies.growth.records import TEMPLATE, write_run
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


def script(folder: Path, text: str) -> Path:
    """A checkout whose `run_bench.py` is this program."""
    (folder / "run_bench.py").write_text(text)
    return folder


def test_process_is_measured_with_its_memory_and_its_exit_code(tmp_path: Path) -> None:
    small = measured(script(tmp_path, "raise SystemExit(3)"), [], tmp_path / "log", 60)
    text = "import sys; block = bytearray(int(sys.argv[1])); print(len(block))"
    large = measured(script(tmp_path, text), [str(200 << 20)], tmp_path / "log", 60)
    assert (small.exit_code, large.exit_code) == (3, 0)
    assert large.peak_bytes > 200 << 20 > small.peak_bytes > 0
    assert (tmp_path / "log").read_text() == f"{200 << 20}\n"


def test_process_that_exceeds_its_limit_is_killed(tmp_path: Path) -> None:
    usage = measured(script(tmp_path, "import time; time.sleep(60)"), [], tmp_path / "log", 0.2)
    assert usage.exit_code == -9


def test_table_has_medians_of_both_sides_and_leaves_failures_out(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / MEASUREMENTS_FILE)

    def append(command: str, side: str, seconds: float, **fields: Any) -> None:
        values = {"peak_bytes": 100 << 20, "exit_code": 0, "work_s": None, **fields}
        lines.append({"command": command, "count": 999, "side": side, "seconds": seconds, **values})

    for seconds in (1.0, 2.0, 9.0):
        append("report", AFTER, seconds)
    append("report", BEFORE, 1.0, exit_code=-9)
    append("run", BEFORE, 12.0, work_s=2.0)
    append("run", AFTER, 4.0, work_s=2.0)
    cells = [
        [cell.strip() for cell in line.split("|")[2:-1]] for line in report(tmp_path).split("\n")
    ]
    assert ["999", "–", "2", "–", "100"] in cells
    assert ["999", "12", "4", "100", "100"] in cells
    assert ["10", "2"] in cells, "10 s and 2 s of the harness in a thousand cases"
