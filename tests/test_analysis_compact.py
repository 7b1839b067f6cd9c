"""Records that hold only what tables show give the same tables."""

from dataclasses import replace
from pathlib import Path

from report_records import (
    INFO,
    latency_records,
    learning_record,
    parity_record,
    run_folder,
    three_backends,
)

from bench.analysis.compact import for_tables
from bench.records.record import Record
from bench.report.files import write_report
from bench.report.terminal import render


def records_of_everything() -> list[Record]:
    """Records with each kind of samples that a table shows."""
    learned = learning_record(backend="writer")
    samples = {
        **learned.samples,
        "loss": [1.0, 0.5],
        "prompt": [97.0, 98.0],
        "written": [99.0],
        **{f"forecast.{name}": [1.0, float("nan")] for name in ("actual", "forecast")},
        "forecast.step": [8.0, 9.0],
    }
    return [
        *three_backends(),
        *latency_records("numpy", 10, 12, 11),
        parity_record(backend="writer"),
        replace(learned, samples=samples),
    ]


def test_compact_records_give_the_same_tables_as_whole_ones(tmp_path: Path) -> None:
    whole = records_of_everything()
    compact = [for_tables(record) for record in whole]
    folder = run_folder(tmp_path)
    formats = ["markdown", "csv", "latex"]
    written = [
        [path.read_bytes() for path in write_report([folder], records, formats, tmp_path / name)]
        for name, records in (("whole", whole), ("compact", compact))
    ]
    assert written[0] == written[1] and len(written[0]) == 7
    shown = [render("r", records, INFO, 200, terminal=False) for records in (whole, compact)]
    assert shown[0] == shown[1]


def test_compact_record_has_no_curves_of_training() -> None:
    assert {*for_tables(records_of_everything()[-1]).samples} == {
        *("prompt", "written", "forecast.actual", "forecast.forecast", "forecast.step")
    }
