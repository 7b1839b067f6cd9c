"""Bytecode that Python takes for that of a source, and that is of another version of it."""

import os
import py_compile
from pathlib import Path

import pytest

from bench.run.stale_bytecode import stale_bytecode

SECOND = 1_700_000_000


def module(folder: Path, *, compiled: str, source: str, moved_s: int = 0) -> str:
    """A module that was compiled with one source, and has another one now."""
    file = folder / "kern.py"
    for text, seconds in ((compiled, SECOND), (source, SECOND + moved_s)):
        file.write_text(text)
        os.utime(file, (seconds, seconds))
        if text is compiled:
            py_compile.compile(str(file), doraise=True)
    return str(file)


def test_bytecode_of_another_source_of_equal_size_and_time_is_stale(tmp_path: Path) -> None:
    old, new = "def work():\n    return {1, 2}\n", "def work():\n    return {1, 9}\n"
    file = module(tmp_path, compiled=old, source=new)
    assert stale_bytecode([file, __file__, str(tmp_path / "gone.py")]) == [file]


@pytest.mark.parametrize(
    ("source", "moved_s"), [("X = {1, 2}, 'a', lambda: 3\n", 0), ("X = 1\n", 0), ("X = {1, 3}", 1)]
)
def test_bytecode_that_python_would_not_take_or_that_is_right_is_not_stale(
    source: str, moved_s: int, tmp_path: Path
) -> None:
    compiled = "X = {1, 2}, 'a', lambda: 3\n"
    assert (
        stale_bytecode([module(tmp_path, compiled=compiled, source=source, moved_s=moved_s)]) == []
    )
