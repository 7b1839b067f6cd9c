"""A stop signal ends a command in good order, and a second one does not disturb the clean-up."""

import asyncio
import errno
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from running import bench, start, wait_until

from bench.processes.stop import SIGNALS, StopHandler, Stopped
from bench.records.folder import RecordsError
from bench.run.completion import run_to_completion
from bench.run.how_to_continue import how_to_continue


@pytest.fixture
def handler() -> Iterator[StopHandler]:
    """A handler that is installed in this process, as it is in the program."""
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    installed = StopHandler()
    installed.install()
    yield installed
    for number, former in earlier.items():
        signal.signal(number, former)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_first_signal_stops_and_later_ones_change_nothing(
    number: signal.Signals, handler: StopHandler
) -> None:
    with pytest.raises(Stopped) as stopped:
        os.kill(os.getpid(), number)
    os.kill(os.getpid(), signal.SIGTERM)
    assert stopped.value.number == handler.number == number


def test_signal_that_was_ignored_before_stays_ignored() -> None:
    earlier = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        StopHandler().install()
        os.kill(os.getpid(), signal.SIGHUP)
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, earlier)


def test_coroutine_is_cancelled_where_it_waits_and_cleans_up(handler: StopHandler) -> None:
    steps: list[str] = []

    async def work() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("writes its record")
            await asyncio.sleep(60)
            steps.append("goes on")
        finally:
            os.kill(os.getpid(), signal.SIGHUP)
            await asyncio.sleep(0)
            steps.append("cleans up")

    with pytest.raises(Stopped, match="SIGTERM"):
        run_to_completion(work())
    assert steps == ["writes its record", "cleans up"]


def test_first_error_of_nested_units_is_raised() -> None:
    async def work(*errors: Exception) -> None:
        raise ExceptionGroup("outer", [ExceptionGroup("inner", errors)])

    with pytest.raises(RecordsError, match="disk"):
        run_to_completion(work(RecordsError("disk"), RecordsError("again")))
    with pytest.raises(ZeroDivisionError):
        run_to_completion(work(RecordsError("disk"), ZeroDivisionError()))


def test_advice_follows_a_full_disk_and_a_signal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    full = r"^no; make room and go on; what was measured is in /"
    with pytest.raises(RecordsError, match=full), how_to_continue("go on", tmp_path):
        raise RecordsError("no") from OSError(errno.ENOSPC, "full")
    with pytest.raises(RecordsError, match=r"^no$"), how_to_continue("go on", tmp_path):
        raise RecordsError("no") from OSError(errno.EACCES, "forbidden")
    with pytest.raises(Stopped), how_to_continue("go on", tmp_path / "nothing"):
        raise Stopped(signal.SIGTERM)
    assert capsys.readouterr().err == "stopped; go on\n"


def test_interrupt_of_a_command_that_still_imports_prints_nothing() -> None:
    with start(
        "list",
        environment={},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        # NumPy comes first of what takes long to import.
        maps = Path(f"/proc/{process.pid}/maps")
        wait_until(lambda: process.poll() is not None or "numpy" in maps.read_text())
        process.send_signal(signal.SIGINT)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "")


def test_interrupt_of_the_first_imports_prints_nothing(tmp_path: Path) -> None:
    """An `argparse` of the test's own stands for imports that take long."""
    (tmp_path / "argparse.py").write_text(
        f"import pathlib, time\npathlib.Path({str(tmp_path)!r}, 'begun').touch()\ntime.sleep(60)\n"
    )
    with start(
        "list",
        environment={"PYTHONPATH": str(tmp_path)},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        wait_until((tmp_path / "begun").exists)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (-signal.SIGINT, "")


def test_closed_standard_output_is_refused_with_a_way_out() -> None:
    closed = bench("list", stdout=subprocess.DEVNULL, preexec_fn=lambda: os.close(1))
    assert closed.returncode == 2
    assert closed.stderr == (
        "run_bench.py: standard output is closed; add >/dev/null to run without it\n"
    )
    others = bench("list", "adding", preexec_fn=lambda: os.closerange(2, 3))
    assert others.returncode == 0
    assert "sizes" in others.stdout


def test_thread_that_a_plug_in_leaves_running_does_not_keep_the_program(tmp_path: Path) -> None:
    thread = (
        "import atexit, threading, time\nthreading.Thread(target=time.sleep, args=[600]).start()"
    )
    task = tmp_path / "mine.py"
    task.write_text(f"{thread}\natexit.register(time.sleep, 600)\nfrom tasks.adding import *\n")
    planned = bench("--tasks", task, "--dry-run", "--results-dir", tmp_path)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert "cases in" in planned.stdout
