"""The report in a terminal of any width and encoding."""

import re
from pathlib import Path

import pandas as pd
import pytest
from report_records import (
    INFO,
    PARITY_FAILURE,
    all_probes,
    failed_parity,
    latency_records,
    learning_record,
    parity_record,
    record,
    run_folder,
    speed_record,
    terminal_text,
    three_backends,
)

from bench.records.record import Record
from bench.report.files import write_report
from bench.report.terminal import encodable, print_frame, render, show_report
from bench.report.terminal_table import OPTIONAL_COLUMNS
from bench.report.words import DASH


@pytest.mark.parametrize("width", [80, 100, 120])
def test_no_line_is_wider_than_the_terminal_and_no_text_is_cut(width: int) -> None:
    out = terminal_text(three_backends(), width)
    assert max(map(len, out.splitlines())) <= width
    assert "…" not in out
    assert "\x1b" not in out
    for backend in ("jax", "torch", "swift"):
        assert backend in out
    for name in ("step", "score"):
        assert re.search(rf"^.*\b{name}\b", out, re.MULTILINE)


def test_columns_dropped_in_a_narrow_terminal_are_named() -> None:
    assert "no room for" in terminal_text(three_backends(), 80)
    wide = terminal_text([*three_backends(), *latency_records("torch", 30, 31)], 250)
    assert "no room for" not in wide
    for name in OPTIONAL_COLUMNS:
        assert name.split(" ")[0] in wide


def test_plain_text_is_printed_where_the_output_is_no_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    show_report(run_folder(tmp_path), three_backends())
    out = capsys.readouterr().out
    assert "\x1b" not in out
    for text in (
        *("0123456789ab", "Model_X 100%, 2 cores", "torch 2.13.0", "harness:"),
        PARITY_FAILURE[:40],
    ):
        assert text in out


def test_terminal_gets_bold_text() -> None:
    assert "\x1b[1m" in render("r", three_backends(), INFO, 100, terminal=True)


def test_last_column_is_not_cut_at_any_width() -> None:
    """Without flags, the path is the last column of its table."""
    reports = [terminal_text(all_probes(), width) for width in range(60, 200, 5)]
    with_path = [
        report
        for report in reports
        if any(line.endswith(" path") for line in report.splitlines()[10:])
        and "no room for: path" not in report
        and "; path" not in report
    ]
    assert len(with_path) > 15
    assert not [report for report in with_path if "one_dnn" not in report]


def test_dashes_and_arrows_are_replaced_for_an_encoding_without_them() -> None:
    out = encodable(terminal_text(three_backends()), "ascii")
    assert out.isascii()
    assert "?" not in out
    assert "5.00 > 0.500" in out
    assert encodable("2 → 3", "utf-8") == "2 → 3"


def test_reason_cannot_steer_the_terminal() -> None:
    failed = record("parity", status="failed", reason="\x1b[2Jgone\n[red]x[/red]")
    out = terminal_text([failed])
    assert "\x1b" not in out
    assert "[2Jgone [red]x[/red]" in out


def test_long_table_of_what_was_not_measured_is_cut_and_counted() -> None:
    failed = [record("parity", backend=f"b{k}", status="failed", reason="x") for k in range(50)]
    assert "and 10 more" in terminal_text(failed)


@pytest.mark.parametrize(
    "records",
    [
        [],
        [parity_record()],
        [parity_record(), speed_record()],
        [parity_record(), learning_record()],
        failed_parity(),
        [learning_record(None)],
    ],
    ids=["none", "parity", "speed", "learning", "failed", "unproven"],
)
def test_any_selection_of_probes_gives_a_report(tmp_path: Path, records: list[Record]) -> None:
    assert "run" in terminal_text(records)
    formats = ["markdown", "csv", "latex"]
    paths = write_report([run_folder(tmp_path)], records, formats, tmp_path / "out")
    assert all(path.read_text() for path in paths)


def test_narrow_terminal_drops_the_columns_to_spare_before_it_breaks_the_reasons(
    capsys: pytest.CaptureFixture[str],
) -> None:
    frame = pd.DataFrame(
        {"cell": ["c" * 76], "verdict": ["missing"], "base": ["1"], "empty": [DASH]}
        | {"head": ["2"], "pairs": ["10"], "reason": ["not in the head at all"]}
    )
    print_frame([], frame, "", expendable=("pairs", "head"))
    heading = capsys.readouterr().out.splitlines()[0].split()
    assert heading == ["cell", "verdict", "base", "reason"]
    print_frame([], frame.assign(reason=""), "", expendable=("pairs", "head"))
    heading = capsys.readouterr().out.splitlines()[0].split()
    assert heading == ["cell", "verdict", "base", "head", "pairs"]
