"""A supervisor ends everything that its program has started, and then ends as the program did."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from running import wait_until

from bench.processes import supervisor
from bench.processes.supervised import run_supervised, supervised

ESCAPES = """
import os, subprocess, sys
program = "import os, sys, time; open(sys.argv[1], 'w').write(str(os.getpid())); time.sleep(600)"
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:  # its parent ends at once, and its variables are not those of this process
        os.execve(sys.executable, [sys.executable, "-S", "-c", program, sys.argv[1]], {})
    os._exit(0)
os.wait()
while not os.path.exists(sys.argv[1]) or not open(sys.argv[1]).read():
    pass
"""
"""Starts a process in a session of its own that outlives it, and holds its pipes."""
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone adopts orphans")


def helper(file: Path) -> int:
    """The id that a process has written to this file."""
    return int(wait_until(lambda: file.exists() and file.read_text()))


def has_ended(process: int) -> bool:
    try:
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.mark.parametrize(("last", "code"), [("", 0), ("sys.exit(3)", 3), ("os.abort()", -6)])
def test_process_that_outlives_its_program_is_ended(last: str, code: int, tmp_path: Path) -> None:
    file = tmp_path / "id"
    done = run_supervised([sys.executable, "-S", "-c", ESCAPES + last, str(file)], limit_s=60)
    assert done.returncode == code, done.stderr
    assert has_ended(helper(file))


def test_program_that_takes_too_long_is_ended_with_what_it_started(tmp_path: Path) -> None:
    file = tmp_path / "id"
    forever = ESCAPES + "import time; time.sleep(600)"
    with pytest.raises(subprocess.TimeoutExpired):
        run_supervised([sys.executable, "-S", "-c", forever, str(file)], limit_s=1)
    assert has_ended(helper(file))


def test_stopped_program_ends_when_the_parent_is_killed(tmp_path: Path) -> None:
    """The parent is killed by SIGKILL, and so can do nothing."""
    file, stopped = tmp_path / "id", tmp_path / "stopped"
    stops = f"open({str(stopped)!r}, 'w').write(str(os.getpid())); os.kill(os.getpid(), 19)"
    program = [sys.executable, "-S", "-c", ESCAPES + stops, str(file)]
    parent = f"""
import subprocess, sys
sys.path.insert(0, {str(Path(supervisor.__file__).parents[2])!r})
from bench.processes.supervised import supervised
subprocess.run(supervised({program!r}), start_new_session=True)
"""
    with subprocess.Popen([sys.executable, "-S", "-c", parent]) as process:
        processes = [helper(file), helper(stopped)]
        process.kill()
    wait_until(lambda: all(map(has_ended, processes)))


def test_program_that_does_not_start_is_named() -> None:
    done = run_supervised(["/no/such/program"], limit_s=60)
    assert (done.returncode, done.stdout) == (127, "")
    assert done.stderr.startswith("/no/such/program: [Errno 2] No such file")


def test_supervisor_without_its_parent_does_not_start_its_program(tmp_path: Path) -> None:
    command = supervised(["touch", str(tmp_path / "started")])
    command[command.index(str(os.getpid()))] = "1"
    assert subprocess.run(command, stderr=subprocess.DEVNULL).returncode == 1
    assert not (tmp_path / "started").exists()


def test_interrupt_of_a_supervisor_changes_nothing() -> None:
    done = run_supervised(["/bin/sh", "-c", "kill -INT $PPID; kill -HUP $PPID; echo on"], 60)
    assert (done.returncode, done.stdout) == (0, "on\n")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (["ab", "c"], "abc"),
        (["abcdef", "gh"], "abcdefgh"),
        (["abcdefghijkl"], "abcd\n[4 bytes left out]\nijkl"),
        (["abc", "defgh", "ijkl"], "abcd\n[4 bytes left out]\nijkl"),
    ],
)
def test_log_keeps_its_beginning_and_its_end(
    written: list[str], kept: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "HEAD_BYTES", 4)
    monkeypatch.setattr(supervisor, "TAIL_BYTES", 4)
    with (tmp_path / "log").open("wb") as file:
        log = supervisor.BoundedLog(file.fileno())
        for text in written:
            log.add(text.encode())
        log.close()
    assert (tmp_path / "log").read_text() == kept


def test_full_disk_costs_the_log_alone() -> None:
    with open("/dev/full", "wb", buffering=0) as file:
        log = supervisor.BoundedLog(file.fileno())
        log.add(b"lost")
        log.close()
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN, "Python gets an error instead"
