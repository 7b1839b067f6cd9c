"""Lines are kept when they are compressed, and when a process is killed while writing."""

from pathlib import Path

import pytest

from studies.json_lines import JsonLines


@pytest.fixture
def lines(tmp_path: Path) -> JsonLines:
    lines = JsonLines(tmp_path / "samples.jsonl")
    lines.append({"number": 0})
    lines.append({"number": 1})
    return lines


def numbers(lines: JsonLines) -> list[int]:
    return [line["number"] for line in lines.read()]


def test_compressed_lines_come_before_later_ones(lines: JsonLines) -> None:
    lines.pack()
    assert not lines.path.exists() and numbers(lines) == [0, 1]
    lines.append({"number": 2})
    assert numbers(lines) == [0, 1, 2]
    lines.pack()
    assert not lines.path.exists() and numbers(lines) == [0, 1, 2]
    lines.pack()
    assert numbers(lines) == [0, 1, 2]


def test_half_written_line_is_not_read_and_is_replaced(lines: JsonLines) -> None:
    with lines.path.open("a") as file:
        file.write('{"number": 2')
    assert numbers(lines) == [0, 1]
    lines.append({"number": 3})
    assert numbers(lines) == [0, 1, 3]


def test_missing_file_has_no_lines(tmp_path: Path) -> None:
    lines = JsonLines(tmp_path / "samples.jsonl")
    lines.pack()
    assert lines.read() == [] and not list(tmp_path.iterdir())


def test_cleared_file_has_no_lines(lines: JsonLines) -> None:
    lines.pack()
    lines.clear()
    assert lines.read() == []
