"""One comparison with native code, from the processes to the table."""

from pathlib import Path
from typing import Any

from studies.json_lines import JsonLines
from studies.native.__main__ import SAMPLES, main, report

TINY = ("--shapes", "tiny", "--launches", "1", "--seconds", "0.1", "--threads", "1")


def test_comparison_runs_from_processes_to_table(tmp_path: Path, capsys: Any) -> None:
    options = ("--cells", "rnn", "--parts", "a", "--frameworks", "torch", "--output", tmp_path)
    code = main([*TINY, *map(str, options)])
    text = capsys.readouterr().out
    assert code in (0, 1)
    environment, *records = JsonLines(tmp_path / SAMPLES).read()
    assert environment["versions"]["torch"] and environment["settings"]["threads"] == 1
    assert [record["error"] for record in records] == [None] * 2
    assert all(len(r["seconds"]) >= 2 and min(r["seconds"]) > 0 for r in records)
    assert "| torch" in text and "native torch" in text
    assert (report(tmp_path), capsys.readouterr().out) == (code, text)


def test_nothing_measured_has_an_exit_code_of_its_own(tmp_path: Path, capsys: Any) -> None:
    options = ("--parts", "e", "--frameworks", "numpy", "--output", tmp_path)
    assert main([*TINY, *map(str, options)]) == 3
    assert "PASS" not in capsys.readouterr().out
