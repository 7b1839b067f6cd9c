"""A full disk or a folder that cannot be written is reported; recorded cases are kept."""

import os
from pathlib import Path

import pytest
from running import (
    TINY,
    bench,
    bench_inside,
    copy_run,
    keep_lines,
    tiny_run,
    tiny_run_inside,
)

from studies.faults.commands import with_room_for


def test_disk_too_full_for_a_new_run_is_left_without_a_trace(tmp_path: Path) -> None:
    done = tiny_run(tmp_path, preexec_fn=with_room_for(100))
    assert done.returncode == 2
    assert f"cannot write to {tmp_path}" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "target"), [("workers", "/dev/null"), ("lock", "/proc/x/y")])
def test_file_of_a_run_that_cannot_be_written_is_named(
    name: str, target: str, finished_run: Path, tmp_path: Path
) -> None:
    copy_run(finished_run, tmp_path)
    for file in (*(tmp_path / "r" / "workers").iterdir(), tmp_path / "r" / "lock"):
        file.unlink()
    (tmp_path / "r" / "workers").rmdir()
    keep_lines(tmp_path, 0)
    (tmp_path / "r" / name).symlink_to(target)
    done = bench_inside("--resume", "r", "--results-dir", tmp_path)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("run_bench.py: cannot ")
    assert str(tmp_path / "r") in done.stderr


@pytest.mark.parametrize("folder", ["file/below", "/proc/nowhere", "x" * 300])
def test_results_folder_that_cannot_be_created_is_named(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = tiny_run_inside(tmp_path / folder)
    assert done.returncode == 2
    assert done.stderr.startswith("run_bench.py: cannot write to ")
    assert list(tmp_path.iterdir()) == [tmp_path / "file"]


def test_output_that_cannot_be_written_ends_without_a_traceback() -> None:
    with open("/dev/full", "w") as full:
        done = bench("list", stdout=full)
    assert done.returncode == 2
    message = "run_bench.py: cannot write to standard output: No space left on device\n"
    assert done.stderr == message
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as pipe:
        done = bench("list", stdout=pipe)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.parametrize("command", ["history", "report r", "compare a/b c/d"])
def test_folder_whose_name_is_too_long_is_named(command: str) -> None:
    folder = "x" * 300
    done = bench(*command.split(), "--results-dir", folder)
    assert done.returncode == 2
    assert "Errno" not in done.stderr
    assert command.startswith("compare") or folder in done.stderr


def test_full_disk_ends_a_comparison_with_one_message_and_leaves_nothing(tmp_path: Path) -> None:
    """Both sides are measured at once, and both meet the full disk."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    words = ("compare", "--aa", *TINY, "--backends", "numpy", "--probes", "learning")
    done = bench(
        *(*words, "--seeds", "0,1", "--results-dir", tmp_path, "--run-id", "c"),
        environment={"TMPDIR": str(temporary)},
        preexec_fn=with_room_for(12_000),
    )
    assert done.returncode == 2, done.stdout + done.stderr
    *_, last = done.stderr.splitlines()
    assert last.startswith(f"run_bench.py: cannot write to {tmp_path / 'c'}")
    assert last.endswith(
        f"make room and start the comparison again; what was measured is in {tmp_path / 'c'}"
    )
    assert list(temporary.iterdir()) == []
